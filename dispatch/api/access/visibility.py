"""Which incidents a caller sees, from the log (to decide) and from the rows (to read): the same rule twice.

A caller of a center sees what the center or anything below it owns, was told of, or is offered. An incident of a
restricted operation is seen by the operation's centers and by nobody for being above them; by agencies that were told
and whose own center is among them, and by those with a crew on it (decision record 0032). Statements that read many
rows ask the same of `projections.queries.sight`, through the `sight` of the caller.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from dispatch.api.access.permissions import (
    Caller,
    covers,
    require_incident,
    require_unit,
    sees_incident,
    sees_restricted,
)
from dispatch.api.problems.problem import Problem, not_found
from dispatch.api.wiring import Services
from dispatch.directory import Directory
from dispatch.directory_entries import UnitEntry
from dispatch.handling.scribe import Loaded
from dispatch.reading.database import Row
from domain.alert.events import AlertContent
from domain.incident.decider import IncidentState
from domain.refusals import Refused
from domain.vocabulary import MessageStatus
from projections.board import PROGRESS
from projections.queries import board
from projections.queries import sight as sights


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
    restriction = loaded.state.restriction
    if restriction is None:
        require_incident(caller, centers=state_centers(loaded.state), agencies=loaded.state.agencies)
    else:
        told = restriction.agencies & loaded.state.agencies
        if not sees_restricted(caller, centers=restriction.center_ids, agencies=told):
            await _require_crew(services, caller, incident_id)
    if caller.is_partner and loaded.state.status is not MessageStatus.ACTUAL:
        raise not_found("This incident")
    return loaded


async def _require_crew(services: Services, caller: Caller, incident_id: UUID) -> None:
    """404 unless the caller's agency has a crew on it, which the units' streams know, and the row."""
    row = await services.database.row(board.one(incident_id))
    assignments = row["assignments"].values() if row is not None else ()
    sent = {each["agency"] for each in assignments if each["phase"] in PROGRESS}
    require_incident(caller, centers=(), agencies=sent)


def row_is_visible(services: Services, caller: Caller, row: Row) -> bool:
    """Whether a board row is the caller's to see. Exercises are kept from partners, who might send real crews."""
    if caller.is_partner and row["is_exercise"]:
        return False
    if row["restricted_by"] is not None:
        return sees_restricted(caller, centers=row["visible_center_ids"], agencies=row["agencies"])
    centers = with_ancestors(services.directory, (*row["visible_center_ids"], *row["owner_path"]))
    return sees_incident(caller, centers=centers, agencies=row["agencies"])


async def visible_row(services: Services, caller: Caller, incident_id: UUID) -> Row:
    """The board row of an incident. Raises `Problem` not_found for a missing and for a foreign one alike."""
    row = await services.database.row(board.one(incident_id))
    if row is None or not row_is_visible(services, caller, row):
        raise not_found("This incident")
    return row


async def hidden_among(services: Services, caller: Caller, incident_ids: Iterable[UUID | None]) -> frozenset[UUID]:
    """Those of these incidents that the caller may not know of because they are restricted."""
    asked = {one for one in incident_ids if one is not None}
    if caller.sees_everything or not asked:
        return frozenset()
    rows = await services.database.rows(sights.hidden(asked, caller.sight))
    return frozenset(row["incident_id"] for row in rows)


async def require_known(services: Services, caller: Caller, incident_id: UUID | None, what: str) -> None:
    """404 if what the caller asks for stands beside an incident of which the caller may not know."""
    if await hidden_among(services, caller, [incident_id]):
        raise not_found(what)


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NAME_MAX = 50
"""Characters of an id or a number."""
NAMES_OF_INCIDENTS = frozenset({"incident_id", "incident_number"})


def withheld(document: Any, hidden: Collection[UUID]) -> Any:
    """The document with nothing by which a hidden incident could be named: the id null, and the number beside it."""
    if not hidden:
        return document
    if isinstance(document, Mapping):
        is_hidden = str(document.get("incident_id")) in {str(one) for one in hidden}
        return {
            name: None if is_hidden and name in NAMES_OF_INCIDENTS else withheld(value, hidden)
            for name, value in document.items()
        }
    if isinstance(document, list | tuple):
        return [withheld(each, hidden) for each in document]
    return document


async def names_hidden_in(services: Services, caller: Caller, said: Any) -> frozenset[str]:
    """Ids and numbers of hidden incidents by which a document names them, wherever in it."""
    words = set(_words(said))
    if caller.sees_everything or not words:
        return frozenset()
    ids = {UUID(word) for word in words if _UUID.fullmatch(word)}
    rows = await services.database.rows(sights.hidden_names(ids, words, caller.sight))
    return frozenset(str(row[name]) for row in rows for name in ("incident_id", "number"))


def unnamed(document: Any, hidden: Collection[str], word: str | None = None) -> Any:
    """The document with `word` in place of each of these names."""
    if not hidden:
        return document
    if isinstance(document, Mapping):
        return {name: unnamed(value, hidden, word) for name, value in document.items()}
    if isinstance(document, list | tuple):
        return [unnamed(each, hidden, word) for each in document]
    return word if isinstance(document, str | UUID) and str(document) in hidden else document


def _words(document: Any) -> Iterator[str]:
    if isinstance(document, Mapping):
        document = tuple(document.values())
    if isinstance(document, list | tuple):
        for each in document:
            yield from _words(each)
    elif isinstance(document, str | UUID) and len(str(document)) <= NAME_MAX:
        yield str(document)


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

    One that is nowhere in the city is the city center's. What became part of a restricted incident is hidden with it.
    """
    rows = await services.database.rows(board.of_alert(alert_id))
    if any(row["restricted_by"] is not None and not row_is_visible(services, caller, row) for row in rows):
        return False
    for content in said:
        camera = services.directory.camera_by_id(content.camera_id) if content.camera_id is not None else None
        point = content.place.point
        centers = {center.id for center in services.directory.locate(point)} if point is not None else set()
        centers.update(camera.path if camera is not None else ())
        if covers(caller, centers or {services.directory.root().id}):
            return True
    return any(row_is_visible(services, caller, row) for row in rows)


def visible_unit(services: Services, caller: Caller, unit_id: UUID) -> UnitEntry:
    """A unit's registration. Raises `Problem` not_found for a missing and for a foreign one alike."""
    unit = services.directory.unit(unit_id)
    if unit is None:
        raise not_found("This unit")
    require_unit(caller, agency=unit.agency, path=unit.base.path)
    return unit
