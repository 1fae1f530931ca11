"""The board: one row an incident, with all that a queue filters, sorts or shows.

The inbox of a center (`projections.inbox`) and the queue of an agency (`projections.agency_queue`) are other looks at
the same rows, so the three can never disagree.

A closed, dismissed or merged incident leaves every board but keeps its row: a reopening or an un-merge must put back
what a pure fold has no way to look up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeVar
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import DateTime

from domain.event import Event, Fact
from domain.incident import events as incident
from domain.vocabulary import AssignmentPhase, IncidentPhase, MessageStatus, ResponseStatus
from projections import tables
from projections.addressing import ASSIGNMENTS, COMPANIONS, DECISIONS, incident_key, incident_of, names
from projections.board_rules import RULES, Change, owned_by, placed
from projections.projection import Key, Projection, Row
from projections.shown import columns_shown, id_text, instant, point

V = TypeVar("V")
CENTERS_MAX = 4_096
"""Ids of centers kept ready."""

ENDED = frozenset({IncidentPhase.CLOSED, IncidentPhase.DISMISSED, IncidentPhase.MERGED})
AWAITING_ACCEPTANCE = frozenset({IncidentPhase.OPEN, IncidentPhase.VERIFIED})

PROGRESS: Mapping[str, ResponseStatus] = {
    AssignmentPhase.MADE: ResponseStatus.ASSIGNED,
    AssignmentPhase.ACKNOWLEDGED: ResponseStatus.ACKNOWLEDGED,
    AssignmentPhase.EN_ROUTE: ResponseStatus.EN_ROUTE,
    AssignmentPhase.ON_SCENE: ResponseStatus.ON_SCENE,
}
"""Open assignments, least advanced first."""
_RANK = {status: rank for rank, status in enumerate(PROGRESS.values())}


class Board(Projection):
    """One row an incident."""

    name = "board"
    version = 1
    table = tables.board
    topics = names(DECISIONS, COMPANIONS, ASSIGNMENTS)
    is_append_only = False
    entity = staticmethod(incident_of)

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The incident."""
        return incident_key(fact)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The row after the fact."""
        if row is None:
            event = fact.gist() if fact.name == incident.IncidentOpened.name else None
            return _opened(event, fact) if isinstance(event, incident.IncidentOpened) else None
        rule = RULES.get(fact.name)
        change = rule(row, fact.gist(), fact) if rule is not None else {}
        after = {**row, **change}
        after["updated_at"] = max(row["updated_at"], fact.occurred_at)
        after["updated_position"] = fact.position
        if fact.stream_id == key[0]:
            after["decision_version"] = fact.version
        if change.keys() & _DERIVES:
            after |= _derived(after)
        return after


def item(row: Row) -> dict[str, Any]:
    """A board row as JSON shows it; the one shape of queues, streams and replays."""
    listed = _shown(row)
    listed["place"] = {
        "address": row["address"],
        "point": point(row["lon"], row["lat"]),
    }
    return listed


_HIDDEN = {"address", "lon", "lat", "phase_before_merge", "is_on_board"}
_shown = columns_shown(column for column in tables.board.columns if column.name not in _HIDDEN)
hidden = columns_shown(column for column in tables.board.columns if column.name in _HIDDEN)
"""What `item` leaves out of a row, or has elsewhere."""
_NAMES = [str(column.name) for column in tables.board.columns if column.name not in _HIDDEN]
_INSTANTS = [name for name in _NAMES if isinstance(tables.board.columns[name].type, DateTime)]
_values = itemgetter(*_NAMES)


def item_text(row: Row) -> bytes:
    """The same as JSON text. Ids and instants become text where the rest does, which takes half as long."""
    listed: dict[str, Any] = dict(zip(_NAMES, _values(row), strict=True))
    for name in _INSTANTS:
        at = listed[name]
        if at is not None and at.tzinfo is not UTC:
            listed[name] = at.astimezone(UTC)
    listed["place"] = {"address": row["address"], "point": point(row["lon"], row["lat"])}
    return to_json(listed)


def change_of(before: Row | None, after: Row | None, tell: Callable[[Row], Any] = item) -> dict[str, Any] | None:
    """What a page did to one incident, for live streams; None if no board shows a difference.

    `row` is what `tell` makes of it, null when it left every board. Who must hear of it: whoever saw it before or sees
    it now.
    """
    seen_before = before is not None and before["is_on_board"]
    seen_after = after is not None and after["is_on_board"]
    if not (seen_before or seen_after):
        return None
    rows = [row for row in (before, after) if row is not None]
    return {
        "row": tell(after) if seen_after and after is not None else None,
        "centers_before": list(before["visible_center_ids"]) if seen_before and before is not None else [],
        "centers_after": list(after["visible_center_ids"]) if seen_after and after is not None else [],
        "agencies_before": list(before["agencies"]) if seen_before and before is not None else [],
        "agencies_after": list(after["agencies"]) if seen_after and after is not None else [],
        "categories": sorted({row["category"] for row in rows}),
    }


def response_status(assignments: Mapping[str, Mapping[str, Any]]) -> ResponseStatus:
    """How far units have come: the furthest open one; else cleared if any cleared; else none."""
    phases = [entry["phase"] for entry in assignments.values()]
    going = [PROGRESS[phase] for phase in phases if phase in PROGRESS]
    if going:
        return max(going, key=_RANK.__getitem__)
    return ResponseStatus.CLEARED if AssignmentPhase.CLEARED in phases else ResponseStatus.NONE


def _opened(event: incident.IncidentOpened, fact: Fact[Event]) -> Row:
    at = fact.occurred_at
    row: dict[str, Any] = {
        "incident_id": fact.stream_id,
        "number": event.number,
        "city": event.city,
        "category": event.category,
        "severity": int(event.severity),
        "priority": event.priority,
        "phase": IncidentPhase.OPEN.value,
        "message_status": event.status.value,
        "is_exercise": event.status is not MessageStatus.ACTUAL,
        "recipients": [],
        "inbox": [],
        "claimed_by": None,
        "claimed_at": None,
        "headline": event.headline,
        "camera_id": event.camera_id,
        "alert_count": len(event.cause.alert_ids),
        "last_alert_at": (event.cause.last_occurred_at or at) if event.cause.alert_ids else None,
        "assignments": {},
        "accept_by": None,
        "transfer": None,
        "escalation_level": 0,
        "merged_into": None,
        "absorbed": [],
        "phase_before_merge": None,
        "disposition": None,
        "decision_version": fact.version,
        "opened_at": at,
        "opened_position": fact.position,
        "updated_at": at,
        "updated_position": fact.position,
        "ended_at": None,
    }
    row |= owned_by(event.owner) | placed(event.place)
    return row | _derived(row)


_DERIVES = frozenset({"phase", "owner_path", "recipients", "transfer", "inbox", "assignments", "accept_by"})
"""Columns from which others follow."""


def _derived(row: Row) -> Change:
    """What follows from the other columns: who waits, who sees it, how far units are."""
    is_ended = row["phase"] in ENDED
    waiting = [] if is_ended else [*_acceptance(row), *_offer(row), *_escalations(row)]
    if row["phase"] == IncidentPhase.MERGED:  # a crew that owes its answer keeps it in sight
        waiting = [entry for entry in _escalations(row) if entry["deadline"] == "acknowledge"]
    waits = _distinct_ids([_id(entry["center_id"]) for entry in waiting])
    told = [_id(recipient["center_id"]) for recipient in row["recipients"]]
    return {
        "inbox": waiting,
        "inbox_center_ids": waits,
        "visible_center_ids": _distinct_ids([*row["owner_path"], *told, *waits]),
        "agencies": _distinct(recipient["agency"] for recipient in row["recipients"]),
        "response_status": response_status(row["assignments"]).value,
        "is_on_board": not is_ended or bool(waiting),
    }


def _acceptance(row: Row) -> list[dict[str, Any]]:
    if row["phase"] not in AWAITING_ACCEPTANCE:
        return []
    due_at = row["accept_by"]
    owner = id_text(row["owner_center_id"])
    return [{"kind": "accept", "center_id": owner, "due_at": None if due_at is None else instant(due_at)}]


def _offer(row: Row) -> list[dict[str, Any]]:
    offer = row["transfer"]
    if offer is None:
        return []
    return [
        {"kind": "transfer", "center_id": offer["to_center_id"], "due_at": offer["expires_at"]}
        | {
            "transfer_id": offer["transfer_id"],
            "from_center_id": offer["from_center_id"],
        }
    ]


def _escalations(row: Row) -> list[dict[str, Any]]:
    """Those still unanswered: an accepted incident or an acknowledged unit needs no further pushing."""
    return [
        entry
        for entry in row["inbox"]
        if entry["kind"] == "escalation" and _is_unanswered(row, entry["deadline"], entry["assignment_id"])
    ]


def _is_unanswered(row: Row, deadline: str, assignment_id: str | None) -> bool:
    if deadline == "accept":
        return row["phase"] in AWAITING_ACCEPTANCE
    entry = row["assignments"].get(assignment_id)
    return entry is not None and entry["phase"] == AssignmentPhase.MADE


@lru_cache(CENTERS_MAX)
def _id(text: str) -> UUID:
    """The same few centers come again and again."""
    return UUID(text)


def _distinct_ids(ids: Sequence[UUID]) -> list[UUID]:
    """The same for ids, whose own hash is slower than all the rest of a row."""
    return list({one.int: one for one in ids}.values())


def _distinct(values: Iterable[V]) -> list[V]:
    """Each once, in the order they came."""
    return list(dict.fromkeys(values))
