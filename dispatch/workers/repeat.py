"""Automatic decisions made again: whoever doubts one can have it recomputed from the facts it was made on.

Each recorded decision names its rule version and the log positions it knew; what came from outside the log was copied
into it. So the same facts before the same policies must give the same answer, for ever (invariant 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.folding import folded
from dispatch.handling.labels import Labelling
from dispatch.handling.scribe import as_fact
from dispatch.ports import Clock, EventLog
from dispatch.workers.alarms import raised
from dispatch.workers.correlator import Correlator
from dispatch.workers.cover import Picture
from dispatch.workers.router import recomputed
from domain.alert.events import AlertsRecordedOnly, AlertsWaited
from domain.assignment.events import AssignmentCancelled, AssignmentPromoted, UnitRecalled
from domain.assignment.state import INITIAL as NEW_UNIT
from domain.assignment.state import UnitState
from domain.assignment.state import evolve as evolve_unit
from domain.cover.events import CoverFell, CoverRestored, MoveSuggested, MoveWithdrawn
from domain.event import Event, Explanation, Fact
from domain.incident.decider import INITIAL, IncidentState, decide, evolve
from domain.incident.events import AlertsFolded, IncidentEscalated, IncidentOpened, IncidentRouted, TransferTimedOut
from domain.incident.plan_events import AlarmRaised, UnitsRecommended
from domain.incident.restriction_events import IncidentRestricted
from domain.policies.commitment import Ending, called_back, commitments
from domain.policies.correlation_rules import CorrelationRules
from domain.policies.escalation import ACCEPT, ACKNOWLEDGE, TRANSFER, Due, answer, answered_late_at
from domain.policies.judgement import Judgement
from domain.policies.recommendation import chosen_again
from domain.refusals import Refusal

JUDGEMENTS = (IncidentOpened, AlertsFolded, AlertsWaited, AlertsRecordedOnly)
DECISION_TOPICS = tuple(
    event.name
    for event in (
        *JUDGEMENTS,
        IncidentRouted,
        UnitsRecommended,
        IncidentEscalated,
        TransferTimedOut,
        AlarmRaised,
        IncidentRestricted,
        AssignmentCancelled,
        AssignmentPromoted,
        CoverFell,
        CoverRestored,
        MoveSuggested,
        MoveWithdrawn,
        UnitRecalled,
    )
)
"""What policies decide."""
PAGE_EVENTS_MAX = 2_000
"""A page's decisions are one command, and a command has no more events."""


class Repeater:
    """Makes recorded decisions again. `repeats` answers for any fact; None where no policy decided."""

    def __init__(self, *, log: EventLog, directory: Directory, clock: Clock) -> None:
        self._log = log
        self._directory = directory
        self._clock = clock
        # Facts asked for in log order share a page's judgement and one index that only moves forward.
        self._correlator: Correlator | None = None
        self._last: tuple[int, bool] | None = None
        self._past = Directory(log, directory.city)
        self._picture = Picture(log)

    async def differing(self, *, after_position: int = 0) -> tuple[int, list[int]]:
        """How many recorded decisions were made again, and the positions of those that came out otherwise."""
        position, count, otherwise = after_position, 0, []
        while rows := await self._log.read_after(position, limit=PAGE_EVENTS_MAX, topics=DECISION_TOPICS):
            for row in rows:
                same = await self.repeats(as_fact(row))
                count += same is not None
                if same is False:
                    otherwise.append(row.position)
            position = rows[-1].position
        return count, otherwise

    async def repeats(self, fact: Fact[Any]) -> bool | None:
        """Whether the decision comes out the same; None for what people or devices said."""
        await self._directory.catch_up()
        match fact.event:
            case IncidentRouted() as event:
                past = await self._directory_at(known(event) or fact.position)
                return await recomputed(fact, self._log, past) == (event,)
            case IncidentEscalated() | TransferTimedOut():
                return await self._deadline_again(fact) == (fact.event,)
            case UnitsRecommended() as event:
                return await self._chosen_again(fact) == event.unit_ids
            case AlarmRaised(explanation=Explanation()) as event:
                rows = await self._log.read_stream(fact.stream_id, up_to_position=fact.position - 1)
                rulebook = self._directory.rulebook(fact.envelope.rule_version)
                return raised([as_fact(row) for row in rows], rulebook) == (event,)
            case IncidentRestricted(explanation=Explanation()) as event:
                return await self._labelled_again(fact) == event
            case AssignmentCancelled(explanation=Explanation() as why):
                return list(await self._called_back_again(fact, why)) == [fact.event]
            case CoverFell() | CoverRestored() | MoveSuggested() | MoveWithdrawn():
                return fact.event in await self._cover_again(fact, fact.event.explanation)
            case UnitRecalled(explanation=Explanation() as why):
                return fact.event in await self._cover_again(fact, why)
            case AssignmentPromoted(explanation=Explanation()) as event:
                return await self._next_in_turn(fact) == event.assignment_id
            case IncidentOpened(cause=cause) if cause.report_id is None:
                return await self._judged_again(fact)
            case AlertsFolded() | AlertsWaited() | AlertsRecordedOnly():
                return await self._judged_again(fact)
            case _:
                return None

    async def _directory_at(self, position: int) -> Directory:
        """The tree and the rules as they were known at a position."""
        if self._past.position > position:
            self._past = Directory(self._log, self._directory.city)
        await self._past.catch_up(up_to_position=position)
        return self._past

    async def _labelled_again(self, fact: Fact[IncidentRestricted]) -> IncidentRestricted | None:
        """By the operation as it stood, of the incident as it was opened."""
        (first,) = await self._log.read_stream(fact.stream_id, limit=1)
        opened = as_fact(first)
        assert isinstance(opened.event, IncidentOpened), "the first fact of an incident"
        rows = await self._log.read_stream(fact.event.operation_id, up_to_position=fact.position - 1)
        past = await self._directory_at(fact.position)
        return Labelling.of(fact.event.operation_id, rows).label(opened.event, opened.occurred_at, past)

    async def _deadline_again(self, fact: Fact[IncidentEscalated | TransferTimedOut]) -> Sequence[Event]:
        state = await self._state(fact.stream_id, fact.position - 1)
        event, now = fact.event, fact.envelope.occurred_at
        if isinstance(event, TransferTimedOut):
            due = Due((TRANSFER, event.transfer_id), fact.stream_id, event.due_at, 0)
        else:
            waited_for = event.assignment_id or fact.stream_id
            kind = ACKNOWLEDGE if event.deadline == ACKNOWLEDGE else ACCEPT
            (position,) = event.explanation.input_positions
            answered_at = answered_late_at(event.explanation)
            due = Due(
                (kind, waited_for), fact.stream_id, event.due_at, position, level=event.level, answered_at=answered_at
            )
        head = await self._head(state, fact.position - 1)
        command = answer(due, state, self._directory.rulebook(fact.envelope.rule_version), now, head=head)
        decided = decide(command, state) if command is not None else ()
        return () if isinstance(decided, Refusal) else decided

    async def _chosen_again(self, fact: Fact[UnitsRecommended]) -> tuple[UUID, ...]:
        # On the state that the recommender read, which is the log up to where it had folded the units.
        known_up_to = fact.event.explanation.input_positions[-1]
        state = await self._state(fact.event.incident_id, known_up_to)
        rulebook = self._directory.rulebook(fact.envelope.rule_version)
        return chosen_again(fact.event, state, rulebook)

    async def _called_back_again(self, fact: Fact[AssignmentCancelled], why: Explanation) -> Sequence[Event]:
        """The unit as it was before, and the incident as the fact left it that ended it."""
        (position,) = why.input_positions
        (ended,) = await self._log.read_after(position - 1, limit=1)
        incident, unit = await self._state(ended.stream_id, position), await self._unit_before(fact)
        assert incident.phase is not None, "it has ended, so it was opened"
        for commitment in commitments(fact.stream_id, fact.version - 1, unit, {fact.event.incident_id}):
            if commitment.assignment.assignment_id == fact.event.assignment_id:
                again = called_back(commitment, Ending(incident.number, incident.phase, position))
                # What takes its turn then is a decision of its own, and is made again by itself.
                return [event for event in again if isinstance(event, AssignmentCancelled)]
        return ()

    async def _cover_again(self, fact: Fact[Any], why: Explanation) -> Sequence[Event]:
        """What followed for its stream from the picture that was known then. Asked in order, it only moves forward."""
        (known_up_to,) = why.input_positions
        if self._picture.position > known_up_to:
            self._picture = Picture(self._log)
        await self._picture.catch_up(known_up_to)
        rulebook = self._directory.rulebook(fact.envelope.rule_version)
        decided = self._picture.decided(rulebook, await self._directory_at(known_up_to))
        return decided.get(fact.stream_id, [])

    async def _next_in_turn(self, fact: Fact[AssignmentPromoted]) -> UUID | None:
        """What was next of all that waited for a unit that was on nothing."""
        unit = await self._unit_before(fact)
        return unit.waiting[0].assignment_id if unit.current is None and unit.waiting else None

    async def _unit_before(self, fact: Fact[Any]) -> UnitState:
        rows = await self._log.read_stream(fact.stream_id, up_to_position=fact.position - 1)
        return folded(rows, NEW_UNIT, evolve_unit)

    async def _head(self, state: IncidentState, position: int) -> IncidentState | None:
        """Where a merge led to."""
        head = None
        while state.merge is not None:
            head = state = await self._state(state.merge.into_incident_id, position)
        return head

    async def _state(self, incident_id: UUID, position: int) -> IncidentState:
        return folded(await self._log.read_stream(incident_id, up_to_position=position), INITIAL, evolve)

    async def _judged_again(self, fact: Fact[Any]) -> bool | None:
        """The page that the fact belongs to, judged again by an index rebuilt to what was known then."""
        known_up_to = known(fact.event)
        if known_up_to is None:
            return None
        if self._last is None or self._last[0] != known_up_to:
            rules = CorrelationRules(self._directory.rulebook(fact.envelope.rule_version))
            self._last = known_up_to, await self._page_again(known_up_to, rules)
        return self._last[1]

    async def _page_again(self, known_up_to: int, rules: CorrelationRules) -> bool:
        page = await self._page(known_up_to)
        correlator = self._correlator
        if correlator is None or correlator.index.position > known_up_to:
            correlator = self._correlator = Correlator(log=self._log, directory=self._directory, clock=self._clock)
            await correlator.prepare(known_up_to)
        await correlator.fold_up_to(known_up_to)
        late = correlator.index.late_folds
        alerts = [alert for alert in await self._alerts(page) if alert.position not in late]
        return _judged(await correlator.judge(alerts, rules)) == _recorded(page)

    async def _page(self, known_up_to: int) -> list[Event]:
        """The decisions made on that knowledge: one command, hence one run of positions after it."""
        topics = [event.name for event in JUDGEMENTS]
        rows = await self._log.read_after(known_up_to, limit=PAGE_EVENTS_MAX, topics=topics)
        return [event for event in (as_fact(row).event for row in rows) if known(event) == known_up_to]

    async def _alerts(self, page: Sequence[Event]) -> list[Fact[Event]]:
        """The alerts that these decisions were about."""
        positions = set()
        for event in page:
            if isinstance(event, IncidentOpened):
                positions.add(event.cause.alert_positions[-1])
            elif isinstance(event, AlertsFolded | AlertsWaited | AlertsRecordedOnly):
                positions |= {alert.position for alert in event.alerts}
        facts = []
        for position in sorted(positions):
            (row,) = await self._log.read_after(position - 1, limit=1)
            facts.append(as_fact(row))
        return facts


def known(event: Event) -> int | None:
    """The log position whose facts a decision knew."""
    if isinstance(event, AlertsFolded | AlertsWaited | AlertsRecordedOnly):
        return event.known_up_to
    if isinstance(event, IncidentOpened | IncidentRouted) and event.explanation is not None:
        for reason in event.explanation.reasons:
            if "known_up_to" in reason.values:
                return int(reason.values["known_up_to"])
    return None


def _judged(judgement: Judgement) -> list[tuple[object, ...]]:
    ends: list[tuple[object, ...]] = [
        ("opened", opening.severity, opening.category, *(position for position, _ in opening.causes))
        for opening in judgement.openings
    ]
    for folding in judgement.foldings.values():
        ends += [("folded", folding.incident_id, alert) for alert in folding.alerts]
    ends += [("waited", alert) for alert in judgement.waits]
    ends += [("left alone", alert) for alert in judgement.left_alone]
    return sorted(ends, key=repr)


def _recorded(page: Sequence[Event]) -> list[tuple[object, ...]]:
    ends: list[tuple[object, ...]] = []
    for event in page:
        match event:
            case IncidentOpened():
                ends.append(("opened", event.severity, event.category, *event.cause.alert_positions))
            case AlertsFolded():
                ends += [("folded", event.incident_id, alert) for alert in event.alerts]
            case AlertsWaited():
                ends += [("waited", alert) for alert in event.alerts]
            case AlertsRecordedOnly():
                ends += [("left alone", alert) for alert in event.alerts]
            case _:
                pass
    return sorted(ends, key=repr)
