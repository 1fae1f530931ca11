"""Shifts: one at a time, and where the rules ask for it none ends while what is open was handed to nobody."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain.operator.commands import EndShift
from domain.operator.decider import INITIAL, decide, evolve
from domain.operator.events import OperatorEnrolled, ShiftEnded, ShiftStarted
from domain.vocabulary import Role
from tests.domain.deciding import Decider

operator = Decider(decide, evolve, INITIAL)

CENTER, HANDOVER = UUID(int=2), UUID(int=9)
ENROLLED = OperatorEnrolled(city="chengdu", login="li.na", roles=(Role.DISPATCHER,), center_id=CENTER)
ON_SHIFT = (ENROLLED, ShiftStarted(center_id=CENTER))
END = EndShift(open_items=3, demands_handover=True)


def test_a_shift_with_open_items_ends_with_a_signed_hand_over_only():
    operator.given(*ON_SHIFT).when(END).then_refused("operator.shift_not_handed_over", open_items="3")
    signed = END.model_copy(update={"handover_id": HANDOVER})
    operator.given(*ON_SHIFT).when(signed).then(ShiftEnded(center_id=CENTER, open_items=3, handover_id=HANDOVER))


def test_a_supervisors_reason_is_recorded_where_it_was_needed_and_only_there():
    said = END.model_copy(update={"without_handover": "taken ill"})
    operator.given(*ON_SHIFT).when(said).then(
        ShiftEnded(center_id=CENTER, open_items=3, without_handover="taken ill"),
    )
    signed = said.model_copy(update={"handover_id": HANDOVER})
    operator.given(*ON_SHIFT).when(signed).then(ShiftEnded(center_id=CENTER, open_items=3, handover_id=HANDOVER))


def test_what_nobody_counted_may_be_something():
    uncounted = END.model_copy(update={"open_items": None})
    operator.given(*ON_SHIFT).when(uncounted).then_refused("operator.shift_not_handed_over")
    said = uncounted.model_copy(update={"without_handover": "taken ill"})
    operator.given(*ON_SHIFT).when(said).then(ShiftEnded(center_id=CENTER, without_handover="taken ill"))


@pytest.mark.parametrize(
    "changed", [{"open_items": 0}, {"demands_handover": False}, {"open_items": None, "demands_handover": False}]
)
def test_nothing_open_or_no_demand_needs_no_hand_over(changed: dict[str, Any]):
    command = END.model_copy(update=changed)
    operator.given(*ON_SHIFT).when(command).then(ShiftEnded(center_id=CENTER, open_items=command.open_items))


def test_who_is_not_on_shift_ends_none():
    operator.given(ENROLLED).when(END).then_nothing()
    operator.given(*ON_SHIFT, ShiftEnded(center_id=CENTER)).when(END).then_nothing()
