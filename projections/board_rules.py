"""What each fact changes on a board row. Rules share one signature, so that a table can hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from domain.assignment import events as assignment
from domain.event import Event, Fact, Place
from domain.incident import events as incident
from domain.incident import plan_events as plan_facts
from domain.incident import restriction_events as restriction
from domain.incident.diversion import UnitDiverted
from domain.ownership import Ownership
from domain.vocabulary import AssignmentPhase, IncidentPhase
from projections.projection import Row
from projections.shown import id_of, id_text, instant

Change: TypeAlias = dict[str, Any]
"""Columns to set."""
RESTS = "rests"
"""Marks what an inbox entry of a merged incident says to nobody for as long as it is merged."""
NO_ANSWER: Mapping[str, None] = dict.fromkeys(("answer", "reference", "reason"))


def owned_by(owner: Ownership) -> Change:
    """Whose it is."""
    return {"owner_center_id": owner.center_id, "owner_path": list(owner.path)}


def placed(place: Place) -> Change:
    """Where it is."""
    point = place.point
    return {
        "address": place.address,
        "lon": None if point is None else point.lon,
        "lat": None if point is None else point.lat,
    }


def _verified(row: Row, event: incident.IncidentVerified, fact: Fact[Event]) -> Change:
    return {"phase": IncidentPhase.VERIFIED.value}


def _classified(row: Row, event: incident.IncidentClassified, fact: Fact[Event]) -> Change:
    after: Change = {"category": event.category, "severity": int(event.severity), "priority": event.priority}
    # What another category asks for is said by the recommendation that follows, if it asks for anybody.
    return after if event.category == row["category"] else {**after, "wanted": []}


def _raised(row: Row, event: incident.SeverityRaised, fact: Fact[Event]) -> Change:
    return {"severity": int(event.to_severity), "priority": event.priority}


def _relocated(row: Row, event: incident.IncidentRelocated, fact: Fact[Event]) -> Change:
    return placed(event.place)


def owned_by_plain(owner: Mapping[str, Any]) -> Change:
    """The same, from what was written."""
    return {"owner_center_id": id_of(owner["center_id"]), "owner_path": [id_of(center) for center in owner["path"]]}


def _routed(row: Row, said: Mapping[str, Any], fact: Fact[Event]) -> Change:
    """A re-routing keeps the answers of agencies that stay."""
    answers = {recipient["agency"]: recipient for recipient in row["recipients"]}
    recipients = []
    for recipient in said["recipients"]:
        answer = answers.get(recipient["agency"], NO_ANSWER)
        recipients.append(
            {
                "agency": recipient["agency"],
                "center_id": recipient["center_id"],
                "role": recipient["role"],
                "answer": answer["answer"],
                "reference": answer["reference"],
                "reason": answer["reason"],
            }
        )
    accept_by = said.get("accept_by")
    return {
        "recipients": recipients,
        "accept_by": None if accept_by is None else datetime.fromisoformat(accept_by),
        **owned_by_plain(said["owner"]),
    }


def _accepted(row: Row, event: incident.IncidentAccepted, fact: Fact[Event]) -> Change:
    return {"phase": IncidentPhase.ACCEPTED.value, "accept_by": None}


def _claimed(row: Row, event: incident.IncidentClaimed, fact: Fact[Event]) -> Change:
    return {"claimed_by": event.operator_id, "claimed_at": fact.occurred_at, "inbox": _without_lost(row)}


def _released(row: Row, event: incident.ClaimReleased, fact: Fact[Event]) -> Change:
    return {"claimed_by": None, "claimed_at": None}


def _offered(row: Row, event: incident.TransferOffered, fact: Fact[Event]) -> Change:
    return {
        "transfer": {
            "transfer_id": id_text(event.transfer_id),
            "from_center_id": id_text(event.from_center_id),
            "to_center_id": id_text(event.to.center_id),
            "reason": event.reason,
            "expires_at": instant(event.expires_at),
        }
    }


def _transferred(row: Row, event: incident.TransferAccepted, fact: Fact[Event]) -> Change:
    return {"transfer": None, **owned_by(event.owner)}


def _not_transferred(row: Row, event: Event, fact: Fact[Event]) -> Change:
    return {"transfer": None}


def _escalated(row: Row, event: incident.IncidentEscalated, fact: Fact[Event]) -> Change:
    told = {
        "kind": "escalation",
        "center_id": id_text(event.to.center_id),
        "due_at": None if event.next_due_at is None else instant(event.next_due_at),
        "deadline": event.deadline,
        "level": event.level,
        "assignment_id": None if event.assignment_id is None else id_text(event.assignment_id),
        "late_s": event.late_s,
        "while_merged": row["merged_into"] is not None,
    }
    same = ("kind", "center_id", "while_merged")
    others = [entry for entry in row["inbox"] if any(entry.get(name) != told[name] for name in same)]
    return {"inbox": [*others, told], "escalation_level": max(row["escalation_level"], event.level)}


def _agency_accepted(row: Row, event: incident.AgencyAccepted, fact: Fact[Event]) -> Change:
    return _answered(row, event.agency, {"answer": "accepted", "reference": event.reference, "reason": None})


def _agency_declined(row: Row, event: incident.AgencyDeclined, fact: Fact[Event]) -> Change:
    return _answered(row, event.agency, {"answer": "declined", "reason": event.reason})


def _answered(row: Row, agency: str, answer: Change) -> Change:
    return {
        "recipients": [
            recipient | answer if recipient["agency"] == agency else recipient for recipient in row["recipients"]
        ]
    }


def _alarm_changed(row: Row, event: plan_facts.AlarmRaised | plan_facts.AlarmLowered, fact: Fact[Event]) -> Change:
    return {"alarm_level": event.to_level, "wanted": [each.model_dump(mode="json") for each in event.wanted]}


def _recommended(row: Row, said: Mapping[str, Any], fact: Fact[Event]) -> Change:
    """What was asked for at another alarm level than the present one is out of date."""
    wanted = said.get("wanted")
    if not wanted or said.get("alarm_level", 1) != row["alarm_level"]:
        return {}
    return {"wanted": [{"skills": [], **one} for one in wanted]}


def _merged(row: Row, event: incident.IncidentMerged, fact: Fact[Event]) -> Change:
    pointer = {"merged_into": event.into_incident_id, "phase_before_merge": row["phase"]}
    return pointer | _end(IncidentPhase.MERGED, fact)


def _unmerged(row: Row, event: incident.IncidentUnmerged, fact: Fact[Event]) -> Change:
    if row["merged_into"] is None:
        return {}
    # Whom the head's centers were told of while it was merged is no longer their business.
    own = [
        {name: value for name, value in entry.items() if name != RESTS}
        for entry in row["inbox"]
        if not entry.get("while_merged")
    ]
    phase = row["phase_before_merge"]
    return {"merged_into": None, "phase": phase, "phase_before_merge": None, "ended_at": None, "inbox": own}


def _absorbed(row: Row, event: incident.IncidentAbsorbed, fact: Fact[Event]) -> Change:
    return {"absorbed": [*_without(row["absorbed"], event.incident_id), event.incident_id]}


def _let_go(row: Row, event: incident.IncidentReleased, fact: Fact[Event]) -> Change:
    return {"absorbed": _without(row["absorbed"], event.incident_id)}


def _without(ids: Sequence[UUID], left_out: UUID) -> list[UUID]:
    return [one for one in ids if one != left_out]


def _resolved(row: Row, event: incident.IncidentResolved, fact: Fact[Event]) -> Change:
    return {"phase": IncidentPhase.RESOLVED.value, "disposition": event.disposition.value}


def _closed(row: Row, event: incident.IncidentClosed, fact: Fact[Event]) -> Change:
    return _end(IncidentPhase.CLOSED, fact)


def _dismissed(row: Row, event: incident.IncidentDismissed, fact: Fact[Event]) -> Change:
    return {"disposition": event.reason.value} | _end(IncidentPhase.DISMISSED, fact)


def _end(phase: IncidentPhase, fact: Fact[Event]) -> Change:
    return {"phase": phase.value, "ended_at": fact.occurred_at}


def _reopened(row: Row, event: incident.IncidentReopened, fact: Fact[Event]) -> Change:
    return {"phase": IncidentPhase.OPEN.value, "disposition": None, "ended_at": None, "escalation_level": 0}


def _restricted(
    row: Row, event: restriction.IncidentRestricted | restriction.ClearanceChanged, fact: Fact[Event]
) -> Change:
    return {
        "restricted_by": event.operation_id,
        "cleared_center_ids": list(event.center_ids),
        "cleared_agencies": list(event.agencies),
    }


def _unrestricted(row: Row, event: restriction.RestrictionLifted, fact: Fact[Event]) -> Change:
    return {"restricted_by": None, "cleared_center_ids": None, "cleared_agencies": None}


def _folded(row: Row, event: incident.AlertsFolded, fact: Fact[Event]) -> Change:
    last = row["last_alert_at"]
    return {
        "alert_count": row["alert_count"] + len(event.alerts),
        "last_alert_at": event.last_occurred_at if last is None else max(last, event.last_occurred_at),
    }


def _made(row: Row, event: assignment.AssignmentMade, fact: Fact[Event]) -> Change:
    entry: dict[str, Any] = {
        "unit_id": id_text(event.unit_id),
        "call_sign": event.call_sign,
        "agency": event.agency,
        "phase": AssignmentPhase.MADE.value,
        "stacked": event.stacked,
        "waits": event.stack_place if event.stacked else None,
    }
    if event.unit_kind is not None:
        entry |= {"unit_kind": event.unit_kind.value, "skills": list(event.skills)}
    return {
        "assignments": {**row["assignments"], id_text(event.assignment_id): entry},
        "inbox": _without_lost(row),
    }


def _placed_in_stack(
    row: Row, event: assignment.AssignmentWaits | assignment.AssignmentPromoted, fact: Fact[Event]
) -> Change:
    """How many come before it, itself counted; null: it waits no more."""
    key = id_text(event.assignment_id)
    entry = row["assignments"].get(key)
    if entry is None:
        return {}
    place = event.place if isinstance(event, assignment.AssignmentWaits) else None
    return {"assignments": {**row["assignments"], key: {**entry, "waits": place}}}


def _diverted(row: Row, event: UnitDiverted, fact: Fact[Event]) -> Change:
    """Its owner must see that somebody else may be needed, until somebody is sent or says: I have it.

    Where the unit went is on the card, for who may know of that incident: this row is one for all who look.
    """
    entry = {
        "kind": "unit_lost",
        "center_id": id_text(row["owner_center_id"]),
        "due_at": None,
        "call_sign": event.call_sign,
        "reason": event.reason,
        "since": instant(fact.occurred_at),
    }
    return {"inbox": [*row["inbox"], entry]}


def _without_lost(row: Row) -> list[Any]:
    return [entry for entry in row["inbox"] if entry["kind"] != "unit_lost"]


def _moved_to(phase: AssignmentPhase) -> Callable[[Row, Any, Fact[Event]], Change]:
    def moved(row: Row, event: Any, fact: Fact[Event]) -> Change:
        key = id_text(event.assignment_id)
        entry = row["assignments"].get(key)
        if entry is None:
            return {}
        waits = {} if phase is AssignmentPhase.ACKNOWLEDGED else {"waits": None}
        return {"assignments": {**row["assignments"], key: {**entry, "phase": phase.value, **waits}}}

    return moved


RULES: Mapping[str, Callable[[Row, Any, Fact[Event]], Change]] = {
    incident.IncidentVerified.name: _verified,
    incident.IncidentClassified.name: _classified,
    incident.SeverityRaised.name: _raised,
    incident.IncidentRelocated.name: _relocated,
    incident.IncidentAccepted.name: _accepted,
    incident.IncidentClaimed.name: _claimed,
    incident.ClaimReleased.name: _released,
    incident.TransferOffered.name: _offered,
    incident.TransferAccepted.name: _transferred,
    incident.TransferDeclined.name: _not_transferred,
    incident.TransferTimedOut.name: _not_transferred,
    incident.IncidentEscalated.name: _escalated,
    plan_facts.AlarmRaised.name: _alarm_changed,
    plan_facts.AlarmLowered.name: _alarm_changed,
    incident.AgencyAccepted.name: _agency_accepted,
    incident.AgencyDeclined.name: _agency_declined,
    incident.IncidentMerged.name: _merged,
    incident.IncidentUnmerged.name: _unmerged,
    incident.IncidentAbsorbed.name: _absorbed,
    incident.IncidentReleased.name: _let_go,
    incident.IncidentResolved.name: _resolved,
    incident.IncidentClosed.name: _closed,
    incident.IncidentDismissed.name: _dismissed,
    incident.IncidentReopened.name: _reopened,
    restriction.IncidentRestricted.name: _restricted,
    restriction.ClearanceChanged.name: _restricted,
    restriction.RestrictionLifted.name: _unrestricted,
    incident.AlertsFolded.name: _folded,
    assignment.AssignmentMade.name: _made,
    assignment.AssignmentAcknowledged.name: _moved_to(AssignmentPhase.ACKNOWLEDGED),
    assignment.AssignmentDeclined.name: _moved_to(AssignmentPhase.DECLINED),
    assignment.UnitEnRoute.name: _moved_to(AssignmentPhase.EN_ROUTE),
    assignment.UnitOnScene.name: _moved_to(AssignmentPhase.ON_SCENE),
    assignment.AssignmentCleared.name: _moved_to(AssignmentPhase.CLEARED),
    assignment.AssignmentCancelled.name: _moved_to(AssignmentPhase.CANCELLED),
    assignment.AssignmentPromoted.name: _placed_in_stack,
    assignment.AssignmentWaits.name: _placed_in_stack,
    UnitDiverted.name: _diverted,
}

PLAIN_RULES: Mapping[str, Callable[[Row, Mapping[str, Any], Fact[Event]], Change]] = {
    incident.IncidentRouted.name: _routed,
    plan_facts.UnitsRecommended.name: _recommended,
}
"""What only copies, from the fact as plain JSON: cards look at that anyway, and a routing has the most to validate."""
