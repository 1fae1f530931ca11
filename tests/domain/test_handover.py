"""Who goes lists everything, who comes signs for it, and nobody signs for another."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.handover import commands as ask
from domain.handover import events as fact
from domain.handover.decider import INITIAL, decide, evolve, ids_of
from domain.ownership import Ownership
from domain.refusals import Refusal
from domain.vocabulary import ClaimsOnSigning, IncidentPhase, Severity
from tests.domain.deciding import Decider
from tests.domain.shapes import values

handover = Decider(decide, evolve, INITIAL)

CITY, CENTER, ELSEWHERE = UUID(int=1), UUID(int=2), UUID(int=3)
GIVER, TAKER, CHIEF = UUID(int=11), UUID(int=12), UUID(int=13)
INCIDENT = fact.OpenIncident(
    incident_id=UUID(int=21),
    number="A1",
    category="traffic.accident",
    severity=Severity.SEVERE,
    priority=2,
    phase=IncidentPhase.ACCEPTED,
    claimed_by=GIVER,
)
ITEMS = ask.OpenItems(incidents=(INCIDENT,), incidents_position=7, orders_position=8, cases_position=9)
OFFER = ask.OfferHandover(
    center=Ownership(center_id=CENTER, path=(CITY, CENTER)),
    giver_id=GIVER,
    giver_on_shift_at=CENTER,
    taker_id=TAKER,
    taker_center_id=CENTER,
    items=ITEMS,
    notes={INCIDENT.incident_id: "a crane is coming"},
    note="quiet otherwise",
)
OFFERED = fact.HandoverOffered(
    center_id=CENTER,
    path=(CITY, CENTER),
    giver_id=GIVER,
    taker_id=TAKER,
    incidents=(INCIDENT.model_copy(update={"note": "a crane is coming"}),),
    incidents_position=7,
    orders_position=8,
    cases_position=9,
    note="quiet otherwise",
)
SIGN = ask.SignHandover(
    operator_id=TAKER, on_shift_at=CENTER, claims=ClaimsOnSigning.TAKE, claimed=(INCIDENT.incident_id,)
)
SIGNED = fact.HandoverSigned(operator_id=TAKER, claims=ClaimsOnSigning.TAKE, incident_ids=(INCIDENT.incident_id,))
DECLINE = ask.DeclineHandover(operator_id=TAKER, is_supervisor=False, reason="not what I see")
DECLINED = fact.HandoverDeclined(operator_id=TAKER, reason="not what I see")


def test_it_is_offered_once_with_its_notes_and_signed_once():
    handover.given().when(OFFER).then(OFFERED)
    handover.given(OFFERED).when(OFFER).then_nothing()
    handover.given(OFFERED).when(SIGN).then(SIGNED)
    handover.given(OFFERED, SIGNED).when(SIGN).then_nothing()


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"giver_on_shift_at": None}, "handover.not_on_shift"),
        ({"giver_on_shift_at": ELSEWHERE}, "handover.not_on_shift"),
        ({"taker_id": GIVER}, "handover.to_self"),
        ({"taker_center_id": ELSEWHERE}, "handover.taker_elsewhere"),
        ({"taker_center_id": None}, "handover.taker_elsewhere"),
        ({"notes": {ELSEWHERE: "what is this"}}, "handover.item_unknown"),
    ],
)
def test_what_cannot_be_offered(changed: dict[str, Any], code: str):
    handover.given().when(OFFER.model_copy(update=changed)).then_refused(code)


def test_a_list_that_is_too_long_is_refused_and_never_cut():
    full = (INCIDENT,) * fact.ITEMS_MAX
    (offered,) = handover.decide(_listing(full), ())
    assert len(offered.incidents) == fact.ITEMS_MAX
    handover.given().when(_listing((*full, INCIDENT))).then_refused("handover.too_many", limit=str(fact.ITEMS_MAX))


def _listing(incidents: tuple[fact.OpenIncident, ...]) -> ask.OfferHandover:
    return OFFER.model_copy(update={"items": ITEMS.model_copy(update={"incidents": incidents})})


def test_nobody_signs_for_another_and_nobody_off_duty():
    for operator_id in (GIVER, CHIEF):
        other = SIGN.model_copy(update={"operator_id": operator_id})
        handover.given(OFFERED).when(other).then_refused("handover.not_the_taker", taker_id=str(TAKER))
    for center_id in (None, ELSEWHERE):
        off_duty = SIGN.model_copy(update={"on_shift_at": center_id})
        handover.given(OFFERED).when(off_duty).then_refused("handover.not_on_shift")


def test_the_taker_declines_and_a_supervisor_calls_it_off():
    handover.given(OFFERED).when(DECLINE).then(DECLINED)
    handover.given(OFFERED, DECLINED).when(DECLINE).then_nothing()
    chief = ask.DeclineHandover(operator_id=CHIEF, is_supervisor=True, reason="to somebody else")
    handover.given(OFFERED).when(chief).then(fact.HandoverDeclined(operator_id=CHIEF, reason="to somebody else"))
    giver = DECLINE.model_copy(update={"operator_id": GIVER})
    handover.given(OFFERED).when(giver).then_refused("handover.not_the_taker")


def test_what_was_answered_stays_answered():
    handover.given(OFFERED, SIGNED).when(DECLINE).then_refused("handover.already_signed")
    handover.given(OFFERED, DECLINED).when(SIGN).then_refused("handover.already_declined")


def test_nothing_is_done_about_one_that_is_not_there():
    for command in (SIGN, DECLINE):
        handover.given().when(command).then_refused("handover.unknown")


@settings(max_examples=100)
@given(values(ask.OpenItems), st.text(min_size=1, max_size=20))
def test_every_item_is_listed_as_it_was_and_a_note_changes_nothing_else(items: ask.OpenItems, note: str):
    ids = ids_of(items)
    offer = OFFER.model_copy(update={"items": items, "notes": dict.fromkeys(ids, note)})
    (offered,) = decide(offer, INITIAL)
    assert ids_of(offered) == ids
    for name in ("incidents", "orders", "cases"):
        listed, wanted = getattr(offered, name), getattr(items, name)
        assert [one.model_copy(update={"note": None}) for one in listed] == [
            one.model_copy(update={"note": None}) for one in wanted
        ]
        assert {one.note for one in listed} <= {note}
        assert getattr(offered, f"{name}_position") == getattr(items, f"{name}_position")


OFFERS = values(ask.OpenItems).map(lambda items: OFFER.model_copy(update={"items": items, "notes": {}}))
COMMANDS = st.one_of(
    st.sampled_from([OFFER, SIGN, DECLINE]), OFFERS, values(ask.SignHandover), values(ask.DeclineHandover)
)


@settings(max_examples=100)
@given(st.lists(COMMANDS, max_size=8))
def test_it_is_answered_at_most_once_whatever_is_asked(commands: list[Any]):
    state, events = INITIAL, []
    for command in commands:
        decided = decide(command, state)
        if not isinstance(decided, Refusal):
            for event in decided:
                state = evolve(state, event)
                events.append(event)
    assert sum(isinstance(one, fact.HandoverOffered) for one in events) <= 1
    assert sum(isinstance(one, fact.HandoverSigned | fact.HandoverDeclined) for one in events) <= 1
    assert not events or isinstance(events[0], fact.HandoverOffered)
