"""Timers: what is due is derived from facts, and what was missed is recorded, by how much, exactly once.

The lists of deadlines are folded from the log, from the timers' mark on: everything before it is answered. So a restart
forgets nothing, and an idle log still owes its escalations; no read ever sweeps anything. When a deadline passes, its
part loads what it is of and asks it for what follows, at the version it has. Whoever was first (an acceptance in the
last moment, another process) makes the append fail, and the next look finds nothing left to say.
"""

from __future__ import annotations

import asyncio
import logging

from dispatch.directory import Directory
from dispatch.handling.scribe import Scribe
from dispatch.handling.tree import LeftBehind, nobody_counts
from dispatch.ingest.hearing import HeardGateways, MemoryHeardGateways
from dispatch.ports import AppendCommand, Appended, Clock, EventLog, Mark
from dispatch.telemetry import gauge
from dispatch.workers.ownership import Ownership, acquire_or_stop
from dispatch.workers.reactor import BACK_OFF_S, IDLE_S, PAUSE_S, is_of_the_database, sleep_or_stop
from dispatch.workers.timers.aid import AID
from dispatch.workers.timers.expiries import ExpiryPart
from dispatch.workers.timers.gateways import GatewayPart
from dispatch.workers.timers.incidents import IncidentPart
from dispatch.workers.timers.lamps import LAMPS
from dispatch.workers.timers.many_streams import headquarters_part, tree_part
from dispatch.workers.timers.mechanism import NAME, Part, StreamPart
from dispatch.workers.timers.orders import ORDERS
from dispatch.workers.timers.reservations import RESERVATIONS
from dispatch.workers.timers.rulebooks import RulebookPart
from domain.codec import NewerSchema, Undecodable, for_fold
from domain.refusals import Unavailable

PAGE_EVENTS = 2_000
DUES_A_STEP_MAX = 200
"""Of each part."""
GATHER_S = 0.1
"""After a look that found some: in a storm they pass by the hundred a second, and each look costs the same."""
MARK_EVERY_POSITIONS = 5_000
"""The mark follows the oldest open deadline, now and then: it only bounds what a restart reads."""

OPEN = gauge("deadlines_open", "Deadlines that are running.")

logger = logging.getLogger(__name__)


class Timers:
    """Watches deadlines. `step` does one look; `run` goes on until stopped."""

    name = NAME

    def __init__(
        self,
        *,
        log: EventLog,
        scribe: Scribe,
        directory: Directory,
        clock: Clock,
        ownership: Ownership,
        heard: HeardGateways | None = None,
        left: LeftBehind = nobody_counts,
    ) -> None:
        self._log = log
        self._directory = directory
        self._clock = clock
        self._ownership = ownership
        self._mark: int | None = None
        self._marked_at = 0
        self._position = 0
        self.incidents = IncidentPart(log, scribe, directory)
        self.orders = StreamPart(ORDERS, log, scribe)
        self.aid = StreamPart(AID, log, scribe)
        self.lamps = StreamPart(LAMPS, log, scribe)
        self.parts: tuple[Part, ...] = (
            RulebookPart(log, scribe, directory),
            self.incidents,
            self.orders,
            self.aid,
            StreamPart(RESERVATIONS, log, scribe),
            self.lamps,
            ExpiryPart(log, scribe, directory),
            GatewayPart(log, scribe, directory, heard or MemoryHeardGateways()),
            headquarters_part(log, scribe, directory),
            tree_part(log, scribe, directory, left),
        )
        """In the order in which they answer."""
        self._part_of = {topic: part for part in self.parts for topic in part.topics}

    async def run(self, stop: asyncio.Event) -> None:
        """Own the task and watch until `stop`. Failures of the world are waited out, never raised."""
        failures = 0
        while not stop.is_set():
            try:
                if not await self._ownership.holds():
                    self._mark = None
                    if not await acquire_or_stop(self._ownership, stop):
                        break
                fired = await self.step()
                failures = 0
                if fired < DUES_A_STEP_MAX:
                    await sleep_or_stop(stop, GATHER_S if fired else self._pause_s())
            except NewerSchema as error:
                logger.exception("timers paused", extra={"reason": str(error)})
                await sleep_or_stop(stop, PAUSE_S)
            except Exception as error:
                if not (isinstance(error, Unavailable | OSError | TimeoutError) or is_of_the_database(error)):
                    raise
                logger.warning("timers wait", extra={"reason": str(error)})
                await sleep_or_stop(stop, BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                failures += 1
        await self._ownership.release()

    async def step(self) -> int:
        """Fold what is new, answer what has passed; how many facts were recorded."""
        if self._mark is None:
            self._mark = self._marked_at = self._position = await self._log.mark(self.name)
            for part in self.parts:
                part.forget()
        await self._fold()
        await self._directory.reach(self._position)
        recorded = 0
        for part in self.parts:
            recorded += await part.answer(self._clock.now(), self._position, DUES_A_STEP_MAX)
        await self._move_mark()
        OPEN.set(sum(len(part.dues) for part in self.parts))
        return recorded

    def _pause_s(self) -> float:
        """Until the next deadline, but never longer than a look at the log may wait."""
        dues = [at for part in self.parts if (at := part.dues.next_at()) is not None]
        return min([IDLE_S, *(max(0.0, (at - self._clock.now()).total_seconds()) for at in dues)])

    async def _fold(self) -> None:
        tip = (await self._log.tip()).position
        while self._position < tip:
            rows = await self._log.read_after(
                self._position, limit=PAGE_EVENTS, up_to_position=tip, topics=[*self._part_of]
            )
            for row in rows:
                try:
                    fact = for_fold(row)
                    self._part_of[fact.name].dues.apply(fact)
                except Undecodable:
                    logger.exception("deadline unreadable", extra={"position": row.position, "topic": row.topic})
            self._position = rows[-1].position if len(rows) == PAGE_EVENTS else tip

    async def _move_mark(self) -> None:
        """To just before the oldest fact still needed. Losing this race is no matter: the mark is only a shortcut."""
        assert self._mark is not None, "read before it is moved"
        if self._position - self._marked_at < MARK_EVERY_POSITIONS:
            return
        self._marked_at = self._position
        oldest = [at for part in self.parts if (at := part.dues.oldest_position()) is not None]
        target = min([self._position, *(at - 1 for at in oldest)])
        if target - self._mark < MARK_EVERY_POSITIONS:
            return
        verdict = await self._log.append(AppendCommand((), marks=(Mark(self.name, self._mark, target),)))
        self._mark = target if isinstance(verdict, Appended) else await self._log.mark(self.name)
