"""Which incidents a caller sees, from the log (to decide) and from the rows (to read): the same rule twice.

A caller of a center sees what the center or anything below it owns, was told of, or is offered.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from dispatch.api.access import Caller, covers, require_incident, require_unit, sees_incident
from dispatch.api.database import Row
from dispatch.api.problem import Problem, not_found
from dispatch.api.wiring import Services
from dispatch.directory import Directory
from dispatch.directory_entries import UnitEntry
from dispatch.handling.scribe import Loaded
from domain.alert.events import AlertContent
from domain.incident.decider import IncidentState
from domain.refusals import Refused
from domain.vocabulary import MessageStatus
from projections.queries import board


def with_ancestors(directory: Directory, centers: Iterable[UUID]) -> set[UUID]:
    """The centers and all above them."""
    found: set[UUID] = set()
    for center_id in centers:
        entry = directory.center(center_id)
        found.update(entry.path if entry is not None else (center_id,))
    return found


def state_centers(state: IncidentState) -> set[UUID]:
    """Owner, recipients and the center an offer waits for, each with all above it."""
    found = set(state.owner.path) if state.owner is not None else set()
    for recipient in state.recipients:
        found.update(recipient.path or (recipient.center_id,))
    if state.offer is not None:
        found.update(state.offer.to.path)
    return found


async def visible_state(services: Services, caller: Caller, incident_id: UUID) -> Loaded[IncidentState]:
    """The incident as decided so far. Raises `Problem` not_found for a missing and for a foreign one alike."""
    try:
        loaded = await services.incidents.state(incident_id)
    except Refused:
        raise not_found("This incident") from None
    require_incident(caller, centers=state_centers(loaded.state), agencies=loaded.state.agencies)
    if caller.is_partner and loaded.state.status is not MessageStatus.ACTUAL:
        raise not_found("This incident")
    return loaded


def row_is_visible(services: Services, caller: Caller, row: Row) -> bool:
    """Whether a board row is the caller's to see. Exercises are kept from partners, who might send real crews."""
    if caller.is_partner and row["is_exercise"]:
        return False
    centers = with_ancestors(services.directory, (*row["visible_center_ids"], *row["owner_path"]))
    return sees_incident(caller, centers=centers, agencies=row["agencies"])


async def visible_row(services: Services, caller: Caller, incident_id: UUID) -> Row:
    """The board row of an incident. Raises `Problem` not_found for a missing and for a foreign one alike."""
    row = await services.database.row(board.one(incident_id))
    if row is None or not row_is_visible(services, caller, row):
        raise not_found("This incident")
    return row


def require_owner(caller: Caller, state: IncidentState) -> None:
    """Only the owning center and those above it decide the incident's life; others see it and say so in notes."""
    assert state.owner is not None, "an incident is never ownerless"
    if not covers(caller, state.owner.path):
        raise Problem(
            "not_the_owner",
            f"Incident {state.number} is owned by another center. Ask it for a transfer, or add a note.",
            owner_center_id=str(state.owner.center_id),
        )


async def alert_is_visible(services: Services, caller: Caller, alert_id: UUID, said: Iterable[AlertContent]) -> bool:
    """Whether an alert is the caller's to see: by its camera, by its place, or by an incident it became part of.

    One that is nowhere in the city is the city center's.
    """
    for content in said:
        camera = services.directory.camera_by_id(content.camera_id) if content.camera_id is not None else None
        point = content.place.point
        centers = {center.id for center in services.directory.locate(point)} if point is not None else set()
        centers.update(camera.path if camera is not None else ())
        if covers(caller, centers or {services.directory.root().id}):
            return True
    rows = await services.database.rows(board.of_alert(alert_id))
    return any(row_is_visible(services, caller, row) for row in rows)


def visible_unit(services: Services, caller: Caller, unit_id: UUID) -> UnitEntry:
    """A unit's registration. Raises `Problem` not_found for a missing and for a foreign one alike."""
    unit = services.directory.unit(unit_id)
    if unit is None:
        raise not_found("This unit")
    require_unit(caller, agency=unit.agency, path=unit.base.path)
    return unit
