"""Facts to bytes and back.

What is written is `{"schema_version":n,` envelope `,"body":{…}}`, always in this order. Reading takes the short way
when that is what is found, with the present version: the envelope and the body are two texts, each validated in one
go. Anything else takes the long way (parse, upcast, validate); a newer version raises `NewerSchema`, which pauses a
reader rather than crashing it.

`decode` validates everything at once. `open_fact` is for readers of whole pages, which look at few fields of most
facts: only the version is looked at, envelope and body when somebody asks for them, and an explanation (half the bytes
of most decisions) not even by those who ask for the `gist`. Everything was validated before it was written; what is
nevertheless unreadable raises `Undecodable` for whoever asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import TypeAdapter, create_model
from pydantic_core import SchemaValidator, from_json

from domain import envelope_text
from domain.catalogue import EVENTS
from domain.envelope_text import Origin
from domain.event import Actor, Envelope, Event, Fact
from domain.personal import can_hold_personal, personal_fields
from domain.upcasters import upcast

B = TypeVar("B", bound=Event)

_BODY = b',"body":{'
"""Ends the envelope. Within a text of the envelope every quotation mark has a backslash before it, so the first such
bytes are the key itself."""
_INCIDENT = b'{"incident_id":"'
_EXPLANATION = b',"explanation":{"policy":'
"""Begins an explanation, which is the last field of every event that has one."""
_UUID = TypeAdapter(UUID).validator.validate_json
_ENVELOPE: Callable[[bytes], Envelope] = TypeAdapter(Envelope).validator.validate_json


class Stored(Envelope, Generic[B]):
    """The stored form: schema version, envelope, body."""

    schema_version: int
    body: B


class NewerSchema(Exception):
    """An event was written by a newer release: this reader must pause until it is upgraded."""


class Undecodable(Exception):
    """Stored bytes that no known shape explains."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What reading one type of event takes. `opening` is how its stored form begins in the present version."""

    event: type[Event]
    version: int
    opening: bytes
    body: Callable[[bytes], Event]
    gist: Callable[[bytes], Event] | None
    """Of a body that ends before its explanation; None where there is never one."""
    whole: TypeAdapter[Any]


@cache
def shape_of(event: type[Event], version: int) -> Shape:
    """Made on first use and kept."""
    whole = TypeAdapter(create_model(f"Stored{event.__name__}", __base__=Stored[event]))  # type: ignore[valid-type]
    opening = b'{"schema_version":%d,' % version
    return Shape(event, version, opening, TypeAdapter(event).validator.validate_json, _gist_of(event), whole)


def _gist_of(event: type[Event]) -> Callable[[bytes], Event] | None:
    """The event's own schema but for its last field. What lacks is then lacking: to ask for it is an error."""
    if [*event.model_fields][-1:] != ["explanation"]:
        return None
    # Without the flag pydantic takes the class's own validator, which demands the explanation.
    read: Callable[[bytes], Event] = SchemaValidator(
        _without(event.__pydantic_core_schema__, "explanation"), _use_prebuilt=False
    ).validate_json
    return read


def _without(schema: Any, name: str) -> Any:
    """A model's schema with one field fewer, below whatever is wrapped around its fields."""
    if "fields" in schema:
        return {**schema, "fields": {field: kind for field, kind in schema["fields"].items() if field != name}}
    return {**schema, "schema": _without(schema["schema"], name)}


def encode(event: Event, envelope: Envelope) -> bytes:
    """UTF-8 JSON for the log. Refuses (assert) an event with a personal field that is not sealed."""
    assert EVENTS.get(event.name) is type(event), f"{event.name} is not in the catalogue"
    if can_hold_personal(type(event)):
        assert all(field.sealed is not None for field in personal_fields(event)), f"{event.name} has an unsealed field"
    head = envelope.__pydantic_serializer__.to_json(envelope, exclude_none=True)
    body = event.__pydantic_serializer__.to_json(event, exclude_none=True)
    # Both are JSON objects, written by the serializer itself: to build a dictionary first took twice as long.
    return b'{"schema_version":%d,%b,"body":%b}' % (event.schema_version, head[1:-1], body)


def decode(
    *, topic: str, state: bytes, position: int, stream_id: UUID, version: int, recorded_at: datetime
) -> Fact[Event]:
    """The fact behind one row of the log, all of it. Raises `NewerSchema` or `Undecodable`."""
    shape = _known(topic, position)
    middle = _middle_of(state, shape)
    if middle > 0:
        try:
            envelope = _ENVELOPE(b"{" + state[len(shape.opening) : middle] + b"}")
            event = shape.body(state[middle + len(_BODY) - 1 : -1])
        except ValueError:
            pass  # the long way says what is wrong
        else:
            return Fact(position, stream_id, version, recorded_at, envelope, event)
    return _decode_the_long_way(shape, topic, state, position, stream_id, version, recorded_at)


def open_fact(
    *, topic: str, state: bytes, position: int, stream_id: UUID, version: int, recorded_at: datetime
) -> Fact[Event]:
    """The same, left closed until somebody asks. Raises `NewerSchema` or `Undecodable`."""
    shape = _known(topic, position)
    middle = _middle_of(state, shape)
    if middle > 0:
        return OpenedFact(position, stream_id, version, recorded_at, shape, state, middle)
    return _decode_the_long_way(shape, topic, state, position, stream_id, version, recorded_at)


class OpenedFact(Fact[Event]):
    """A fact that is still bytes. What was asked for once is kept."""

    # No slots of its own: what nobody asked for yet is the class's None, and costs a fact nothing.
    name: str = ""
    """The event's permanent name."""
    _about: UUID | None = None
    _body: int
    _envelope: Envelope | None = None
    _event: Event | None = None
    _gist: Event | None = None
    _occurred_at: datetime | None = None
    _origin: Origin | None = None
    _plain: Mapping[str, Any] | None = None
    _shape: Shape
    _state: bytes
    # A fact is frozen. Its class's way to say so, asked for each field, was two thirds of what opening one takes.
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__

    def __init__(
        self,
        position: int,
        stream_id: UUID,
        version: int,
        recorded_at: datetime,
        shape: Shape,
        state: bytes,
        middle: int,
    ) -> None:
        self.position, self.stream_id, self.version, self.recorded_at = position, stream_id, version, recorded_at  # type: ignore[misc]  # facts are frozen
        self.name = shape.event.name
        self._shape = shape
        self._state = state
        self._body = middle + len(_BODY) - 1

    @property
    def envelope(self) -> Envelope:
        """The envelope, validated on first use. Raises `Undecodable`."""
        found = self._envelope
        if found is None:
            head = self._state[len(self._shape.opening) : self._body - len(_BODY) + 1]
            try:
                found = _ENVELOPE(b"{" + head + b"}")
            except ValueError:
                found = self._whole().envelope
            self._envelope = found
        return found

    @property
    def occurred_at(self) -> datetime:
        """When it happened. Raises `Undecodable`."""
        found = self._occurred_at
        if found is None:
            found = envelope_text.occurred_at(self._state, len(self._shape.opening)) or self.envelope.occurred_at
            self._occurred_at = found
        return found

    @property
    def actor(self) -> Actor:
        """Who. Raises `Undecodable`."""
        return (self._origin or self._look_up_origin())[0]

    @property
    def rule_version(self) -> int | None:
        """By which version of a rule. Raises `Undecodable`."""
        return (self._origin or self._look_up_origin())[1]

    def _look_up_origin(self) -> Origin:
        found = envelope_text.origin(self._state, len(self._shape.opening), self._body - len(_BODY) + 1)
        if found is None:
            found = self.envelope.actor, self.envelope.rule_version
        self._origin = found
        return found

    @property
    def event(self) -> Event:
        """The event, validated on first use. Raises `Undecodable`."""
        found = self._event
        if found is None:
            try:
                found = self._shape.body(self._state[self._body : -1])
            except ValueError:
                found = self._whole().event
            self._event = found
        return found

    def gist(self) -> Event:
        """The event without its explanation. Raises `Undecodable`."""
        found = self._gist or self._event
        if found is None:
            read = self._shape.gist
            if read is None:
                return self.event
            state, begin = self._state, self._body
            end = state.find(_EXPLANATION, begin)
            try:
                found = read(state[begin : end if end > 0 else -2] + b"}")
            except ValueError:
                found = self.event
            self._gist = found
        return found

    def plain(self) -> Mapping[str, Any]:
        """The event as it was written. Raises `Undecodable`."""
        found = self._plain
        if found is None:
            try:
                found = from_json(self._state[self._body : -1], cache_strings="keys")
            except ValueError:
                found = self._whole().plain()
            self._plain = found
        return found

    def about(self) -> UUID:
        """The incident named in the event. Raises `Undecodable`."""
        found = self._about
        if found is None:
            found = self._look_up_incident() or super().about()
            self._about = found
        return found

    def _look_up_incident(self) -> UUID | None:
        state, begin = self._state, self._body
        if state.startswith(_INCIDENT, begin):
            try:
                found: UUID = _UUID(state[begin + len(_INCIDENT) - 1 : begin + len(_INCIDENT) + 37])
            except ValueError:
                return None
            return found
        return None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fact) and self._values(self) == self._values(other)

    __hash__ = Fact.__hash__

    @staticmethod
    def _values(fact: Fact[Event]) -> tuple[Any, ...]:
        return fact.position, fact.stream_id, fact.version, fact.recorded_at, fact.envelope, fact.event

    def _whole(self) -> Fact[Event]:
        """For a body that is not what it seemed to be."""
        return _decode_the_long_way(
            self._shape,
            self.name,
            self._state,
            self.position,
            self.stream_id,
            self.version,
            self.recorded_at,
        )


class LogRow(Protocol):
    """One row of the log as it is stored, with room for what it was decoded to."""

    @property
    def position(self) -> int:
        """Its place in the log."""

    @property
    def stream_id(self) -> UUID:
        """Its stream."""

    @property
    def version(self) -> int:
        """Its place in the stream."""

    @property
    def topic(self) -> str:
        """Its name."""

    @property
    def state(self) -> bytes:
        """Envelope and body, JSON."""

    @property
    def recorded_at(self) -> datetime:
        """When it was recorded."""

    fact: Any
    """What it was decoded to; None before that."""


def opened(row: LogRow) -> Fact[Event]:
    """The fact behind a row, opened once: the readers of one process share rows. Raises as `open_fact` does."""
    fact: Fact[Event] | None = row.fact
    if fact is None:
        fact = open_fact(
            topic=row.topic,
            state=row.state,
            position=row.position,
            stream_id=row.stream_id,
            version=row.version,
            recorded_at=row.recorded_at,
        )
        row.fact = fact
    return fact


def fact_of(row: LogRow) -> Fact[Event]:
    """The same with all of it validated. Raises as `decode` does."""
    fact = opened(row)
    fact.envelope, fact.event  # noqa: B018  # looked at here, so that whoever has the fact can rely on it
    return fact


def for_fold(row: LogRow) -> Fact[Event]:
    """The same with the `gist` of the event validated and no more. Raises as `decode` does for what it looks at."""
    fact = opened(row)
    fact.gist()
    return fact


_SHAPES: dict[str, Shape] = {}
"""By topic, those used so far."""


def _known(topic: str, position: int) -> Shape:
    event = EVENTS.get(topic)
    if event is None:
        raise NewerSchema(f"unknown event {topic} at position {position}: upgrade this reader")
    shape = _SHAPES.get(topic)
    if shape is None or shape.event is not event or shape.version != event.schema_version:
        shape = _SHAPES[topic] = shape_of(event, event.schema_version)
    return shape


def _middle_of(state: bytes, shape: Shape) -> int:
    """Where the envelope ends, if this is the stored form that is written now; else -1."""
    return state.find(_BODY) if state.startswith(shape.opening) and state.endswith(b"}") else -1


def _decode_the_long_way(
    shape: Shape, topic: str, state: bytes, position: int, stream_id: UUID, version: int, recorded_at: datetime
) -> Fact[Event]:
    """From any stored form. Raises `NewerSchema` or `Undecodable`."""
    present = shape.event.schema_version
    try:
        raw = json.loads(state)
        stored_version = raw["schema_version"]
        if stored_version > present:
            raise NewerSchema(f"{topic} has schema version {stored_version}; this release reads {present}")
        raw["body"] = upcast(topic, stored_version, present, raw["body"])
        raw["schema_version"] = present
        stored = shape.whole.validate_json(json.dumps(raw))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Undecodable(f"{topic} at position {position}: {error}") from error
    envelope = Envelope.model_validate({name: getattr(stored, name) for name in Envelope.model_fields})
    return Fact(position, stream_id, version, recorded_at, envelope, stored.body)
