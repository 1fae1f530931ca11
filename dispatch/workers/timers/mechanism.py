"""How whatever is due is answered: a part of the timers keeps its list of dues, and says what follows when one passed.

Most of what can be due is of one stream: load it, ask its decider, record what it says at the version it was decided
on. `StreamPart` does that for all of them, so that a new deadline is a list (`domain.policies`) and a `Subject`. The
others keep to `Part`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID, uuid5

from dispatch.handling.folding import folded
from dispatch.handling.scribe import Change, Decision, Request, Scribe
from dispatch.ports import AppendCommand, Appended, EventLog, RecordedEvent
from dispatch.telemetry import counter
from domain.codec import Undecodable
from domain.event import Actor, Event
from domain.identifiers import named
from domain.policies.dues import Due, DueQueue
from domain.refusals import Refusal
from domain.vocabulary import ActorKind

NAME = "timers"
ACTOR = Actor(kind=ActorKind.REACTOR, id=NAME)
PASSED = counter("deadlines_missed_total", "Deadlines that passed and were recorded.", ("deadline",))

D = TypeVar("D", bound=Due)
S = TypeVar("S")

logger = logging.getLogger(__name__)


class Part(Protocol):
    """One kind of things that can be due."""

    @property
    def topics(self) -> Sequence[str]:
        """What its list folds."""

    @property
    def dues(self) -> DueQueue[Any, Any]:
        """What is due when, as far as the log was folded."""

    def forget(self) -> None:
        """Know nothing: the log is read again."""

    async def answer(self, now: datetime, known_up_to: int, limit: int) -> int:
        """Record what has passed, of at most `limit` deadlines; how many facts. The list stands at `known_up_to`."""


@dataclass(frozen=True, slots=True)
class Subject(Generic[D, S]):
    """A kind of things that can be due, each on a stream of its own kind.

    `seed` makes the event ids under `name`: the same deadline, the same ids, whoever notices it. What a deadline asks
    of its stream is said by `decide`, at the time it was noticed; `correlation` is where the answer belongs.
    """

    name: str
    topics: Sequence[str]
    dues: Callable[[], DueQueue[Any, D]]
    initial: S
    evolve: Callable[[S, Event], S]
    decide: Callable[[D, S, datetime], Decision]
    seed: Callable[[D], str]
    correlation: Callable[[D, S], UUID | None] = lambda _due, _state: None


class StreamPart(Generic[D, S]):
    """The part for one subject."""

    def __init__(self, subject: Subject[D, S], log: EventLog, scribe: Scribe) -> None:
        self._subject = subject
        self._log = log
        self._scribe = scribe
        self.topics = subject.topics
        self.dues = subject.dues()

    def forget(self) -> None:
        """Know nothing: the log is read again."""
        self.dues = self._subject.dues()

    async def answer(self, now: datetime, known_up_to: int, limit: int) -> int:
        """Record what has passed, one fact a stream at a look; how many."""
        return await self._record(self.dues.until(now, limit), now, known_up_to)

    async def _record(self, passed: Sequence[D], now: datetime, known_up_to: int) -> int:
        """Whoever was first makes the append fail; the next look decides on what is there then.

        What asks for nothing is due no more, unless a fact that is not folded yet may say otherwise.
        """
        if not passed:
            return 0
        streams = await self._log.read_streams(sorted({due.stream_id for due in passed}))
        commands: dict[UUID, tuple[Due, AppendCommand]] = {}
        for due in passed:
            if due.stream_id in commands:
                continue  # its next look is at the version that this answer leaves
            rows = streams[due.stream_id]
            try:
                change = self._change(due, rows, now)
            except Undecodable:
                extra = {"stream_id": str(due.stream_id), "deadline": due.kind}
                logger.exception("deadline given up: its facts are unreadable", extra=extra)
                self.dues.drop(due.key)
                continue
            if change is not None:
                commands[due.stream_id] = due, await self._scribe.command([change], self._request(due, now))
            elif last_position({due.stream_id: rows}) <= known_up_to:
                self.dues.drop(due.key)
        return await record(self._log, list(commands.values()))

    def _change(self, due: D, rows: Sequence[RecordedEvent], now: datetime) -> Change | None:
        """What the deadline adds to its stream; None if there is nothing left to say."""
        subject = self._subject
        state = folded(rows, subject.initial, subject.evolve)
        decided = subject.decide(due, state, now)
        if isinstance(decided, Refusal):
            extra = {"stream_id": str(due.stream_id), "deadline": due.kind, "code": decided.code}
            logger.warning("deadline refused", extra=extra)
            return None
        if not decided:
            return None
        version = rows[-1].version if rows else 0
        correlation_id = subject.correlation(due, state)
        return Change(due.stream_id, version, tuple(decided), occurred_at=now, correlation_id=correlation_id)

    def _request(self, due: D, now: datetime) -> Request:
        return request(self._subject.name, self._subject.seed(due), now)


def request(name: str, seed: str, now: datetime) -> Request:
    """The timers ask, and what is asked names itself: whoever notices the same, records the same event ids."""
    return Request(ACTOR, now, uuid5(named("reactor", name), seed))


def last_position(streams: Mapping[UUID, Sequence[RecordedEvent]]) -> int:
    """The last fact that was looked at."""
    return max((rows[-1].position for rows in streams.values() if rows), default=0)


async def record(log: EventLog, commands: Sequence[tuple[Due, AppendCommand]]) -> int:
    """One command a deadline, so that one lost race does not hold up the others; how many were recorded."""
    if not commands:
        return 0
    verdicts = await log.append_many([command for _, command in commands])
    recorded = [due for (due, _), verdict in zip(commands, verdicts, strict=True) if isinstance(verdict, Appended)]
    for due in recorded:
        PASSED.labels(due.kind).inc()
    return len(recorded)
