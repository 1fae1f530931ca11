"""What a fact is made of: the event, its envelope, and the fact as read back from the log.

Stored form (the log's `state`, UTF-8 JSON): the envelope's fields and the event under `body`. The event's name is
the log's `topic`. Names are permanent; a changed meaning is a new name, a changed shape a new `schema_version` with
an upcaster in `domain.upcasters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from domain.vocabulary import ActorKind, CoordinateSystem


class Frozen(BaseModel):
    """Base of every value in the domain: frozen, no unknown fields, no silent coercion of strings to numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings", allow_inf_nan=False)


class Event(Frozen):
    """A fact in the past. Subclasses set `name` (permanent, dotted) and bump `schema_version` with an upcaster."""

    name: ClassVar[str]
    schema_version: ClassVar[int] = 1


E_co = TypeVar("E_co", bound=Event, covariant=True)


class Personal(Frozen):
    """A field about a person. In the log `text` is always None and `sealed` holds the ciphertext.

    `subject_id` chooses the key: destroying that key makes the field unreadable for ever, everywhere.
    """

    subject_id: UUID
    text: str | None = Field(default=None, max_length=2_000)
    sealed: str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Personal:
        if (self.text is None) == (self.sealed is None):
            msg = "a personal field is either plain (before the log) or sealed (in it)"
            raise ValueError(msg)
        return self


class Actor(Frozen):
    """Who caused it. `center_id` is where an operator sat; `agency` whom a partner or operator acts for."""

    kind: ActorKind
    id: str = Field(max_length=200)
    center_id: UUID | None = None
    agency: str | None = None


class Envelope(Frozen):
    """Who, when it happened, when we received it, and why. When it was recorded is the log's own column.

    `causation_id` is the event id (or alert id) that led to this; `correlation_id` ties one story together (the
    incident's id where there is one); `rule_version` is set where a rule decided.
    """

    event_id: UUID
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    actor: Actor
    causation_id: UUID | None = None
    correlation_id: UUID | None = None
    rule_version: int | None = None


@dataclass(frozen=True, slots=True)
class Fact(Generic[E_co]):
    """An event as read from the log."""

    position: int
    stream_id: UUID
    version: int
    recorded_at: datetime
    envelope: Envelope
    event: E_co

    @property
    def name(self) -> str:
        """The event's permanent name. Cheap, even where the event itself has not been looked at yet."""
        return self.event.name

    @property
    def occurred_at(self) -> datetime:
        """The envelope's, for those who ask for little else of it; so the next two."""
        return self.envelope.occurred_at

    @property
    def actor(self) -> Actor:
        """Who."""
        return self.envelope.actor

    @property
    def rule_version(self) -> int | None:
        """Set where a rule decided."""
        return self.envelope.rule_version

    def gist(self) -> E_co:
        """The event, perhaps without its `explanation`: for folds, which rarely look at why a rule decided."""
        return self.event

    def plain(self) -> Mapping[str, Any]:
        """The event as plain JSON, absent fields left out: for what only shows it. Not to be changed."""
        return self.event.model_dump(mode="json", exclude_none=True)

    def about(self) -> UUID:
        """The incident named in the event itself; only for events that have `incident_id`."""
        incident_id: UUID = self.event.incident_id  # type: ignore[attr-defined]  # the caller chose such an event
        return incident_id


Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]


class GeoPoint(Frozen):
    """WGS 84, degrees."""

    lon: Longitude
    lat: Latitude


class OriginalPoint(Frozen):
    """Coordinates as they came, before conversion."""

    crs: CoordinateSystem
    x: float
    y: float


class Place(Frozen):
    """Where. A report may have only an address or a landmark; `point` is None until somebody sets it."""

    point: GeoPoint | None = None
    address: str | None = Field(default=None, max_length=500)
    original: OriginalPoint | None = None
    outside_city: bool = False


class MediaReference(Frozen):
    """Video and pictures stay where they are; we keep where, which time range and, if known, the hash."""

    uri: str = Field(max_length=2_000)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    begins_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    media_type: str | None = Field(default=None, max_length=100)


class Reason(Frozen):
    """One reason of a decision: a code with a translated text, and the values it names."""

    code: str
    values: dict[str, str] = Field(default_factory=dict)


class Candidate(Frozen):
    """One option that a decision weighed; `chosen` says whether it won, `reasons` why or why not."""

    id: str
    chosen: bool
    reasons: tuple[Reason, ...] = ()
    distance_m: float | None = None
    age_s: float | None = None


class Explanation(Frozen):
    """Why an automatic decision came out as it did; with the envelope's rule version it can be re-run.

    `input_positions` are the log positions of the facts it used; inputs outside the log (unit positions) are copied
    into the candidates with their age.
    """

    policy: str
    input_positions: tuple[int, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    reasons: tuple[Reason, ...] = ()
