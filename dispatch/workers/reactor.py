"""Reactors: a page of facts becomes decisions, recorded together with the reactor's mark or not at all.

How a page is worked: read the facts that matter beyond the mark, let the reactor decide, record all changes and the
moved mark in one command. Somebody was first (`VersionConflict`): the reactor decides again, on fresh state. Another
owner moved the mark (`MarkConflict`), or no answer came: we go back to where the mark is. So a crash anywhere
repeats nothing, and an effect happens once.

A fact that no attempt can digest (undecodable, or the decision itself fails) is parked: a journal event names it and
why, in the command that moves the mark past it, and an alarm is raised. Its page is retried fact by fact first, so
one bad fact never takes its neighbours along. A fact of a newer release pauses the reactor; it is upgraded, not wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dispatch.handling.scribe import Change, Request, Scribe, as_fact
from dispatch.pace import Pace
from dispatch.ports import Appended, EventLog, Mark, MarkConflict, RecordedEvent, VersionConflict
from dispatch.telemetry import counter, gauge
from dispatch.workers.ownership import Ownership, acquire_or_stop
from domain.codec import NewerSchema, for_fold
from domain.event import Actor, Event, Fact
from domain.identifiers import named, within
from domain.policies.events import EventDigested, EventParked
from domain.refusals import Conflict, Unavailable
from domain.vocabulary import ActorKind

IDLE_S = 1.0
"""Longest sleep without a look at the log; a wake-up that was lost costs this much."""
BACK_OFF_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses after failures in a row; the last one repeats."""
PAUSE_S = 30.0
"""Between two looks at an event of a newer release."""
CONFLICTS_IN_A_ROW_MAX = 20
"""Decisions lost to others before the page is left for a moment."""
BUSY_PAGE_EVERY_S = 0.02
"""Pages begin so far apart when thousands of facts a second come; larger ones are what the same work costs less in."""
MARK_EVERY_POSITIONS = 5_000
"""A reactor that had nothing to say moves its durable mark only now and then."""
REASON_CHARACTERS_MAX = 2_000

PARKED = counter("reactor_parked_total", "Events a reactor could not digest and set aside.", ("reactor",))
PAUSED = gauge("reactor_paused", "1 while a reactor waits to be upgraded.", ("reactor",))
MARKED = gauge("reactor_position", "Log position a reactor has worked up to.", ("reactor",))
CONFLICTS = counter("reactor_conflicts_total", "Decisions made anew because somebody was first.", ("reactor",))

logger = logging.getLogger(__name__)


class Reactor(Protocol):
    """Turns facts into decisions. Its memory, if any, changes by facts read from the log only."""

    name: str
    topics: frozenset[str]
    page_events: int
    linger_s: float
    """Pause after a page, for work that need not be done at once and is cheaper in larger pages."""

    async def prepare(self, mark: int) -> None:
        """Build the memory as of the mark: at the start, and when another owner has moved it."""

    async def decide(self, page: Sequence[Fact[Event]]) -> Sequence[Change]:
        """What follows from the page, on the state of now. Called again after a conflict. No effects."""


@dataclass(frozen=True, slots=True)
class Page:
    """Facts that matter, and how far the log was read to find them."""

    rows: tuple[RecordedEvent, ...]
    to_position: int


class ReactorRunner:
    """Drives one reactor. `step` does one page; `run` goes on until stopped."""

    def __init__(self, reactor: Reactor, *, log: EventLog, scribe: Scribe, ownership: Ownership) -> None:
        self._reactor = reactor
        self._log = log
        self._scribe = scribe
        self._ownership = ownership
        self._mark: int | None = None
        """The durable mark, as last seen; None before it was read."""
        self._position = 0
        """How far the log was looked at; at least the mark."""
        self._journal = named("reactor-journal", reactor.name)
        self._pace = Pace(BUSY_PAGE_EVERY_S)

    @property
    def position(self) -> int:
        """How far the log was worked."""
        return self._position

    async def run(self, stop: asyncio.Event) -> None:
        """Own the task and work until `stop`. Failures of the world are waited out, never raised."""
        stopped = asyncio.create_task(stop.wait())
        try:
            await self._run(stop, stopped)
        finally:
            stopped.cancel()
        await self._ownership.release()

    async def _run(self, stop: asyncio.Event, stopped: asyncio.Task[Any]) -> None:
        failures, tip = 0, None
        while not stop.is_set():
            try:
                if not await self._own(stop):
                    break
                moved = await self.step(tip)
                failures = 0
                pause_s = max(self._reactor.linger_s, self._pace.pause_s(time.monotonic())) if moved else 0.0
                if pause_s > 0:
                    await sleep_or_stop(stop, pause_s)
                tip = await self._wait(stopped)
            except NewerSchema as error:
                await self._pause(stop, error)
            except Exception as error:
                if not (isinstance(error, Conflict) or is_of_the_world(error)):
                    raise
                await self._back_off(stop, failures, error)
                failures += 1

    async def step(self, tip: int | None = None) -> bool:
        """Work one page; whether there was anything to look at. Raises what the world says.

        `tip` is where the log was last seen to end; without it, the log is asked.
        """
        if self._mark is None:
            await self._begin()
        page = await self._read(tip if tip is not None else (await self._log.tip()).position)
        if not page.rows:
            return await self._pass_over(page.to_position)
        self._pace.took(len(page.rows), time.monotonic())
        await self._work(page)
        return True

    async def _begin(self) -> None:
        """Build the memory, and try once more what was parked: the release may be another one now."""
        mark = await self._log.mark(self._reactor.name)
        await self._reactor.prepare(mark)
        self._mark = self._position = mark
        for position in await self._parked():
            (row,) = await self._log.read_after(position - 1, limit=1)
            digested = EventDigested(reactor=self._reactor.name, position=position)
            await self._try((row,), self._mark, also=(Change(self._journal, None, (digested,)),))

    async def _parked(self) -> list[int]:
        """Positions of events that are parked still."""
        parked: set[int] = set()
        for row in await self._log.read_stream(self._journal):
            match as_fact(row).event:
                case EventParked(position=position):
                    parked.add(position)
                case EventDigested(position=position):
                    parked.discard(position)
                case _:
                    pass
        return sorted(parked)

    async def drain(self) -> int:
        """Step until nothing is left; the position reached."""
        while await self.step():
            pass
        return self._position

    async def _own(self, stop: asyncio.Event) -> bool:
        if await self._ownership.holds():
            return True
        self._mark = None
        return await acquire_or_stop(self._ownership, stop)

    async def _read(self, tip: int) -> Page:
        if tip <= self._position:
            return Page((), self._position)
        limit = self._reactor.page_events
        rows = await self._log.read_after(
            self._position, limit=limit, up_to_position=tip, topics=sorted(self._reactor.topics)
        )
        return Page(tuple(rows), rows[-1].position if len(rows) == limit else max(tip, self._position))

    async def _pass_over(self, position: int) -> bool:
        """Nothing here matters. The durable mark follows now and then; a restart looks at the rest again."""
        moved = position > self._position
        assert self._mark is not None, "read before it is moved"
        if position - self._mark >= MARK_EVERY_POSITIONS:
            await self._record((), position, None)
        self._position = max(self._position, position)
        return moved

    async def _work(self, page: Page) -> None:
        """The whole page; if it cannot be digested, fact by fact, and what is left over is parked."""
        if await self._try(page.rows, page.to_position) is None:
            return
        before = self._position
        for index, row in enumerate(page.rows):
            end = page.to_position if index == len(page.rows) - 1 else row.position
            if row.position <= before:
                continue
            failure = await self._try((row,), end)
            if failure is not None:
                await self._park(row, failure, end)

    async def _try(
        self, rows: Sequence[RecordedEvent], to_position: int, *, also: Sequence[Change] = ()
    ) -> Exception | None:
        """Decide and record; the failure if these rows cannot be digested."""
        try:
            facts = [for_fold(row) for row in rows]
            for _ in range(CONFLICTS_IN_A_ROW_MAX):
                changes = [*await self._reactor.decide(facts), *also]
                if await self._record(changes, to_position, facts[-1]):
                    return None
                CONFLICTS.labels(self._reactor.name).inc()
        except (NewerSchema, Conflict):
            raise
        except Exception as error:
            if is_of_the_world(error):
                raise
            logger.exception("a reactor failed", extra={"reactor": self._reactor.name, "position": to_position})
            return error
        self._mark = None  # another owner may have moved it: a version that does not stand is said before a mark
        raise Conflict("reactor.conflicts", f"{self._reactor.name} lost {CONFLICTS_IN_A_ROW_MAX} races in a row.")

    async def _record(self, changes: Sequence[Change], to_position: int, cause: Fact[Event] | None) -> bool:
        """Record with the mark. False: somebody was first on a stream. Raises `Conflict` if the mark was moved."""
        assert self._mark is not None, "read before it is moved"
        mark = Mark(self._reactor.name, self._mark, to_position)
        command = await self._scribe.command(_joined(changes), self._request(to_position, cause), marks=(mark,))
        try:
            verdict = await self._log.append(command)
        except Exception as error:
            if is_of_the_world(error):
                # Recorded or not, nobody knows but the log. Decided again from the old mark, a page that was recorded
                # would find the streams it began itself, lose to itself, and never hear that the mark has moved.
                self._mark = None
            raise
        match verdict:
            case Appended():
                self._mark = self._position = to_position
                MARKED.labels(self._reactor.name).set(to_position)
                return True
            case VersionConflict():
                return False
            case MarkConflict(actual_position=actual):
                self._mark = None
                raise Conflict("mark_moved", f"Another owner moved {self._reactor.name} to {actual}.")
            case _:
                raise AssertionError(f"a command without a key got {verdict}")

    def _request(self, to_position: int, cause: Fact[Event] | None) -> Request:
        about = cause.position if cause is not None else 0
        return Request(
            actor=Actor(kind=ActorKind.REACTOR, id=self._reactor.name),
            received_at=self._scribe.clock.now(),
            request_id=within(named("reactor", self._reactor.name), f"{to_position}\x1f{about}"),
            causation_id=cause.envelope.event_id if cause is not None else None,
        )

    async def _park(self, row: RecordedEvent, failure: Exception, to_position: int) -> None:
        parked = EventParked(
            reactor=self._reactor.name,
            position=row.position,
            stream_id=row.stream_id,
            topic=row.topic,
            reason=f"{type(failure).__name__}: {failure}"[:REASON_CHARACTERS_MAX],
        )
        await self._record((Change(self._journal, None, (parked,)),), to_position, None)
        PARKED.labels(self._reactor.name).inc()
        logger.error(
            "event parked",
            extra={
                "reactor": self._reactor.name,
                "position": row.position,
                "topic": row.topic,
                "reason": parked.reason,
            },
        )

    async def _wait(self, stopped: asyncio.Task[Any]) -> int:
        """Until the log is beyond our position, `IDLE_S` passes, or we are stopped; where the log ends."""
        grown = asyncio.create_task(self._log.wait_beyond(self._position, timeout_s=IDLE_S))
        try:
            await asyncio.wait((grown, stopped), return_when=asyncio.FIRST_COMPLETED)
            return grown.result() if grown.done() else self._position
        finally:
            if not grown.done():
                grown.cancel()
                await asyncio.gather(grown, return_exceptions=True)

    async def _pause(self, stop: asyncio.Event, error: NewerSchema) -> None:
        logger.error("reactor paused", extra={"reactor": self._reactor.name, "reason": str(error)})
        with PAUSED.labels(self._reactor.name).track_inprogress():
            await sleep_or_stop(stop, PAUSE_S)

    async def _back_off(self, stop: asyncio.Event, failures: int, error: Exception) -> None:
        if isinstance(error, Conflict):
            CONFLICTS.labels(self._reactor.name).inc()
        else:
            logger.warning("reactor waits", extra={"reactor": self._reactor.name, "reason": str(error)})
        await sleep_or_stop(stop, BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])


async def run_reactor(
    reactor: Reactor, *, log: EventLog, scribe: Scribe, ownership: Ownership, stop: asyncio.Event
) -> None:
    """Own a reactor and drive it until stopped."""
    await ReactorRunner(reactor, log=log, scribe=scribe, ownership=ownership).run(stop)


async def sleep_or_stop(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, unless we are stopped first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _joined(changes: Sequence[Change]) -> list[Change]:
    """Changes with something in them. A stream is named once a command: reactors join their events themselves."""
    kept = [change for change in changes if change.events]
    assert len({change.stream_id for change in kept}) == len(kept), "a stream named twice in one decision"
    return kept


def is_of_the_world(error: Exception) -> bool:
    """The database or the way to it, not the page: patience may mend it."""
    return isinstance(error, Unavailable | OSError | TimeoutError) or is_of_the_database(error)


def is_of_the_database(error: Exception) -> bool:
    """The driver's own errors, which are not all `OSError`: the connection is gone, the server shuts down."""
    return type(error).__module__.partition(".")[0] in ("asyncpg", "sqlalchemy")
