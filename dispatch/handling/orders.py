"""Decisions about orders: issued with a number, changed by those who command, answered by each addressee.

A decision states the version of the last fact that changed the order (`OrderState.decided_version`), not that of the
stream: answers come by the dozen in the minute after an order is issued, and must not make each other stale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from dispatch.directory import Directory
from dispatch.directory_entries import CenterEntry
from dispatch.handling.opening import Numbering
from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe, stale
from domain.identifiers import order_number_stream
from domain.incident import decider as incident
from domain.incident.admission import unknown_incident
from domain.order.commands import IssueOrder, OrderAnswerCommand, OrderDecision
from domain.order.decider import INITIAL, decide, evolve, unknown_order
from domain.order.events import Addressee, OrderArea, OrderContent, OrderNumberAllocated
from domain.order.state import OrderState
from domain.refusals import Refusal, Refused
from domain.vocabulary import CenterKind, MessageStatus, OrderKind

Attempt: TypeAlias = tuple[Sequence[Change], Mapping[str, Any]] | Refusal


@dataclass(frozen=True, slots=True)
class OrderDraft:
    """An order as its issuer says it. Addressees are (center, agency), either of which may be left out."""

    kind: OrderKind
    status: MessageStatus
    text: str
    area: OrderArea
    expires_at: datetime
    acknowledge_by: datetime
    addressees: Sequence[tuple[UUID | None, str | None]]
    effective_at: datetime | None = None
    basis: str | None = None
    incident_id: UUID | None = None
    issued_by: UUID | None = None


class OrderDesk:
    """Everything that may be asked of orders. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe, directory: Directory) -> None:
        self._scribe = scribe
        self._directory = directory

    async def state(self, order_id: UUID) -> Loaded[OrderState]:
        """The order as decided so far. Refused `order.unknown`."""
        loaded = await self._load(order_id)
        if loaded.state.order is None:
            raise Refused.by(unknown_order())
        return loaded

    async def issue(self, issuer: CenterEntry, draft: OrderDraft, request: Request) -> Outcome:
        """Command it. The answer names `order_id` and `number`."""
        order_id = order_id_of(request)
        numbering = Numbering.of(self._directory.rulebook())
        day = numbering.day(request.received_at)
        series = order_number_stream(numbering.city, day)
        decided_version = 0

        async def attempt() -> Attempt:
            nonlocal decided_version
            loaded = await self._load(order_id)
            used = (await self._scribe.log.heads([series])).get(series)
            nth = (used.version if used is not None else 0) + 1
            number = order_number(numbering.prefix, day, nth)
            addressees = self._addressees(draft.addressees)
            if isinstance(addressees, Refusal):
                return addressees
            incident_status = await self._incident_status(draft.incident_id)
            if isinstance(incident_status, Refusal):
                return incident_status
            command = IssueOrder(
                order=self._content(draft, issuer, addressees, number, request),
                issuer_kind=issuer.kind,
                issued_at=request.received_at,
                incident_status=incident_status,
            )
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            decided_version = loaded.version + len(decided)
            changes = [
                Change(order_id, 0, decided, correlation_id=order_id),
                Change(series, nth - 1, (OrderNumberAllocated(number=number, order_id=order_id),)),
            ]
            return changes, {"order_id": str(order_id), "number": number}

        outcome = await self._scribe.decide(attempt, request)
        return await self._versioned(order_id, outcome, decided_version)

    async def decide(self, order_id: UUID, command: OrderDecision | OrderAnswerCommand, request: Request) -> Outcome:
        """Decide one command. A decision that changes nothing is an outcome with `changed` False.

        A stated version is compared with `decided_version` at each attempt, and the attempt is recorded at the version
        of the stream that it saw: neither a change nor an answer is overlooked.
        """
        decided_version = 0

        async def attempt() -> Attempt:
            nonlocal decided_version
            loaded = await self._load(order_id)
            state, expected = loaded.state, request.expected_version
            if state.order is not None and expected is not None and expected != state.decided_version:
                raise stale(order_id, expected, state.decided_version)
            decided = decide(command, state)
            if isinstance(decided, Refusal):
                return decided
            for event in decided:
                state = evolve(state, event)
            decided_version = state.decided_version
            answer = {"order_id": str(order_id), "edition": state.order.edition if state.order else 0}
            return [Change(order_id, loaded.version, decided, correlation_id=order_id)], answer

        outcome = await self._scribe.decide(attempt, replace(request, expected_version=None))
        return await self._versioned(order_id, outcome, decided_version)

    async def _versioned(self, order_id: UUID, outcome: Outcome, decided_version: int) -> Outcome:
        """With the version to decide on next; that of a repeat is looked up."""
        if outcome.repeated:
            decided_version = (await self._load(order_id)).state.decided_version
        return replace(outcome, versions={order_id: decided_version})

    async def _load(self, order_id: UUID) -> Loaded[OrderState]:
        return await self._scribe.load(order_id, INITIAL, evolve)

    def _content(
        self,
        draft: OrderDraft,
        issuer: CenterEntry,
        addressees: tuple[Addressee, ...],
        number: str,
        request: Request,
    ) -> OrderContent:
        return OrderContent(
            number=number,
            city=self._directory.city,
            kind=draft.kind,
            status=draft.status,
            edition=1,
            issuer=issuer.ownership,
            issued_by=draft.issued_by,
            basis=draft.basis,
            text=draft.text,
            area=draft.area,
            effective_at=draft.effective_at or request.received_at,
            expires_at=draft.expires_at,
            acknowledge_by=draft.acknowledge_by,
            addressees=addressees,
            incident_id=draft.incident_id,
        )

    def _addressees(self, wanted: Sequence[tuple[UUID | None, str | None]]) -> tuple[Addressee, ...] | Refusal:
        """Each center once; an agency's own center where only the agency was named."""
        found: dict[UUID, Addressee] = {}
        for center_id, agency in wanted:
            if agency is not None and self._directory.agency(agency) is None:
                return _nobody(agency, "There is no agency with this code.")
            center = self._directory.center(center_id) if center_id else self._directory.functional_center(agency or "")
            if center is None and center_id is not None:
                return _nobody(str(center_id), "There is no center with this id.")
            if center is None:
                return _nobody(agency or "", "This agency has no center of its own here.")
            # A department's own center is the agency's part, and its feed has the order, also if only it was named.
            speaks_for = center.agency if center.kind is CenterKind.FUNCTIONAL else None
            addressee = Addressee(center_id=center.id, path=center.path, agency=agency or speaks_for)
            if found.setdefault(center.id, addressee) != addressee:
                return Refusal(
                    "order.addressed_twice",
                    f"{center.code} is named for two agencies: one answer could not tell for which. Name it once.",
                    {"center": center.code},
                )
        return tuple(found.values())

    async def _incident_status(self, incident_id: UUID | None) -> MessageStatus | Refusal | None:
        if incident_id is None:
            return None
        state = (await self._scribe.load(incident_id, incident.INITIAL, incident.evolve)).state
        return unknown_incident() if state.phase is None else state.status


def order_id_of(request: Request) -> UUID:
    """The order that a request issues: the same one at every repeat."""
    return uuid5(request.request_id, "order")


def order_number(prefix: str, day: date, nth: int) -> str:
    """The n-th order of the day: `CD-ORDER-20240605-003`. Never mistaken for an incident's number on the radio."""
    return f"{prefix}-ORDER-{day:%Y%m%d}-{nth:03d}"


def _nobody(named: str, why: str) -> Refusal:
    detail = f"{why} Name a center that exists, or an agency together with the center that acts for it."
    return Refusal("order.nobody_addressed", detail, {"addressee": named})
