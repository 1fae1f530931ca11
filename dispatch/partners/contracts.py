"""The public messages: their own names, shapes and versions, apart from domain events.

Every message about an incident carries the incident as far as the agency may know it, so a partner that missed the
first message, or starts in the middle, is right after the next one. `type` says what happened; `note` and the fields
of that type say more. A change that a reader could trip over is a new version under a new name, sent beside the old
one for a while.

Default-deny: a field leaves only if the agency's registration lists it. What addresses a message (`ADDRESS_FIELDS`)
always leaves. No field here holds anything personal, internal notes, evidence, claims or reports.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, Field

from dispatch.partners.order_contracts import ORDER_CONTRACTS, OrderMessage
from dispatch.partners.public_shapes import Contract, Message, PublicCenter

__all__ = ["Contract", "Message", "PublicCenter"]

ADDRESS_FIELDS = frozenset({"incident_id", "assignment_id", "case_id", "order_id", "reference", "instead_of"})
"""What a message is about: never withheld, and nothing but identifiers."""
MESSAGE_BYTES_MAX = 65_536
"""Headers and body together; a larger message goes out by reference."""

_PERSONAL_NAMES = (b"sealed", b"subject_id", b"caller", b"persons", b"full_name")
"""Every name of `_PERSONAL` holds one of these. That a message has none is seen sooner than by the pattern."""
_PERSONAL = re.compile(rb'(?<!\\)"(sealed|subject_id|caller|caller_phone|persons|full_name)"\s*:')


class PublicPlace(Contract):
    """Where; longitude and latitude in WGS 84. Either may be missing: an address alone is a place."""

    lon: float | None = None
    lat: float | None = None
    address: str | None = None


class PublicRecipient(Contract):
    """Who else must know or act: `responsible`, `supporting` or `informed`."""

    agency: str
    role: str
    answer: str | None = Field(default=None, description="accepted or declined; absent while unanswered")


class PublicAssignment(Contract):
    """One of the receiving agency's own units on the incident. Other agencies' units are not told."""

    assignment_id: UUID
    unit_id: UUID
    call_sign: str
    phase: str


class IncidentMessage(Message):
    """An incident as its agency may know it, after the fact that `type` names."""

    incident_id: UUID
    number: str | None = Field(default=None, description="the number people say on the radio")
    category: str | None = Field(default=None, description="dotted code of the city's rulebook")
    severity: str | None = Field(default=None, description="unknown, minor, moderate, severe, extreme")
    priority: int | None = Field(default=None, description="0 most urgent … 10 least")
    phase: str | None = Field(default=None, description="open, verified, accepted, resolved, closed, dismissed, merged")
    place: PublicPlace | None = None
    headline: str | None = Field(
        default=None, description="words of the machine or warning that opened it; a person's report has none"
    )
    opened_at: AwareDatetime | None = None
    message_status: str | None = Field(default=None, description="always `actual`: exercises and tests never leave")
    role: str | None = Field(
        default=None, description="the agency's own part; absent if a later routing no longer asks it"
    )
    recipients: tuple[PublicRecipient, ...] | None = None
    owner: PublicCenter | None = Field(default=None, description="the center whose incident it is")
    accept_by: AwareDatetime | None = Field(default=None, description="by when the owner must have accepted")
    assignments: tuple[PublicAssignment, ...] | None = Field(default=None, description="open ones, of its units")
    disposition: str | None = None
    merged_into: UUID | None = Field(default=None, description="incident it was found to be the same as")
    note: str | None = Field(
        default=None, description="reason or remark given with this very fact; numbers of persons are cut"
    )
    reference: str | None = Field(
        default=None, description="set instead of all else when the message would exceed 64 KiB: where to read it"
    )


class Routed(IncidentMessage):
    """First message about an incident, and again whenever it is routed anew."""

    type = "dispatch.incident.routed.v1"
    meaning = "You are asked, or told. The state so far comes with it."


class SeverityRaised(IncidentMessage):
    """It is worse than was thought."""

    type = "dispatch.incident.severity_raised.v1"
    meaning = "It became worse."


class Classified(IncidentMessage):
    """A person set category, severity or priority."""

    type = "dispatch.incident.classified.v1"
    meaning = "Category, severity or priority were set by a person."


class Relocated(IncidentMessage):
    """The place was corrected."""

    type = "dispatch.incident.relocated.v1"
    meaning = "The place was set or corrected."


class Verified(IncidentMessage):
    """Somebody looked: real."""

    type = "dispatch.incident.verified.v1"
    meaning = "Somebody looked; it is real."


class Dismissed(IncidentMessage):
    """It needs no answer."""

    type = "dispatch.incident.dismissed.v1"
    meaning = "It needs no answer; stand down."


class Accepted(IncidentMessage):
    """Its center took it."""

    type = "dispatch.incident.accepted.v1"
    meaning = "The owning center took it."


class Transferred(IncidentMessage):
    """Another center owns it."""

    type = "dispatch.incident.transferred.v1"
    meaning = "Another center owns it from here on."


class Escalated(IncidentMessage):
    """A deadline was missed."""

    type = "dispatch.incident.escalated.v1"
    meaning = "A deadline passed unanswered; the next level was told."


class AgencyAccepted(IncidentMessage):
    """An agency took its part."""

    type = "dispatch.incident.agency_accepted.v1"
    meaning = "An agency took its part (see recipients)."


class AgencyDeclined(IncidentMessage):
    """An agency declined."""

    type = "dispatch.incident.agency_declined.v1"
    meaning = "An agency said it is not theirs (see recipients)."


class Merged(IncidentMessage):
    """It is the same as another."""

    type = "dispatch.incident.merged.v1"
    meaning = "It is the same as `merged_into`."


class Unmerged(IncidentMessage):
    """The merge was wrong."""

    type = "dispatch.incident.unmerged.v1"
    meaning = "The merge was wrong; it is itself again."


class Resolved(IncidentMessage):
    """Done."""

    type = "dispatch.incident.resolved.v1"
    meaning = "What had to be done is done."


class Closed(IncidentMessage):
    """The file is closed."""

    type = "dispatch.incident.closed.v1"
    meaning = "The file is closed."


class Reopened(IncidentMessage):
    """It came back."""

    type = "dispatch.incident.reopened.v1"
    meaning = "It came back, or was closed in error."


class Withdrawn(IncidentMessage):
    """It is not the agency's to know any more; nothing but its id is said."""

    type = "dispatch.incident.withdrawn.v1"
    meaning = "You are told of it no more; take it off your screens. If it becomes yours again, `routed` comes anew."


class AssignmentMessage(IncidentMessage):
    """As above, and which of the agency's assignments it is about."""

    assignment_id: UUID


class AssignmentMade(AssignmentMessage):
    """One of your units was put on it."""

    type = "dispatch.assignment.made.v1"
    meaning = "One of your units was put on it."

    instead_of: UUID | None = Field(
        default=None, description="the unit was diverted: this assignment of it has ended, on another incident"
    )


class AssignmentAcknowledged(AssignmentMessage):
    """The crew understood."""

    type = "dispatch.assignment.acknowledged.v1"
    meaning = "Your crew understood."


class AssignmentDeclined(AssignmentMessage):
    """The crew cannot go."""

    type = "dispatch.assignment.declined.v1"
    meaning = "Your crew cannot go."


class AssignmentEnRoute(AssignmentMessage):
    """Moving."""

    type = "dispatch.assignment.en_route.v1"
    meaning = "Your unit is moving."


class AssignmentOnScene(AssignmentMessage):
    """There."""

    type = "dispatch.assignment.on_scene.v1"
    meaning = "Your unit is there."


class AssignmentCleared(AssignmentMessage):
    """Free again."""

    type = "dispatch.assignment.cleared.v1"
    meaning = "Your unit is done there."


class AssignmentCancelled(AssignmentMessage):
    """Called back."""

    type = "dispatch.assignment.cancelled.v1"
    meaning = "Your unit was called back."


class PublicCase(Contract):
    """An urban-management case that the receiving agency has to handle."""

    class_code: str
    phase: str
    lamp: str = Field(description="green, from 80 % of the time allowed amber, from all of it red")
    handle_by: AwareDatetime | None = Field(default=None, description="absent while its time stands still, or is up")


class CaseMessage(IncidentMessage):
    """As above, and the case of it. Only the department that has the case hears of it."""

    case_id: UUID
    case: PublicCase | None = None


class CaseAssigned(CaseMessage):
    """The department has it."""

    type = "dispatch.case.assigned.v1"
    meaning = "A case is yours to handle; after an arbitration, without appeal."


class CaseLampTurned(CaseMessage):
    """80 % or all of the time allowed is used."""

    type = "dispatch.case.lamp_turned.v1"
    meaning = "80 % or all of your time is used (see case.lamp)."


class CaseSupervised(CaseMessage):
    """A leader presses."""

    type = "dispatch.case.supervised.v1"
    meaning = "A leader presses; `note` says what is wanted."


class CaseChecked(CaseMessage):
    """Done indeed, or to be done again."""

    type = "dispatch.case.checked.v1"
    meaning = "Your work was looked at: passed, or (phase assigned) to be done again."


class CaseTimeChanged(CaseMessage):
    """Paused, resumed, extended, or not."""

    type = "dispatch.case.time_changed.v1"
    meaning = "Your time was stopped, runs again, became longer, or was refused to (see case)."


class CaseEnded(CaseMessage):
    """Closed or voided."""

    type = "dispatch.case.ended.v1"
    meaning = "The case is closed, or void: nothing is left to do."


class Withheld(Message):
    """A tombstone: something stood at this sequence that may not leave. Count it and go on."""

    type = "dispatch.feed.withheld.v1"
    meaning = "A message at this sequence may not leave. Count it and go on."


CASE_CONTRACTS = (CaseAssigned, CaseLampTurned, CaseSupervised, CaseChecked, CaseTimeChanged, CaseEnded)
INCIDENT_CONTRACTS: tuple[type[IncidentMessage], ...] = (
    *CASE_CONTRACTS,
    Routed,
    Withdrawn,
    SeverityRaised,
    Classified,
    Relocated,
    Verified,
    Dismissed,
    Accepted,
    Transferred,
    Escalated,
    AgencyAccepted,
    AgencyDeclined,
    Merged,
    Unmerged,
    Resolved,
    Closed,
    Reopened,
    AssignmentMade,
    AssignmentAcknowledged,
    AssignmentDeclined,
    AssignmentEnRoute,
    AssignmentOnScene,
    AssignmentCleared,
    AssignmentCancelled,
)
CONTRACTS: dict[str, type[Message]] = {
    **{contract.type: contract for contract in (*INCIDENT_CONTRACTS, *ORDER_CONTRACTS)},
    Withheld.type: Withheld,
}
"""Every public message by its type."""
FEED_FIELDS: frozenset[str] = frozenset({*CaseMessage.model_fields, *OrderMessage.model_fields}) - ADDRESS_FIELDS
"""What an agency's registration may list."""


@cache
def subject_token(message_type: str) -> str:
    """`dispatch.incident.severity_raised.v1` → `incident-severity_raised`: the last token of a feed subject."""
    found = re.fullmatch(r"dispatch\.([a-z_]+)\.([a-z_]+)\.v\d+", message_type)
    assert found, f"{message_type} is no public message type"
    return f"{found[1]}-{found[2]}"


def unlisted_fields(body: dict[str, Any], listed: frozenset[str]) -> set[str]:
    """The checker: fields of a message about to leave that the agency's registration does not list.

    It looks at the bytes' own keys and not at how they were made, so a mistake in the making shows.
    """
    return set(body) - listed - ADDRESS_FIELDS


def personal_keys(body: bytes) -> set[str]:
    """Keys at any depth that only personal or sealed values have; must be empty for whatever leaves.

    Looks at the bytes: an unescaped quote before a name and a colon behind it can only be a key of JSON.
    """
    if not any(name in body for name in _PERSONAL_NAMES):
        return set()
    return {found.decode() for found in _PERSONAL.findall(body)}
