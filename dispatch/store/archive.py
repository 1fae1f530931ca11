"""Reading what was moved to files: the positions up to the horizon, as if they were still in the table.

The manifest (`log.archives`) is kept in memory and read again only when the database says that the horizon has moved.
A file is opened when somebody asks for what it holds; reading and unpacking happen in a thread. A file that is missing,
damaged or another one than the manifest names is `Unavailable` with its name and what to do, never a shorter answer.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TypeVar
from uuid import UUID

from dispatch.ports import RecordedEvent
from dispatch.store.archive_format import Damaged, Opened, microseconds
from domain.refusals import Unavailable

BLOCKS_KEPT_MAX = 64
"""Unpacked blocks kept in memory, about 16 MB: pages of a scan and streams of one incident meet in the same blocks."""
FILES_OPEN_MAX = 16

MANIFEST = """
SELECT first_position, last_position, events, file, bytes, index_sha256, content_sha256, file_sha256,
       first_recorded_at, last_recorded_at
FROM log.archives ORDER BY first_position
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the manifest."""

    first_position: int
    last_position: int
    events: int
    file: str
    file_bytes: int
    index_sha256: bytes
    content_sha256: bytes
    file_sha256: bytes
    first_recorded_at: datetime
    last_recorded_at: datetime

    @property
    def positions(self) -> str:
        """For people."""
        return f"positions {self.first_position} to {self.last_position}"


class Archive:
    """The files behind the horizon. One a log; `folder` None: this process was not told where they are."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._entries: tuple[Entry, ...] = ()
        self._files: OrderedDict[str, Opened] = OrderedDict()
        self._blocks: OrderedDict[tuple[str, int], list[RecordedEvent]] = OrderedDict()
        self._lock = Lock()
        """Readers run in several threads; unpacking the same block twice would be waste, not an error."""

    @property
    def horizon(self) -> int:
        """The last position that lies in a file, as far as we know."""
        return self._entries[-1].last_position if self._entries else 0

    def learn(self, entries: Sequence[Entry]) -> None:
        """Take in the manifest as it is now."""
        self._entries = tuple(entries)

    def close(self) -> None:
        """Let the files go."""
        with self._lock:
            self._files.clear()
            self._blocks.clear()

    async def read_after(
        self, position: int, *, limit: int, up_to_position: int, topics: Sequence[str] | None = None
    ) -> list[RecordedEvent]:
        """As `EventLog.read_after`, up to the horizon."""
        wanted = None if topics is None else frozenset(topics)
        upper = min(up_to_position, self.horizon)
        found: list[RecordedEvent] = []
        for entry in self._entries:
            if entry.last_position <= position or entry.first_position > upper or len(found) >= limit:
                continue
            room = limit - len(found)
            found += await asyncio.to_thread(self._scan, entry, position, upper, room, wanted)
        return found

    async def read_stream(
        self, stream_id: UUID, *, after_version: int, first_position: int, up_to_position: int
    ) -> list[RecordedEvent]:
        """The stream's events beyond a version that lie in files, from its first position on, in version order."""
        found: list[RecordedEvent] = []
        for entry in self._entries:
            if first_position <= entry.last_position and entry.first_position <= up_to_position:
                found += await asyncio.to_thread(self._of_stream, entry, stream_id, after_version, up_to_position)
        return found

    async def position_at(self, instant: datetime) -> int:
        """The last position up to the horizon recorded at or before `instant`; 0 if all are later."""
        before = [entry for entry in self._entries if entry.first_recorded_at <= instant]
        if not before:
            return 0
        last = before[-1]
        if last.last_recorded_at <= instant:
            return last.last_position
        return await asyncio.to_thread(self._position_within, last, instant)

    def _scan(
        self, entry: Entry, position: int, upper: int, limit: int, topics: frozenset[str] | None
    ) -> list[RecordedEvent]:
        def scan(opened: Opened) -> list[RecordedEvent]:
            found: list[RecordedEvent] = []
            first = opened.block_of(max(position + 1, entry.first_position))
            last = opened.block_of(min(upper, entry.last_position))
            for number in range(first, last + 1):
                if topics is not None and not opened.holds_topic(number, topics):
                    continue
                found += [
                    event
                    for event in self._block(entry, opened, number)
                    if position < event.position <= upper and (topics is None or event.topic in topics)
                ]
                if len(found) >= limit:
                    break
            return found[:limit]

        return self._with(entry, scan)

    def _of_stream(self, entry: Entry, stream_id: UUID, after_version: int, upper: int) -> list[RecordedEvent]:
        def gather(opened: Opened) -> list[RecordedEvent]:
            positions = [one for one in opened.positions_of(stream_id, after_version) if one <= upper]
            return [self._at(entry, opened, position) for position in positions]

        return self._with(entry, gather)

    def _position_within(self, entry: Entry, instant: datetime) -> int:
        def look(opened: Opened) -> int:
            wanted = microseconds(instant)
            starts = [block.first_at for block in opened.index.blocks]
            # The last block that begins before the instant; equal ones may begin in the middle of the one before.
            number = max(0, bisect_left(starts, wanted + 1) - 1)
            events = self._block(entry, opened, number)
            within = [event.position for event in events if event.recorded_at <= instant]
            return within[-1] if within else entry.first_position - 1

        return self._with(entry, look)

    def _at(self, entry: Entry, opened: Opened, position: int) -> RecordedEvent:
        number = opened.block_of(position)
        block = self._block(entry, opened, number)
        return block[position - block[0].position]

    def _block(self, entry: Entry, opened: Opened, number: int) -> list[RecordedEvent]:
        key = (entry.file, number)
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        events = opened.block(number)
        with self._lock:
            self._blocks[key] = events
            while len(self._blocks) > BLOCKS_KEPT_MAX:
                self._blocks.popitem(last=False)
        return events

    def _with(self, entry: Entry, work: Callable[[Opened], T]) -> T:
        """Do `work` on the open file; a failure of the file closes it, so that a restored one is opened anew."""
        try:
            return work(self._opened(entry))
        except (Damaged, OSError) as failure:
            with self._lock:
                self._files.pop(entry.file, None)
                self._blocks.clear()
            raise self._lost(entry, failure) from failure

    def _opened(self, entry: Entry) -> Opened:
        with self._lock:
            if entry.file in self._files:
                self._files.move_to_end(entry.file)
                return self._files[entry.file]
        if self._folder is None:
            raise Damaged("nobody told this process where archive files are")
        opened = Opened.open(self._folder / entry.file)
        if opened.index_sha256 != entry.index_sha256:
            raise Damaged("it is whole, but not the file that was archived here")
        with self._lock:
            self._files[entry.file] = opened
            while len(self._files) > FILES_OPEN_MAX:
                self._files.popitem(last=False)
        return opened

    def _lost(self, entry: Entry, failure: Exception) -> Unavailable:
        where = "nowhere" if self._folder is None else str(self._folder)
        is_missing = isinstance(failure, FileNotFoundError)
        said = "is missing" if is_missing else str(failure)
        return Unavailable(
            "archive.missing" if is_missing else "archive.damaged",
            f"Archive file {entry.file} ({entry.positions} of the log, looked for in {where}): {said}. Put the file"
            f" with SHA-256 {entry.file_sha256.hex()} back from a backup or set DISPATCH_ARCHIVE_DIR, then try again;"
            f" `dispatch archive --verify` checks all files.",
        )
