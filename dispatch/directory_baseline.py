"""Where a process that starts has the directory from: its contents as some process stored them, and what followed.

The problem: centers, cameras, operators and rules are some ten thousand facts that lie anywhere in a log of millions,
and a process that starts looks at all of it before it answers. What is kept beside the log are the entries folded, the
last fact in them, and how far the log was looked through; the stored row is small work while the city does not change.

As with every baseline it is never the truth: it names the code that made it and the log's epoch, it is hashed, and its
last fact is read again and must be what it was. What fails any of these is thrown away and the log is folded whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter

import domain
from dispatch.directory import Directory
from dispatch.directory_entries import Contents
from dispatch.handling.baselines import digest_of
from dispatch.ports import DirectoryBaseline, DirectoryBaselines, EventLog, RecordedEvent
from domain.refusals import Unavailable

LOOKS_EVERY_S = 0.5
"""Least time between two looks at the log for a changed city; also how old a rule may be in another process."""
IDLE_S = 5.0
EVERY_POSITIONS = 20_000
"""What a process that starts looks through at most when another has been running: some ten milliseconds."""
ENTRIES_A_LINE = 500
"""Packed at a time: between two lines everything else in the process goes on."""
FASTEST = 1
LINES: Mapping[str, TypeAdapter[tuple[Any, ...]]] = {
    name: TypeAdapter(kind) for name, kind in get_type_hints(Contents).items()
}
"""What a line is called and what it holds."""
SOURCES = ("directory.py", "directory_tree.py", "directory_entries.py", "directory_baseline.py")
"""What makes a directory out of facts, beside the domain."""

logger = logging.getLogger(__name__)


class Unusable(Exception):
    """A stored baseline is not what the log or its own hash says."""


@cache
def rules() -> str:
    """The code that folds directories."""
    digest = hashlib.sha256(digest_of(domain).encode())
    for name in SOURCES:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()


async def begin(city: Directory, log: EventLog, store: DirectoryBaselines) -> int:
    """Let a new directory start from what is stored, if it is usable; the position reached. Raises `Unavailable`."""
    stored = await store.find(rules=rules())
    if stored is None:
        return 0
    try:
        last_fact = await _last_fact(stored, log)
        await city.begin(unpacked(stored), last_fact, stored.read_to, stored.epoch)
    except Unusable as reason:
        logger.warning("a baseline of the directory is thrown away", extra={"reason": str(reason)})
        await store.drop(rules=rules())
    return city.position


async def keep(city: Directory, log: EventLog, store: DirectoryBaselines) -> bool:
    """Store what a directory has folded; False if there is nothing to start from. Raises `Unavailable`.

    Only how far it has read is written while the last fact in it is the one that is stored already.
    """
    last, read_to, epoch, contents = city.last_fact, city.position, city.epoch, city.contents()
    if last is None or epoch != (await log.tip()).epoch:
        return False  # of a log restored since then nobody knows what follows
    if await store.read_on(rules=rules(), epoch=epoch, position=last.position, read_to=read_to):
        return True
    document = await packed(contents)
    if document is None:
        logger.error("the directory does not come back from its stored form")
        return False
    hashed = hashlib.sha256(document).digest()
    await store.keep(DirectoryBaseline(rules(), epoch, last.position, _digest(last), read_to, document, hashed))
    return True


class Keeper:
    """Keeps a baseline each `EVERY_POSITIONS`. An outage costs the next start time, and nothing else."""

    def __init__(self, city: Directory, log: EventLog, store: DirectoryBaselines) -> None:
        self._city = city
        self._log = log
        self._store = store
        self._kept_to = 0

    async def begin(self) -> None:
        """Start from what is stored. Raises `Unavailable`."""
        self._kept_to = await begin(self._city, self._log, self._store)

    async def tail(self) -> None:
        """Keep the directory fresh until cancelled; an outage is waited out."""
        while True:
            with contextlib.suppress(Unavailable):
                await self._log.wait_beyond(self._city.position, timeout_s=IDLE_S)
                await self._city.catch_up()
                await self.keep()
            await asyncio.sleep(LOOKS_EVERY_S)

    async def keep(self) -> None:
        """Store what has grown."""
        if self._city.position - self._kept_to < EVERY_POSITIONS:
            return
        try:
            await keep(self._city, self._log, self._store)
        except Unavailable as away:
            logger.warning("a baseline of the directory was not stored", extra={"reason": away.detail})
        self._kept_to = self._city.position


async def packed(contents: Contents) -> bytes | None:
    """Lines of JSON under zlib; None if they do not come back as they are."""
    packing = zlib.compressobj(FASTEST)
    document = bytearray()
    for name, line in _lines(contents):
        written = LINES[name].dump_json(line)
        try:
            if LINES[name].validate_json(written) != line:
                return None
        except ValueError:
            return None
        document += packing.compress(b"%s %s\n" % (name.encode(), written))
        await asyncio.sleep(0)
    return bytes(document + packing.flush())


def unpacked(stored: DirectoryBaseline) -> Contents:
    """What was packed. Raises `Unusable`."""
    if hashlib.sha256(stored.document).digest() != stored.sha256:
        raise Unusable("it is not what its hash says")
    found: dict[str, list[Any]] = {name: [] for name in LINES}
    try:
        for line in zlib.decompress(stored.document).splitlines():
            name, _, written = line.partition(b" ")
            found[name.decode()] += LINES[name.decode()].validate_json(written)
    except (ValueError, KeyError, zlib.error) as failure:
        raise Unusable(f"it cannot be read: {failure}") from failure
    return Contents(**{name: tuple(values) for name, values in found.items()})


def _lines(contents: Contents) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for each in fields(contents):
        values = getattr(contents, each.name)
        for first in range(0, len(values), ENTRIES_A_LINE):
            yield each.name, values[first : first + ENTRIES_A_LINE]


async def _last_fact(stored: DirectoryBaseline, log: EventLog) -> RecordedEvent:
    """The last fact in it, as the log says now. Raises `Unusable`."""
    tip = await log.tip()
    if stored.epoch != tip.epoch or stored.read_to > tip.position:
        raise Unusable("it is of another log")
    rows = await log.read_after(stored.position - 1, limit=1)
    if not rows or _digest(rows[0]) != stored.fact_sha256:
        raise Unusable("the log does not have its last fact")
    return rows[0]


def _digest(fact: RecordedEvent) -> bytes:
    head = f"{fact.position}\x1f{fact.stream_id}\x1f{fact.version}\x1f{fact.topic}\x1f"
    return hashlib.sha256(head.encode() + fact.state).digest()
