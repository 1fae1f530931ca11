"""What a partner may ask of us, as public contracts: one verb a subject, one shape a verb.

An unknown field is refused rather than ignored: a misspelt `reason` must not become an acceptance without one.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.event import Latitude, Longitude
from domain.storable import UNSTORABLE, StorableInstant, is_storable
from domain.vocabulary import Disposition

Words = Annotated[str, Field(min_length=1, max_length=2_000)]


class Verb(BaseModel):
    """Base of all commands."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    verb: ClassVar[str]
    meaning: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, said: Any) -> Any:
        """A partner's words stand on our screens: what no table can keep would take the incident off them."""
        if not is_storable(said):
            raise ValueError(UNSTORABLE)
        return said


class OnIncident(Verb):
    """A command about an incident the agency was told of."""

    incident_id: UUID


class Accept(OnIncident):
    """Take the agency's part."""

    verb = "accept"
    meaning = "We take our part in it."
    reference: Annotated[str, Field(max_length=200)] | None = Field(
        default=None, description="the agency's own number for it"
    )


class Decline(OnIncident):
    """Say it is not theirs."""

    verb = "decline"
    meaning = "Not ours, and why."
    reason: Words


class Note(OnIncident):
    """Tell the dispatchers something."""

    verb = "note"
    meaning = "A remark for the dispatchers; it appears on the incident's card."
    text: Annotated[str, Field(min_length=1, max_length=4_000)]


class Resolve(OnIncident):
    """What had to be done is done."""

    verb = "resolve"
    meaning = "What had to be done is done. Only the responsible agency may say so."
    disposition: Disposition
    note: Words | None = None


class Close(OnIncident):
    """Close the file."""

    verb = "close"
    meaning = "Close the file of a resolved incident. Only the responsible agency may do so."
    note: Words | None = None


class OnOrder(Verb):
    """A command about an order that is addressed to the agency. `edition` is the one that was read."""

    order_id: UUID
    edition: Annotated[int, Field(ge=1, le=2**31)]


class AcknowledgeOrder(OnOrder):
    """Understood, we do it."""

    verb = "acknowledge-order"
    meaning = "Understood, we do it. For all of the agency's centers that the order is addressed to."
    reference: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="the agency's own number for it"
    )


class DeclineOrder(OnOrder):
    """It cannot be carried out."""

    verb = "decline-order"
    meaning = "It cannot be carried out, and why. The order stays in force; its issuer must decide."
    reason: Words


class OnUnit(Verb):
    """A command about one of the agency's own units."""

    unit_id: UUID


class OnAssignment(OnUnit):
    """A step of an assignment of one of the agency's own units."""

    assignment_id: UUID


class Acknowledge(OnAssignment):
    """The crew understood."""

    verb = "acknowledge"
    meaning = "The crew understood."


class EnRoute(OnAssignment):
    """The crew is moving."""

    verb = "en-route"
    meaning = "The crew is moving."


class OnScene(OnAssignment):
    """The crew is there."""

    verb = "on-scene"
    meaning = "The crew is there."


class Clear(OnAssignment):
    """The crew is done there."""

    verb = "clear"
    meaning = "The crew is done there."
    outcome: Annotated[str, Field(max_length=2_000)] | None = None


class DeclineAssignment(OnAssignment):
    """The crew cannot go."""

    verb = "decline-assignment"
    meaning = "The crew cannot go, and why. Only before it moves."
    reason: Words


class Position(OnUnit):
    """Where a unit is."""

    verb = "position"
    meaning = "Where a unit is (WGS 84). Kept outside the log; an older report never overwrites a newer one."
    lon: Longitude
    lat: Latitude
    reported_at: StorableInstant


VERBS: dict[str, type[Verb]] = {
    each.verb: each
    for each in (
        Accept,
        Decline,
        Note,
        Resolve,
        Close,
        AcknowledgeOrder,
        DeclineOrder,
        Acknowledge,
        EnRoute,
        OnScene,
        Clear,
        DeclineAssignment,
        Position,
    )
}
"""Every command by the last token of its subject."""


class Recorded(BaseModel):
    """Our answer after the database's commit: the only acknowledgement there is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: str = Field(default="recorded", pattern="^recorded$")
    position: int = Field(description="where the log stands after it; also in the header Dispatch-Position")
    changed: bool = Field(description="false: it was so already, or this message was answered before")
    repeated: bool = Field(description="true: this message id was answered before, and this is that answer")
    answer: dict[str, str] = Field(default_factory=dict)


class ProblemReply(BaseModel):
    """Our "no" (RFC 9457), with the same codes as the HTTP API."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(description="page about this kind of problem, on the HTTP API")
    title: str
    status: int = Field(description="as the HTTP API would answer")
    detail: str = Field(description="what happened here and what to do next")
    code: str = Field(description="permanent, for programs")
    values: dict[str, str] = Field(default_factory=dict)
