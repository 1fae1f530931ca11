"""Whose it is: acceptance and transfer. Exactly one owner at every position; the giver owns it until it is taken."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from domain.event import Event
from domain.incident import restricting
from domain.incident.admission import LIVE
from domain.incident.commands import (
    AcceptIncident,
    AcceptTransfer,
    DeclineTransfer,
    MoveIncident,
    OfferTransfer,
    TimeOutTransfer,
)
from domain.incident.events import (
    ClaimReleased,
    IncidentAccepted,
    TransferAccepted,
    TransferDeclined,
    TransferOffered,
    TransferTimedOut,
)
from domain.incident.state import IncidentState, Offer
from domain.refusals import Refusal
from domain.vocabulary import IncidentPhase

OwnershipCommand: TypeAlias = AcceptIncident | OfferTransfer | AcceptTransfer | DeclineTransfer | TimeOutTransfer


def decide(command: OwnershipCommand, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """One move of it."""
    match command:
        case AcceptIncident():
            return accept(command, state)
        case OfferTransfer():
            return offer(command, state)
        case AcceptTransfer():
            return accept_transfer(command, state)
        case DeclineTransfer():
            return decline_transfer(command, state)
        case TimeOutTransfer():
            return time_out_transfer(command, state)
        case _:
            assert_never(command)


def accept(command: AcceptIncident, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """Only the owner accepts; once is enough."""
    if state.owner is None or command.center_id != state.owner.center_id:
        return _not_owner(state)
    if state.phase is IncidentPhase.ACCEPTED:
        return ()
    return (IncidentAccepted(center_id=command.center_id),)


def offer(command: OfferTransfer, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """One offer at a time, by the owner, to somebody else, with an end."""
    if state.owner is None or command.from_center_id != state.owner.center_id:
        return _not_owner(state)
    if command.to.center_id == state.owner.center_id:
        detail = f"Incident {state.number} is already yours. Offer it to another center."
        return Refusal("incident.transfer_to_self", detail, {"center_id": str(command.to.center_id)})
    if state.offer is not None:
        return _already_offered(state, state.offer)
    refusal = restricting.outside(command.to.center_id, state)
    if refusal is not None:
        return refusal
    if command.expires_at <= command.offered_at:
        detail = "An offer must expire after it was made. Give the other center time to answer."
        return Refusal("incident.transfer_expires_too_early", detail, {"expires_at": command.expires_at.isoformat()})
    return (
        TransferOffered(
            transfer_id=command.transfer_id,
            from_center_id=command.from_center_id,
            to=command.to,
            reason=command.reason,
            expires_at=command.expires_at,
        ),
    )


def accept_transfer(command: AcceptTransfer, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """The addressed center takes it: it owns it, has accepted it, and the giver's operator no longer has it."""
    found = _addressed(command, state)
    if isinstance(found, Refusal):
        return found
    refusal = restricting.outside(found.to.center_id, state)
    if refusal is not None:
        return refusal
    moved = TransferAccepted(transfer_id=found.transfer_id, from_center_id=found.from_center_id, owner=found.to)
    accepted = IncidentAccepted(center_id=found.to.center_id)
    if state.claimed_by is None:
        return (moved, accepted)
    return (moved, accepted, ClaimReleased(operator_id=state.claimed_by))


def move(command: MoveIncident, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """Offered and taken at once. Nothing if it is there already; one whose owner moved in the tree follows it.

    A restricted one moves among those only who may know of it.
    """
    owner = state.owner
    assert owner is not None, "an incident is never ownerless"
    if owner == command.to:
        return ()
    refusal = restricting.outside(command.to.center_id, state)
    if refusal is not None:
        return refusal
    offered = TransferOffered(
        transfer_id=command.transfer_id,
        from_center_id=owner.center_id,
        to=command.to,
        reason=command.reason,
        expires_at=command.moved_at,
    )
    moved = TransferAccepted(transfer_id=command.transfer_id, from_center_id=owner.center_id, owner=command.to)
    events: tuple[Event, ...] = (offered, moved)
    if command.is_taken and state.phase in LIVE:
        events += (IncidentAccepted(center_id=command.to.center_id),)
    if state.claimed_by is not None:
        events += (ClaimReleased(operator_id=state.claimed_by),)
    return events


def decline_transfer(command: DeclineTransfer, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """The addressed center does not take it; the giver keeps it."""
    found = _addressed(command, state)
    if isinstance(found, Refusal):
        return found
    return (TransferDeclined(transfer_id=found.transfer_id, to_center_id=found.to.center_id, reason=command.reason),)


def time_out_transfer(command: TimeOutTransfer, state: IncidentState) -> tuple[Event, ...] | Refusal:
    """Nobody answered in time. An offer that was answered meanwhile leaves nothing to say."""
    if state.offer is None or state.offer.transfer_id != command.transfer_id:
        return ()
    late_s = (command.noticed_at - state.offer.expires_at).total_seconds()
    if late_s < 0:
        expires_at = state.offer.expires_at.isoformat()
        detail = f"The offer of incident {state.number} runs until {expires_at}."
        return Refusal("incident.transfer_not_expired", detail, {"expires_at": expires_at})
    return (
        TransferTimedOut(
            transfer_id=state.offer.transfer_id,
            to_center_id=state.offer.to.center_id,
            due_at=state.offer.expires_at,
            late_s=late_s,
        ),
    )


def _addressed(command: AcceptTransfer | DeclineTransfer, state: IncidentState) -> Offer | Refusal:
    if state.offer is None or state.offer.transfer_id != command.transfer_id:
        detail = f"Incident {state.number} has no such open offer; it was answered or timed out."
        return Refusal("incident.no_such_offer", detail, {"transfer_id": str(command.transfer_id)})
    if state.offer.to.center_id != command.center_id:
        detail = f"The offer of incident {state.number} is addressed to another center."
        return Refusal("incident.offer_to_another", detail, {"to_center_id": str(state.offer.to.center_id)})
    return state.offer


def _not_owner(state: IncidentState) -> Refusal:
    owner = str(state.owner.center_id) if state.owner else ""
    detail = f"Incident {state.number} belongs to center {owner}. Ask that center, or have it transferred."
    return Refusal("incident.not_owner", detail, {"owner_center_id": owner})


def _already_offered(state: IncidentState, found: Offer) -> Refusal:
    return Refusal(
        "incident.already_offered",
        f"Incident {state.number} is on offer to {found.to.center_id} until {found.expires_at.isoformat()}. "
        "Wait for the answer.",
        {"to_center_id": str(found.to.center_id), "expires_at": found.expires_at.isoformat()},
    )
