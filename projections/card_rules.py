"""What each fact adds to an incident's card. Rules share one signature, so that a table can hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from uuid import UUID

from domain.assignment import events as assignment
from domain.event import Event, Fact, Place
from domain.incident import events as incident
from domain.incident import plan_events as plan_facts
from domain.incident import restriction_events as restriction
from domain.incident.diversion import UnitDiverted
from domain.vocabulary import AssignmentPhase
from projections.shown import id_text, instant, shown

Document: TypeAlias = Mapping[str, Any]
Change: TypeAlias = dict[str, Any]
Plain: TypeAlias = Mapping[str, Any]
Rule: TypeAlias = Callable[[Document, Any, Fact[Event]], Change]
PlainRule: TypeAlias = Callable[[Document, Plain, Fact[Event]], Change]

CANDIDATES_MAX = 20
"""Candidates of a decision shown on the card; the timeline has all of them."""
NO_CAUSE = incident.Cause().model_dump(mode="json")
NO_PLACE = Place().model_dump(mode="json")
"""All fields, absent: the card shows those that the log leaves out as null."""


def stamp(fact: Fact[Event]) -> dict[str, Any]:
    """Where, when and by whom."""
    actor = fact.actor
    return {
        "position": fact.position,
        "at": instant(fact.occurred_at),
        "recorded_at": instant(fact.recorded_at),
        "by": {
            "kind": actor.kind.value,
            "id": actor.id,
            "center_id": None if actor.center_id is None else id_text(actor.center_id),
            "agency": actor.agency,
        },
    }


def _text(value: UUID | None) -> str | None:
    return None if value is None else id_text(value)


def _added(document: Document, name: str, entry: Mapping[str, Any]) -> Change:
    return {name: [*document[name], dict(entry)]}


def _changed(document: Document, name: str, key: str, value: object, change: Mapping[str, Any]) -> Change:
    """Change the entries of a list whose `key` is `value`."""
    return {name: [{**entry, **change} if entry[key] == str(value) else entry for entry in document[name]]}


def _decided(document: Document, explanation: Plain | None, fact: Fact[Event]) -> Change:
    """An automatic decision, with the rule version, the inputs and the reasons it gave."""
    if explanation is None:
        return {}
    candidates = explanation.get("candidates", [])
    return _added(
        document,
        "decisions",
        {
            "event": fact.name,
            **stamp(fact),
            "rule_version": fact.rule_version,
            "policy": explanation["policy"],
            "reasons": explanation.get("reasons", []),
            "input_positions": explanation.get("input_positions", []),
            "candidates": candidates[:CANDIDATES_MAX],
            "candidate_count": len(candidates),
        },
    )


def _placed(document: Document, place: Plain, fact: Fact[Event]) -> Change:
    return {"places": [*document["places"], {**stamp(fact), "place": {**NO_PLACE, **place}}]}


def _opened(document: Document, said: Plain, fact: Fact[Event]) -> Change:
    return {
        "cause": {**NO_CAUSE, **said["cause"]},
        **_placed(document, said["place"], fact),
        **_explained(document, said, fact),
    }


def _relocated(document: Document, said: Plain, fact: Fact[Event]) -> Change:
    return _placed(document, said["place"], fact)


def _explained(document: Document, said: Plain, fact: Fact[Event]) -> Change:
    """Routed, raised in severity, labelled as it was opened: what the decision weighed."""
    return _decided(document, said.get("explanation"), fact)


def _escalated(document: Document, event: incident.IncidentEscalated, fact: Fact[Event]) -> Change:
    entry = {
        **stamp(fact),
        "level": event.level,
        "deadline": event.deadline,
        "to_center_id": id_text(event.to.center_id),
        "assignment_id": _text(event.assignment_id),
        "due_at": instant(event.due_at),
        "late_s": event.late_s,
    }
    return _added(document, "escalations", entry) | _explained(document, fact.plain(), fact)


def _recommended(document: Document, said: Plain, fact: Fact[Event]) -> Change:
    latest = {
        **stamp(fact),
        "rule_version": fact.rule_version,
        "unit_ids": said["unit_ids"],
        "shortfalls": said["shortfalls"],
        "plan": said.get("plan"),
        "alarm_level": said.get("alarm_level", 1),
        "candidates": said["candidates"][:CANDIDATES_MAX],
    }
    return {"recommendation": latest, **_explained(document, said, fact)}


def _reported(document: Document, event: incident.ReportAttached, fact: Fact[Event]) -> Change:
    return _added(document, "reports", stamp(fact) | event.model_dump(mode="json", exclude={"incident_id"}))


def _claimed(document: Document, event: incident.IncidentClaimed, fact: Fact[Event]) -> Change:
    entry = {**stamp(fact), "operator_id": id_text(event.operator_id), "released_at": None}
    return {"claims": [*_claims_ended(document, fact), entry]}


def _unclaimed(document: Document, event: incident.ClaimReleased, fact: Fact[Event]) -> Change:
    return {"claims": _claims_ended(document, fact)}


def _claims_ended(document: Document, fact: Fact[Event]) -> list[Any]:
    at = instant(fact.occurred_at)
    return [{**claim, "released_at": claim["released_at"] or at} for claim in document["claims"]]


def _offered(document: Document, event: incident.TransferOffered, fact: Fact[Event]) -> Change:
    entry = {
        **stamp(fact),
        "transfer_id": id_text(event.transfer_id),
        "from_center_id": id_text(event.from_center_id),
        "to_center_id": id_text(event.to.center_id),
        "reason": event.reason,
        "expires_at": instant(event.expires_at),
        "outcome": "offered",
        "answer": None,
    }
    return _added(document, "transfers", entry)


def _transfer_ended(outcome: str) -> Rule:
    def ended(document: Document, event: Any, fact: Fact[Event]) -> Change:
        answer = {**stamp(fact), "reason": getattr(event, "reason", None), "late_s": getattr(event, "late_s", None)}
        change = {"outcome": outcome, "answer": answer}
        return _changed(document, "transfers", "transfer_id", event.transfer_id, change)

    return ended


def _agency_answered(document: Document, event: Any, fact: Fact[Event]) -> Change:
    accepted = isinstance(event, incident.AgencyAccepted)
    entry = {
        **stamp(fact),
        "agency": event.agency,
        "answer": "accepted" if accepted else "declined",
        "reference": event.reference if accepted else None,
        "reason": None if accepted else event.reason,
    }
    return _added(document, "answers", entry)


def _outcome(document: Document, said: Plain, fact: Fact[Event]) -> Change:
    """Verified, classified, dismissed, accepted, resolved, closed, reopened: what people decided, in order."""
    return _added(document, "outcomes", {**stamp(fact), "event": fact.name, "values": said})


def _alarm_raised(document: Document, said: Plain, fact: Fact[Event]) -> Change:
    """By a person, which is an outcome, or by a rule, which explains itself."""
    return _explained(document, said, fact) or _outcome(document, said, fact)


def _merge(direction: str, other: str) -> Rule:
    def merged(document: Document, event: Any, fact: Fact[Event]) -> Change:
        entry = {
            **stamp(fact),
            "merge_id": id_text(event.merge_id),
            "direction": direction,
            "incident_id": id_text(getattr(event, other)),
            "undone": None,
        }
        return _added(document, "merges", entry)

    return merged


def _unmerged(document: Document, event: Any, fact: Fact[Event]) -> Change:
    return _changed(document, "merges", "merge_id", event.merge_id, {"undone": stamp(fact)})


def _noted(document: Document, event: incident.NoteAdded, fact: Fact[Event]) -> Change:
    return _added(
        document, "notes", {**stamp(fact), "note_id": id_text(event.note_id), "text": event.text, "struck": None}
    )


def _struck(document: Document, event: incident.NoteStruck, fact: Fact[Event]) -> Change:
    return _changed(document, "notes", "note_id", event.note_id, {"struck": {**stamp(fact), "reason": event.reason}})


def _evidence(document: Document, event: incident.EvidenceAttached, fact: Fact[Event]) -> Change:
    plain = event.model_dump(mode="json", exclude={"incident_id"})
    return _added(document, "evidence", stamp(fact) | plain)


def _made(document: Document, event: assignment.AssignmentMade, fact: Fact[Event]) -> Change:
    entry = {
        **stamp(fact),
        "assignment_id": id_text(event.assignment_id),
        "unit_id": id_text(event.unit_id),
        "call_sign": event.call_sign,
        "agency": event.agency,
        "phase": AssignmentPhase.MADE.value,
        "stacked": event.stacked,
        "waits": event.stack_place if event.stacked else None,
        "diverted_from": _text(event.diverted_from),
        "diverted_to": None,
        "diverted_although": None,
        "override": event.override,
        "recommended": event.recommended,
        "unit_position": shown(event.position.model_dump()) if event.position is not None else None,
        "unit_position_age_s": event.position_age_s,
        "acknowledge_by": None if event.acknowledge_by is None else instant(event.acknowledge_by),
        "steps": [{"phase": AssignmentPhase.MADE.value, **stamp(fact)}],
        "reason": None,
        "outcome": None,
    }
    return _added(document, "assignments", entry)


def _moved_to(phase: AssignmentPhase) -> Rule:
    def moved(document: Document, event: Any, fact: Fact[Event]) -> Change:
        step = {"phase": phase.value, **stamp(fact)}
        said = {name: getattr(event, name) for name in ("reason", "outcome") if getattr(event, name, None) is not None}
        if phase is not AssignmentPhase.ACKNOWLEDGED:
            said["waits"] = None
        diverted_to = getattr(event, "diverted_to_number", None)
        if diverted_to is not None:
            said["diverted_to"] = diverted_to
        said["phase"] = phase.value
        return _assignment_changed(document, event, lambda entry: {"steps": [*entry["steps"], step], **said})

    return moved


def _assignment_changed(
    document: Document, event: Any, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> Change:
    """The assignment that a fact is about, after it."""
    key = id_text(event.assignment_id)
    return {
        "assignments": [
            {**entry, **change(entry)} if entry["assignment_id"] == key else entry for entry in document["assignments"]
        ]
    }


def _waits(document: Document, event: assignment.AssignmentWaits, fact: Fact[Event]) -> Change:
    return _assignment_changed(document, event, lambda _: {"waits": event.place})


def _promoted(document: Document, event: assignment.AssignmentPromoted, fact: Fact[Event]) -> Change:
    change = _assignment_changed(document, event, lambda _: {"waits": None})
    return change | _explained(document, fact.plain(), fact)


def _diverted(document: Document, event: UnitDiverted, fact: Fact[Event]) -> Change:
    """Why it was taken off, although this incident is the more urgent one."""
    return _assignment_changed(document, event, lambda _: {"diverted_although": event.override})


PLAIN_RULES: Mapping[str, PlainRule] = {
    incident.IncidentOpened.name: _opened,
    incident.IncidentVerified.name: _outcome,
    incident.IncidentClassified.name: _outcome,
    incident.IncidentDismissed.name: _outcome,
    incident.IncidentAccepted.name: _outcome,
    incident.IncidentResolved.name: _outcome,
    incident.IncidentClosed.name: _outcome,
    incident.IncidentReopened.name: _outcome,
    plan_facts.AlarmRaised.name: _alarm_raised,
    plan_facts.AlarmLowered.name: _outcome,
    incident.SeverityRaised.name: _explained,
    incident.IncidentRelocated.name: _relocated,
    incident.IncidentRouted.name: _explained,
    plan_facts.UnitsRecommended.name: _recommended,
    restriction.IncidentRestricted.name: _explained,
}
"""What only copies what was said: from the fact as plain JSON, which is there for less than its validated form."""

RULES: Mapping[str, Rule] = {
    incident.IncidentClaimed.name: _claimed,
    incident.ClaimReleased.name: _unclaimed,
    incident.TransferOffered.name: _offered,
    incident.TransferAccepted.name: _transfer_ended("accepted"),
    incident.TransferDeclined.name: _transfer_ended("declined"),
    incident.TransferTimedOut.name: _transfer_ended("timed_out"),
    incident.IncidentEscalated.name: _escalated,
    incident.AgencyAccepted.name: _agency_answered,
    incident.AgencyDeclined.name: _agency_answered,
    incident.IncidentMerged.name: _merge("into", "into_incident_id"),
    incident.IncidentAbsorbed.name: _merge("absorbed", "incident_id"),
    incident.IncidentUnmerged.name: _unmerged,
    incident.IncidentReleased.name: _unmerged,
    incident.ReportAttached.name: _reported,
    incident.NoteAdded.name: _noted,
    incident.NoteStruck.name: _struck,
    incident.EvidenceAttached.name: _evidence,
    assignment.AssignmentMade.name: _made,
    assignment.AssignmentAcknowledged.name: _moved_to(AssignmentPhase.ACKNOWLEDGED),
    assignment.AssignmentDeclined.name: _moved_to(AssignmentPhase.DECLINED),
    assignment.UnitEnRoute.name: _moved_to(AssignmentPhase.EN_ROUTE),
    assignment.UnitOnScene.name: _moved_to(AssignmentPhase.ON_SCENE),
    assignment.AssignmentCleared.name: _moved_to(AssignmentPhase.CLEARED),
    assignment.AssignmentCancelled.name: _moved_to(AssignmentPhase.CANCELLED),
    assignment.AssignmentPromoted.name: _promoted,
    assignment.AssignmentWaits.name: _waits,
    UnitDiverted.name: _diverted,
}
