"""Builds projections again from position 0, beside the live rows, and switches each in one transaction.

A copy is a table of the same shape; its checkpoint says `building`, so a rebuild that was killed goes on where it
stopped. Several projections share each page: it is read and decoded once. On a quiet log a long way is gone by several
processes (`workers.parts`), each with a part of the entities; afterwards one goes on.

The switch holds the live checkpoint still, and with it every board of the city; so it must be short. What differs is
therefore looked for before, in one snapshot of both tables at the same position; from there on the same fold of the
same facts changes both in the same way, and the switch takes over only rows that differed or were touched since. It
writes only what differs: readers see the old rows or the new, never half, and a rebuild that changes nothing writes
nothing. A new version's fold is another fold: there the switch goes through all rows. `verify` compares instead of
switching.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from dispatch.ports import EventLog
from dispatch.workers.pace import Pace
from dispatch.workers.page import UNWRITABLE, StaleCheckpoint
from dispatch.workers.parts import Advanced, Crew
from dispatch.workers.rows import PROJECTOR_ROLE, connect
from dispatch.workers.shadow import KEYS_MAX, Comparison, Copy, Entangled, move
from projections import fold
from projections.projection import Key, Projection

PAGE_EVENTS = 10_000
"""Relevant events of one page of a rebuild on a quiet log: some tens of statements, a second of a core."""
NEAR_EVENTS = 1_000
"""The switch may begin when no more than this is missing: the live projection stands still meanwhile."""
SHARED_EVENTS_MIN = 50_000
"""A way shorter than this is over before other processes have started."""

WITHOUT_WAITING = "SET LOCAL synchronous_commit TO off"
"""Of a page and its checkpoint: a crash of the server takes the copy away whatever was waited for."""
PARKED = "SELECT EXISTS (SELECT FROM read.parked WHERE projection = ANY ($1))"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a projection is."""

    name: str
    version: int
    position: int
    state: str
    changes_since: int


@dataclass(frozen=True, slots=True)
class Switched:
    """What a switch changed."""

    name: str
    version: int
    position: int
    rows_written: int
    rows_removed: int


async def live_checkpoints(connection: asyncpg.Connection) -> dict[str, Checkpoint]:
    """By name, without copies being built."""
    rows = await connection.fetch(
        "SELECT name, version, position, state, changes_since FROM read.checkpoints WHERE state <> 'building'"
    )
    return {row["name"]: Checkpoint(*row) for row in rows}


class Rebuild:
    """A rebuild of one or more projections."""

    def __init__(
        self,
        log: EventLog,
        dsn: str,
        *projections: Projection,
        role: str | None = PROJECTOR_ROLE,
        page_events: int = PAGE_EVENTS,
        advanced: Advanced = lambda _position, _goal: None,
        crew: Crew | None = None,
        part: fold.Part | None = None,
    ) -> None:
        self._log = log
        self._dsn = dsn
        self._projections = projections
        self._role = role
        self._advanced = advanced
        self._crew = crew
        self._part = part
        self._share = None if part is None else fold.Share(part, projections)
        # Parts are built where the log was found quiet.
        processes = 1 if part is None else part.of
        self._pace = Pace(log, page_events, processes=processes, is_quiet=part is not None)

    async def run(self) -> list[Switched]:
        """Build (or go on building) the copies, and switch. Raises `StaleCheckpoint` if another rebuild runs."""
        connection = await connect(self._dsn, role=self._role)
        try:
            copies = [await self._begin(connection, projection) for projection in self._projections]
            self._pace.begin(await self._still_s(connection))
            if await connection.fetchval(PARKED, [projection.name for projection in self._projections]):
                self._crew = None  # what had to be parked will have to be parked again
            await self._catch_up(connection, copies)
            return await self._switch_all(connection, copies)
        finally:
            await connection.close()

    async def run_part(self, up_to_position: int) -> None:
        """Build the part, for the rebuild that shared its copies out. Raises `StaleCheckpoint` or `Entangled`."""
        connection = await connect(self._dsn, role=self._role)
        try:
            copies = [Copy(projection, self._part) for projection in self._projections]
            for copy in copies:
                await self._lock(connection, copy)
                await copy.begin(connection)
            await self._build_to(connection, copies, up_to_position)
        finally:
            await connection.close()

    async def verify(self) -> list[Comparison]:
        """Compare the live rows with rows rebuilt to the same position; nothing is switched."""
        connection = await connect(self._dsn, role=self._role)
        try:
            copies = [await self._begin(connection, projection, fresh=True) for projection in self._projections]
            live = await live_checkpoints(connection)
            found = [live[copy.projection.name].position for copy in copies if copy.projection.name in live]
            await self._build_to(connection, copies, min(found, default=0))
            comparisons = []
            for copy in copies:
                async with connection.transaction(isolation="repeatable_read"):
                    await self._fold_to_live(connection, copy)
                    comparisons.append(await copy.compare(connection))
                await copy.drop(connection)
            return comparisons
        finally:
            await connection.close()

    async def _still_s(self, connection: asyncpg.Connection) -> float:
        """For how long nothing was recorded, by the database's clock. [seconds]"""
        now = await connection.fetchval("SELECT clock_timestamp()")
        return float((now - (await self._log.tip()).recorded_at).total_seconds())

    async def _begin(self, connection: asyncpg.Connection, projection: Projection, *, fresh: bool = False) -> Copy:
        """The copy where it was left, or an empty one. One rebuild of a projection at a time, by lock."""
        copy = Copy(projection)
        await self._lock(connection, copy)
        await copy.begin(connection, fresh=fresh)
        return copy

    async def _lock(self, connection: asyncpg.Connection, copy: Copy) -> None:
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", copy.building):
            raise StaleCheckpoint(f"{copy.projection.name} is being rebuilt by another process")

    async def _catch_up(self, connection: asyncpg.Connection, copies: Sequence[Copy]) -> None:
        """Build until little is missing."""
        while (goal := await self._goal(connection, copies)) > 0 and any(
            goal - copy.position > NEAR_EVENTS or copy.position == 0 or copy.shares for copy in copies
        ):
            await self._build_to(connection, copies, goal)

    async def _goal(self, connection: asyncpg.Connection, copies: Sequence[Copy]) -> int:
        """Where the live rows are: a copy ahead of them could not be compared. The tip, where there are none."""
        live = await live_checkpoints(connection)
        names = [copy.projection.name for copy in copies]
        found = [live[name].position for name in names if name in live]
        return min(found) if len(found) == len(names) else (await self._log.tip()).position

    async def _build_to(self, connection: asyncpg.Connection, copies: Sequence[Copy], goal: int) -> None:
        """Page by page, those furthest behind first until all share their pages."""
        while due := [copy for copy in copies if copy.position < goal or copy.shares]:
            first = min(due, key=lambda copy: copy.position)
            group = [copy for copy in due if (copy.position, copy.shares) == (first.position, first.shares)]
            upper = min([goal, *(copy.position for copy in due if copy.position > first.position)])
            if first.shares:
                await self._build_parts(connection, group, max(upper, *first.shares))
            else:
                await self._build_group(connection, group, upper)

    async def _build_parts(self, connection: asyncpg.Connection, group: Sequence[Copy], goal: int) -> None:
        """Each part in a process of its own, or one after the other here; then they are one again."""
        parts = len(group[0].shares)
        if self._crew is not None and self._crew.parts == parts:
            is_done = await self._crew.build([copy.projection.name for copy in group], goal, self._advanced)
        else:
            is_done = await self._build_parts_here(group, parts, goal)
        async with connection.transaction():
            for copy in group:
                if is_done:
                    await copy.join(connection, goal)
                else:
                    await copy.restart(connection)
        if not is_done:
            self._crew = None

    async def _build_parts_here(self, group: Sequence[Copy], parts: int, goal: int) -> bool:
        projections = [copy.projection for copy in group]
        try:
            for number in range(parts):
                part = fold.Part(number, parts)
                await Rebuild(self._log, self._dsn, *projections, role=self._role, part=part).run_part(goal)
        except Entangled:
            return False
        return True

    def _is_worth_sharing(self, group: Sequence[Copy], events: int) -> bool:
        return (
            self._crew is not None
            and self._crew.parts > 1
            and self._pace.is_quiet
            and events >= SHARED_EVENTS_MIN
            and not any(copy.parking for copy in group)
        )

    async def _build_group(self, connection: asyncpg.Connection, group: Sequence[Copy], goal: int) -> None:
        """The next page is read while this one is folded and written."""
        topics = sorted({topic for copy in group for topic in copy.projection.topics})
        position = group[0].position
        reading = asyncio.create_task(self._read(position, goal, topics))
        try:
            while position < goal:
                began = time.monotonic()
                page = await reading
                position = page.position
                if position < goal:
                    reading = asyncio.create_task(self._read(position, goal, topics))
                async with connection.transaction():
                    await connection.execute(WITHOUT_WAITING)
                    for copy in group:
                        await self._fold(connection, copy, page)
                    await move(connection, group, position)
                self._advanced(position, goal)
                await self._rest(connection, time.monotonic() - began)
                if self._is_worth_sharing(group, goal - position):
                    assert self._crew is not None
                    async with connection.transaction():
                        for copy in group:
                            await copy.share(connection, self._crew.parts)
                    return
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _rest(self, connection: asyncpg.Connection, worked_s: float) -> None:
        live = (await live_checkpoints(connection)).values()
        await self._pace.rest(worked_s, min((one.position for one in live if one.state == "live"), default=None))

    async def _read(self, position: int, goal: int, topics: Sequence[str]) -> fold.Page:
        limit = self._pace.page_events
        recorded = await self._log.read_after(position, limit=limit, up_to_position=goal, topics=topics)
        up_to = recorded[-1].position if len(recorded) >= limit else goal
        page = fold.read(recorded, up_to) if self._share is None else self._share.of(recorded, up_to)
        if page.newer is not None:
            raise StaleCheckpoint(page.newer)
        return page

    async def _fold_to_live(self, connection: asyncpg.Connection, copy: Copy) -> Checkpoint | None:
        """Up to where the live rows are in the caller's transaction."""
        live = (await live_checkpoints(connection)).get(copy.projection.name)
        goal = 0 if live is None else live.position
        while copy.position < goal:
            page = await self._read(copy.position, goal, sorted(copy.projection.topics))
            await self._fold(connection, copy, page)
            await move(connection, [copy], page.position)
        return live

    async def _fold(self, connection: asyncpg.Connection, copy: Copy, page: fold.Page) -> None:
        """Fold and save; a page whose rows the database refuses goes fact by fact, as it does live."""
        parking = dict(copy.parking)
        try:
            async with connection.transaction():
                result = await copy.save(connection, page)
        except UNWRITABLE as failure:
            if copy.part is not None:
                raise Entangled(str(failure)) from failure
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
        if not copy.projection.is_append_only:
            copy.cache.keep(result.rows)

    async def _switch_all(self, connection: asyncpg.Connection, copies: Sequence[Copy]) -> list[Switched]:
        """Two at a time, the largest first: what takes long is to compare, and a core does that for each."""
        if len(copies) == 1:
            return [await self._switch(connection, copies[0])]
        sizes = {copy.projection.name: await copy.size_bytes(connection) for copy in copies}
        waiting = deque(sorted(copies, key=lambda copy: -sizes[copy.projection.name]))
        switched: dict[str, Switched] = {}

        async def switch(lane: asyncpg.Connection) -> None:
            while waiting:
                copy = waiting.popleft()
                switched[copy.projection.name] = await self._switch(lane, copy)

        beside = await connect(self._dsn, role=self._role)
        try:
            async with asyncio.TaskGroup() as lanes:
                lanes.create_task(switch(connection))
                lanes.create_task(switch(beside))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            await beside.close()
        return [switched[copy.projection.name] for copy in copies]

    async def _differing(self, connection: asyncpg.Connection, copy: Copy) -> set[Key] | None:
        """Rows to take over, found while the live projection goes on; None if all must be gone through."""
        async with connection.transaction(isolation="repeatable_read"):
            live = await self._fold_to_live(connection, copy)
            if live is None or live.version != copy.projection.version or live.position != copy.position:
                return None
            found = await copy.differing(connection)
        copy.touched = set()
        return found if len(found) <= KEYS_MAX else None

    async def _switch(self, connection: asyncpg.Connection, copy: Copy) -> Switched:
        """Hold the live checkpoint still, fold what is missing, write what differs, move the checkpoint."""
        name = copy.projection.name
        await self._catch_up(connection, [copy])
        differing = await self._differing(connection, copy)
        await self._catch_up(connection, [copy])
        async with connection.transaction():
            since = await connection.fetchval(
                "SELECT changes_since FROM read.checkpoints WHERE name = $1 AND state <> 'building' FOR UPDATE", name
            )
            await self._fold_to_live(connection, copy)
            chosen = None if differing is None or copy.touched is None else differing | copy.touched
            removed, written = await copy.replace(connection, chosen)
            await connection.execute("DELETE FROM read.checkpoints WHERE name = $1 AND state <> 'building'", name)
            await connection.execute(
                "INSERT INTO read.checkpoints (name, version, position, state, changes_since)"
                " VALUES ($1, $2, $3, 'live', $4)",
                name,
                copy.projection.version,
                copy.position,
                max(copy.position + 1, 0 if since is None else since + 1),
            )
            await connection.execute("DELETE FROM read.parked WHERE projection = $1", name)
            await connection.execute(
                "UPDATE read.parked SET projection = $1 WHERE projection = $2", name, copy.building
            )
            await copy.drop(connection)
        return Switched(name, copy.projection.version, copy.position, written, removed)
