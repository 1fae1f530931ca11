"""States to start from, so that a stream of ten thousand facts loads like one of ten.

A long stream is folded from a baseline: the state this process folded before, or a snapshot that some process stored.
A baseline is never the truth, only a place to start: the last fact it contains is read again with those that follow,
and must stand where the baseline says; else everything is folded from the first fact on. A snapshot carries a digest of
the domain's own source, so that one made by other rules, or of another shape, is not even looked at.

Short streams are folded whole each time, as if there were no baselines.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar
from uuid import UUID

import pydantic
from pydantic import TypeAdapter

import domain
from dispatch.ports import EventLog, RecordedEvent, Snapshot, Snapshots
from domain.codec import fact_of
from domain.event import Event
from domain.refusals import Unavailable

FIRST_PAGE_EVENTS = 256
"""A stream no longer than this is read in one go, and no snapshot is looked for."""
PAGE_EVENTS = 5_000
REMEMBERED_FROM_EVENTS = 8
REMEMBERED_MAX = 10_000
"""States kept in memory, those used last; one is a few kilobytes."""
SNAPSHOT_EVERY_EVENTS = 1_000
"""Facts folded beyond a snapshot before the next is stored: what a process must read when it meets a stream anew."""

S = TypeVar("S")
Evolve = Callable[[S, Event], S]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[S]):
    """A stream's state and the version it was folded to."""

    stream_id: UUID
    version: int
    state: S


@dataclass(frozen=True, slots=True)
class Baseline(Generic[S]):
    """A state, the last fact in it, and the version of the snapshot that is stored (0: none that we know)."""

    version: int
    position: int
    state: S
    stored_version: int = 0

    def after(self, rows: list[RecordedEvent], evolve: Evolve[S]) -> Baseline[S]:
        """With further facts folded in."""
        if not rows:
            return self
        state = self.state
        for row in rows:
            state = evolve(state, fact_of(row).event)
        return Baseline(rows[-1].version, rows[-1].position, state, self.stored_version)


class Baselines:
    """Loads streams from where they are known. One for a process; `snapshots` None keeps them in memory only."""

    def __init__(self, log: EventLog, snapshots: Snapshots | None = None) -> None:
        self._log = log
        self._snapshots = snapshots
        self._remembered: OrderedDict[tuple[UUID, str], Baseline[Any]] = OrderedDict()

    def forget(self, stream_id: UUID) -> None:
        """Start from what is stored the next time."""
        for key in [key for key in self._remembered if key[0] == stream_id]:
            del self._remembered[key]

    async def load(self, stream_id: UUID, initial: S, evolve: Evolve[S]) -> Loaded[S]:
        """The state as the log says now. A stream that does not exist is `initial` at version 0."""
        kind = f"{evolve.__module__}.{evolve.__qualname__}"
        nothing = Baseline(0, 0, initial)
        remembered: Baseline[S] | None = self._remembered.get((stream_id, kind))
        found = None if remembered is None else await self._from(stream_id, remembered, evolve)
        if found is None:
            found = await self._anew(stream_id, nothing, kind, evolve)
        if found.version - found.stored_version >= SNAPSHOT_EVERY_EVENTS:
            found = await self._store(stream_id, kind, found)
        self._remember((stream_id, kind), found)
        return Loaded(stream_id, found.version, found.state)

    async def _anew(self, stream_id: UUID, nothing: Baseline[S], kind: str, evolve: Evolve[S]) -> Baseline[S]:
        """From the first fact, or from a snapshot if the stream proves to be long."""
        rows = await self._log.read_stream(stream_id, limit=FIRST_PAGE_EVENTS)
        if len(rows) == FIRST_PAGE_EVENTS:
            stored = await self._find(stream_id, kind, nothing.state)
            found = None if stored is None else await self._from(stream_id, stored, evolve)
            if found is not None:
                return found
        return await self._to_the_end(stream_id, nothing.after(rows, evolve), evolve, len(rows) == FIRST_PAGE_EVENTS)

    async def _from(self, stream_id: UUID, known: Baseline[S], evolve: Evolve[S]) -> Baseline[S] | None:
        """From a baseline on; None if the log does not have its last fact where it says."""
        rows = await self._log.read_stream(stream_id, after_version=known.version - 1, limit=PAGE_EVENTS)
        if not rows or (rows[0].version, rows[0].position) != (known.version, known.position):
            logger.warning("a baseline is not what the log says", extra={"stream_id": str(stream_id)})
            return None
        return await self._to_the_end(stream_id, known.after(rows[1:], evolve), evolve, len(rows) == PAGE_EVENTS)

    async def _to_the_end(self, stream_id: UUID, known: Baseline[S], evolve: Evolve[S], is_more: bool) -> Baseline[S]:
        while is_more:
            rows = await self._log.read_stream(stream_id, after_version=known.version, limit=PAGE_EVENTS)
            known = known.after(rows, evolve)
            is_more = len(rows) == PAGE_EVENTS
        return known

    def _remember(self, key: tuple[UUID, str], found: Baseline[S]) -> None:
        """Of two loads at once the one that saw more stays."""
        other = self._remembered.pop(key, None)
        if found.version < REMEMBERED_FROM_EVENTS:
            return
        self._remembered[key] = found if other is None or other.version <= found.version else other
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    async def _find(self, stream_id: UUID, kind: str, initial: S) -> Baseline[S] | None:
        if self._snapshots is None:
            return None
        stored = await self._snapshots.find(stream_id, kind=kind, rules=rules())
        if stored is None:
            return None
        shape: Any = type(initial)
        try:
            state: S = _adapter(shape).validate_json(stored.state)
        except ValueError:
            logger.exception("a snapshot cannot be read", extra={"stream_id": str(stream_id), "kind": kind})
            return None
        return Baseline(stored.version, stored.position, state, stored.version)

    async def _store(self, stream_id: UUID, kind: str, found: Baseline[S]) -> Baseline[S]:
        """Keep a snapshot, if the state comes back from its stored form as it is. A failure costs time, not truth."""
        written = _written(found.state)
        if written is None:
            logger.error("a state does not come back from its stored form", extra={"kind": kind})
        elif self._snapshots is not None:
            try:
                await self._snapshots.keep(Snapshot(stream_id, kind, rules(), found.version, found.position, written))
            except Unavailable as away:
                logger.warning("a snapshot was not stored", extra={"reason": away.detail})
        return Baseline(found.version, found.position, found.state, found.version)


def _written(state: Any) -> bytes | None:
    """The state's stored form, if the state can be had back from it. A command never fails for want of a snapshot."""
    shape: Any = type(state)
    adapter = _adapter(shape)
    try:
        written = adapter.dump_json(state)
        return written if adapter.validate_json(written) == state else None
    except ValueError:
        return None


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def rules() -> str:
    """A digest of all that makes a state out of facts.

    Too wide on purpose: after any change of the domain snapshots are made anew, and nobody has to remember a number.
    """
    return digest_of(domain)


def digest_of(*packages: ModuleType) -> str:
    """Of the source of whole packages, and of the library that shapes their values."""
    digest = hashlib.sha256(pydantic.VERSION.encode())
    for folder in (folder for package in packages for folder in package.__path__):
        for source in sorted(Path(folder).rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()
