"""Facts about alerts. One stream an identity (`identifiers.alert_id`)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Event, Frozen, GeoPoint, MediaReference, Place
from domain.vocabulary import AlertKind, AlertPhase, CameraHealth, ClockQuality, MessageStatus, Severity


class WarningDetails(Frozen):
    """What a public warning (CAP 1.2) says beyond an alert.

    Polygons are rings of (lon, lat), circles are (lon, lat, radius in metres), WGS 84. `expires_at` may lie before
    `onset_at`: some services let the message expire before the hazard begins.
    """

    sender: str
    message_type: str
    event: str
    urgency: str
    certainty: str
    language: str | None = None
    headline: str | None = Field(default=None, max_length=500)
    instruction: str | None = Field(default=None, max_length=4_000)
    effective_at: AwareDatetime | None = None
    onset_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    references: tuple[str, ...] = ()
    area_description: str | None = Field(default=None, max_length=2_000)
    polygons: tuple[tuple[tuple[float, float], ...], ...] = ()
    circles: tuple[tuple[float, float, float], ...] = ()
    geocodes: tuple[str, ...] = ()
    unreadable_areas: int = 0
    """Polygons and circles that were said and could not be read."""


class AlertContent(Frozen):
    """What the message said, in our words. `content_sha256` digests its meaning, for telling repeats from changes."""

    source: str = Field(max_length=200)
    adapter: str = Field(max_length=50)
    source_event_id: str = Field(max_length=300)
    revision: str = Field(default="", max_length=100)
    kind: AlertKind
    vendor_type: str | None = Field(default=None, max_length=100)
    phase: AlertPhase = AlertPhase.SINGLE
    status: MessageStatus = MessageStatus.ACTUAL
    severity: Severity = Severity.UNKNOWN
    camera_id: UUID | None = None
    camera_code: str | None = Field(default=None, max_length=100)
    place: Place = Place()
    text: str | None = Field(default=None, max_length=4_000)
    confidence: float | None = Field(default=None, ge=0, le=1)
    media: tuple[MediaReference, ...] = Field(default=(), max_length=20)
    clock: ClockQuality = ClockQuality.ZONED
    said_time: str | None = Field(default=None, max_length=100)
    warning: WarningDetails | None = None
    content_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class AlertReceived(Event):
    """The first message of this identity."""

    name: ClassVar[str] = "alert.received"
    content: AlertContent


class AlertRevised(Event):
    """The same identity came again with other content: a new fact, never mistaken for a repeat."""

    name: ClassVar[str] = "alert.revised"
    content: AlertContent


class CameraHealthTold(Event):
    """A camera, or its recorder, says in this alert whether it sees: recorded with the alert, on its stream.

    Alerts come by the hundred a second and such words rarely: who reads them need not open every alert. `word` is the
    device's own (`hikvision:videoloss`), `health` what it means (`online`: it is over), the fact's own time when it
    was so. `is_lasting`: the device says the end too.
    """

    name: ClassVar[str] = "alert.camera_health_told"
    camera_id: UUID
    health: CameraHealth
    word: str = Field(min_length=1, max_length=200)
    is_lasting: bool


class WarningReceived(Event):
    """A public warning as the ledger of warnings reads it, recorded together with its alert, on a stream of its own.

    Alerts come by the hundred a second and warnings by the day: readers of warnings need not open every alert. What one
    message says (`revision`: when it was sent, and which of its infos) is one line, whoever brings it and how often.
    `key` is the pair `sender,identifier` by which others refer to it, `refers_to` are the keys to which it refers: a
    long one is cut behind a hash of the whole, in both alike.
    """

    name: ClassVar[str] = "warning.received"
    alert_id: UUID
    key: str = Field(max_length=300)
    revision: str = Field(max_length=100)
    refers_to: tuple[str, ...] = ()
    sent_at: AwareDatetime
    status: MessageStatus
    severity: Severity
    text: str | None = Field(default=None, max_length=4_000)
    warning: WarningDetails


class WaitingAlert(Frozen):
    """One alert below the threshold, with all that a later decision needs of it: the index is a fold of the log."""

    position: int
    alert_id: UUID
    category: str
    severity: Severity
    occurred_at: AwareDatetime
    point: GeoPoint | None = None
    source: str
    reason: str


class AlertsWaited(Event):
    """Correlation kept these alerts below the threshold: recorded, on no board yet. On the correlator's own journal.

    `known_up_to` is the log position whose facts the judgement knew: with it, it can be made again.
    """

    name: ClassVar[str] = "correlation.alerts_waited"
    alerts: tuple[WaitingAlert, ...]
    known_up_to: int | None = None


class JudgedAlert(Frozen):
    """One alert that correlation leaves alone, and why."""

    position: int
    alert_id: UUID
    reason: str


class AlertsRecordedOnly(Event):
    """Correlation left these alerts alone for good: a test, an exercise, the health of a camera. Same journal."""

    name: ClassVar[str] = "correlation.alerts_recorded_only"
    alerts: tuple[JudgedAlert, ...]
    known_up_to: int | None = None


class MessageSetAside(Event):
    """A message that could not be understood was kept aside (bytes in the quarantine store) with its reason."""

    name: ClassVar[str] = "message.set_aside"
    adapter: str
    source: str
    sha256: str
    reason: str
    detail: str = Field(max_length=2_000)
    size_bytes: int


class MessageRedriven(Event):
    """A message kept aside was tried again and understood; `alert_ids` are what came of it."""

    name: ClassVar[str] = "message.redriven"
    sha256: str
    alert_ids: tuple[UUID, ...]


EVENTS: tuple[type[Event], ...] = (
    AlertReceived,
    AlertRevised,
    CameraHealthTold,
    WarningReceived,
    AlertsWaited,
    AlertsRecordedOnly,
    MessageSetAside,
    MessageRedriven,
)
