"""Rules of hand-overs: nobody signs for another, nothing that is open is left out, what was answered stays answered.

    command           none  offered  signed  declined
    OfferHandover     x     .        .       .
    SignHandover      -     x        .       -
    DeclineHandover   -     x        -       .

`x` decides, `.` says nothing, `-` is refused. A list that is too long is refused, never cut.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar, assert_never
from uuid import UUID

from domain.event import Event
from domain.handover.commands import DeclineHandover, HandoverCommand, OfferHandover, OpenItems, SignHandover
from domain.handover.events import (
    ITEMS_MAX,
    HandoverDeclined,
    HandoverOffered,
    HandoverSigned,
    OpenAid,
    OpenCase,
    OpenIncident,
    WaitingOrder,
)
from domain.refusals import Refusal

Decision: TypeAlias = tuple[Event, ...] | Refusal
Item = TypeVar("Item", OpenIncident, WaitingOrder, OpenCase, OpenAid)


@dataclass(frozen=True, slots=True)
class HandoverState:
    """What a rule reads. `offered` None: there is none."""

    offered: HandoverOffered | None = None
    signed_by: UUID | None = None
    declined_by: UUID | None = None


INITIAL = HandoverState()


def evolve(state: HandoverState, event: Event) -> HandoverState:
    """The hand-over after a fact. Never raises."""
    match event:
        case HandoverOffered():
            return HandoverState(event)
        case HandoverSigned(operator_id=operator_id):
            return replace(state, signed_by=operator_id)
        case HandoverDeclined(operator_id=operator_id):
            return replace(state, declined_by=operator_id)
        case _:
            return state


def decide(command: HandoverCommand, state: HandoverState) -> Decision:
    """Facts, nothing, or a refusal."""
    if isinstance(command, OfferHandover):
        return () if state.offered is not None else _offer(command)
    if state.offered is None:
        return unknown()
    match command:
        case SignHandover():
            return _sign(command, state.offered, state)
        case DeclineHandover():
            return _decline(command, state.offered, state)
        case _:
            assert_never(command)


def unknown() -> Refusal:
    """There is none."""
    return Refusal("handover.unknown", "There is no such hand-over. Check its id.")


def _offer(command: OfferHandover) -> Decision:
    center_id, items = command.center.center_id, command.items
    if command.giver_on_shift_at != center_id:
        return _not_on_shift(center_id)
    if command.taker_id == command.giver_id:
        return Refusal("handover.to_self", "Name somebody else: a shift is handed over to another person.")
    if command.taker_center_id != center_id:
        detail = "Name somebody of the same center who may decide there."
        return Refusal("handover.taker_elsewhere", detail, {"taker_id": str(command.taker_id)})
    longest = max(len(items.incidents), len(items.orders), len(items.cases), len(items.aid))
    if longest > ITEMS_MAX:
        detail = f"The center has more than {ITEMS_MAX} open items of one kind. Close or transfer some, then hand over."
        return Refusal("handover.too_many", detail, {"limit": str(ITEMS_MAX)})
    strange = command.notes.keys() - ids_of(items)
    if strange:
        first = str(min(strange))
        detail = f"Nothing open at the center has the id {first}. Read the open items again, then write the notes."
        return Refusal("handover.item_unknown", detail, {"item_id": first})
    return (
        HandoverOffered(
            center_id=center_id,
            path=command.center.path,
            giver_id=command.giver_id,
            taker_id=command.taker_id,
            incidents=tuple(_noted(one, command.notes.get(one.incident_id)) for one in items.incidents),
            incidents_position=items.incidents_position,
            orders=tuple(_noted(one, command.notes.get(one.order_id)) for one in items.orders),
            orders_position=items.orders_position,
            cases=tuple(_noted(one, command.notes.get(one.case_id)) for one in items.cases),
            cases_position=items.cases_position,
            aid=tuple(_noted(one, command.notes.get(one.aid_id)) for one in items.aid),
            aid_position=items.aid_position,
            note=command.note,
        ),
    )


def ids_of(items: OpenItems | HandoverOffered) -> set[UUID]:
    """Of everything that is listed."""
    return {
        *(one.incident_id for one in items.incidents),
        *(one.order_id for one in items.orders),
        *(one.case_id for one in items.cases),
        *(one.aid_id for one in items.aid),
    }


def _noted(item: Item, note: str | None) -> Item:
    return item if note is None else item.model_copy(update={"note": note})


def _sign(command: SignHandover, offered: HandoverOffered, state: HandoverState) -> Decision:
    if command.operator_id != offered.taker_id:
        return _not_the_taker(offered)
    if state.declined_by is not None:
        return Refusal("handover.already_declined", "It was declined or called off. Have it offered anew.")
    if state.signed_by is not None:
        return ()
    if command.on_shift_at != offered.center_id:
        return _not_on_shift(offered.center_id)
    return (HandoverSigned(operator_id=command.operator_id, claims=command.claims, incident_ids=command.claimed),)


def _decline(command: DeclineHandover, offered: HandoverOffered, state: HandoverState) -> Decision:
    if command.operator_id != offered.taker_id and not command.is_supervisor:
        return _not_the_taker(offered)
    if state.signed_by is not None:
        return Refusal("handover.already_signed", "It was signed for. Hand over anew.")
    if state.declined_by is not None:
        return ()
    return (HandoverDeclined(operator_id=command.operator_id, reason=command.reason),)


def _not_on_shift(center_id: UUID) -> Refusal:
    detail = (
        "Begin a shift at this center first (POST /v1/me/shift/start): only who is on duty hands over and takes over."
    )
    return Refusal("handover.not_on_shift", detail, {"center_id": str(center_id)})


def _not_the_taker(offered: HandoverOffered) -> Refusal:
    detail = "Only the one who is named may sign, or decline it; a supervisor of the center may call it off."
    return Refusal("handover.not_the_taker", detail, {"taker_id": str(offered.taker_id)})
