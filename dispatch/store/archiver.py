"""Moves old ranges of the log to files: `dispatch archive`.

The problem: a range must never be in neither place, and nobody may take a half-written file for a whole one. The rule
kept: the table keeps the range until a file under its final name was read back, event by event, and found equal; the
row that names the file and the end of the table's copy are one transaction, made by the log's owner's function
(`log.archive`), which looks for itself. Whatever is killed in between leaves either a file nobody knows, written anew
by the next run, or a range moved whole.

    write FILE.partial → fsync → read the file, hash; read the table again, hash; compare → rename, fsync the folder
    → log.archive: manifest row, horizon, DROP of the partition
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import asyncpg

from dispatch.ports import RecordedEvent
from dispatch.store.archive import MANIFEST, Entry
from dispatch.store.archive_format import Content, Damaged, Opened, Writer, Written
from dispatch.store.reader import COLUMNS, PLANNING, available
from domain.refusals import Refused, Unavailable

ARCHIVER_ROLE = "dispatch_archiver"
PAGE_EVENTS = 2_000
LOCK_TRIES_MAX = 100
LOCK_WAIT_MS = 200
"""Dropping a partition waits for running reads, and new ones wait behind it: so not long, but again."""
LOCK_PAUSE_S = 0.1
SUFFIX = ".log-archive"
PARTIAL = ".partial"
LOCK_FILE = ".archiving"
CHUNK_BYTES = 1 << 20
ONE_RUN = 0x61726368697665
"""Advisory lock of a run, held by its connection."""

PAGE = f"""
SELECT {COLUMNS} FROM log.events WHERE notification_id > $1 AND notification_id <= $2 ORDER BY notification_id
"""  # noqa: S608 - the columns are ours
PARTITIONS = """
SELECT p.name, p.first_position, p.last_position, p.bytes,
       (SELECT e.recorded_at FROM log.events e WHERE e.notification_id = p.last_position) AS last_recorded_at
FROM log.partitions p, log.tip t WHERE p.last_position <= t.position ORDER BY p.first_position
"""

Advanced = Callable[[str, int, int], None]
"""Told (what is done, events done, of all) as a range goes on."""
Step = Callable[[str], None]
"""Told the name of each step before it is taken; a test ends the process there."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Rules that keep events in the table: `of` says how long at least, if one does; none asks for over `longest`."""

    of: Callable[[RecordedEvent], timedelta | None] = lambda _event: None
    longest: timedelta = timedelta(0)

    def keeps(self, event: RecordedEvent, now: datetime) -> timedelta | None:
        """How long a rule keeps it, if it must stay still. An old event is not even decoded."""
        if event.recorded_at + self.longest <= now:
            return None
        kept = self.of(event)
        return kept if kept is not None and event.recorded_at + kept > now else None


NOT_HELD = Hold()


@dataclass(frozen=True, slots=True)
class Range:
    """A full partition of the table."""

    name: str
    first_position: int
    last_position: int
    bytes: int
    last_recorded_at: datetime

    @property
    def events(self) -> int:
        """Positions have no holes."""
        return self.last_position - self.first_position + 1

    @property
    def file(self) -> str:
        """Sorted by name, files are in the order of positions."""
        return f"{self.first_position:015d}-{self.last_position:015d}{SUFFIX}"


@dataclass(frozen=True, slots=True)
class Moved:
    """What a run did with one range."""

    file: str
    first_position: int
    last_position: int
    events: int
    table_bytes: int
    file_bytes: int
    content_sha256: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did, and why it went no further."""

    moved: tuple[Moved, ...]
    horizon: int
    stopped_by: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One file under `--verify`. `trouble` is empty when every part of it is as it was written."""

    file: str
    first_position: int
    last_position: int
    trouble: str


class Archiver:
    """One run over a database and a folder."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        folder: Path,
        *,
        advanced: Advanced = lambda _what, _done, _of: None,
        step: Step = lambda _name: None,
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._advanced = advanced
        self._step = step

    async def run(self, *, older_than: timedelta, hold: Hold = NOT_HELD, ranges_max: int = 1_000) -> Report:
        """Move every full range that is older than `older_than`, that no rule holds, and that every reader has behind
        it, the oldest first. Raises `Unavailable`, `Refused`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with available():
            # The file's lock may not reach other machines that share the folder; the connection's does.
            if not await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", ONE_RUN):
                raise Refused("archive.running", "Another archive run works on this database: wait for it.")
        try:
            return await self._run(older_than, hold, ranges_max)
        finally:
            await self._connection.execute("SELECT pg_advisory_unlock($1)", ONE_RUN)

    async def _run(self, older_than: timedelta, hold: Hold, ranges_max: int) -> Report:
        moved: list[Moved] = []
        with _only_run(self._folder):
            self._sweep()
            while True:
                async with available():
                    found = await self._next(older_than)
                if isinstance(found, str) or len(moved) >= ranges_max:
                    why = found if isinstance(found, str) else f"{ranges_max} ranges moved, as many as asked for"
                    break
                async with available():
                    outcome = await self._move(found, hold)
                if isinstance(outcome, str):
                    why = outcome
                    break
                moved.append(outcome)
        async with available():
            horizon = int(await self._connection.fetchval("SELECT position FROM log.horizon"))
        return Report(tuple(moved), horizon, why)

    async def manifest(self) -> list[Entry]:
        """Every file that should be there."""
        async with available():
            return [Entry(*row) for row in await self._connection.fetch(MANIFEST)]

    async def verify(self) -> list[Checked]:
        """Read every file whole and compare it with the manifest."""
        entries = await self.manifest()
        total = sum(entry.events for entry in entries)
        done, checked = 0, []
        for entry in entries:
            trouble = await asyncio.to_thread(self._trouble, entry)
            checked.append(Checked(entry.file, entry.first_position, entry.last_position, trouble))
            done += entry.events
            self._advanced("verify", done, total)
        return checked

    def _trouble(self, entry: Entry) -> str:
        path = self._folder / entry.file
        try:
            if _sha256_of(path) != entry.file_sha256:
                return "its SHA-256 is another one: put the file back from a backup"
            written = _read_back(path)
        except FileNotFoundError:
            return f"it is missing in {self._folder}: put it back from a backup"
        except (Damaged, OSError) as failure:
            return f"{failure}: put the file back from a backup"
        if (written.index_sha256, written.content_sha256) != (entry.index_sha256, entry.content_sha256):
            return "its content is not what was archived: put the file back from a backup"
        return ""

    async def _next(self, older_than: timedelta) -> Range | str:
        """The next range in turn, or why none can go."""
        row = await self._connection.fetchrow(PARTITIONS + " LIMIT 1")
        if row is None:
            return "no partition of the log is full"
        found = Range(*row)
        age: timedelta = await self._connection.fetchval("SELECT now() - $1::timestamptz", found.last_recorded_at)
        if age < older_than:
            return f"{found.name} ends {_days(age)} days ago, and what is younger than {_days(older_than)} days stays"
        behind = await self._connection.fetchrow("SELECT * FROM log.readers_behind($1)", found.last_position)
        if behind is not None:
            reader, at = behind
            return f"{reader} stands at {at}, before the end of {found.name} at {found.last_position}"
        return found

    async def _move(self, range_: Range, hold: Hold) -> Moved | str:
        """Write, read back, compare, record and drop; or why a rule keeps the range in the table."""
        path, partial = self._folder / range_.file, self._folder / (range_.file + PARTIAL)
        self._step("begun")
        held = await self._write(range_, partial, hold)
        if held is not None:
            partial.unlink()
            return held
        self._step("written")
        written = await asyncio.to_thread(_read_back, partial)
        content = await self._content(range_)
        if (written.first_position, written.content_sha256) != (range_.first_position, content):
            raise Unavailable("archive.not_equal", f"{partial} read back differs from {range_.name}: look at the disk")
        self._step("verified")
        partial.rename(path)
        _make_durable(self._folder)
        self._step("renamed")
        await self._record(range_, written, await asyncio.to_thread(_sha256_of, path))
        self._step("recorded")
        return Moved(
            range_.file,
            range_.first_position,
            range_.last_position,
            range_.events,
            range_.bytes,
            written.file_bytes,
            content.hex(),
        )

    async def _write(self, range_: Range, partial: Path, hold: Hold) -> str | None:
        """Write the file and make it durable; why the range must stay, if a rule says so."""
        now: datetime = await self._connection.fetchval("SELECT now()")
        with partial.open("wb") as file:
            writer = Writer(file)
            async for page in self._pages(range_, "write"):
                for event in page:
                    kept = hold.keeps(event, now)
                    if kept is not None:
                        return (
                            f"{range_.name} holds {event.topic} at {event.position}, whose class stays in the table"
                            f" for {_days(kept)} days"
                        )
                await asyncio.to_thread(_add, writer, page)
                self._step("half written")
            writer.finish()
            file.flush()
            os.fsync(file.fileno())
        return None

    async def _content(self, range_: Range) -> bytes:
        content = Content()
        async for page in self._pages(range_, "compare"):
            for event in page:
                content.add(event)
        return content.digest()

    async def _pages(self, range_: Range, what: str) -> AsyncIterator[list[RecordedEvent]]:
        position = range_.first_position - 1
        while position < range_.last_position:
            upper = min(position + PAGE_EVENTS, range_.last_position)
            page = [RecordedEvent(*row) for row in await self._connection.fetch(PAGE, position, upper)]
            if [event.position for event in page] != list(range(position + 1, upper + 1)):
                raise Refused("archive.hole", f"{range_.name} has a hole after {position}: run `dispatch audit` first")
            yield page
            position = upper
            self._advanced(f"{what} {range_.file}", position - range_.first_position + 1, range_.events)

    async def _record(self, range_: Range, written: Written, file_sha256: bytes) -> None:
        arguments = (
            range_.name,
            written.events,
            range_.file,
            written.file_bytes,
            file_sha256,
            written.index_sha256,
            written.content_sha256,
        )
        for attempt in range(LOCK_TRIES_MAX):
            try:
                await self._connection.fetchval("SELECT log.archive($1, $2, $3, $4, $5, $6, $7)", *arguments)
            except asyncpg.LockNotAvailableError:
                if attempt == LOCK_TRIES_MAX - 1:
                    raise
                await asyncio.sleep(LOCK_PAUSE_S)
            except asyncpg.ObjectNotInPrerequisiteStateError as no:
                raise Unavailable("archive.not_now", f"{no}: run again later") from no
            else:
                return

    def _sweep(self) -> None:
        """Remove what a killed run left half written; a whole file without a manifest row is written again."""
        for left in self._folder.glob("*" + PARTIAL):
            left.unlink()


async def connect(dsn: str) -> asyncpg.Connection:
    """A connection that may archive and do nothing else. Raises `Unavailable`."""
    settings = {
        "application_name": "dispatch archive",
        "role": ARCHIVER_ROLE,
        "lock_timeout": f"{LOCK_WAIT_MS}ms",
        "statement_timeout": "10min",
        **PLANNING,
    }
    async with available():
        return await asyncpg.connect(dsn, server_settings=settings)


@contextmanager
def _only_run(folder: Path) -> Iterator[None]:
    """One run a folder at a time; the lock ends with the process, however it ends."""
    with (folder / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("archive.running", f"Another archive run works in {folder}: wait for it.") from None
        yield


def _add(writer: Writer, page: Iterable[RecordedEvent]) -> None:
    for event in page:
        writer.add(event)


def _read_back(path: Path) -> Written:
    """What the file on the disk holds, every part of it read and checked."""
    opened = Opened.open(path)
    content = Content()
    for event in opened.events():
        content.add(event)
    opened.check_pages()
    index = opened.index
    if content.digest() != index.content_sha256:
        raise Damaged("its events do not match the hash of its content")
    size = path.stat().st_size
    return Written(
        index.first_position, index.last_position, index.events, size, opened.index_sha256, index.content_sha256
    )


def _sha256_of(path: Path) -> bytes:
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()


def _make_durable(folder: Path) -> None:
    """A rename is durable once the folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _days(span: timedelta) -> str:
    return f"{span / timedelta(days=1):.4g}"
