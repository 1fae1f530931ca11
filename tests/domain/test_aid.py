"""To acknowledge is not to accept, to accept is not to commit; what is lent is released by somebody's word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aid import commands as ask
from domain.aid import events as fact
from domain.aid import lending
from domain.aid.decider import INITIAL, AidPhase, decide, evolve
from domain.event import Event
from domain.ownership import Ownership
from domain.refusals import Refusal
from domain.vocabulary import UnitKind
from tests.domain.deciding import Decider

aid = Decider(decide, evolve, INITIAL)
unit = Decider(lending.decide, lending.evolve, lending.INITIAL)

NOW = datetime(2026, 7, 3, 20, 0, tzinfo=UTC)
ANSWER_BY, UNTIL = NOW + timedelta(minutes=15), NOW + timedelta(hours=6)
CITY, EAST, WEST = UUID(int=1), UUID(int=2), UUID(int=3)
REQUESTED = fact.AidRequested(
    asker=Ownership(center_id=EAST, path=(CITY, EAST)),
    asked=Ownership(center_id=WEST, path=(CITY, WEST)),
    wanted=(fact.WantedUnits(kind=UnitKind.PATROL_CAR, count=2),),
    reason="the underpass is flooded",
    answer_by=ANSWER_BY,
    ends_at=UNTIL,
)
ONE, TWO = fact.LentUnit(unit_id=UUID(int=11), call_sign="W-1"), fact.LentUnit(unit_id=UUID(int=12), call_sign="W-2")
REQUEST = ask.RequestAid(aid=REQUESTED, at=NOW)
ACKNOWLEDGE, ACKNOWLEDGED = ask.AcknowledgeAid(), fact.AidAcknowledged(center_id=WEST)
ACCEPT, ACCEPTED = ask.AcceptAid(at=NOW, note="soon"), fact.AidAccepted(center_id=WEST, note="soon")
DECLINE, DECLINED = ask.DeclineAid(reason="none free", at=NOW), fact.AidDeclined(center_id=WEST, reason="none free")
COMMIT, COMMITTED = ask.CommitUnits(units=(ONE, TWO), at=NOW), fact.AidCommitted(center_id=WEST, units=(ONE, TWO))
RELEASE = ask.ReleaseUnits(center_id=EAST)
RELEASED = fact.AidReleased(center_id=EAST, unit_ids=(ONE.unit_id, TWO.unit_id))
WITHDRAW, WITHDRAWN = (
    ask.WithdrawAid(reason="it ran off", at=NOW),
    fact.AidWithdrawn(center_id=EAST, reason="it ran off"),
)
MISSED = fact.AidAnswerMissed(due_at=ANSWER_BY, late_s=60)
NOTICE = ask.RecordMissedAnswer(noticed_at=ANSWER_BY + timedelta(seconds=60))
LIFE: dict[AidPhase, tuple[Any, ...]] = {
    AidPhase.REQUESTED: (REQUESTED,),
    AidPhase.ACKNOWLEDGED: (REQUESTED, ACKNOWLEDGED),
    AidPhase.ACCEPTED: (REQUESTED, ACCEPTED),
    AidPhase.COMMITTED: (REQUESTED, ACCEPTED, COMMITTED),
    AidPhase.RELEASED: (REQUESTED, ACCEPTED, COMMITTED, RELEASED),
    AidPhase.DECLINED: (REQUESTED, DECLINED),
    AidPhase.WITHDRAWN: (REQUESTED, WITHDRAWN),
}
TABLE = {
    ACKNOWLEDGE: "x.....-",
    ACCEPT: "xx...--",
    DECLINE: "xx---.-",
    ask.CommitUnits(units=(fact.LentUnit(unit_id=UUID(int=13), call_sign="W-3"),), at=NOW): "--xx---",
    RELEASE: "---x.--",
    WITHDRAW: "xxx---.",
    NOTICE: "xx.....",
}


def test_the_table_is_what_the_decider_does():
    for command, marks in TABLE.items():
        for (phase, events), mark in zip(LIFE.items(), marks, strict=True):
            decided = aid.decide(command, events)
            said = "-" if isinstance(decided, Refusal) else "x" if decided else "."
            assert said == mark, (command, phase)
            if mark == "-":
                assert decided.code == "aid.not_possible"


def test_it_is_asked_for_once_and_each_step_is_a_fact_of_its_own():
    aid.given().when(REQUEST).then(REQUESTED)
    aid.given(REQUESTED).when(REQUEST).then_nothing()
    aid.given(REQUESTED).when(ACKNOWLEDGE).then(ACKNOWLEDGED)
    aid.given(REQUESTED, ACKNOWLEDGED).when(ACCEPT).then(ACCEPTED)
    aid.given(REQUESTED).when(DECLINE).then(DECLINED)
    aid.given(REQUESTED, ACCEPTED).when(COMMIT).then(COMMITTED)
    aid.given(REQUESTED, ACCEPTED, COMMITTED).when(RELEASE).then(RELEASED)
    aid.given(REQUESTED, ACCEPTED).when(WITHDRAW).then(WITHDRAWN)


def test_nothing_is_done_about_one_that_is_not_there():
    for command in (*TABLE, COMMIT):
        aid.given().when(command).then_refused("aid.unknown")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"asked": REQUESTED.asker}, "aid.to_self"),
        ({"answer_by": NOW}, "aid.no_time"),
        ({"answer_by": UNTIL + timedelta(seconds=1)}, "aid.no_time"),
        ({"ends_at": NOW}, "aid.no_time"),
    ],
)
def test_what_cannot_be_asked_for(changed: dict[str, Any], code: str):
    aid.given().when(ask.RequestAid(aid=REQUESTED.model_copy(update=changed), at=NOW)).then_refused(code)


def test_units_are_committed_and_released_in_parts():
    first = fact.AidCommitted(center_id=WEST, units=(ONE,))
    aid.given(REQUESTED, ACCEPTED, first).when(COMMIT).then(fact.AidCommitted(center_id=WEST, units=(TWO,)))
    aid.given(REQUESTED, ACCEPTED, COMMITTED).when(COMMIT).then_nothing()
    one = ask.ReleaseUnits(center_id=WEST, unit_ids=(ONE.unit_id,), note="needed at home")
    gone = fact.AidReleased(center_id=WEST, unit_ids=(ONE.unit_id,), note="needed at home")
    aid.given(REQUESTED, ACCEPTED, COMMITTED).when(one).then(gone)
    aid.given(REQUESTED, ACCEPTED, COMMITTED, gone).when(one).then_refused("aid.not_committed")
    rest = fact.AidReleased(center_id=EAST, unit_ids=(TWO.unit_id,))
    aid.given(REQUESTED, ACCEPTED, COMMITTED, gone).when(RELEASE).then(rest)


def test_after_its_time_nothing_is_promised_and_what_is_lent_is_still_released():
    aid.given(REQUESTED).when(ACCEPT.model_copy(update={"at": UNTIL})).then_refused("aid.over")
    aid.given(REQUESTED, ACCEPTED).when(COMMIT.model_copy(update={"at": UNTIL})).then_refused("aid.over")
    aid.given(REQUESTED, ACCEPTED, COMMITTED).when(RELEASE).then(RELEASED)


def test_a_missed_answer_is_a_fact_once_and_may_still_come():
    aid.given(REQUESTED, ACKNOWLEDGED).when(NOTICE).then(MISSED)
    aid.given(REQUESTED, MISSED).when(NOTICE).then_nothing()
    early = ask.RecordMissedAnswer(noticed_at=ANSWER_BY - timedelta(seconds=1))
    aid.given(REQUESTED).when(early).then_nothing()
    aid.given(REQUESTED, MISSED).when(ACCEPT).then(ACCEPTED)


@pytest.mark.parametrize(("command", "answer"), [(ACCEPT, ACCEPTED), (DECLINE, DECLINED), (WITHDRAW, WITHDRAWN)])
def test_an_answer_that_comes_too_late_does_not_undo_that_it_was_missed(command: Any, answer: Event):
    late = command.model_copy(update={"at": ANSWER_BY + timedelta(seconds=60)})
    aid.given(REQUESTED).when(late).then(MISSED, answer)
    aid.given(REQUESTED, MISSED).when(late).then(answer)
    in_time = command.model_copy(update={"at": ANSWER_BY})
    aid.given(REQUESTED, ACKNOWLEDGED).when(in_time).then(answer)


def test_what_was_accepted_in_time_is_withdrawn_later_without_a_miss():
    late = WITHDRAW.model_copy(update={"at": ANSWER_BY + timedelta(seconds=60)})
    aid.given(REQUESTED, ACCEPTED).when(late).then(WITHDRAWN)


def test_a_unit_is_kept_for_one_asker_at_a_time():
    keep = lending.KeepUnit(unit=ONE, aid_id=UUID(int=21))
    kept = fact.UnitKept(unit_id=ONE.unit_id, aid_id=UUID(int=21))
    other = keep.model_copy(update={"aid_id": UUID(int=22)})
    unit.given().when(keep).then(kept)
    unit.given(kept).when(keep).then_nothing()
    unit.given(kept).when(other).then_refused("aid.unit_kept", unit_id=str(ONE.unit_id))
    free, freed = lending.FreeUnit(unit_id=ONE.unit_id, aid_id=UUID(int=21)), fact.UnitFreed(**kept.model_dump())
    unit.given(kept).when(free).then(freed)
    unit.given(kept, freed).when(free).then_nothing()
    unit.given(kept, freed).when(other).then(fact.UnitKept(unit_id=ONE.unit_id, aid_id=UUID(int=22)))
    unit.given(kept).when(free.model_copy(update={"aid_id": UUID(int=22)})).then_nothing()


def test_no_more_units_than_the_limit():
    many = tuple(fact.LentUnit(unit_id=UUID(int=100 + at), call_sign=str(at)) for at in range(fact.UNITS_MAX))
    full = fact.AidCommitted(center_id=WEST, units=many)
    aid.given(REQUESTED, ACCEPTED, full).when(COMMIT).then_refused("aid.too_many", limit=str(fact.UNITS_MAX))


@settings(max_examples=200)
@given(st.lists(st.sampled_from([REQUEST, COMMIT, *TABLE]), max_size=14))
def test_no_unit_is_lent_twice_and_none_without_an_acceptance(commands: list[Any]):
    state, lent, is_accepted = INITIAL, set(), False
    for command in commands:
        decided = decide(command, state)
        if isinstance(decided, Refusal):
            continue
        for event in decided:
            is_accepted |= isinstance(event, fact.AidAccepted)
            if isinstance(event, fact.AidCommitted):
                assert is_accepted
                assert lent.isdisjoint(one.unit_id for one in event.units)
                lent |= {one.unit_id for one in event.units}
            if isinstance(event, fact.AidReleased):
                assert set(event.unit_ids) <= lent
                lent -= set(event.unit_ids)
            state = evolve(state, event)
        assert state.lent == lent
        assert (state.phase is AidPhase.COMMITTED) == bool(lent)
