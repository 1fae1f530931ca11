"""What correlation makes of a page of alerts: the alerts as it reads them, and the words of its judgement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.alert.events import AlertContent, AlertReceived, AlertRevised, JudgedAlert, WaitingAlert
from domain.event import Event, Explanation, Fact, Place
from domain.incident.events import FoldedAlert
from domain.vocabulary import ClockQuality, MessageStatus, Severity

SPOT_CHARACTERS_MAX = 500
DEVICE_CLOCK_WRONG = frozenset({ClockQuality.IN_FUTURE, ClockQuality.MISSING})
"""Then the receipt orders the alert: a clock that is ahead must not keep an incident alive until that time comes."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as correlation reads it. `at` is when it happened, as far as its clock can be believed."""

    position: int
    alert_id: UUID
    at: datetime
    content: AlertContent
    place: Place
    revision: int = 0
    """0 for the first message of its identity."""

    @property
    def is_cancellation(self) -> bool:
        """A public warning taken back."""
        details = self.content.warning
        return details is not None and details.message_type.casefold() == "cancel"

    @property
    def warning(self) -> str | None:
        """`sender,identifier` of a public warning: the first two of the three by which others refer to it."""
        details, said = self.content.warning, self.content.source_event_id
        if details is None:
            return None
        return said if said.startswith(f"{details.sender},") else f"{details.sender},{said}"

    @property
    def spot(self) -> str:
        """Where alerts without a point meet: at their source; warnings at what they call their area."""
        details = self.content.warning
        if details is None:
            return self.content.source
        area = details.area_description or ",".join(sorted(details.geocodes))
        return f"{self.content.source} {details.sender} {area}"[:SPOT_CHARACTERS_MAX]


@dataclass(frozen=True, slots=True)
class Opening:
    """A new incident."""

    incident_id: UUID
    category: str
    severity: Severity
    status: MessageStatus
    place: Place
    camera_id: UUID | None
    headline: str | None
    causes: tuple[tuple[int, UUID], ...]
    first_at: datetime
    last_at: datetime
    source: str
    warnings: tuple[str, ...]
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Rise:
    """An incident is worse than it was."""

    from_severity: Severity
    to_severity: Severity
    priority: int
    alert_position: int


@dataclass(slots=True)
class Folding:
    """What one page adds to one incident. `version` is the decision stream's; 0 if the page itself opens it."""

    incident_id: UUID
    version: int
    first_at: datetime
    last_at: datetime
    alerts: list[FoldedAlert] = field(default_factory=list)
    rises: list[Rise] = field(default_factory=list)


@dataclass(slots=True)
class Judgement:
    """What becomes of a page of alerts."""

    openings: list[Opening] = field(default_factory=list)
    foldings: dict[UUID, Folding] = field(default_factory=dict)
    waits: list[WaitingAlert] = field(default_factory=list)
    left_alone: list[JudgedAlert] = field(default_factory=list)


def alert_of(fact: Fact[Event], fallback: Place | None = None) -> Alert:
    """The alert behind a fact. `fallback` is its camera's place, for a message that names none."""
    event = fact.gist()
    assert isinstance(event, AlertReceived | AlertRevised), f"{event.name} is no alert"
    content = event.content
    at = fact.envelope.received_at if content.clock in DEVICE_CLOCK_WRONG else fact.occurred_at
    place = content.place if content.place.point is not None or fallback is None else fallback
    return Alert(fact.position, fact.stream_id, at, content, place, fact.version - 1)
