"""Folds the log into the rows people look at: one transaction a page, for all projections of the process together.

A page is read and decoded once, only the topics somebody wants; rows and checkpoint are written in one transaction, so
a crash at any point leaves the rows of a page and its checkpoint both there or both not. The checkpoint moves by
compare-and-set: an owner that was thought dead and comes back finds it moved, drops what it remembers, and stands by.

The rule of ownership: one advisory lock a projection, held by the very connection that writes. If the connection dies,
so do the lock and the writer at once; nobody can hold one without the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

from dispatch.pace import Pace
from dispatch.ports import EventLog
from dispatch.telemetry import counter, gauge
from dispatch.workers.page import PageWriter, StaleCheckpoint
from dispatch.workers.rebuild import Rebuild, live_checkpoints
from dispatch.workers.rows import PROJECTOR_ROLE, RowCache, RowStore, connect
from domain.incident.events import IncidentOpened
from domain.refusals import Unavailable
from projections import fold, tables
from projections.projection import Projection
from projections.registry import PROJECTIONS

PAGE_EVENTS = 500
"""Relevant events of one page."""
PAGE_EVERY_S = 0.1
"""Pages begin at least this far apart unless they are full: at 460 alerts a second, single-event pages would spend the
machine on transactions."""
BOARD_PAGE_EVERY_S = 0.002
"""The same for the board, which people look at while it happens. It goes ahead of the others in pages of its own."""
BUSY_PAGE_EVERY_S = 0.02
"""The same for all when thousands of facts a second come."""
PASS_EVERY_S = 0.05
"""A page with nothing in it only moves the checkpoints, and waits this long for one that has something."""
TAKEOVER_EVERY_S = 1.0
"""How often a process that owns nothing asks for the locks."""
WAIT_S = 1.0
RECONNECT_PAUSE_S = 0.5
JOIN_EVENTS_MAX = 20_000
"""A projection further behind is built beside the others: it must not hold them up while it catches up."""
PRUNE_EVERY_S = 30.0
CHANGES_KEPT_S = 900.0
"""Board changes older than this are gone: a client that comes back later is quicker with a fresh snapshot, and a flood
night writes hundreds of megabytes of them an hour."""
LOCK_SPACE = 0x50524F4A
"""First half of the advisory locks' keys."""

BROKEN = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # ended by the server or an administrator
    asyncpg.InsufficientResourcesError,  # disk or connections used up
    asyncpg.TransactionRollbackError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # a lock was not to be had in time
)
"""What a new connection and some patience may mend."""

_log = logging.getLogger(__name__)
_position = gauge("projection_position", "Last position in the rows.", ("projection",))
_lag = gauge("projection_lag_events", "Events of the log that are not in the rows yet.", ("projection",))
_parked = counter("projection_parked_total", "Facts set aside.", ("projection",))
_folded = counter("projection_events_total", "Events folded into rows.")


@dataclass(slots=True)
class Owned:
    """A projection this process folds."""

    projection: Projection
    store: RowStore
    position: int
    changes_since: int
    parking: dict[str, int]
    cache: RowCache = field(default_factory=RowCache)


class Projector:
    """Owns projections and keeps their rows up with the log."""

    def __init__(
        self,
        log: EventLog,
        dsn: str,
        *,
        projections: Sequence[Projection] = tuple(PROJECTIONS.values()),
        page_events: int = PAGE_EVENTS,
        role: str | None = PROJECTOR_ROLE,
        join_events_max: int = JOIN_EVENTS_MAX,
        changes_kept_s: float = CHANGES_KEPT_S,
        page_every_s: float = PAGE_EVERY_S,
    ) -> None:
        self._log = log
        self._dsn = dsn
        self._role = role
        self._projections = {projection.name: projection for projection in projections}
        self._page_events = page_events
        self._join_events_max = join_events_max
        self._changes_kept_s = changes_kept_s
        self._pace = Pace(max(page_every_s, BUSY_PAGE_EVERY_S), least_apart_s=page_every_s)
        self._looked_to = 0
        """Beyond the checkpoints up to here nothing matters to anybody."""
        self._written_at = 0.0
        self._marks: deque[tuple[float, int]] = deque()
        self._connection: asyncpg.Connection | None = None
        self._owned: dict[str, Owned] = {}
        self._moved = asyncio.Event()
        self._building: dict[str, asyncio.Task[None]] = {}
        self._paused: dict[str, int] = {}
        """Name → the position it stands still at."""
        self._asked_at = 0.0
        self._pruned_at = time.monotonic()

    @property
    def position(self) -> int:
        """The position all owned projections have reached; 0 while none is owned."""
        return min((owned.position for owned in self._owned.values()), default=0)

    @property
    def owned(self) -> frozenset[str]:
        """Names of the projections this process folds."""
        return frozenset(self._owned)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep up until `stop`; lost connections are made anew, lost ownership is waited for."""
        try:
            while not stop.is_set():
                try:
                    await self._turn(stop)
                except StaleCheckpoint as moved:
                    _log.warning("another owner or a rebuild moved a checkpoint", extra={"projections": str(moved)})
                    await self._release()
                except (*BROKEN, Unavailable) as failure:
                    _log.warning("database away", extra={"reason": str(failure)})
                    await self._let_go()
                    await _pause(stop, RECONNECT_PAUSE_S)
        finally:
            await self.close()

    async def close(self) -> None:
        """Give up ownership. What was committed stays."""
        for task in self._building.values():
            task.cancel()
        await asyncio.gather(*self._building.values(), return_exceptions=True)
        await self._let_go()

    async def catch_up(self) -> int:
        """Fold everything recorded so far; the position reached (less than the tip only if paused)."""
        tip = (await self._log.tip()).position
        await self.claim()
        while (due := self._due(tip)) and await self._advance(due, tip):
            pass
        return self.position

    async def wait_for(self, position: int, *, timeout_s: float) -> bool:
        """Whether the rows have `position` in them before the time is up. For readers in this process."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.position < position:
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    async def _turn(self, stop: asyncio.Event) -> None:
        """Claim what is free, wait for news, fold one page of those furthest behind."""
        now = time.monotonic()
        if len(self._owned) < len(self._projections) and now - self._asked_at >= TAKEOVER_EVERY_S:
            await self.claim()
        if not self._owned:
            await _pause(stop, TAKEOVER_EVERY_S)
            return
        is_waiting = self._looked_to > self.position
        tip = await self._log.wait_beyond(
            max(self._looked_to, self.position), timeout_s=PASS_EVERY_S if is_waiting else WAIT_S
        )
        began = time.monotonic()
        due = self._due(tip)
        may_wait = tip > self._looked_to and began - self._written_at < PASS_EVERY_S
        is_full = bool(due) and await self._advance(due, tip, may_wait=may_wait)
        if time.monotonic() - self._pruned_at > PRUNE_EVERY_S:
            await self.prune()
        if not is_full and due and self._written_at >= began:
            await _pause(stop, began + self._pace.apart_s - time.monotonic())

    async def claim(self) -> None:
        """Take every projection that is free and whose rows are of this release's version; build what is not."""
        self._asked_at = time.monotonic()
        if self._connection is None or self._connection.is_closed():
            self._owned.clear()
            self._connection = await connect(self._dsn, role=self._role, waits_for_disk=False)
        stored = await live_checkpoints(self._connection)
        tip = (await self._log.tip()).position
        # On a fresh system all begin together: there is nothing that one of them could hold up.
        is_far = bool(stored) and tip > self._join_events_max
        for name, projection in self._projections.items():
            if name in self._owned or name in self._paused:
                continue
            found = stored.get(name)
            if found is not None and found.version > projection.version:
                continue  # a newer release folds it: ours stands by
            if is_far if found is None else found.version < projection.version:
                self._start_building(projection)
            else:
                await self._take(self._connection, projection)

    async def _take(self, connection: asyncpg.Connection, projection: Projection) -> None:
        """Own it if nobody else does. The checkpoint is read after the lock: the last owner moved it until then."""
        name = projection.name
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", LOCK_SPACE, name):
            return
        await connection.execute(
            "INSERT INTO read.checkpoints (name, version, position, state) SELECT $1, $2, 0, 'live'"
            " WHERE NOT EXISTS (SELECT FROM read.checkpoints WHERE name = $1)",
            name,
            projection.version,
        )
        stored = (await live_checkpoints(connection))[name]
        waiting = await connection.fetch(
            "SELECT entity, min(follows) AS follows FROM read.parked WHERE projection = $1 GROUP BY entity", name
        )
        parking = {row["entity"]: row["follows"] for row in waiting}
        store = RowStore(projection.table)
        self._owned[name] = Owned(projection, store, stored.position, stored.changes_since, parking)
        self._tell_waiters()

    def _tell_waiters(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _start_building(self, projection: Projection) -> None:
        running = self._building.get(projection.name)
        if running is None or running.done():
            self._building[projection.name] = asyncio.create_task(
                self._build(projection), name=f"build {projection.name}"
            )

    async def _build(self, projection: Projection) -> None:
        """Bring a new or changed projection up beside the live rows, then switch; the loop claims it afterwards."""
        _log.info("building a projection beside the live one", extra={"projection": projection.name})
        try:
            await Rebuild(self._log, self._dsn, projection, role=self._role).run()
        except (*BROKEN, Unavailable, StaleCheckpoint) as failure:
            _log.warning("building stopped, to be resumed", extra={"projection": projection.name, "why": str(failure)})

    def _due(self, tip: int) -> list[Owned]:
        """Those furthest behind: they share one page."""
        able = [owned for owned in self._owned.values() if owned.position < tip]
        lowest = min((owned.position for owned in able), default=0)
        return [owned for owned in able if owned.position == lowest]

    async def _advance(self, due: Sequence[Owned], tip: int, *, may_wait: bool = False) -> bool:
        """Fold one page for those at the same position; True if there is more to do at once.

        If it `may_wait`, a page with nothing in it is not written, only noted.
        """
        position = due[0].position
        ahead = [owned.position for owned in self._owned.values() if owned.position > position]
        upper = min([tip, *ahead])
        topics = sorted({topic for owned in due for topic in owned.projection.topics})
        recorded = await self._log.read_after(position, limit=self._page_events, up_to_position=upper, topics=topics)
        is_full = len(recorded) >= self._page_events
        if is_full and len(recorded) > 1 and recorded[-1].topic == IncidentOpened.name:
            # Its label may be the next fact: until that is folded, an incident of nobody's business is on every board.
            recorded = recorded[:-1]
        page = fold.read(recorded, recorded[-1].position if is_full else upper)
        self._looked_to = page.position
        if may_wait and not page.facts and page.newer is None and page.position >= tip:
            return False
        if page.position > position:
            assert self._connection is not None
            self._pace.took(len(page.facts), time.monotonic())
            parked = await PageWriter(self._connection, due).write(page)
            self._written_at = time.monotonic()
            self._report(due, page, parked)
        self._say_lag(tip)
        if page.newer is not None:
            await self._pause([owned for owned in due if page.newer_topic in owned.projection.topics], page.newer)
        self._tell_waiters()
        return is_full or page.position < tip

    def _report(self, due: Sequence[Owned], page: fold.Page, parked: Sequence[fold.Parked]) -> None:
        _folded.inc(len(page.facts))
        for owned in due:
            _position.labels(owned.projection.name).set(page.position)
        for one in parked:
            _parked.labels(one.projection).inc()
            _log.error(
                "a fact was parked",
                extra={"projection": one.projection, "position": one.position, "entity": one.entity, "why": one.reason},
            )

    def _say_lag(self, tip: int) -> None:
        reached = {name: owned.position for name, owned in self._owned.items()} | self._paused
        for name, position in reached.items():
            _lag.labels(name).set(max(0, tip - position))

    async def _pause(self, due: Sequence[Owned], why: str) -> None:
        """An event of a newer release: stand still before it, and let an upgraded process take over."""
        assert self._connection is not None
        _log.error("paused before an event of a newer schema", extra={"reason": why})
        for owned in due:
            name = owned.projection.name
            self._paused[name] = owned.position
            del self._owned[name]
            await self._connection.execute(
                "UPDATE read.checkpoints SET state = 'paused', reason = $2 WHERE name = $1 AND state = 'live'",
                name,
                why,
            )
            await self._connection.fetchval("SELECT pg_advisory_unlock($1, hashtext($2))", LOCK_SPACE, name)

    async def prune(self) -> None:
        """Forget old board changes, and say up to where. Their age is that of the position marked at each call."""
        self._pruned_at = time.monotonic()
        board = self._owned.get(tables.board.name)
        if board is None or self._connection is None:
            return
        self._marks.append((self._pruned_at, board.position))
        position = None
        while self._marks and self._pruned_at - self._marks[0][0] >= self._changes_kept_s:
            position = self._marks.popleft()[1]
        if position is None or position <= board.changes_since:
            return
        async with self._connection.transaction():
            await self._connection.execute("DELETE FROM read.board_changes WHERE page_position <= $1", position)
            moved = await self._connection.execute(
                "UPDATE read.checkpoints SET changes_since = $2"
                " WHERE name = $1 AND state <> 'building' AND changes_since = $3",
                tables.board.name,
                position,
                board.changes_since,
            )
            if moved != "UPDATE 1":
                raise StaleCheckpoint(tables.board.name)
        board.changes_since = position

    async def _release(self) -> None:
        """Drop what is remembered of rows and the locks, and ask for them again at once."""
        self._owned.clear()
        self._asked_at = 0.0
        with contextlib.suppress(*BROKEN):
            if self._connection is not None and not self._connection.is_closed():
                await self._connection.fetchval("SELECT pg_advisory_unlock_all()")

    async def _let_go(self) -> None:
        """The same when the connection is not to be trusted: it dies, and the locks with it."""
        self._owned.clear()
        self._asked_at = 0.0
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            connection.terminate()


def board_projector(log: EventLog, dsn: str) -> Projector:
    """Of the board, ahead of all others."""
    return Projector(log, dsn, projections=[PROJECTIONS[tables.board.name]], page_every_s=BOARD_PAGE_EVERY_S)


def other_projector(log: EventLog, dsn: str) -> Projector:
    """Of all other projections."""
    return Projector(log, dsn, projections=[one for name, one in PROJECTIONS.items() if name != tables.board.name])


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not beyond the stop."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
