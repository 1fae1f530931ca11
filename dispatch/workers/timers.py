"""Timers: what is due is derived from facts, and what was missed is recorded, by how much, exactly once.

The list of deadlines is folded from the log, from the timers' mark on: everything before it is answered. So a restart
forgets nothing, and an idle log still owes its escalations; no read ever sweeps anything. When a deadline passes, the
incident is loaded and asked for what follows, at the version it has. Whoever was first (an acceptance in the last
moment, another process) makes the append fail, and the next look finds nothing left to say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from dispatch.directory import Directory
from dispatch.handling.scribe import Change, Request, Scribe
from dispatch.ports import AppendCommand, Appended, Clock, EventLog, Mark, RecordedEvent
from dispatch.telemetry import counter, gauge
from dispatch.workers.ownership import Ownership, acquire_or_stop
from dispatch.workers.reactor import BACK_OFF_S, IDLE_S, PAUSE_S, is_of_the_database, sleep_or_stop
from domain.assignment import state as unit
from domain.codec import NewerSchema, Undecodable, for_fold
from domain.event import Actor
from domain.identifiers import named
from domain.incident.decider import INITIAL, IncidentState, decide, evolve
from domain.policies.escalation import TOPICS, Due, DueList, answer, head_of
from domain.refusals import Refusal, Unavailable
from domain.vocabulary import ActorKind, AssignmentPhase

PAGE_EVENTS = 2_000
DUES_A_STEP_MAX = 200
MARK_EVERY_POSITIONS = 5_000
"""The mark follows the oldest open deadline, now and then: it only bounds what a restart reads."""

MISSED = counter("deadlines_missed_total", "Deadlines that passed unanswered.", ("deadline",))
OPEN = gauge("deadlines_open", "Deadlines that are running.")

logger = logging.getLogger(__name__)


class Timers:
    """Watches deadlines. `step` does one look; `run` goes on until stopped."""

    name = "timers"

    def __init__(
        self, *, log: EventLog, scribe: Scribe, directory: Directory, clock: Clock, ownership: Ownership
    ) -> None:
        self._log = log
        self._scribe = scribe
        self._directory = directory
        self._clock = clock
        self._ownership = ownership
        self._mark: int | None = None
        self._position = 0
        self.dues = DueList()

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
                if not fired:
                    await sleep_or_stop(stop, self._pause_s())
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
            self._mark = self._position = await self._log.mark(self.name)
            self.dues = DueList()
        await self._fold()
        await self._directory.reach(self._position)
        passed = self.dues.until(self._clock.now(), DUES_A_STEP_MAX)
        recorded = await self._answer(passed) if passed else 0
        await self._move_mark()
        OPEN.set(len(self.dues))
        return recorded

    def _pause_s(self) -> float:
        """Until the next deadline, but never longer than a look at the log may wait."""
        next_at = self.dues.next_at()
        return IDLE_S if next_at is None else min(IDLE_S, max(0.0, (next_at - self._clock.now()).total_seconds()))

    async def _fold(self) -> None:
        tip = (await self._log.tip()).position
        while self._position < tip:
            rows = await self._log.read_after(self._position, limit=PAGE_EVENTS, up_to_position=tip, topics=TOPICS)
            for row in rows:
                try:
                    self.dues.apply(for_fold(row))
                except Undecodable:
                    logger.exception("deadline unreadable", extra={"position": row.position, "topic": row.topic})
            self._position = rows[-1].position if len(rows) == PAGE_EVENTS else tip

    async def _answer(self, passed: Sequence[Due]) -> int:
        """One command a deadline, so that one lost race does not hold up the others."""
        now = self._clock.now()
        incidents = {due.incident_id for due in passed}
        units = {due.unit_id for due in passed if due.unit_id is not None}
        streams = await self._log.read_streams([*incidents, *units])
        states = await self._states(incidents, streams)
        commands: dict[UUID, tuple[Due, AppendCommand]] = {}
        for due in passed:
            if due.incident_id in commands:
                continue  # its next look is at the version that this answer leaves
            change = self._change(due, streams, states, now)
            if change is None:
                # On facts that are not folded yet (another owner's escalation, say) this look decides nothing: resting,
                # the deadline would not take the next step from the fact that sets it. The next look has folded it.
                if _known_up_to(streams) <= self._position:
                    self.dues.rest(due.key)
            else:
                commands[due.incident_id] = due, await self._scribe.command([change], _request(due, now))
        if not commands:
            return 0
        verdicts = await self._log.append_many([command for _, command in commands.values()])
        recorded = [
            due for (due, _), verdict in zip(commands.values(), verdicts, strict=True) if isinstance(verdict, Appended)
        ]
        for due in recorded:
            MISSED.labels(due.kind).inc()
        return len(recorded)

    async def _states(
        self, incidents: set[UUID], streams: dict[UUID, list[RecordedEvent]]
    ) -> dict[UUID, IncidentState]:
        """These incidents and those their merges lead to, whose streams are read too. The unreadable are left out."""
        states: dict[UUID, IncidentState] = {}
        beyond = set(incidents)
        while beyond:
            streams |= await self._log.read_streams(sorted(beyond - streams.keys()))
            for incident_id in beyond:
                try:
                    states[incident_id] = _folded(streams[incident_id])
                except Undecodable:
                    extra = {"incident_id": str(incident_id)}
                    logger.exception("deadlines given up: the facts of an incident are unreadable", extra=extra)
            merges = [state.merge for state in states.values() if state.merge is not None]
            beyond = {merge.into_incident_id for merge in merges} - streams.keys()
        return states

    def _change(
        self,
        due: Due,
        streams: Mapping[UUID, Sequence[RecordedEvent]],
        states: Mapping[UUID, IncidentState],
        now: datetime,
    ) -> Change | None:
        """What the missed deadline adds to its incident; None if there is nothing left to say."""
        state, rows = states.get(due.incident_id), streams[due.incident_id]
        try:
            if state is None or (due.unit_id is not None and not _is_owed(due, streams[due.unit_id])):
                return None
        except Undecodable:
            logger.exception("deadline given up: its facts are unreadable", extra={"incident_id": str(due.incident_id)})
            return None
        rulebook = self._directory.rulebook()
        command = answer(due, state, rulebook, now, head=head_of(due.incident_id, states))
        decided = decide(command, state) if command is not None else ()
        if isinstance(decided, Refusal):
            logger.warning("deadline refused", extra={"incident_id": str(due.incident_id), "code": decided.code})
            return None
        if not decided:
            return None
        return Change(
            due.incident_id,
            rows[-1].version if rows else 0,
            decided,
            occurred_at=now,
            correlation_id=due.incident_id,
            rule_version=rulebook.version,
        )

    async def _move_mark(self) -> None:
        """To just before the oldest fact still needed. Losing this race is no matter: the mark is only a shortcut."""
        assert self._mark is not None, "read before it is moved"
        oldest = self.dues.oldest_position()
        target = self._position if oldest is None else min(self._position, oldest - 1)
        if target - self._mark < MARK_EVERY_POSITIONS:
            return
        verdict = await self._log.append(AppendCommand((), marks=(Mark(self.name, self._mark, target),)))
        self._mark = target if isinstance(verdict, Appended) else await self._log.mark(self.name)


def _folded(rows: Sequence[RecordedEvent]) -> IncidentState:
    state = INITIAL
    for row in rows:
        state = evolve(state, for_fold(row).gist())
    return state


def _known_up_to(streams: Mapping[UUID, Sequence[RecordedEvent]]) -> int:
    """The last fact that was looked at."""
    return max((rows[-1].position for rows in streams.values() if rows), default=0)


def _is_owed(due: Due, rows: Sequence[RecordedEvent]) -> bool:
    """Whether the crew has said nothing about the assignment yet, or said it too late."""
    if due.answered_at is not None:
        return True
    state = unit.INITIAL
    for row in rows:
        state = unit.evolve(state, for_fold(row).gist())
    found = state.assignments.get(due.key[1])
    return found is not None and found.phase is AssignmentPhase.MADE


def _request(due: Due, now: datetime) -> Request:
    """The same deadline and level make the same event ids, whoever notices it."""
    return Request(
        actor=Actor(kind=ActorKind.REACTOR, id=Timers.name),
        received_at=now,
        request_id=uuid5(named("reactor", Timers.name), f"{due.kind}\x1f{due.key[1]}\x1f{due.level}\x1f{due.due_at}"),
    )
