"""What people look at: the rows of every projection, folded by the real page fold, kept in memory.

Only the tables are ours. A page's rows and its checkpoint are written together or not at all, the checkpoint moves by
compare-and-set, and an owner that finds it moved forgets the rows it remembers: the rules of `dispatch.workers.page`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from dispatch.ports import EventLog
from dispatch.simulation.plants import Plant
from dispatch.simulation.process import Network, Process, Server
from dispatch.simulation.remote_log import unavailable
from dispatch.workers.ownership import Ownership
from domain.refusals import Unavailable
from projections import fold
from projections.projection import Key, Projection, Row
from projections.registry import PROJECTIONS

PAGE_EVENTS = 40
"""Small pages, so that a short run has many."""
IDLE_S = 1.0
BACK_OFF_S = 0.3

Rows = dict[Key, Row]


class StaleCheckpoint(Exception):
    """Somebody else moved the checkpoint: nothing of the page was written."""


@dataclass(slots=True)
class Screens:
    """The tables, at the server's side. All projections stand at one position."""

    position: int = 0
    rows: dict[str, Rows] = field(default_factory=lambda: {name: {} for name in PROJECTIONS})
    parked: list[fold.Parked] = field(default_factory=list)

    def load(self, wanted: Mapping[str, set[Key]]) -> dict[str, Rows]:
        """Those of the rows that exist."""
        return {
            name: {key: self.rows[name][key] for key in keys if key in self.rows[name]} for name, keys in wanted.items()
        }

    def write(self, from_position: int, to_position: int, folded: Mapping[str, fold.Folded]) -> None:
        """A page's rows and the checkpoint, both or none. Raises `StaleCheckpoint`."""
        if self.position != from_position:
            raise StaleCheckpoint
        for name, result in folded.items():
            for key, row in result.rows.items():
                if row is None:
                    self.rows[name].pop(key, None)
                else:
                    self.rows[name][key] = row
            self.parked += result.parked
        self.position = to_position


class Folder:
    """Folds the log into the screens, as one process does it."""

    def __init__(
        self,
        *,
        log: EventLog,
        screens: Screens,
        network: Network,
        server: Server,
        process: Process,
        ownership: Ownership,
        plant: Plant,
        projections: Mapping[str, Projection] = PROJECTIONS,
    ) -> None:
        self._log = log
        self._screens = screens
        self._network = network
        self._server = server
        self._process = process
        self._ownership = ownership
        self._plant = plant
        self._projections = projections
        self._topics = sorted({topic for projection in projections.values() for topic in projection.topics})
        self._position: int | None = None
        self._cache: dict[str, Rows] = {}
        self._parking: dict[str, dict[str, int]] = {}

    async def run(self) -> None:
        """Own the work and keep up, until the process ends."""
        while True:
            try:
                if not await self._ownership.holds():
                    self._position = None
                    await self._ownership.acquire()
                if not await self._step():
                    await self._log.wait_beyond(self._position or 0, timeout_s=IDLE_S)
            except (Unavailable, StaleCheckpoint):
                self._position = None
                await asyncio.sleep(BACK_OFF_S)

    async def _step(self) -> bool:
        """Fold one page; whether there was one."""
        if self._position is None:
            self._cache = {name: {} for name in self._projections}
            self._parking = {name: {} for name in self._projections}
            self._position = await self._call("read the checkpoint", lambda: self._screens.position)
        position = self._position
        tip = (await self._log.tip()).position
        if tip <= position:
            return False
        recorded = await self._log.read_after(position, limit=PAGE_EVENTS, up_to_position=tip, topics=self._topics)
        page = fold.read(recorded, recorded[-1].position if len(recorded) == PAGE_EVENTS else tip)
        rows = await self._rows(page)
        folded = {
            name: fold.fold(projection, self._plant.page(page), rows[name], self._parking[name])
            for name, projection in self._projections.items()
        }
        await self._call(
            f"fold {position}>{page.position}",
            lambda: self._screens.write(position, page.position, folded),
            writes=True,
        )
        for name, result in folded.items():
            self._remember(name, result)
        self._position = page.position
        return True

    async def _rows(self, page: fold.Page) -> dict[str, Rows]:
        """The rows a page touches: from memory, and from the tables what is not there."""
        found: dict[str, Rows] = {}
        missing: dict[str, set[Key]] = {}
        for name, projection in self._projections.items():
            keys = set() if projection.is_append_only else fold.keys_of(projection, page)
            cache = self._cache[name]
            found[name] = {key: cache[key] for key in keys if key in cache}
            absent = keys - cache.keys()
            if absent:
                missing[name] = absent
        if missing:
            loaded = await self._call("load rows", lambda: self._screens.load(missing))
            for name, rows in loaded.items():
                found[name] |= rows
        return found

    def _remember(self, name: str, result: fold.Folded) -> None:
        if self._projections[name].is_append_only:
            return
        for key, row in result.rows.items():
            if row is None:
                self._cache[name].pop(key, None)
            else:
                self._cache[name][key] = row

    async def _call(self, what: str, work: Any, *, writes: bool = False) -> Any:
        return await self._network.call(self._process, self._server, what, work, failure=unavailable, writes=writes)


def rebuilt(pages: Sequence[fold.Page], projection: Projection) -> Rows:
    """A projection folded from nothing."""
    rows = fold.MemoryRows(projection)
    for page in pages:
        rows.take(page)
    return rows.rows


def differences(name: str, live: Rows, expected: Rows) -> list[str]:
    """What two folds of one log disagree about; empty is proof."""
    found = [f"{name} {_called(key)} is missing" for key in expected if key not in live]
    found += [f"{name} {_called(key)} is there and should not be" for key in live if key not in expected]
    for key, row in expected.items():
        other = live.get(key, row)
        if other != row:
            columns = sorted(column for column in row if row[column] != other[column])
            found.append(f"{name} {_called(key)} differs in {', '.join(columns)}")
    return found


def _called(key: Key) -> str:
    return "/".join(str(part) for part in key)


def digest(rows: Rows) -> str:
    """One hash for all rows of a projection."""
    told = sorted(json.dumps([_plain(key), _plain(row)], sort_keys=True, default=str) for key, row in rows.items())
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value
