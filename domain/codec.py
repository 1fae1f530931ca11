"""Facts to bytes and back.

What is written is `{"schema_version":n,` envelope `,"body":{…}}`, always in this order. Reading takes the short way
when that is what is found, with the present version: the envelope and the body are two texts, each validated in one
go. Anything else takes the long way (parse, upcast, validate); a newer version raises `NewerSchema`, which pauses a
reader rather than crashing it.

`decode` validates everything at once. `open_fact` is for readers of whole pages, which look at few fields of most
facts: the envelope is there at once, the body when somebody asks for it. Every body was validated before it was
written; what is nevertheless unreadable raises `Undecodable` for whoever asks.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Generic, Protocol, TypeVar, get_args
from uuid import UUID

from pydantic import TypeAdapter, create_model
from pydantic_core import from_json

from domain.catalogue import EVENTS
from domain.event import Envelope, Event, Fact, Frozen, Personal
from domain.upcasters import upcast

B = TypeVar("B", bound=Event)

_BODY = b',"body":{'
"""Ends the envelope. Within a text of the envelope every quotation mark has a backslash before it, so the first such
bytes are the key itself."""
_INCIDENT = b'{"incident_id":"'
_UUID = TypeAdapter(UUID).validator.validate_json
_ENVELOPE = TypeAdapter(Envelope).validator.validate_json


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
    whole: TypeAdapter[Any]


@cache
def shape_of(event: type[Event], version: int) -> Shape:
    """Made on first use and kept."""
    whole = TypeAdapter(create_model(f"Stored{event.__name__}", __base__=Stored[event]))  # type: ignore[valid-type]
    opening = b'{"schema_version":%d,' % version
    return Shape(event, version, opening, TypeAdapter(event).validator.validate_json, whole)


def encode(event: Event, envelope: Envelope) -> bytes:
    """UTF-8 JSON for the log. Refuses (assert) an event with a personal field that is not sealed."""
    assert EVENTS.get(event.name) is type(event), f"{event.name} is not in the catalogue"
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
    """The same with its body left closed until somebody asks. Raises `NewerSchema` or `Undecodable`."""
    shape = _known(topic, position)
    middle = _middle_of(state, shape)
    if middle > 0:
        try:
            envelope = _ENVELOPE(b"{" + state[len(shape.opening) : middle] + b"}")
        except ValueError:
            pass  # the same
        else:
            return OpenedFact(position, stream_id, version, recorded_at, envelope, shape, state, middle)
    return _decode_the_long_way(shape, topic, state, position, stream_id, version, recorded_at)


_PUT = object.__setattr__


class OpenedFact(Fact[Event]):
    """A fact whose body is still bytes. What was asked for once is kept."""

    __slots__ = ("_about", "_body", "_event", "_plain", "_shape", "_state")
    _about: UUID | None
    _body: int
    _event: Event | None
    _plain: Mapping[str, Any] | None
    _shape: Shape
    _state: bytes

    def __init__(
        self,
        position: int,
        stream_id: UUID,
        version: int,
        recorded_at: datetime,
        envelope: Envelope,
        shape: Shape,
        state: bytes,
        middle: int,
    ) -> None:
        put = _PUT  # facts are frozen
        put(self, "position", position)
        put(self, "stream_id", stream_id)
        put(self, "version", version)
        put(self, "recorded_at", recorded_at)
        put(self, "envelope", envelope)
        put(self, "_shape", shape)
        put(self, "_state", state)
        put(self, "_body", middle + len(_BODY) - 1)
        put(self, "_event", None)
        put(self, "_plain", None)
        put(self, "_about", None)

    @property
    def name(self) -> str:
        """The event's permanent name."""
        return self._shape.event.name

    @property
    def event(self) -> Event:
        """The event, validated on first use. Raises `Undecodable`."""
        found = self._event
        if found is None:
            try:
                found = self._shape.body(self._state[self._body : -1])
            except ValueError:
                found = self._whole().event
            object.__setattr__(self, "_event", found)
        return found

    def plain(self) -> Mapping[str, Any]:
        """The event as it was written. Raises `Undecodable`."""
        found = self._plain
        if found is None:
            try:
                found = from_json(self._state[self._body : -1], cache_strings="keys")
            except ValueError:
                found = self._whole().plain()
            object.__setattr__(self, "_plain", found)
        return found

    def about(self) -> UUID:
        """The incident named in the event. Raises `Undecodable`."""
        found = self._about
        if found is None:
            state, begin = self._state, self._body
            if state.startswith(_INCIDENT, begin):
                with contextlib.suppress(ValueError):
                    found = _UUID(state[begin + len(_INCIDENT) - 1 : begin + len(_INCIDENT) + 37])
            if found is None:
                found = super().about()
            object.__setattr__(self, "_about", found)
        return found

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

    @property
    def fact(self) -> Any:
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
        object.__setattr__(row, "fact", fact)  # a row is frozen; what it was decoded to is no part of it
    return fact


def fact_of(row: LogRow) -> Fact[Event]:
    """The same with its body validated. Raises as `decode` does."""
    fact = opened(row)
    fact.event  # noqa: B018  # looked at here, so that whoever has the fact can rely on it
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


def personal_fields(value: Frozen) -> Iterator[Personal]:
    """Every personal field inside an event, at any depth.

    Most events can hold none by their type, which is asked once a type: walking their values cost a quarter of the
    time in which an alert is received.
    """
    if _can_hold_personal(type(value)):
        for name in type(value).model_fields:
            yield from _personal_in(getattr(value, name))


@cache
def _can_hold_personal(kind: type[Frozen]) -> bool:
    """Whether a personal field is anywhere in the declared types below `kind`."""
    seen: set[type[Frozen]] = set()
    waiting: list[Any] = [kind]
    while waiting:
        declared = waiting.pop()
        if get_args(declared):
            waiting += get_args(declared)
        elif declared is Any or (isinstance(declared, type) and issubclass(declared, Personal)):
            return True
        elif isinstance(declared, type) and issubclass(declared, Frozen) and declared not in seen:
            seen.add(declared)
            waiting += [field.annotation for field in declared.model_fields.values()]
    return False


def _personal_in(value: object) -> Iterator[Personal]:
    if isinstance(value, Personal):
        yield value
    elif isinstance(value, Frozen):
        yield from personal_fields(value)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _personal_in(item)
