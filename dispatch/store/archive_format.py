"""The form of an archive file: how a range of the log is written to one, and read back event by event.

A file must be readable in thirty years with nothing but this text, and an event must be found in it without reading the
rest. So it is made of small parts, each compressed with zlib (RFC 1950) and each hashed with SHA-256:

    file     magic, block *, page *, index, trailer
    magic    the 8 bytes "LOGARCH1"
    block    zlib of up to 512 events in position order: count (u32), then column by column
             versions (u64 each), instants (i64 each, microseconds since 1970 UTC), stream ids (16 bytes each),
             topics (u16 each, into the index's list), lengths of the states (u32 each), the states
    page     zlib of up to 4,096 entries in byte order: stream id (16 bytes), version (u64), offset from the first
             position (u32). It answers where the events of a stream are.
    index    zlib of a JSON object: first_position, last_position, events, content_sha256, topics (list of names),
             blocks [[offset, bytes, sha256, first instant, [topics in it]]],
             pages [[offset, bytes, sha256, first entry]]
    trailer  offset (u64) and bytes (u64) of the index, its SHA-256 (32 bytes), magic

Numbers are big-endian. Positions have no holes, so a block's events are numbered by counting. `content_sha256` is over
the events alone (see `Content`): whoever unpacks the file another way can compare.
"""

from __future__ import annotations

import heapq
import json
import os
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, BinaryIO
from uuid import UUID

from dispatch.ports import RecordedEvent

MAGIC = b"LOGARCH1"
TRAILER = struct.Struct(">QQ32s8s")
BLOCK_EVENTS = 512
"""A stream's event costs unpacking one block: 512 events are 250 kB, a millisecond."""
PAGE_ENTRIES = 4_096
ENTRY = struct.Struct(">16sQI")
RUN_ENTRIES = 131_072
"""Entries sorted in memory at once: a whole range would take a quarter of a gigabyte as Python objects."""
LEVEL = 6
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Damaged(Exception):
    """A part of the file is not what its hash says. The message names the part."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a finished file is, for the manifest."""

    first_position: int
    last_position: int
    events: int
    file_bytes: int
    index_sha256: bytes
    content_sha256: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block lies."""

    offset: int
    packed_bytes: int
    sha256: str
    first_at: int
    topics: frozenset[int]


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page of the stream index lies."""

    offset: int
    packed_bytes: int
    sha256: str
    first_entry: bytes


@dataclass(frozen=True, slots=True)
class Index:
    """What a file says of itself."""

    first_position: int
    last_position: int
    events: int
    content_sha256: bytes
    topics: tuple[str, ...]
    blocks: tuple[Block, ...]
    pages: tuple[Page, ...]


class Content:
    """The hash of a range's events, independent of how they are stored.

    For each, in position order, SHA-256 takes position and version (u64), instant (i64), stream id, length of the topic
    (u32), topic, length of the state (u32), state.
    """

    _HEAD = struct.Struct(">QQq16sI")

    def __init__(self) -> None:
        self._hash = sha256()

    def add(self, event: RecordedEvent) -> None:
        """Take the next event."""
        topic = event.topic.encode()
        head = self._HEAD.pack(
            event.position, event.version, microseconds(event.recorded_at), event.stream_id.bytes, len(topic)
        )
        self._hash.update(b"".join((head, topic, len(event.state).to_bytes(4, "big"), event.state)))

    def digest(self) -> bytes:
        """Of all that was taken."""
        return self._hash.digest()


def microseconds(instant: datetime) -> int:
    """Since 1970, UTC."""
    return (instant - EPOCH) // MICROSECOND


class Writer:
    """Writes one file from the events of a range, given in position order without a hole."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._content = Content()
        self._waiting: list[RecordedEvent] = []
        self._first = 0
        self._last = 0
        self._topics: dict[str, int] = {}
        self._blocks: list[list[Any]] = []
        self._entries: list[bytes] = []
        self._runs: list[bytes] = []
        self._offset = file.write(MAGIC)

    def add(self, event: RecordedEvent) -> None:
        """Take the next event."""
        if self._last:
            assert event.position == self._last + 1, f"after {self._last} comes {event.position}"
        else:
            self._first = event.position
        self._last = event.position
        self._content.add(event)
        self._entries.append(ENTRY.pack(event.stream_id.bytes, event.version, event.position - self._first))
        if len(self._entries) >= RUN_ENTRIES:
            self._sort_run()
        self._waiting.append(event)
        if len(self._waiting) >= BLOCK_EVENTS:
            self._write_block()

    def finish(self) -> Written:
        """Write what is left, the stream index, the index and the trailer. The caller makes it durable."""
        if self._waiting:
            self._write_block()
        self._sort_run()
        pages = [[*self._part(b"".join(entries)), entries[0].hex()] for entries in _grouped(self._merged())]
        content = self._content.digest()
        index = {
            "first_position": self._first,
            "last_position": self._last,
            "events": self._last - self._first + 1,
            "content_sha256": content.hex(),
            "topics": list(self._topics),
            "blocks": self._blocks,
            "pages": pages,
        }
        packed = zlib.compress(json.dumps(index, separators=(",", ":")).encode(), LEVEL)
        digest = sha256(packed).digest()
        start = self._offset
        self._offset += self._file.write(packed)
        self._offset += self._file.write(TRAILER.pack(start, len(packed), digest, MAGIC))
        return Written(self._first, self._last, self._last - self._first + 1, self._offset, digest, content)

    def _write_block(self) -> None:
        events, self._waiting = self._waiting, []
        topics = array("H", [self._topics.setdefault(one.topic, len(self._topics)) for one in events])
        instants = [microseconds(one.recorded_at) for one in events]
        count = len(events)
        columns = (
            struct.pack(f">I{count}Q", count, *(one.version for one in events)),
            struct.pack(f">{count}q", *instants),
            b"".join(one.stream_id.bytes for one in events),
            struct.pack(f">{count}H", *topics),
            struct.pack(f">{count}I", *(len(one.state) for one in events)),
            *(one.state for one in events),
        )
        self._blocks.append([*self._part(b"".join(columns)), instants[0], sorted(set(topics))])

    def _part(self, plain: bytes) -> list[Any]:
        packed = zlib.compress(plain, LEVEL)
        place = [self._offset, len(packed), sha256(packed).hexdigest()]
        self._offset += self._file.write(packed)
        return place

    def _sort_run(self) -> None:
        if self._entries:
            self._runs.append(b"".join(sorted(self._entries)))
            self._entries = []

    def _merged(self) -> Iterator[bytes]:
        return heapq.merge(*(_entries_of(run) for run in self._runs))


def _entries_of(run: bytes) -> Iterator[bytes]:
    size = ENTRY.size
    return (run[start : start + size] for start in range(0, len(run), size))


def _grouped(entries: Iterable[bytes]) -> Iterator[list[bytes]]:
    group: list[bytes] = []
    for entry in entries:
        group.append(entry)
        if len(group) == PAGE_ENTRIES:
            yield group
            group = []
    if group:
        yield group


@dataclass(slots=True)
class Opened:
    """An open file. Every part is checked against its hash when it is read; raises `Damaged`, `OSError`."""

    descriptor: int
    index: Index
    index_sha256: bytes
    _topic_numbers: dict[str, int] = field(default_factory=dict)

    @classmethod
    def open(cls, path: os.PathLike[str]) -> Opened:
        """Read trailer and index."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            index, digest = _read_index(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        numbers = {name: number for number, name in enumerate(index.topics)}
        return cls(descriptor, index, digest, numbers)

    def __del__(self) -> None:
        # Not by hand: another thread may still be reading, and a descriptor closed under it could become another file.
        os.close(self.descriptor)

    def block_of(self, position: int) -> int:
        """The number of the block that holds a position of this file."""
        return (position - self.index.first_position) // BLOCK_EVENTS

    def holds_topic(self, number: int, topics: frozenset[str]) -> bool:
        """Whether a block has an event of one of these names."""
        return not self.index.blocks[number].topics.isdisjoint(
            self._topic_numbers[name] for name in topics if name in self._topic_numbers
        )

    def block(self, number: int) -> list[RecordedEvent]:
        """The events of a block."""
        block = self.index.blocks[number]
        plain = self._unpacked(block.offset, block.packed_bytes, block.sha256, f"block {number}")
        first = self.index.first_position + number * BLOCK_EVENTS
        return _events_of(plain, first, self.index.topics)

    def events(self) -> Iterator[RecordedEvent]:
        """All events in position order."""
        for number in range(len(self.index.blocks)):
            yield from self.block(number)

    def positions_of(self, stream_id: UUID, after_version: int) -> list[int]:
        """Where the stream's events beyond a version are, in version order."""
        lowest = ENTRY.pack(stream_id.bytes, max(after_version + 1, 0), 0)
        pages = self.index.pages
        number = max(_last_not_above(pages, lowest), 0)
        found: list[int] = []
        while number < len(pages) and pages[number].first_entry[:16] <= stream_id.bytes:
            page = pages[number]
            plain = self._unpacked(page.offset, page.packed_bytes, page.sha256, f"page {number}")
            found += [
                self.index.first_position + ENTRY.unpack(entry)[2]
                for entry in _entries_of(plain)
                if entry >= lowest and entry[:16] == stream_id.bytes
            ]
            number += 1
        return found

    def check_pages(self) -> None:
        """Read the stream index whole: as many entries as events, in order."""
        before, entries = b"", 0
        for number, page in enumerate(self.index.pages):
            for entry in _entries_of(self._unpacked(page.offset, page.packed_bytes, page.sha256, f"page {number}")):
                if entry <= before:
                    raise Damaged(f"page {number} is not in order")
                before, entries = entry, entries + 1
        if entries != self.index.events:
            raise Damaged(f"its stream index has {entries} entries for {self.index.events} events")

    def _unpacked(self, offset: int, size: int, expected: str, part: str) -> bytes:
        packed = os.pread(self.descriptor, size, offset)
        if sha256(packed).hexdigest() != expected:
            raise Damaged(f"{part} at byte {offset} does not match its hash")
        return zlib.decompress(packed)


def _last_not_above(pages: Sequence[Page], entry: bytes) -> int:
    low, high = 0, len(pages)
    while low < high:
        middle = (low + high) // 2
        if pages[middle].first_entry <= entry:
            low = middle + 1
        else:
            high = middle
    return low - 1


def _read_index(descriptor: int) -> tuple[Index, bytes]:
    size = os.fstat(descriptor).st_size
    raw = os.pread(descriptor, TRAILER.size, max(0, size - TRAILER.size))
    if len(raw) != TRAILER.size or os.pread(descriptor, len(MAGIC), 0) != MAGIC:
        raise Damaged("it is not a whole archive file")
    start, length, digest, magic = TRAILER.unpack(raw)
    packed = os.pread(descriptor, min(length, size), min(start, size))
    if magic != MAGIC or sha256(packed).digest() != digest:
        raise Damaged("its index does not match its hash")
    said = json.loads(zlib.decompress(packed))
    index = Index(
        first_position=said["first_position"],
        last_position=said["last_position"],
        events=said["events"],
        content_sha256=bytes.fromhex(said["content_sha256"]),
        topics=tuple(said["topics"]),
        blocks=tuple(
            Block(offset, size, part, first_at, frozenset(numbers))
            for offset, size, part, first_at, numbers in said["blocks"]
        ),
        pages=tuple(Page(offset, size, part, bytes.fromhex(entry)) for offset, size, part, entry in said["pages"]),
    )
    return index, digest


def _events_of(plain: bytes, first_position: int, topics: Sequence[str]) -> list[RecordedEvent]:
    (count,) = struct.unpack_from(">I", plain)
    at = 4
    versions = struct.unpack_from(f">{count}Q", plain, at)
    at += 8 * count
    instants = struct.unpack_from(f">{count}q", plain, at)
    at += 8 * count
    streams = [UUID(bytes=plain[start : start + 16]) for start in range(at, at + 16 * count, 16)]
    at += 16 * count
    names = struct.unpack_from(f">{count}H", plain, at)
    at += 2 * count
    sizes = struct.unpack_from(f">{count}I", plain, at)
    at += 4 * count
    events = []
    for number in range(count):
        state = plain[at : at + sizes[number]]
        at += sizes[number]
        recorded_at = EPOCH + timedelta(microseconds=instants[number])
        events.append(
            RecordedEvent(
                first_position + number, streams[number], versions[number], topics[names[number]], state, recorded_at
            )
        )
    return events
