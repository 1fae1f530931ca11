"""The keeper of cover: when a center has too few free units that is a fact, and so is who should move up.

It reacts to everything that changes what is free: duty, assignments, reservations, who is lent, who stands by; and to
people who decline a suggestion. It moves nobody: people accept (`dispatch.handling.cover`). Only who stands by for a
center that has enough of its own again is called home by the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.cover import minima_of
from dispatch.handling.scribe import Change
from dispatch.ports import Clock, EventLog, RecordedEvent
from domain.aid.events import AidCommitted, AidReleased
from domain.assignment import events as assignment
from domain.assignment import state as unit
from domain.center.events import CenterMoved
from domain.codec import Undecodable, for_fold
from domain.cover import decider as cover
from domain.cover.events import EVENTS as COVER
from domain.cover.events import MoveAccepted, MoveDeclined
from domain.event import Event, Fact
from domain.policies.cover import CoverUnit, Decided, evaluate, gone
from domain.rulebook.content import Rulebook
from domain.rulebook.events import RulebookActivated

PAGE_FACTS = 500
READ_PAGE_EVENTS = 2_000
MAKES_NO_DIFFERENCE: tuple[type[Event], ...] = (
    assignment.AssignmentAcknowledged,
    assignment.UnitEnRoute,
    assignment.UnitOnScene,
    assignment.AssignmentWaits,
    assignment.AssignmentPromoted,
)
"""Facts of units after which the same ones are free as before."""
LENDING: tuple[type[Event], ...] = (AidCommitted, AidReleased)
ANSWERS: tuple[type[Event], ...] = (MoveAccepted, MoveDeclined, RulebookActivated, CenterMoved)
TRIGGERS = frozenset(
    event.name for event in (*assignment.EVENTS, *LENDING, *ANSWERS) if event not in MAKES_NO_DIFFERENCE
)
OF_COVER = frozenset(event.name for event in COVER)
FOLDED = (*(event.name for event in (*assignment.EVENTS, *LENDING)), *sorted(OF_COVER))


class Picture:
    """Units, what is lent and what is known of cover, folded from the log up to `position`."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.position = 0
        self.units: dict[UUID, tuple[unit.UnitState, int]] = {}
        self.covers: dict[UUID, tuple[cover.CoverState, int]] = {}
        self._lent: dict[UUID, frozenset[UUID]] = {}

    async def catch_up(self, up_to_position: int | None = None) -> None:
        """Fold everything up to the tip, or to a position. A unit with a fact nobody can read counts no more; a minimum
        with one stays as it was.
        """
        end = (await self._log.tip()).position if up_to_position is None else up_to_position
        while self.position < end:
            rows = await self._log.read_after(self.position, limit=READ_PAGE_EVENTS, up_to_position=end, topics=FOLDED)
            for row in rows:
                self._take(row)
            self.position = rows[-1].position if len(rows) == READ_PAGE_EVENTS else end

    def _take(self, row: RecordedEvent) -> None:
        try:
            fact = for_fold(row)
            event = fact.gist()
        except Undecodable:
            if row.topic in OF_COVER:
                # As it was, at the version of now: or everything that follows for it would be refused as stale.
                self.covers[row.stream_id] = self._cover(row.stream_id), row.version
            else:
                self.units.pop(row.stream_id, None)
            return
        match event:
            case AidCommitted(units=units):
                lent = self._lent.get(fact.stream_id, frozenset())
                self._lent[fact.stream_id] = lent | {one.unit_id for one in units}
            case AidReleased(unit_ids=unit_ids):
                left = self._lent.pop(fact.stream_id, frozenset()) - set(unit_ids)
                if left:
                    self._lent[fact.stream_id] = left
            case _ if fact.name in OF_COVER:
                self.covers[fact.stream_id] = cover.evolve(self._cover(fact.stream_id), event), fact.version
            case _:
                state, _ = self.units.get(fact.stream_id, (unit.INITIAL, 0))
                self.units[fact.stream_id] = unit.without_ended(unit.evolve(state, event)), fact.version

    def counted(self, directory: Directory) -> list[CoverUnit]:
        """Every registered unit as cover counts it, in the order of ids; its centers stand where the tree has them."""
        lent = frozenset[UUID]().union(*self._lent.values())
        return [
            counted(unit_id, state, directory, is_lent=unit_id in lent)
            for unit_id, (state, _) in sorted(self.units.items())
            if state.registration is not None
        ]

    def decided(self, rulebook: Rulebook, directory: Directory) -> Decided:
        """What follows from the picture by these rules."""
        minima = minima_of(rulebook, directory, self.version)
        states = {each.stream_id: self._cover(each.stream_id) for each in minima}
        found = evaluate(minima, states, self.counted(directory), self.position) if minima else {}
        for stream_id, (state, _) in self.covers.items():
            if stream_id not in states and (events := gone(state, self.position)):
                found[stream_id] = events
        return found

    @property
    def is_anything_open(self) -> bool:
        """Whether cover is below a minimum somewhere, or somebody is asked to move up."""
        return any(state.fell is not None or state.suggested is not None for state, _ in self.covers.values())

    def _cover(self, stream_id: UUID) -> cover.CoverState:
        state, _ = self.covers.get(stream_id, (cover.INITIAL, 0))
        return state

    def version(self, stream_id: UUID) -> int:
        """Of a unit's stream, or of a minimum's."""
        return (self.units.get(stream_id) or self.covers.get(stream_id) or (None, 0))[1]


def counted(unit_id: UUID, state: unit.UnitState, directory: Directory, *, is_lent: bool) -> CoverUnit:
    """A unit as cover counts it."""
    registered, posted = state.registration, state.posted
    assert registered is not None, "only registered units are counted"
    is_reserved = any(each.has_begun for each in state.reservations.values())
    return CoverUnit(
        unit_id=unit_id,
        call_sign=registered.call_sign,
        agency=registered.agency,
        kind=registered.kind,
        base=directory.standing(registered.base),
        place=registered.home if posted is None else posted.place,
        is_free=state.on_duty and not state.open_assignments and not is_reserved and not is_lent,
        posted=None if posted is None else directory.standing(posted.center),
    )


class CoverKeeper:
    """The reactor."""

    name = "cover"
    topics = TRIGGERS
    page_events = PAGE_FACTS
    linger_s = 0.2

    def __init__(self, *, log: EventLog, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self.picture = Picture(log)

    async def prepare(self, mark: int) -> None:
        """Fold the units, all of them whatever the mark."""
        assert mark >= 0, "marks start at 0"
        await self.picture.catch_up()

    async def decide(self, page: Sequence[Fact[Event]]) -> Sequence[Change]:
        """What follows from all that is known now: a page is looked at once, however many facts it has."""
        await self._directory.reach(page[-1].position)
        if not self._directory.rulebook().cover and not self.picture.is_anything_open:
            return []  # a city without minima pays for none; the first rule is folded for when it comes
        await self.picture.catch_up()
        await self._directory.reach(self.picture.position)
        rulebook, now, cause = self._directory.rulebook(), self._clock.now(), page[-1].envelope.event_id
        return [
            Change(
                stream_id,
                self.picture.version(stream_id),
                tuple(events),
                occurred_at=now,
                causation_id=cause,
                rule_version=rulebook.version,
            )
            for stream_id, events in self.picture.decided(rulebook, self._directory).items()
        ]
