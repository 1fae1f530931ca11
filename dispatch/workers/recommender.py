"""The recommender: after each routing or alarm, and whenever a unit falls away or is diverted, which would be sent.

Duty and assignments are folded from the log; positions come from outside it and are copied, with their age, into what
is recorded. A recommendation decides nothing: it goes to the companion stream, and people assign.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.folding import folded
from dispatch.handling.scribe import Change
from dispatch.ports import Clock, EventLog, UnitPosition, UnitPositions
from domain.assignment import events as assignment
from domain.assignment import state as unit
from domain.codec import Undecodable, for_fold
from domain.event import Event, Fact
from domain.identifiers import companion_of
from domain.incident.admission import LIVE
from domain.incident.decider import INITIAL, IncidentState, evolve
from domain.incident.diversion import UnitDiverted
from domain.incident.events import IncidentClassified, IncidentRouted, SeverityRaised
from domain.incident.plan_events import AlarmLowered, AlarmRaised
from domain.incident.wanted import Sent
from domain.policies.plans import has_plans, response_of
from domain.policies.recommendation import Fleet, UnitView, recommend
from domain.rulebook.content import Rulebook
from domain.vocabulary import MessageStatus

BY_SEVERITY = (IncidentClassified, SeverityRaised)
"""Another plan may count now. Where the category has none, only a routing that follows brings a recommendation."""
TRIGGERS = (IncidentRouted, AlarmRaised, AlarmLowered, *BY_SEVERITY, assignment.AssignmentDeclined, UnitDiverted)
UNIT_TOPICS = tuple(event.name for event in assignment.EVENTS)
UNIT_PAGE_EVENTS = 2_000
PAGE_FACTS = 100


class Units:
    """The state of every unit, folded from the log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.position = 0
        self.states: dict[UUID, unit.UnitState] = {}

    async def catch_up(self) -> None:
        """Fold everything up to the tip. A unit with a fact nobody can read is not recommended any more."""
        tip = (await self._log.tip()).position
        while self.position < tip:
            rows = await self._log.read_after(
                self.position, limit=UNIT_PAGE_EVENTS, up_to_position=tip, topics=UNIT_TOPICS
            )
            for row in rows:
                try:
                    self.apply(for_fold(row))
                except Undecodable:
                    self.states.pop(row.stream_id, None)
            self.position = rows[-1].position if len(rows) == UNIT_PAGE_EVENTS else tip

    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact of a unit."""
        state = unit.evolve(self.states.get(fact.stream_id, unit.INITIAL), fact.gist())
        self.states[fact.stream_id] = unit.without_ended(state)


class Recommender:
    """The reactor."""

    name = "recommender"
    topics = frozenset(event.name for event in TRIGGERS)
    page_events = PAGE_FACTS
    linger_s = 0.2

    def __init__(self, *, log: EventLog, directory: Directory, clock: Clock, positions: UnitPositions) -> None:
        self._log = log
        self._directory = directory
        self._clock = clock
        self._positions = positions
        self.units = Units(log)

    async def prepare(self, mark: int) -> None:
        """Fold the units, all of them whatever the mark: a unit registered long ago is as good as a new one."""
        assert mark >= 0, "marks start at 0"
        await self.units.catch_up()

    async def decide(self, page: Sequence[Fact[Event]]) -> Sequence[Change]:
        """One recommendation for each live, actual incident of the page."""
        await self._directory.reach(page[-1].position)
        await self.units.catch_up()
        rulebook, now = self._directory.rulebook(), self._clock.now()
        causes = {_incident_of(fact): fact for fact in page}
        plain = {_incident_of(fact) for fact in page if not isinstance(fact.gist(), BY_SEVERITY)}
        # Not beyond what is known of the units: the decision names one position that it knew everything up to.
        streams = await self._log.read_streams(list(causes), up_to_position=self.units.position)
        wanted: dict[UUID, tuple[IncidentState, tuple[int, ...]]] = {}
        for incident_id, rows in streams.items():
            state = folded(rows, INITIAL, evolve)
            is_asked = incident_id in plain or has_plans(rulebook, state.category)
            if is_asked and state.phase in LIVE and state.status is MessageStatus.ACTUAL:
                wanted[incident_id] = state, (causes[incident_id].position, self.units.position)
        fleet = Fleet(await self._views([state for state, _ in wanted.values()], rulebook, now), rulebook)
        sent, changes = self._sent(wanted), []
        for incident_id, (state, positions) in wanted.items():
            event = recommend(incident_id, state, fleet, positions, sent[incident_id])
            if event is not None:
                cause = causes[incident_id].envelope.event_id
                changes.append(
                    Change(
                        companion_of(incident_id),
                        None,
                        (event,),
                        occurred_at=now,
                        causation_id=cause,
                        correlation_id=incident_id,
                        rule_version=rulebook.version,
                    )
                )
        return changes

    async def _views(self, incidents: Iterable[IncidentState], rulebook: Rulebook, now: datetime) -> Sequence[UnitView]:
        """Units of the agencies that these incidents would send, with what is known of where they are."""
        asked = (response_of(rulebook, each.category, each.severity, each.alarm_level) for each in incidents)
        agencies = {rule.agency for rules in asked for rule in rules}
        ours = {
            unit_id: state
            for unit_id, state in self.units.states.items()
            if state.registration is not None and state.registration.agency in agencies
        }
        on_duty = [unit_id for unit_id, state in ours.items() if state.on_duty]
        known = await self._positions.get(on_duty) if on_duty else {}
        return [_view(unit_id, state, known.get(unit_id), now) for unit_id, state in ours.items()]

    def _sent(self, incident_ids: Iterable[UUID]) -> dict[UUID, list[Sent]]:
        """The units that are on these incidents."""
        found: dict[UUID, list[Sent]] = {incident_id: [] for incident_id in incident_ids}
        for state in self.units.states.values():
            registered = state.registration
            for each in state.open_assignments:
                if registered is not None and each.incident_id in found:
                    found[each.incident_id].append(Sent(registered.agency, registered.kind, registered.skills))
        return found


def _view(unit_id: UUID, state: unit.UnitState, position: UnitPosition | None, now: datetime) -> UnitView:
    registered = state.registration
    assert registered is not None, "only registered units are looked at"
    return UnitView(
        unit_id=unit_id,
        call_sign=registered.call_sign,
        agency=registered.agency,
        kind=registered.kind,
        skills=frozenset(registered.skills),
        home=registered.home if state.posted is None else state.posted.place,
        on_duty=state.on_duty,
        is_busy=bool(state.open_assignments),
        is_reserved=state.reserved_at(now) is not None,
        position=position.point if position is not None else None,
        # A unit's clock may be ahead of ours: its position is then as fresh as can be.
        age_s=max(0.0, (now - position.reported_at).total_seconds()) if position is not None else None,
    )


def _incident_of(fact: Fact[Event]) -> UUID:
    event = fact.gist()
    return event.incident_id if isinstance(event, assignment.AssignmentDeclined) else fact.stream_id
