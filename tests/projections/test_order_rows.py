"""Rows of orders and warnings: what the decider believes, live and rebuilt alike."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Event
from domain.order.decider import INITIAL, decide, evolve
from domain.order.events import MissedAnswer, OrderAcknowledgementMissed
from domain.order.state import is_in_force
from domain.refusals import Refusal
from domain.vocabulary import OrderAnswer, OrderPhase
from projections.orders import Orders, item
from projections.projection import Row
from tests.domain.order_story import (
    AMENDED,
    AT,
    CITY,
    CONTENT,
    EAST,
    EXPIRED,
    EXTENDED,
    ISSUED,
    LIFTED,
    LIFTED_AT,
    ORDER,
    TO_EAST,
    TO_TRAFFIC,
    TRAFFIC,
    acknowledged,
    declined,
)
from tests.domain.test_order import ASKED
from tests.projections import happenings
from tests.projections.conftest import City
from tests.projections.happenings import happened

MISSED = OrderAcknowledgementMissed(
    edition=1,
    missing=(MissedAnswer(center_id=EAST),),
    told=(CONTENT.issuer,),
    due_at=CONTENT.acknowledge_by,
    late_s=3,
)


def row_after(*events: Event) -> Row:
    return happenings.row_after(Orders(), ORDER, *events)


def test_an_issued_order_waits_for_all_it_is_addressed_to() -> None:
    row = row_after(ISSUED)
    assert row["waiting_center_ids"] == [TRAFFIC, EAST]
    assert row["agencies"] == ["traffic_police"]
    assert set(row["visible_center_ids"]) == {CITY, EAST, TRAFFIC}


def test_a_refusal_is_no_acknowledgement() -> None:
    row = row_after(ISSUED, acknowledged(TO_TRAFFIC), declined(TO_EAST))
    assert row["waiting_center_ids"] == [EAST]
    assert [one["answer"] for one in row["addressees"]] == ["acknowledged", "declined"]


def test_a_missed_acknowledgement_shows_until_it_comes() -> None:
    row = row_after(ISSUED, acknowledged(TO_TRAFFIC), MISSED)
    assert (row["is_overdue"], row["addressees"][1]["missed"]["late_s"]) == (True, 3)
    after = row_after(ISSUED, acknowledged(TO_TRAFFIC), MISSED, acknowledged(TO_EAST))
    assert (after["is_overdue"], after["addressees"][1]["missed"]["late_s"]) == (False, 3)


def test_an_amendment_begins_anew_and_an_older_editions_miss_says_nothing_of_it() -> None:
    row = row_after(ISSUED, acknowledged(TO_EAST), AMENDED, MISSED, acknowledged(TO_TRAFFIC))
    assert (row["edition"], row["is_overdue"]) == (2, False)
    assert row["waiting_center_ids"] == [TRAFFIC, EAST]


@pytest.mark.parametrize("end", [LIFTED, EXPIRED])
def test_an_order_that_is_over_waits_for_nobody(end: Event) -> None:
    row = row_after(ISSUED, MISSED, end)
    assert (row["waiting_center_ids"], row["is_overdue"]) == ([], False)


def test_an_item_says_whether_it_is_in_force_at_the_instant_asked() -> None:
    row = row_after(ISSUED, EXTENDED, LIFTED)
    assert item(row, LIFTED_AT - timedelta(seconds=1))["is_in_force"]
    assert not item(row, LIFTED_AT)["is_in_force"]
    assert not item(row, AT - timedelta(seconds=1))["is_in_force"]


@settings(max_examples=150)
@given(st.lists(ASKED, max_size=20), st.integers(-60, 660))
def test_a_row_says_what_the_decider_believes(asked: list[object], minutes: int) -> None:
    state, told = evolve(INITIAL, ISSUED), [ISSUED]
    for command in asked:
        decided = decide(command, state)  # type: ignore[arg-type]
        for event in () if isinstance(decided, Refusal) else decided:
            state = evolve(state, event)
            told.append(event)
    row = row_after(*told)
    assert state.order is not None
    assert (row["phase"], row["edition"]) == (state.phase, state.order.edition)
    assert row["decided_version"] == state.decided_version
    at = AT + timedelta(minutes=minutes)
    assert item(row, at)["is_in_force"] == is_in_force(state.order, state.ended_at, at)
    answers = [state.answer_of(one.center_id, state.order.edition) for one in state.order.addressees]
    lacking = [
        one.center_id
        for one, answer in zip(state.order.addressees, answers, strict=True)
        if answer is None or answer.answer is not OrderAnswer.ACKNOWLEDGED
    ]
    assert row["waiting_center_ids"] == (lacking if state.phase is OrderPhase.ISSUED else [])


async def test_rows_of_orders_are_the_same_live_and_rebuilt(city: City) -> None:
    """The fixture rebuilds every projection at the end and compares."""
    await city.tell(happened(ORDER, ISSUED, acknowledged(TO_EAST), MISSED))
    await city.tell(happened(ORDER, AMENDED, acknowledged(TO_TRAFFIC, edition=2), LIFTED))
    await city.tell(happened(UUID(int=0x5001), ISSUED, EXTENDED, EXPIRED))
    assert len(await city.rows(Orders())) == 2
