"""What a partner agency is shown over HTTP: what its feed tells it, and no more.

The rule kept is the feed's (decision record 0011): default-deny by the agency's registration, its own units only, no
words of a reporter, no exercise. Two doors with different locks would be one door: a partner that is told six fields by
NATS must not read sixty by HTTP. People of an agency who sit in this city's own centers are no partners; they see
what the board shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from dispatch.api.wiring import Services
from dispatch.directory import Directory
from dispatch.directory_entries import AgencyEntry
from dispatch.partners.contracts import (
    ADDRESS_FIELDS,
    FEED_FIELDS,
    IncidentMessage,
    PublicAssignment,
    PublicCenter,
    PublicPlace,
    PublicRecipient,
)
from dispatch.partners.order_sharing import listed_only, order_body
from dispatch.partners.sharing import PROGRESS, STRONGEST_FIRST
from dispatch.partners.withholding import without_numbers
from domain.order.events import OrderContent
from domain.vocabulary import AgencyRole, OrderPhase, Severity
from projections.queries.incidents import opened_by_machines

Row = Mapping[str, Any]
GOING = frozenset(PROGRESS.values())
"""Phases of an assignment that is not over."""


async def partner_items(services: Services, agency: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Board rows as a partner sees them, in their order."""
    entry = services.directory.agency(agency)
    if entry is None:
        return [{"incident_id": str(row["incident_id"])} for row in rows]
    opened = await services.database.rows(opened_by_machines([row["incident_id"] for row in rows])) if rows else []
    machines = {row["incident_id"] for row in opened}
    return [shown_to_partner(row, entry, services.directory, by_machine=row["incident_id"] in machines) for row in rows]


def shown_to_partner(row: Row, agency: AgencyEntry, directory: Directory, *, by_machine: bool) -> dict[str, Any]:
    """A board row as the partner may know it. `by_machine`: no person's report opened it, so its headline may leave."""
    listed = _listed(agency) | ADDRESS_FIELDS
    roles = _roles(row)
    role = roles.get(agency.code)
    message = IncidentMessage(
        incident_id=row["incident_id"],
        number=row["number"],
        category=row["category"],
        severity=Severity(row["severity"]).name.lower(),
        priority=row["priority"],
        phase=row["phase"],
        place=_place(row),
        headline=without_numbers(row["headline"]) if by_machine else None,
        opened_at=row["opened_at"],
        message_status=row["message_status"],
        role=role[0] if role else None,
        recipients=tuple(PublicRecipient(agency=code, role=said[0], answer=said[1]) for code, said in roles.items()),
        owner=_center(row, directory),
        accept_by=row["accept_by"],
        assignments=_assignments(row, agency.code),
        disposition=row["disposition"],
        merged_into=row["merged_into"],
    )
    return message.model_dump(mode="json", exclude_none=True, include=set(listed))


def order_for_partner(services: Services, agency: str, row: Row) -> dict[str, Any]:
    """A row of the orders as the partner may know it."""
    entry = services.directory.agency(agency)
    found = services.directory.center(row["issuer_center_id"])
    owner = PublicCenter(code=found.code, name_zh=found.name_zh, name_en=found.name_en) if found else None
    now = OrderContent.model_validate({**row["order"], "incident_id": row["incident_id"]})
    body = order_body(row["order_id"], now, OrderPhase(row["phase"]), owner=owner, note=row["end_reason"])
    return listed_only(body, frozenset() if entry is None else _listed(entry))


def _listed(agency: AgencyEntry) -> frozenset[str]:
    return frozenset(agency.feed_fields) & FEED_FIELDS if agency.has_feed else frozenset()


def _roles(row: Row) -> dict[str, tuple[str, str | None]]:
    """Each agency once, with the most it is asked and what it answered."""
    roles: dict[str, tuple[str, str | None]] = {}
    for each in sorted(row["recipients"], key=lambda told: STRONGEST_FIRST.index(AgencyRole(told["role"]))):
        roles.setdefault(each["agency"], (each["role"], each["answer"]))
    return roles


def _place(row: Row) -> PublicPlace | None:
    if row["lon"] is None and row["address"] is None:
        return None
    return PublicPlace(lon=row["lon"], lat=row["lat"], address=without_numbers(row["address"]))


def _center(row: Row, directory: Directory) -> PublicCenter | None:
    found = directory.center(row["owner_center_id"])
    return PublicCenter(code=found.code, name_zh=found.name_zh, name_en=found.name_en) if found else None


def _assignments(row: Row, agency: str) -> tuple[PublicAssignment, ...]:
    return tuple(
        PublicAssignment(
            assignment_id=UUID(key), unit_id=UUID(each["unit_id"]), call_sign=each["call_sign"], phase=each["phase"]
        )
        for key, each in row["assignments"].items()
        if each["agency"] == agency and each["phase"] in GOING
    )
