"""Only what stands on the list is ticked off, and once."""

from __future__ import annotations

from uuid import UUID

from domain.checklist.decider import INITIAL, TickItem, UntickItem, decide, evolve
from domain.checklist.events import ItemDone, ItemUndone
from tests.domain.deciding import Decider

checklist = Decider(decide, evolve, INITIAL)

INCIDENT = UUID(int=1)
TICK = TickItem(incident_id=INCIDENT, item="watched_live", listed=frozenset({"watched_live"}), note="four lanes")
DONE = ItemDone(incident_id=INCIDENT, item="watched_live", note="four lanes")
UNTICK = UntickItem(incident_id=INCIDENT, item="watched_live", reason="another junction")
UNDONE = ItemUndone(incident_id=INCIDENT, item="watched_live", reason="another junction")


def test_an_item_is_ticked_off_once():
    checklist.given().when(TICK).then(DONE)
    checklist.given(DONE).when(TICK).then_nothing()


def test_what_is_not_listed_is_not_ticked():
    other = TICK.model_copy(update={"listed": frozenset({"power_told"})})
    checklist.given().when(other).then_refused("checklist.item_unknown", item="watched_live")


def test_a_tick_is_taken_back_and_made_again():
    checklist.given(DONE).when(UNTICK).then(UNDONE)
    checklist.given(DONE, UNDONE).when(UNTICK).then_nothing()
    checklist.given(DONE, UNDONE).when(TICK).then(DONE)
