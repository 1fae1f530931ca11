"""Ownership moves when it is taken, and not before."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.incident import commands as ask
from domain.incident import events as fact
from domain.vocabulary import IncidentPhase
from tests.domain.incident_story import (
    ACCEPTED,
    ALICE,
    CLAIMED,
    CLOSED,
    DISTRICT,
    LIFE,
    MERGED,
    NOON,
    OFFER,
    OFFERED,
    OPENED,
    OTHER_STATION,
    OTHER_TRANSFER,
    RESOLVED,
    STATION,
    TRANSFER,
    incident,
    owned_by,
)

TAKE = ask.AcceptTransfer(transfer_id=TRANSFER, center_id=OTHER_STATION)
MOVED = fact.TransferAccepted(transfer_id=TRANSFER, from_center_id=STATION, owner=owned_by(OTHER_STATION))
TAKEN = fact.IncidentAccepted(center_id=OTHER_STATION)


def test_the_owner_offers_it_to_another_center():
    incident.given(OPENED).when(OFFER).then(OFFERED)


def test_the_giver_owns_it_until_it_is_taken():
    assert incident.state([OPENED, OFFERED]).owner == owned_by(STATION)


def test_nobody_offers_what_is_not_theirs():
    incident.given(OPENED).when(OFFER.model_copy(update={"from_center_id": DISTRICT})).then_refused(
        "incident.not_owner", owner_center_id=str(STATION)
    )


def test_nobody_offers_it_to_themselves():
    incident.given(OPENED).when(OFFER.model_copy(update={"to": owned_by(STATION)})).then_refused(
        "incident.transfer_to_self"
    )


def test_one_offer_at_a_time():
    second = OFFER.model_copy(update={"transfer_id": OTHER_TRANSFER, "to": owned_by(DISTRICT)})
    incident.given(OPENED, OFFERED).when(second).then_refused(
        "incident.already_offered", to_center_id=str(OTHER_STATION)
    )


def test_an_offer_ends_after_it_began():
    incident.given(OPENED).when(OFFER.model_copy(update={"expires_at": NOON})).then_refused(
        "incident.transfer_expires_too_early"
    )


def test_the_taker_owns_it_and_has_accepted_it():
    incident.given(OPENED, OFFERED).when(TAKE).then(MOVED, TAKEN)
    state = incident.state([OPENED, OFFERED, MOVED, TAKEN])
    assert state.owner == owned_by(OTHER_STATION)
    assert state.phase is IncidentPhase.ACCEPTED
    assert state.offer is None


def test_the_givers_operator_no_longer_has_it():
    incident.given(OPENED, CLAIMED, ACCEPTED, OFFERED).when(TAKE).then(
        MOVED, TAKEN, fact.ClaimReleased(operator_id=ALICE)
    )


@pytest.mark.parametrize(
    "command",
    [
        ask.AcceptTransfer(transfer_id=TRANSFER, center_id=DISTRICT),
        ask.DeclineTransfer(transfer_id=TRANSFER, center_id=DISTRICT, reason="?"),
    ],
)
def test_only_the_addressed_center_answers(command):
    incident.given(OPENED, OFFERED).when(command).then_refused(
        "incident.offer_to_another", to_center_id=str(OTHER_STATION)
    )


@pytest.mark.parametrize(
    "command",
    [
        ask.AcceptTransfer(transfer_id=OTHER_TRANSFER, center_id=OTHER_STATION),
        ask.DeclineTransfer(transfer_id=OTHER_TRANSFER, center_id=OTHER_STATION, reason="?"),
    ],
)
def test_an_answer_to_another_offer_is_refused(command):
    incident.given(OPENED, OFFERED).when(command).then_refused("incident.no_such_offer")


def test_an_offer_is_declined_with_a_reason_and_the_giver_keeps_it():
    declined = fact.TransferDeclined(transfer_id=TRANSFER, to_center_id=OTHER_STATION, reason="we have a fire")
    incident.given(OPENED, OFFERED).when(
        ask.DeclineTransfer(transfer_id=TRANSFER, center_id=OTHER_STATION, reason="we have a fire")
    ).then(declined)
    state = incident.state([OPENED, OFFERED, declined])
    assert (state.owner, state.offer) == (owned_by(STATION), None)


def test_an_unanswered_offer_times_out_and_says_how_late_that_was_noticed():
    timed_out = fact.TransferTimedOut(
        transfer_id=TRANSFER, to_center_id=OTHER_STATION, due_at=OFFERED.expires_at, late_s=4.0
    )
    noticed_at = OFFERED.expires_at + timedelta(seconds=4)
    incident.given(OPENED, OFFERED).when(ask.TimeOutTransfer(transfer_id=TRANSFER, noticed_at=noticed_at)).then(
        timed_out
    )
    state = incident.state([OPENED, OFFERED, timed_out])
    assert (state.owner, state.offer) == (owned_by(STATION), None)


def test_no_offer_times_out_before_its_end():
    incident.given(OPENED, OFFERED).when(ask.TimeOutTransfer(transfer_id=TRANSFER, noticed_at=NOON)).then_refused(
        "incident.transfer_not_expired"
    )


def test_an_offer_that_was_answered_meanwhile_does_not_time_out():
    late = ask.TimeOutTransfer(transfer_id=TRANSFER, noticed_at=NOON + timedelta(hours=1))
    incident.given(OPENED, OFFERED, MOVED, TAKEN).when(late).then_nothing()


def test_an_offer_ends_even_when_the_incident_ended_first():
    late = ask.TimeOutTransfer(transfer_id=TRANSFER, noticed_at=NOON + timedelta(hours=1))
    for ending in ((ACCEPTED, RESOLVED), (ACCEPTED, RESOLVED, CLOSED), (MERGED,)):
        assert len(incident.decide(late, (OPENED, OFFERED, *ending))) == 1


def test_what_is_closed_cannot_be_taken():
    incident.given(*LIFE[IncidentPhase.ACCEPTED], OFFERED, RESOLVED, CLOSED).when(TAKE).then_refused(
        "incident.already_closed"
    )


def test_the_taker_may_offer_it_on():
    on = OFFER.model_copy(
        update={"transfer_id": OTHER_TRANSFER, "from_center_id": OTHER_STATION, "to": owned_by(STATION)}
    )
    assert len(incident.decide(on, (OPENED, OFFERED, MOVED, TAKEN))) == 1
