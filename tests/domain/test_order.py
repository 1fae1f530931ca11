"""Orders: issued by those who command, changed by them, acknowledged by each addressee, and over at an end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from domain.event import Event
from domain.order.commands import ExpireOrder, RecordMissedAnswers
from domain.order.decider import INITIAL, decide, evolve
from domain.order.events import (
    MissedAnswer,
    OrderAcknowledgementMissed,
    OrderArea,
    OrderExpired,
    OrderIssued,
)
from domain.order.state import is_in_force
from domain.ownership import Ownership
from domain.refusals import Refusal
from domain.vocabulary import CenterKind, MessageStatus, OrderPhase
from tests.domain.deciding import Decider
from tests.domain.order_story import (
    AMEND,
    AMENDED,
    AMENDED_CONTENT,
    AT,
    CITY,
    CONTENT,
    EAST,
    EXPIRED,
    EXTEND,
    EXTENDED,
    EXTENDED_CONTENT,
    ISSUE,
    ISSUED,
    LIFT,
    LIFTED,
    LIFTED_AT,
    STATION,
    TO_EAST,
    TO_TRAFFIC,
    TRAFFIC,
    acknowledge,
    acknowledged,
    decline,
    declined,
)

order = Decider(decide, evolve, INITIAL)
A_MINUTE = timedelta(minutes=1)


def issuing(**changed: object):
    return ISSUE.model_copy(update={"order": CONTENT.model_copy(update=changed)})


class TestIssuing:
    def test_a_city_issues_an_order(self):
        order.given().when(ISSUE).then(ISSUED)

    def test_an_order_is_issued_once(self):
        order.given(ISSUED).when(ISSUE).then_refused("order.already_issued", number=CONTENT.number)

    @pytest.mark.parametrize("kind", [CenterKind.STATION, CenterKind.BRANCH])
    def test_stations_and_branch_rooms_command_nobody(self, kind):
        command = ISSUE.model_copy(update={"issuer_kind": kind})
        order.given().when(command).then_refused("order.issuer_not_entitled", kind=kind.value)

    @pytest.mark.parametrize("kind", [CenterKind.HEADQUARTERS, CenterKind.FUNCTIONAL, CenterKind.DISTRICT])
    def test_headquarters_departments_and_districts_do(self, kind):
        order.given().when(ISSUE.model_copy(update={"issuer_kind": kind})).then(ISSUED)

    def test_an_order_always_has_an_end_after_its_beginning(self):
        order.given().when(issuing(expires_at=AT)).then_refused("order.expires_too_early")
        later = {"effective_at": AT + timedelta(hours=2), "expires_at": AT + timedelta(hours=1)}
        order.given().when(issuing(**later)).then_refused("order.expires_too_early")

    def test_what_would_be_over_before_it_is_issued_is_refused(self):
        past = {"effective_at": AT - timedelta(hours=2), "expires_at": AT - timedelta(hours=1)}
        order.given().when(issuing(**past)).then_refused("order.expires_too_early")

    def test_the_acknowledgement_is_due_while_the_order_runs(self):
        for at in (AT, AT - A_MINUTE, CONTENT.expires_at + A_MINUTE):
            order.given().when(issuing(acknowledge_by=at)).then_refused("order.acknowledge_by_out_of_range")

    def test_an_order_is_for_somebody_and_holds_somewhere(self):
        order.given().when(issuing(addressees=())).then_refused("order.no_addressee")
        order.given().when(issuing(area=OrderArea())).then_refused("order.no_area")

    @pytest.mark.parametrize("status", [MessageStatus.SYSTEM, MessageStatus.DRAFT])
    def test_an_order_is_actual_or_an_exercise_or_a_test(self, status):
        order.given().when(issuing(status=status)).then_refused("order.status_not_possible", status=status.value)

    def test_an_actual_order_is_never_about_an_exercise(self):
        about_exercise = ISSUE.model_copy(update={"incident_status": MessageStatus.EXERCISE})
        order.given().when(about_exercise).then_refused("order.incident_of_another_status")
        both = issuing(status=MessageStatus.EXERCISE).model_copy(update={"incident_status": MessageStatus.EXERCISE})
        assert isinstance(order.decide(both, ())[0], OrderIssued)


class TestChanging:
    def test_an_amendment_is_a_new_edition_with_the_whole_order(self):
        order.given(ISSUED).when(AMEND).then(AMENDED)

    def test_an_amendment_that_changes_nothing_asks_nobody_to_acknowledge_it(self):
        same = AMEND.model_copy(update={"text": CONTENT.text})
        order.given(ISSUED).when(same).then_refused("order.nothing_amended")

    def test_the_beginning_moves_only_while_it_has_not_come(self):
        moved = AMEND.model_copy(update={"effective_at": AMEND.amended_at + A_MINUTE})
        order.given(ISSUED).when(moved).then_refused("order.in_force", number=CONTENT.number)
        waiting = CONTENT.model_copy(update={"effective_at": AMEND.amended_at + timedelta(hours=1)})
        (event,) = order.decide(moved, [OrderIssued(order=waiting, issued_at=AT)])
        assert event.order.effective_at == AMEND.amended_at + A_MINUTE

    def test_an_amendment_cannot_end_it_in_the_past(self):
        ended = AMEND.model_copy(update={"expires_at": AMEND.amended_at - A_MINUTE})
        order.given(ISSUED).when(ended).then_refused("order.expires_too_early")

    def test_an_extension_leaves_the_edition_as_it_is(self):
        order.given(ISSUED).when(EXTEND).then(EXTENDED)
        assert EXTENDED_CONTENT.edition == 1

    def test_extending_to_the_same_end_is_nothing_and_to_an_earlier_one_refused(self):
        order.given(ISSUED, EXTENDED).when(EXTEND).then_nothing()
        sooner = EXTEND.model_copy(update={"expires_at": CONTENT.expires_at})
        order.given(ISSUED, EXTENDED).when(sooner).then_refused("order.not_longer")

    def test_it_is_lifted_by_its_issuer(self):
        order.given(ISSUED).when(LIFT).then(LIFTED)

    @pytest.mark.parametrize("command", [AMEND, EXTEND, LIFT])
    def test_only_the_issuer_and_those_above_change_it(self, command):
        by_east = CONTENT.model_copy(update={"issuer": Ownership(center_id=EAST, path=(CITY, EAST))})
        issued = OrderIssued(order=by_east, issued_at=AT)
        for center_id in (EAST, CITY):
            assert len(order.decide(command.model_copy(update={"center_id": center_id}), [issued])) == 1
        for center_id in (STATION, TRAFFIC):
            foreign = command.model_copy(update={"center_id": center_id})
            order.given(issued).when(foreign).then_refused("order.not_the_issuer", number=CONTENT.number)

    @pytest.mark.parametrize("command", [AMEND, EXTEND, LIFT, acknowledge(EAST), decline(EAST)])
    def test_nothing_is_decided_about_an_order_that_is_over(self, command):
        order.given(ISSUED, LIFTED).when(command).then_refused("order.already_lifted")
        order.given(ISSUED, EXPIRED).when(command).then_refused("order.already_expired")

    def test_its_time_is_over_though_nobody_recorded_it_yet(self):
        late = CONTENT.expires_at
        for command in (
            EXTEND.model_copy(update={"extended_at": late}),
            LIFT.model_copy(update={"lifted_at": late}),
            AMEND.model_copy(update={"amended_at": late}),
            acknowledge(EAST, at=late),
        ):
            order.given(ISSUED).when(command).then_refused("order.already_expired")

    @pytest.mark.parametrize("command", [AMEND, EXTEND, LIFT, acknowledge(EAST), ExpireOrder(noticed_at=AT)])
    def test_what_was_never_issued_is_unknown(self, command):
        order.given().when(command).then_refused("order.unknown")


class TestAnswering:
    def test_an_addressee_acknowledges_the_edition_it_read(self):
        order.given(ISSUED).when(acknowledge(TRAFFIC)).then(acknowledged(TO_TRAFFIC))

    def test_saying_it_again_changes_nothing(self):
        order.given(ISSUED, acknowledged(TO_TRAFFIC)).when(acknowledge(TRAFFIC)).then_nothing()
        order.given(ISSUED, declined(TO_EAST)).when(decline(EAST)).then_nothing()

    def test_nobody_answers_for_somebody_else(self):
        for centers in ((CITY,), (STATION,), (), (EAST, STATION)):
            order.given(ISSUED).when(acknowledge(*centers)).then_refused("order.not_addressed")

    def test_an_old_text_cannot_be_acknowledged(self):
        order.given(ISSUED, AMENDED).when(acknowledge(EAST)).then_refused("order.superseded", edition="2")

    def test_an_amendment_has_to_be_acknowledged_anew(self):
        facts = (ISSUED, acknowledged(TO_EAST), AMENDED)
        order.given(*facts).when(acknowledge(EAST, edition=2)).then(acknowledged(TO_EAST, edition=2))

    def test_an_extension_leaves_acknowledgements_as_they_are(self):
        order.given(ISSUED, acknowledged(TO_EAST), EXTENDED).when(acknowledge(EAST)).then_nothing()

    def test_who_declined_may_still_take_it_on_and_not_the_other_way_round(self):
        order.given(ISSUED, declined(TO_EAST)).when(acknowledge(EAST)).then(acknowledged(TO_EAST))
        order.given(ISSUED, acknowledged(TO_EAST)).when(decline(EAST)).then_refused("order.already_acknowledged")

    def test_answers_do_not_move_the_version_that_decisions_state(self):
        state = order.state([ISSUED, acknowledged(TO_EAST), declined(TO_TRAFFIC)])
        assert (state.decided_version, state.version) == (1, 3)
        assert order.state([ISSUED, acknowledged(TO_EAST), AMENDED]).decided_version == 3


class TestDeadlines:
    due_at = CONTENT.acknowledge_by
    missed = RecordMissedAnswers(edition=1, noticed_at=due_at + timedelta(seconds=90))

    def expected(self, *missing: MissedAnswer, told=(CONTENT.issuer,)) -> OrderAcknowledgementMissed:
        return OrderAcknowledgementMissed(edition=1, missing=missing, told=told, due_at=self.due_at, late_s=90)

    def test_who_did_not_answer_in_time_is_recorded_with_how_late_it_was_noticed(self):
        missing = self.expected(MissedAnswer(center_id=EAST))
        order.given(ISSUED, acknowledged(TO_TRAFFIC)).when(self.missed).then(missing)

    def test_everybody_in_time_is_nothing(self):
        facts = (ISSUED, acknowledged(TO_TRAFFIC, at=self.due_at), declined(TO_EAST, at=self.due_at))
        order.given(*facts).when(self.missed).then_nothing()

    def test_an_answer_that_came_too_late_does_not_undo_it(self):
        late = self.due_at + A_MINUTE
        missing = self.expected(MissedAnswer(center_id=EAST, answered_at=late))
        facts = (ISSUED, acknowledged(TO_TRAFFIC), acknowledged(TO_EAST, at=late))
        order.given(*facts).when(self.missed).then(missing)

    def test_the_next_level_is_told_too(self):
        by_east = CONTENT.model_copy(
            update={"issuer": Ownership(center_id=EAST, path=(CITY, EAST)), "addressees": (TO_TRAFFIC,)}
        )
        told = (by_east.issuer, Ownership(center_id=CITY, path=(CITY,)))
        missing = MissedAnswer(center_id=TRAFFIC, agency="traffic_police")
        order.given(OrderIssued(order=by_east, issued_at=AT)).when(self.missed).then(self.expected(missing, told=told))

    def test_it_is_recorded_once(self):
        recorded = self.expected(MissedAnswer(center_id=EAST))
        order.given(ISSUED, recorded).when(self.missed).then_nothing()

    def test_it_is_not_recorded_before_it_is_due(self):
        early = RecordMissedAnswers(edition=1, noticed_at=self.due_at - A_MINUTE)
        order.given(ISSUED).when(early).then_refused("order.acknowledgement_not_missed")

    def test_what_was_replaced_or_lifted_before_it_was_due_is_owed_no_more(self):
        early = AT + A_MINUTE
        order.given(ISSUED, AMENDED.model_copy(update={"amended_at": early})).when(self.missed).then_nothing()
        order.given(ISSUED, LIFTED.model_copy(update={"lifted_at": early})).when(self.missed).then_nothing()

    def test_who_declined_in_time_and_did_it_after_all_has_missed_nothing_whenever_somebody_looks(self):
        early, late = self.due_at - A_MINUTE, self.due_at + A_MINUTE
        answered = (acknowledged(TO_TRAFFIC), declined(TO_EAST, at=early))
        order.given(ISSUED, *answered).when(self.missed).then_nothing()
        order.given(ISSUED, *answered, acknowledged(TO_EAST, at=late)).when(self.missed).then_nothing()

    def test_what_was_replaced_or_lifted_after_it_was_due_stays_missed(self):
        for fact in (AMENDED, LIFTED):
            (event,) = order.decide(self.missed, [ISSUED, fact])
            assert [one.center_id for one in event.missing] == [TRAFFIC, EAST]

    def test_the_second_edition_has_a_deadline_of_its_own(self):
        second = RecordMissedAnswers(edition=2, noticed_at=AMENDED_CONTENT.acknowledge_by)
        (event,) = order.decide(second, [ISSUED, AMENDED, acknowledged(TO_EAST, edition=2)])
        assert [one.center_id for one in event.missing] == [TRAFFIC]

    def test_an_edition_that_never_was_owes_nothing(self):
        order.given(ISSUED).when(self.missed.model_copy(update={"edition": 7})).then_nothing()

    def test_its_end_is_a_fact_with_how_late_it_was_noticed(self):
        at = CONTENT.expires_at + timedelta(seconds=7_020)
        expired = OrderExpired(order=CONTENT, due_at=CONTENT.expires_at, late_s=7_020)
        order.given(ISSUED).when(ExpireOrder(noticed_at=at)).then(expired)

    def test_it_does_not_end_before_its_time_nor_twice(self):
        at = CONTENT.expires_at
        order.given(ISSUED).when(ExpireOrder(noticed_at=at - A_MINUTE)).then_refused("order.not_expired")
        order.given(ISSUED, EXTENDED).when(ExpireOrder(noticed_at=at)).then_refused("order.not_expired")
        order.given(ISSUED, LIFTED).when(ExpireOrder(noticed_at=at)).then_nothing()
        order.given(ISSUED, EXPIRED).when(ExpireOrder(noticed_at=at)).then_nothing()


class TestInForce:
    def test_from_its_beginning_to_its_end_and_no_longer(self):
        assert not is_in_force(CONTENT, None, AT - A_MINUTE)
        assert is_in_force(CONTENT, None, AT)
        assert is_in_force(CONTENT, None, CONTENT.expires_at - A_MINUTE)
        assert not is_in_force(CONTENT, None, CONTENT.expires_at)
        assert is_in_force(CONTENT, LIFTED_AT, LIFTED_AT - A_MINUTE)
        assert not is_in_force(CONTENT, LIFTED_AT, LIFTED_AT)


MINUTES = st.integers(0, 600)
ASKED = st.one_of(
    MINUTES.map(lambda m: AMEND.model_copy(update={"amended_at": AT + m * A_MINUTE, "text": f"第{m}分钟"})),
    MINUTES.map(lambda m: EXTEND.model_copy(update={"extended_at": AT, "expires_at": AT + m * A_MINUTE})),
    MINUTES.map(lambda m: LIFT.model_copy(update={"lifted_at": AT + m * A_MINUTE})),
    st.tuples(st.sampled_from([EAST, TRAFFIC, CITY]), st.integers(1, 3), MINUTES).map(
        lambda said: acknowledge(said[0], edition=said[1], at=AT + said[2] * A_MINUTE)
    ),
    st.tuples(st.sampled_from([EAST, TRAFFIC]), st.integers(1, 3), MINUTES).map(
        lambda said: decline(said[0], edition=said[1], at=AT + said[2] * A_MINUTE)
    ),
    st.tuples(st.integers(1, 3), MINUTES).map(
        lambda said: RecordMissedAnswers(edition=said[0], noticed_at=AT + said[1] * A_MINUTE)
    ),
    MINUTES.map(lambda m: ExpireOrder(noticed_at=AT + m * A_MINUTE)),
)


@settings(max_examples=300)
@for_any(st.lists(ASKED, max_size=25))
def test_whatever_is_asked_an_order_keeps_its_promises(asked):
    """It is ended once, has an end always, editions are counted without gaps, each missed deadline is on record once,
    and repeating what was just decided changes nothing or is refused."""
    state, told = evolve(INITIAL, ISSUED), [ISSUED]
    for command in asked:
        decided = decide(command, state)
        if isinstance(decided, Refusal):
            assert decide(command, state) == decided
            continue
        for event in decided:
            state = evolve(state, event)
            told.append(event)
        again = decide(command, state)
        assert isinstance(again, Refusal) or again == ()
    ends = [event for event in told if isinstance(event, OrderExpired) or event.name == "order.lifted"]
    assert len(ends) == (0 if state.phase is OrderPhase.ISSUED else 1)
    assert state.order is not None
    assert state.order.expires_at > state.order.effective_at
    assert [one.number for one in state.editions] == list(range(1, state.order.edition + 1))
    missed = [event.edition for event in told if isinstance(event, OrderAcknowledgementMissed)]
    assert len(missed) == len(set(missed))
    assert state.version == len(told)
    assert _numbered(told) == state.decided_version


def _numbered(told: list[Event]) -> int:
    changing = {"order.issued", "order.amended", "order.extended", "order.lifted", "order.expired"}
    return max(number for number, event in enumerate(told, start=1) if event.name in changing)
