"""Builds a projection again from position 0, beside the live rows, and switches in one transaction.

The copy is a table of the same shape; its checkpoint says `building`, so a rebuild that was interrupted goes on where
it stopped. The switch writes only what differs: readers see the old rows or the new, never half, and a rebuild that
changes nothing writes nothing. `verify` compares instead of switching.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from dispatch.ports import EventLog
from dispatch.workers.page import PARK, UNWRITABLE, StaleCheckpoint
from dispatch.workers.rows import PROJECTOR_ROLE, RowCache, RowStore, connect, encoded, qualified
from projections import fold
from projections.projection import Key, Projection, Row

PAGE_EVENTS = 5_000
"""Relevant events of one page of a rebuild: no reader waits for it."""
NEAR_EVENTS = 1_000
"""The switch may begin when no more than this is missing: the live projection stands still meanwhile."""
DIFFERENCES_SHOWN = 10
BUILDING = "@building"
"""Ends the checkpoint's and the parked facts' name while a copy is built."""

Advanced = Callable[[int, int], None]
"""Told (position, goal) after each page."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a projection is."""

    name: str
    version: int
    position: int
    state: str
    changes_since: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Live rows against rebuilt ones at one position. `differences` are keys (the first few) with what is wrong."""

    name: str
    position: int
    live_rows: int
    rebuilt_rows: int
    live_hash: str
    rebuilt_hash: str
    differences: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Rebuilt == live."""
        return (self.live_rows, self.live_hash) == (self.rebuilt_rows, self.rebuilt_hash)


@dataclass(frozen=True, slots=True)
class Switched:
    """What a switch changed."""

    name: str
    version: int
    position: int
    rows_written: int
    rows_removed: int


@dataclass(slots=True)
class Copy:
    """The copy being built; the shape `PageWriter` knows."""

    projection: Projection
    store: RowStore
    position: int
    parking: dict[str, int]
    changes_since: int = 0
    cache: RowCache = field(default_factory=RowCache)


async def live_checkpoints(connection: asyncpg.Connection) -> dict[str, Checkpoint]:
    """By name, without copies being built."""
    rows = await connection.fetch(
        "SELECT name, version, position, state, changes_since FROM read.checkpoints WHERE state <> 'building'"
    )
    return {row["name"]: Checkpoint(*row) for row in rows}


class Rebuild:
    """One projection's rebuild."""

    def __init__(
        self,
        log: EventLog,
        dsn: str,
        projection: Projection,
        *,
        role: str | None = PROJECTOR_ROLE,
        page_events: int = PAGE_EVENTS,
        advanced: Advanced = lambda _position, _goal: None,
    ) -> None:
        self._log = log
        self._dsn = dsn
        self._projection = projection
        self._role = role
        self._page_events = page_events
        self._advanced = advanced
        self._building = projection.name + BUILDING
        self._shadow = f"{projection.table.name}__building"

    async def run(self) -> Switched:
        """Build (or go on building) the copy, and switch. Raises `StaleCheckpoint` if another rebuild runs."""
        connection = await connect(self._dsn, role=self._role)
        try:
            copy = await self._begin(connection)
            goal = (await self._log.tip()).position
            while goal - copy.position > NEAR_EVENTS or copy.position == 0:
                await self._build_to(connection, copy, goal)
                goal = (await self._log.tip()).position
                if goal == 0:
                    break
            return await self._switch(connection, copy)
        finally:
            await connection.close()

    async def verify(self) -> Comparison:
        """Compare the live rows with rows rebuilt to the same position; nothing is switched."""
        connection = await connect(self._dsn, role=self._role)
        try:
            copy = await self._begin(connection, fresh=True)
            live = (await live_checkpoints(connection)).get(self._projection.name)
            await self._build_to(connection, copy, 0 if live is None else live.position)
            async with connection.transaction(isolation="repeatable_read"):
                live = (await live_checkpoints(connection)).get(self._projection.name)
                await self._fold_to(connection, copy, 0 if live is None else live.position)
                comparison = await self._compare(connection, copy.position)
            await self._drop(connection)
            return comparison
        finally:
            await connection.close()

    async def _begin(self, connection: asyncpg.Connection, *, fresh: bool = False) -> Copy:
        """The copy where it was left, or an empty one. One rebuild of a projection at a time, by lock."""
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", self._building):
            raise StaleCheckpoint(f"{self._projection.name} is being rebuilt by another process")
        stored = await connection.fetchrow(
            "SELECT version, position FROM read.checkpoints WHERE name = $1", self._building
        )
        if fresh or stored is None or stored["version"] != self._projection.version:
            await self._drop(connection)
            await self._create(connection)
            position = 0
        else:
            position = stored["position"]
        waiting = await connection.fetch(
            "SELECT entity, min(follows) AS follows FROM read.parked WHERE projection = $1 GROUP BY entity",
            self._building,
        )
        parking = {row["entity"]: row["follows"] for row in waiting}
        return Copy(self._projection, RowStore(self._projection.table, self._shadow), position, parking)

    async def _create(self, connection: asyncpg.Connection) -> None:
        keys = ", ".join(f'"{column.name}"' for column in self._projection.table.primary_key.columns)
        live = qualified(self._projection.table.name)
        async with connection.transaction():
            await connection.execute(f"CREATE TABLE {qualified(self._shadow)} (LIKE {live} INCLUDING DEFAULTS)")
            await connection.execute(f"ALTER TABLE {qualified(self._shadow)} ADD PRIMARY KEY ({keys})")
            await connection.execute(
                "INSERT INTO read.checkpoints (name, version, position, state) VALUES ($1, $2, 0, 'building')",
                self._building,
                self._projection.version,
            )

    async def _drop(self, connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            await connection.execute(f"DROP TABLE IF EXISTS {qualified(self._shadow)}")
            await connection.execute("DELETE FROM read.checkpoints WHERE name = $1", self._building)
            await connection.execute("DELETE FROM read.parked WHERE projection = $1", self._building)

    async def _build_to(self, connection: asyncpg.Connection, copy: Copy, goal: int) -> None:
        while copy.position < goal:
            async with connection.transaction():
                await self._fold_page(connection, copy, goal)
            self._advanced(copy.position, goal)

    async def _fold_to(self, connection: asyncpg.Connection, copy: Copy, goal: int) -> None:
        """The same inside a transaction of the caller."""
        while copy.position < goal:
            await self._fold_page(connection, copy, goal)

    async def _fold_page(self, connection: asyncpg.Connection, copy: Copy, goal: int) -> None:
        recorded = await self._log.read_after(
            copy.position, limit=self._page_events, up_to_position=goal, topics=sorted(self._projection.topics)
        )
        is_full = len(recorded) >= self._page_events
        page = fold.read(recorded, recorded[-1].position if is_full else goal)
        if page.newer is not None:
            raise StaleCheckpoint(page.newer)
        await self._fold(connection, copy, page)
        copy.position = page.position
        await connection.execute(
            "UPDATE read.checkpoints SET position = $2, updated_at = now() WHERE name = $1",
            self._building,
            page.position,
        )

    async def _fold(self, connection: asyncpg.Connection, copy: Copy, page: fold.Page) -> None:
        """Fold and save; a page whose rows the database refuses goes fact by fact, as it does live."""
        parking = dict(copy.parking)
        try:
            async with connection.transaction():
                result = await self._saved(connection, copy, page)
        except UNWRITABLE as failure:
            copy.parking = parking
            if len(page.facts) > 1:
                for fact in page.facts:
                    await self._fold(connection, copy, fold.Page(fact.position, [fact]))
                return
            (fact,) = page.facts
            topic = fact.topic if isinstance(fact, fold.Unreadable) else fact.name
            reason = f"unwritable: {failure}"[: fold.REASON_MAX]
            poison = fold.Unreadable(fact.position, fact.stream_id, topic, reason)
            await self._fold(connection, copy, fold.Page(page.position, [poison]))
            return
        if not self._projection.is_append_only:
            copy.cache.keep(result.rows)

    async def _saved(self, connection: asyncpg.Connection, copy: Copy, page: fold.Page) -> fold.Folded:
        known: dict[Key, Row] = {}
        if not self._projection.is_append_only:
            known, missing = copy.cache.find(fold.keys_of(self._projection, page))
            known |= await copy.store.load(connection, missing)
        result = fold.fold(self._projection, page, known, copy.parking)
        rows = {key: row for key, row in result.rows.items() if row is not None}
        if self._projection.is_append_only:
            await copy.store.insert(connection, list(rows.values()))
        else:
            await copy.store.copy(connection, [row for key, row in rows.items() if key not in known])
            await copy.store.upsert(connection, [row for key, row in rows.items() if key in known])
            await copy.store.delete(connection, [key for key, row in result.rows.items() if row is None])
        if result.parked:
            parked = [
                {name: getattr(one, name) for name in ("position", "entity", "topic", "reason", "follows")}
                | {"projection": self._building}
                for one in result.parked
            ]
            await connection.execute(PARK, encoded(parked))
        return result

    async def _switch(self, connection: asyncpg.Connection, copy: Copy) -> Switched:
        """Hold the live checkpoint still, fold what is missing, write what differs, move the checkpoint."""
        name = self._projection.name
        async with connection.transaction():
            live = await connection.fetchrow(
                "SELECT position, changes_since FROM read.checkpoints"
                " WHERE name = $1 AND state <> 'building' FOR UPDATE",
                name,
            )
            if live is not None:
                await self._fold_to(connection, copy, live["position"])
            removed, written = await self._replace(connection)
            since = max(copy.position + 1, 0 if live is None else live["changes_since"] + 1)
            await connection.execute("DELETE FROM read.checkpoints WHERE name = $1 AND state <> 'building'", name)
            await connection.execute(
                "INSERT INTO read.checkpoints (name, version, position, state, changes_since)"
                " VALUES ($1, $2, $3, 'live', $4)",
                name,
                self._projection.version,
                copy.position,
                since,
            )
            await connection.execute("DELETE FROM read.parked WHERE projection = $1", name)
            await connection.execute(
                "UPDATE read.parked SET projection = $1 WHERE projection = $2", name, self._building
            )
            await self._drop(connection)
        return Switched(name, self._projection.version, copy.position, written, removed)

    async def _replace(self, connection: asyncpg.Connection) -> tuple[int, int]:
        """(removed, written). Only what differs is touched: an equal rebuild leaves no dead rows behind."""
        table = self._projection.table
        keys = [f'"{column.name}"' for column in table.primary_key.columns]
        columns = [f'"{column.name}"' for column in table.columns]
        rest = [column for column in columns if column not in keys]
        live, shadow = qualified(table.name), qualified(self._shadow)
        same = " AND ".join(f"l.{key} = s.{key}" for key in keys)
        await connection.execute(f"ANALYZE {shadow}")
        removed = await connection.execute(
            f"DELETE FROM {live} l WHERE NOT EXISTS (SELECT FROM {shadow} s WHERE {same})"  # noqa: S608  # our names
        )
        written = await connection.execute(
            f"INSERT INTO {live} AS l ({', '.join(columns)}) SELECT {', '.join(columns)} FROM {shadow}"  # noqa: S608
            f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET"
            f" {', '.join(f'{column} = excluded.{column}' for column in rest)}"
            f" WHERE ({', '.join(f'l.{c}' for c in rest)})"
            f" IS DISTINCT FROM ({', '.join(f'excluded.{c}' for c in rest)})"
        )
        return int(removed.split()[-1]), int(written.split()[-1])

    async def _compare(self, connection: asyncpg.Connection, position: int) -> Comparison:
        table = self._projection.table
        live, shadow = qualified(table.name), qualified(self._shadow)
        hashed = "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM {} t"
        live_rows, live_hash = await connection.fetchrow(hashed.format(live))
        rebuilt_rows, rebuilt_hash = await connection.fetchrow(hashed.format(shadow))
        differences: tuple[str, ...] = ()
        if (live_rows, live_hash) != (rebuilt_rows, rebuilt_hash):
            differences = await self._differences(connection, live, shadow)
        return Comparison(
            self._projection.name, position, live_rows, rebuilt_rows, live_hash, rebuilt_hash, differences
        )

    async def _differences(self, connection: asyncpg.Connection, live: str, shadow: str) -> tuple[str, ...]:
        keys = [f'"{column.name}"' for column in self._projection.table.primary_key.columns]
        same = " AND ".join(f"l.{key} = s.{key}" for key in keys)
        rows: list[Any] = await connection.fetch(
            f"SELECT coalesce(l.{keys[0]}::text, s.{keys[0]}::text) AS key,"  # noqa: S608  # our own names
            f" CASE WHEN l IS NULL THEN 'missing' WHEN s IS NULL THEN 'surplus' ELSE 'other' END AS kind"
            f" FROM {live} l FULL JOIN {shadow} s ON {same} WHERE l::text IS DISTINCT FROM s::text LIMIT $1",
            DIFFERENCES_SHOWN,
        )
        return tuple(f"{row['kind']}: {row['key']}" for row in rows)
