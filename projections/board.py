"""The board: one row an incident, with all that a queue filters, sorts or shows.

The inbox of a center (`projections.inbox`) and the queue of an agency (`projections.agency_queue`) are other looks at
the same rows, so the three can never disagree.

A closed, dismissed or merged incident leaves every board but keeps its row: a reopening or an un-merge must put back
what a pure fold has no way to look up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from operator import itemgetter
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import DateTime

from domain.event import Event, Fact
from domain.incident import events as incident
from domain.vocabulary import AssignmentPhase, IncidentPhase, MessageStatus, ResponseStatus
from projections import tables
from projections.addressing import ASSIGNMENTS, COMPANIONS, DECISIONS, incident_key, incident_of, names
from projections.board_rules import PLAIN_RULES, RESTS, RULES, Change, owned_by, placed
from projections.plan_rules import with_there
from projections.projection import Key, Projection, Row
from projections.shown import columns_shown, id_of, id_text, instant, point

ENDED = frozenset({IncidentPhase.CLOSED, IncidentPhase.DISMISSED, IncidentPhase.MERGED})
MERGED = IncidentPhase.MERGED.value
AWAITING_ACCEPTANCE = frozenset({IncidentPhase.OPEN, IncidentPhase.VERIFIED})

PROGRESS: Mapping[str, ResponseStatus] = {
    AssignmentPhase.MADE: ResponseStatus.ASSIGNED,
    AssignmentPhase.ACKNOWLEDGED: ResponseStatus.ACKNOWLEDGED,
    AssignmentPhase.EN_ROUTE: ResponseStatus.EN_ROUTE,
    AssignmentPhase.ON_SCENE: ResponseStatus.ON_SCENE,
}
"""Open assignments, least advanced first."""
NO_RESPONSE = ResponseStatus.NONE.value
_RANK = {status: rank for rank, status in enumerate(PROGRESS.values())}


class Board(Projection):
    """One row an incident."""

    name = "board"
    version = 3
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
        name = fact.name
        if name in PLAIN_RULES:
            change = PLAIN_RULES[name](row, fact.plain(), fact)
        else:
            change = RULES[name](row, fact.gist(), fact) if name in RULES else {}
        after = {**row, **change}
        at = fact.occurred_at
        if at > row["updated_at"]:
            after["updated_at"] = at
        after["updated_position"] = fact.position
        if fact.stream_id == key[0]:
            after["decision_version"] = fact.version
        if not _DERIVES.isdisjoint(change):
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


_HIDDEN = {"address", "lon", "lat", "phase_before_merge", "is_on_board", "cleared_center_ids", "cleared_agencies"}
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
        "category": after["category"] if seen_after and after is not None else None,
        "centers_before": list(before["visible_center_ids"]) if seen_before and before is not None else [],
        "centers_after": list(after["visible_center_ids"]) if seen_after and after is not None else [],
        "agencies_before": list(before["agencies"]) if seen_before and before is not None else [],
        "agencies_after": list(after["agencies"]) if seen_after and after is not None else [],
        "restricted_before": before is not None and before["restricted_by"] is not None,
        "restricted_after": after is not None and after["restricted_by"] is not None,
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
        "alarm_level": 1,
        "wanted": [],
        "restricted_by": None,
        "cleared_center_ids": None,
        "cleared_agencies": None,
    }
    row |= owned_by(event.owner) | placed(event.place)
    return row | _derived(row)


_DERIVES = frozenset(
    {
        "phase",
        "owner_path",
        "recipients",
        "transfer",
        "inbox",
        "assignments",
        "accept_by",
        "wanted",
        "cleared_center_ids",
    }
)
"""Columns from which others follow."""


def _derived(row: Row) -> Change:
    """What follows from the other columns: who waits, who sees it, how far units are."""
    phase, recipients, assignments = row["phase"], row["recipients"], row["assignments"]
    is_ended = phase in ENDED
    kept: list[dict[str, Any]] = []
    if not is_ended:
        kept = [*_acceptance(row), *_offer(row), *_escalations(row), *_lost(row)]
    elif phase == MERGED:
        kept = _while_merged(row)
    waiting = [entry for entry in kept if not entry.get(RESTS)]
    waits = _distinct_ids([id_of(entry["center_id"]) for entry in waiting]) if waiting else []
    cleared = row["cleared_center_ids"]
    if cleared is not None:
        waits = [center_id for center_id in waits if center_id in cleared]
        seen = {"visible_center_ids": list(cleared), "agencies": _agencies_of_restricted(row)}
    else:
        told = [id_of(recipient["center_id"]) for recipient in recipients]
        seen = {
            "visible_center_ids": _distinct_ids([*row["owner_path"], *told, *waits]),
            "agencies": list(dict.fromkeys([recipient["agency"] for recipient in recipients])),
        }
    return {
        "inbox": kept,
        "inbox_center_ids": waits,
        **seen,
        "wanted": with_there(row["wanted"], assignments) if row["wanted"] else [],
        "response_status": response_status(assignments).value if assignments else NO_RESPONSE,
        "is_on_board": not is_ended or bool(waiting),
    }


def _agencies_of_restricted(row: Row) -> list[str]:
    """Those told whose own centers know of it, and those with a crew on it: whoever is sent must know where."""
    told = [each["agency"] for each in row["recipients"] if each["agency"] in row["cleared_agencies"]]
    sent = [each["agency"] for each in row["assignments"].values() if each["phase"] in PROGRESS]
    return list(dict.fromkeys([*told, *sent]))


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


def _while_merged(row: Row) -> list[dict[str, Any]]:
    """A crew that owes its answer keeps it in sight. That nobody accepts it, and that it lost a unit, rests until it is
    itself again."""
    found = []
    for entry in row["inbox"]:
        if entry["kind"] == "unit_lost":
            found.append({**entry, RESTS: True})
        elif entry["kind"] != "escalation":
            continue
        elif entry["deadline"] == "accept":
            if not entry.get("while_merged"):
                found.append({**entry, RESTS: True})
        elif _is_unanswered(row, entry["deadline"], entry["assignment_id"]):
            found.append(entry)
    return found


def _lost(row: Row) -> list[dict[str, Any]]:
    """Units that were taken off it, for whoever owns it now."""
    owner = id_text(row["owner_center_id"])
    return [{**entry, "center_id": owner} for entry in row["inbox"] if entry["kind"] == "unit_lost"]


def _is_unanswered(row: Row, deadline: str, assignment_id: str | None) -> bool:
    if deadline == "accept":
        return row["phase"] in AWAITING_ACCEPTANCE
    entry = row["assignments"].get(assignment_id)
    return entry is not None and entry["phase"] == AssignmentPhase.MADE


def _distinct_ids(ids: Sequence[UUID]) -> list[UUID]:
    """The same for ids, whose own hash is slower than all the rest of a row."""
    return list({one.int: one for one in ids}.values())
