"""Two dispatchers at once, under any interleaving, with the real desks: the log never contradicts the rules."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.handling.aid import AidDesk
from dispatch.handling.assignments import Diversion
from dispatch.store.memory import MemoryLog
from domain.aid.commands import AcceptAid, CommitUnits, RequestAid
from domain.aid.events import AidRequested, LentUnit, WantedUnits
from domain.assignment import commands as ask
from domain.assignment.decider import INITIAL as NEW_UNIT
from domain.assignment.decider import decide as decide_unit
from domain.assignment.decider import evolve as evolve_unit
from domain.assignment.events import AssignmentMade, UnitReserved
from domain.assignment.stack import folded
from domain.assignment.state import ENDED, MOVING, STEPS, UnitState
from domain.event import Event
from domain.incident import commands as incident_ask
from domain.incident.decider import INITIAL as NEW_INCIDENT
from domain.incident.decider import evolve as evolve_incident
from domain.incident.events import IncidentMerged, IncidentUnmerged, NumberAllocated
from domain.ownership import Ownership
from domain.refusals import DispatchError, Refusal
from domain.vocabulary import UnitKind
from tests.handling.test_report_desk import DISPUTE
from tests.handling.world import NEXT_STATION, OTHER_UNIT, STATION, UNIT, Interleaved, Watch, World

units = st.sampled_from([UNIT, OTHER_UNIT])
numbers = st.integers(0, 2)
unit_plans = st.lists(
    st.one_of(
        st.tuples(st.just("assign"), units, numbers, st.booleans()),
        st.tuples(st.just("progress"), units, st.sampled_from(["ack", "go", "there", "clear", "decline"])),
        st.tuples(st.just("duty"), units, st.booleans()),
        st.tuples(st.just("divert"), units, numbers),
        st.tuples(st.just("reserve"), units, st.integers(0, 2), st.integers(1, 3)),
        st.tuples(st.just("reorder"), units),
        st.tuples(st.just("take"), units),
        st.tuples(st.just("lend"), units),
    ),
    max_size=8,
)
incident_plans = st.lists(
    st.one_of(
        st.tuples(st.just("merge"), numbers, numbers),
        st.tuples(st.just("unmerge"), numbers),
        st.tuples(st.just("accept"), numbers, st.sampled_from([STATION, NEXT_STATION])),
        st.tuples(st.just("offer"), numbers),
        st.tuples(st.just("answer"), numbers, st.booleans()),
        st.tuples(st.just("report")),
    ),
    max_size=8,
)
schedules = st.lists(st.integers(0, 4), min_size=1, max_size=40)
PROGRESS = {
    "ack": lambda key: ask.AcknowledgeAssignment(assignment_id=key),
    "go": lambda key: ask.ReportEnRoute(assignment_id=key),
    "there": lambda key: ask.ReportOnScene(assignment_id=key),
    "clear": lambda key: ask.ClearAssignment(assignment_id=key),
    "decline": lambda key: ask.DeclineAssignment(assignment_id=key, reason="flat tyre"),
}


class Dispatcher:
    """One person at one desk, following a plan and shrugging at every no."""

    def __init__(self, world: World, incidents: list[UUID]) -> None:
        self._world, self._incidents = world, incidents

    async def follow(self, plan: list[tuple[Any, ...]]) -> None:
        for verb, *rest in plan:
            with contextlib.suppress(DispatchError):
                await getattr(self, verb)(*rest)

    async def assign(self, unit_id: UUID, number: int, stacked: bool) -> None:
        await self._world.assignments.assign(unit_id, self._incidents[number], self._world.request(), stacked=stacked)

    async def progress(self, unit_id: UUID, step: str) -> None:
        seen = (await self._world.assignments.state(unit_id)).state.assignments
        for key in list(seen)[-1:]:
            await self._world.assignments.progress(unit_id, PROGRESS[step](key), self._world.request())

    async def divert(self, unit_id: UUID, number: int) -> None:
        current = (await self._world.assignments.state(unit_id)).state.current
        if current is not None:
            wanted = Diversion(current.assignment_id, self._incidents[number], "nearer")
            await self._world.assignments.divert(unit_id, wanted, self._world.request())

    async def reserve(self, unit_id: UUID, begins: int, lasts: int) -> None:
        request = self._world.request()
        begins_at = request.received_at + timedelta(hours=begins)
        reservation = UnitReserved(
            reservation_id=request.request_id,
            purpose="a match",
            center=Ownership(center_id=STATION, path=(STATION,)),
            begins_at=begins_at,
            ends_at=begins_at + timedelta(hours=lasts),
        )
        command = ask.ReserveUnit(reservation=reservation, at=request.received_at)
        await self._world.assignments.execute(unit_id, command, request)

    async def reorder(self, unit_id: UUID) -> None:
        waiting = (await self._world.assignments.state(unit_id)).state.waiting
        command = ask.OrderStack(assignment_ids=tuple(each.assignment_id for each in reversed(waiting)))
        await self._world.assignments.execute(unit_id, command, self._world.request())

    async def take(self, unit_id: UUID) -> None:
        for each in (await self._world.assignments.state(unit_id)).state.waiting[-1:]:
            command = ask.TakeFromStack(assignment_id=each.assignment_id, reason="nearer")
            await self._world.assignments.progress(unit_id, command, self._world.request())

    async def lend(self, unit_id: UUID) -> None:
        """Promise it to another center, as far as that has come."""
        desk, request = AidDesk(self._world.scribe), self._world.request()
        here, there = (Ownership(center_id=center, path=(center,)) for center in (STATION, NEXT_STATION))
        ends_at = request.received_at + timedelta(hours=2)
        asked = AidRequested(
            asker=there,
            asked=here,
            wanted=(WantedUnits(kind=UnitKind.MOTORCYCLE, count=1),),
            reason="a flood",
            answer_by=ends_at,
            ends_at=ends_at,
        )
        at = request.received_at
        for command in (
            RequestAid(aid=asked, at=at),
            AcceptAid(at=at),
            CommitUnits(units=(LentUnit(unit_id=unit_id, call_sign="JJ"),), at=at),
        ):
            await desk.execute(request.request_id, command, self._world.request())

    async def duty(self, unit_id: UUID, on: bool) -> None:
        command = ask.GoOnDuty() if on else ask.GoOffDuty()
        await self._world.assignments.execute(unit_id, command, self._world.request())

    async def merge(self, number: int, into: int) -> None:
        await self._world.incidents.merge(self._incidents[number], self._incidents[into], self._world.request())

    async def unmerge(self, number: int) -> None:
        await self._world.incidents.unmerge(self._incidents[number], self._world.request())

    async def accept(self, number: int, center_id: UUID) -> None:
        command = incident_ask.AcceptIncident(center_id=center_id)
        await self._world.incidents.execute(self._incidents[number], command, self._world.request())

    async def offer(self, number: int) -> None:
        await self._world.incidents.offer_transfer(
            self._incidents[number], to_center_id=NEXT_STATION, reason="nearer", request=self._world.request()
        )

    async def answer(self, number: int, taken: bool) -> None:
        incident_id = self._incidents[number]
        offer = (await self._world.incidents.state(incident_id)).state.offer
        if offer is None:
            return
        command = (
            incident_ask.AcceptTransfer(transfer_id=offer.transfer_id, center_id=NEXT_STATION)
            if taken
            else incident_ask.DeclineTransfer(transfer_id=offer.transfer_id, center_id=NEXT_STATION, reason="busy")
        )
        await self._world.incidents.execute(incident_id, command, self._world.request())

    async def report(self) -> None:
        await self._world.reports.file_report(DISPUTE, self._world.request())


async def played(plans: list[list[tuple[Any, ...]]], schedule: list[int]) -> tuple[MemoryLog, list[UUID]]:
    """The log after all have followed their plans at once."""
    watch = Watch()
    log = MemoryLog(watch)
    quiet = await World(log, watch).settle()
    incidents = [await quiet.open() for _ in range(3)]
    racing = Interleaved(log, schedule)
    dispatchers = []
    for number in range(len(plans)):
        world = World(racing, watch, asked=100_000 * (1 + number))
        await world.directory.catch_up()
        dispatchers.append(Dispatcher(world, incidents))
    await asyncio.gather(*(each.follow(plan) for each, plan in zip(dispatchers, plans, strict=True)))
    return log, incidents


def play(plans: list[list[tuple[Any, ...]]], schedule: list[int]) -> tuple[World, list[UUID], list[tuple[UUID, Event]]]:
    """The same, and everything the log says."""
    loop = asyncio.new_event_loop()
    try:
        log, incidents = loop.run_until_complete(played(plans, schedule))
        world = World(log)
        facts = loop.run_until_complete(world.everything())
        return world, incidents, [(fact.stream_id, fact.event) for fact in facts]
    finally:
        loop.close()


@settings(max_examples=100)
@given(unit_plans, unit_plans, schedules)
def test_two_dispatchers_never_double_book_a_unit(first, second, schedule):
    _, _, told = play([first, second], schedule)
    states = {UNIT: NEW_UNIT, OTHER_UNIT: NEW_UNIT}
    for stream_id, event in told:
        if stream_id not in states:
            continue
        before = states[stream_id]
        if isinstance(event, AssignmentMade):
            assert before.on_duty
            assert event.stacked == (before.current is not None)
            assert event.stacked or event.diverted_from is not None or not before.open_assignments
            assert event.incident_id not in {assignment.incident_id for assignment in before.open_assignments}
        after = states[stream_id] = evolve_unit(before, event)
        assert after.on_duty or not after.open_assignments
        at_hand = [each for each in after.open_assignments if each.assignment_id not in after.stack]
        assert len(at_hand) <= 1
        assert sum(assignment.phase in MOVING for assignment in after.open_assignments) <= 1
    every_assignment_ends_once(told, states)


def every_assignment_ends_once(told: list[tuple[UUID, Event]], states: dict[UUID, UnitState]) -> None:
    """If every crew works off what it has: nothing is lost in a stack, and nothing ends twice."""
    facts = [event for _, event in told]
    for now in states.values():
        state = now
        while state.current is not None:
            cleared = decide_unit(ask.ClearAssignment(assignment_id=state.current.assignment_id), state)
            assert not isinstance(cleared, Refusal)
            facts += cleared
            state = folded(state, cleared)
        assert not state.open_assignments
    made = sorted(event.assignment_id for event in facts if isinstance(event, AssignmentMade))
    ended = sorted(event.assignment_id for event in facts if STEPS.get(type(event)) in ENDED)
    assert ended == made


@settings(max_examples=100)
@given(incident_plans, incident_plans, incident_plans, schedules)
def test_merges_never_close_a_ring_and_both_halves_always_agree(first, second, third, schedule):
    _, incidents, told = play([first, second, third], schedule)
    states = dict.fromkeys(incidents, NEW_INCIDENT)
    for stream_id, event in told:
        if stream_id in states:
            states[stream_id] = evolve_incident(states[stream_id], event)
        if isinstance(event, IncidentMerged | IncidentUnmerged):
            # The guest's half is written last in a command, so here the pair is whole.
            pointers = {
                key: (state.merge.merge_id, state.merge.into_incident_id)
                for key, state in states.items()
                if state.merge is not None
            }
            absorbed = {
                guest: (merge_id, head) for head, state in states.items() for merge_id, guest in state.absorbed.items()
            }
            assert pointers == absorbed
            for start in incidents:
                seen, here = set(), start
                while here in pointers:
                    assert here not in seen, "a ring"
                    seen.add(here)
                    here = pointers[here][1]


@settings(max_examples=100)
@given(incident_plans, incident_plans, schedules)
def test_every_incident_has_one_owner_at_every_position(first, second, schedule):
    _, incidents, told = play([first, second], schedule)
    states = dict.fromkeys(incidents, NEW_INCIDENT)
    for stream_id, event in told:
        if stream_id not in states:
            continue
        states[stream_id] = evolve_incident(states[stream_id], event)
        owner, offer = states[stream_id].owner, states[stream_id].offer
        assert owner is not None
        assert offer is None or offer.from_center_id == owner.center_id


@settings(max_examples=100)
@given(incident_plans, incident_plans, incident_plans, schedules)
def test_numbers_of_a_day_have_no_gap_and_no_double(first, second, third, schedule):
    _, _, told = play([first, second, third], schedule)
    given_out = [event.number for _, event in told if isinstance(event, NumberAllocated)]
    assert given_out == [f"CD-20260701-{nth:04d}" for nth in range(1, len(given_out) + 1)]
