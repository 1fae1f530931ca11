"""Rules of orders.

Only centers that command issue orders; only the issuer and those above it change them; nobody acknowledges for somebody
else. An order has an end, always. What had to be acknowledged and was not is a fact, however late it is noticed.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from domain.event import Event
from domain.order.commands import (
    AcknowledgeOrder,
    AmendOrder,
    DeclineOrder,
    ExpireOrder,
    ExtendOrder,
    IssueOrder,
    LiftOrder,
    OrderAnswerCommand,
    OrderCommand,
    RecordMissedAnswers,
)
from domain.order.events import (
    Addressee,
    MissedAnswer,
    OrderAcknowledged,
    OrderAcknowledgementMissed,
    OrderAmended,
    OrderContent,
    OrderDeclined,
    OrderExpired,
    OrderExtended,
    OrderIssued,
    OrderLifted,
)
from domain.order.state import INITIAL, Edition, OrderState, evolve
from domain.ownership import Ownership
from domain.refusals import Refusal
from domain.vocabulary import CenterKind, MessageStatus, OrderAnswer, OrderPhase

__all__ = ["COMMANDING", "INITIAL", "STATUSES", "decide", "evolve", "unknown_order"]

Decision: TypeAlias = tuple[Event, ...] | Refusal

COMMANDING = frozenset({CenterKind.CITY, CenterKind.HEADQUARTERS, CenterKind.FUNCTIONAL, CenterKind.DISTRICT})
"""Kinds of centers that may command others. Stations and branch rooms report and act."""
STATUSES = frozenset({MessageStatus.ACTUAL, MessageStatus.EXERCISE, MessageStatus.TEST})


def decide(command: OrderCommand, state: OrderState) -> Decision:
    """Facts, nothing, or a refusal."""
    if isinstance(command, IssueOrder):
        return _issue(command, state)
    order = state.order
    if order is None:
        return unknown_order()
    match command:
        case AmendOrder():
            return _not_theirs(command.center_id, order) or _over(state, command.amended_at) or _amend(command, order)
        case ExtendOrder():
            at = command.extended_at
            return _not_theirs(command.center_id, order) or _over(state, at) or _extend(command, order)
        case LiftOrder():
            return _not_theirs(command.center_id, order) or _over(state, command.lifted_at) or _lift(command, order)
        case AcknowledgeOrder() | DeclineOrder():
            return _over(state, command.answered_at) or _answer(command, state, order)
        case RecordMissedAnswers():
            return _record_missed(command, state, order)
        case ExpireOrder():
            return _expire(command, state, order)
        case _:
            assert_never(command)


def unknown_order() -> Refusal:
    """There is no such order, or none of the caller's business."""
    return Refusal("order.unknown", "No order has this id. Check the id, or look it up in the list of orders.")


def _issue(command: IssueOrder, state: OrderState) -> Decision:
    order = command.order
    if state.order is not None:
        return Refusal(
            "order.already_issued",
            f"It was issued before as {state.order.number}. Go on with that order.",
            {"number": state.order.number},
        )
    if command.issuer_kind not in COMMANDING:
        return Refusal(
            "order.issuer_not_entitled",
            f"A center of kind {command.issuer_kind.value} issues no orders. Ask the center above it.",
            {"kind": command.issuer_kind.value},
        )
    if order.status not in STATUSES:
        return Refusal(
            "order.status_not_possible",
            f"An order is actual, an exercise or a test, and never {order.status.value}. Say which of the three.",
            {"status": order.status.value},
        )
    if command.incident_status is not None and command.incident_status is not order.status:
        return Refusal(
            "order.incident_of_another_status",
            f"The incident is {command.incident_status.value}, the order {order.status.value}: they must not be mixed."
            " Leave the incident out, or say the incident's status.",
            {"incident_status": command.incident_status.value, "status": order.status.value},
        )
    wrong = _area_or_times(order, command.issued_at)
    return wrong or (OrderIssued(order=order, issued_at=command.issued_at),)


def _area_or_times(order: OrderContent, at: datetime) -> Refusal | None:
    """Why an order cannot stand as it is, if it is decided now."""
    area = order.area
    if not (area.polygons or area.circles or area.description):
        return Refusal("order.no_area", "An order holds somewhere: give a polygon, a circle or the name of the place.")
    if not order.addressees:
        return Refusal("order.no_addressee", "An order is for somebody: name at least one center or agency.")
    begins_at = max(order.effective_at, at)
    if order.expires_at <= begins_at:
        return Refusal(
            "order.expires_too_early",
            f"It would be over at {order.expires_at.isoformat()}, before it holds. Let it expire later.",
            {"expires_at": order.expires_at.isoformat(), "effective_at": order.effective_at.isoformat()},
        )
    if not at < order.acknowledge_by <= order.expires_at:
        return Refusal(
            "order.acknowledge_by_out_of_range",
            f"{order.acknowledge_by.isoformat()} is not between now and the order's end. Set acknowledge_by between.",
            {"acknowledge_by": order.acknowledge_by.isoformat(), "expires_at": order.expires_at.isoformat()},
        )
    return None


def _not_theirs(center_id: UUID, order: OrderContent) -> Refusal | None:
    if center_id in order.issuer.path:
        return None
    return Refusal(
        "order.not_the_issuer",
        f"{order.number} was issued by another center. Only that center and those above it change it.",
        {"number": order.number, "issuer_center_id": str(order.issuer.center_id)},
    )


def _over(state: OrderState, at: datetime) -> Refusal | None:
    """Why nothing more can be decided about it: it was ended, or its time is over though nobody recorded it yet."""
    order = state.order
    assert order is not None, "asked of an order that was issued"
    if state.phase is OrderPhase.LIFTED:
        return Refusal(
            "order.already_lifted",
            f"{order.number} was lifted. Issue another order if it is needed again.",
            {"number": order.number},
        )
    if state.phase is OrderPhase.EXPIRED or at >= order.expires_at:
        return Refusal(
            "order.already_expired",
            f"{order.number} expired at {order.expires_at.isoformat()}. Issue another order if it is needed again.",
            {"number": order.number, "expires_at": order.expires_at.isoformat()},
        )
    return None


def _amend(command: AmendOrder, order: OrderContent) -> Decision:
    effective_at = command.effective_at or order.effective_at
    if effective_at != order.effective_at and order.effective_at <= command.amended_at:
        return Refusal(
            "order.in_force",
            f"{order.number} is in force since {order.effective_at.isoformat()}: its beginning cannot be moved."
            " Lift it and issue another, or leave effective_at out.",
            {"number": order.number, "effective_at": order.effective_at.isoformat()},
        )
    amended = order.model_copy(
        update={
            "edition": order.edition + 1,
            "text": command.text or order.text,
            "area": command.area or order.area,
            "effective_at": effective_at,
            "expires_at": command.expires_at or order.expires_at,
            "acknowledge_by": command.acknowledge_by,
        }
    )
    if _said(amended) == _said(order):
        return Refusal("order.nothing_amended", "Nothing would change. Say another text, area or time, or extend it.")
    wrong = _area_or_times(amended, command.amended_at)
    return wrong or (OrderAmended(order=amended, reason=command.reason, amended_at=command.amended_at),)


def _said(order: OrderContent) -> tuple[object, ...]:
    return order.text, order.area, order.effective_at, order.expires_at


def _extend(command: ExtendOrder, order: OrderContent) -> Decision:
    if command.expires_at == order.expires_at:
        return ()
    if command.expires_at < order.expires_at:
        return Refusal(
            "order.not_longer",
            f"{order.number} holds until {order.expires_at.isoformat()} already. To end it sooner, amend or lift it.",
            {"number": order.number, "expires_at": order.expires_at.isoformat()},
        )
    return (
        OrderExtended(
            order=order.model_copy(update={"expires_at": command.expires_at}),
            expired_before_at=order.expires_at,
            reason=command.reason,
            extended_at=command.extended_at,
        ),
    )


def _lift(command: LiftOrder, order: OrderContent) -> Decision:
    return (OrderLifted(order=order, reason=command.reason, lifted_at=command.lifted_at),)


def _answer(command: OrderAnswerCommand, state: OrderState, order: OrderContent) -> Decision:
    addressed = {one.center_id: one for one in order.addressees}
    if not command.center_ids or not set(command.center_ids) <= addressed.keys():
        return Refusal(
            "order.not_addressed",
            f"{order.number} is not addressed to you: nobody answers for somebody else.",
            {"number": order.number},
        )
    if command.edition != order.edition:
        return Refusal(
            "order.superseded",
            f"You answer edition {command.edition} of {order.number}; edition {order.edition} holds. Read it first.",
            {"number": order.number, "edition": str(order.edition)},
        )
    if isinstance(command, DeclineOrder) and any(_has_acknowledged(state, one) for one in command.center_ids):
        return Refusal(
            "order.already_acknowledged",
            f"{order.number} was acknowledged before. Tell its issuer what stands in the way; it can amend the order.",
            {"number": order.number},
        )
    said = [_said_by(command, addressed[center_id]) for center_id in dict.fromkeys(command.center_ids)]
    return tuple(event for event in said if not _is_known(state, event))


def _has_acknowledged(state: OrderState, center_id: UUID) -> bool:
    assert state.order is not None, "asked of an order that was issued"
    found = state.answer_of(center_id, state.order.edition)
    return found is not None and found.answer is OrderAnswer.ACKNOWLEDGED


def _said_by(command: OrderAnswerCommand, addressee: Addressee) -> OrderAcknowledged | OrderDeclined:
    center_id, agency = addressee.center_id, addressee.agency
    if isinstance(command, AcknowledgeOrder):
        return OrderAcknowledged(
            edition=command.edition,
            center_id=center_id,
            agency=agency,
            answered_at=command.answered_at,
            reference=command.reference,
        )
    return OrderDeclined(
        edition=command.edition,
        center_id=center_id,
        agency=agency,
        answered_at=command.answered_at,
        reason=command.reason,
    )


def _is_known(state: OrderState, event: OrderAcknowledged | OrderDeclined) -> bool:
    """Whether the addressee has said just that of this edition before."""
    found = state.answer_of(event.center_id, event.edition)
    said = OrderAnswer.ACKNOWLEDGED if isinstance(event, OrderAcknowledged) else OrderAnswer.DECLINED
    return found is not None and found.answer is said


def _record_missed(command: RecordMissedAnswers, state: OrderState, order: OrderContent) -> Decision:
    edition = next((one for one in state.editions if one.number == command.edition), None)
    if edition is None or edition.number in state.missed:
        return ()
    due_at = edition.acknowledge_by
    if command.noticed_at < due_at:
        return Refusal(
            "order.acknowledgement_not_missed",
            f"{order.number} is to be acknowledged by {due_at.isoformat()}. Wait until then.",
            {"number": order.number, "due_at": due_at.isoformat()},
        )
    if _was_moot(edition, state):
        return ()
    missing = tuple(found for one in order.addressees if (found := _missed_by(one, edition, state)) is not None)
    if not missing:
        return ()
    return (
        OrderAcknowledgementMissed(
            edition=edition.number,
            missing=missing,
            told=_told(order.issuer),
            due_at=due_at,
            late_s=(command.noticed_at - due_at).total_seconds(),
        ),
    )


def _was_moot(edition: Edition, state: OrderState) -> bool:
    """Whether nobody had to acknowledge it any more when it was due: replaced, lifted or over before."""
    ends = (edition.replaced_at, state.ended_at)
    return any(at is not None and at < edition.acknowledge_by for at in ends)


def _missed_by(addressee: Addressee, edition: Edition, state: OrderState) -> MissedAnswer | None:
    """Missed is a matter of when things happened: an answer that came too late does not undo it."""
    found = state.answer_of(addressee.center_id, edition.number)
    if found is not None and found.first_answered_at <= edition.acknowledge_by:
        return None
    return MissedAnswer(
        center_id=addressee.center_id,
        agency=addressee.agency,
        answered_at=None if found is None else found.first_answered_at,
    )


def _told(issuer: Ownership) -> tuple[Ownership, ...]:
    """The issuer, and the level above it where there is one."""
    above = issuer.path[:-1]
    return (issuer, Ownership(center_id=above[-1], path=above)) if above else (issuer,)


def _expire(command: ExpireOrder, state: OrderState, order: OrderContent) -> Decision:
    if state.phase is not OrderPhase.ISSUED:
        return ()
    if command.noticed_at < order.expires_at:
        return Refusal(
            "order.not_expired",
            f"{order.number} holds until {order.expires_at.isoformat()}. Wait until then, or lift it.",
            {"number": order.number, "expires_at": order.expires_at.isoformat()},
        )
    late_s = (command.noticed_at - order.expires_at).total_seconds()
    return (OrderExpired(order=order, due_at=order.expires_at, late_s=late_s),)
