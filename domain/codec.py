"""Facts to bytes and back.

Reading takes the short way when the stored schema version is the current one: one validation from JSON text. Only an
older version takes the long way (decode, upcast, validate); a newer one raises `NewerSchema`, which pauses a reader
rather than crashing it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, Generic, Protocol, TypeVar, get_args
from uuid import UUID

from pydantic import TypeAdapter, create_model

from domain.catalogue import EVENTS
from domain.event import Envelope, Event, Fact, Frozen, Personal
from domain.upcasters import upcast

B = TypeVar("B", bound=Event)


class Stored(Envelope, Generic[B]):
    """The stored form: schema version, envelope, body."""

    schema_version: int
    body: B


class NewerSchema(Exception):
    """An event was written by a newer release: this reader must pause until it is upgraded."""


class Undecodable(Exception):
    """Stored bytes that no known shape explains."""


_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    name: TypeAdapter(create_model(f"Stored{event.__name__}", __base__=Stored[event]))  # type: ignore[valid-type]
    for name, event in EVENTS.items()
}


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
    """The fact behind one row of the log. Raises `NewerSchema` or `Undecodable`."""
    event_type = EVENTS.get(topic)
    if event_type is None:
        raise NewerSchema(f"unknown event {topic} at position {position}: upgrade this reader")
    try:
        stored = _ADAPTERS[topic].validate_json(state)
        if stored.schema_version != event_type.schema_version:
            stored = _decode_old(topic, event_type, state)
    except NewerSchema:
        raise
    except ValueError as error:
        stored = _decode_after_failure(topic, event_type, state, position, error)
    envelope = Envelope.model_construct(
        event_id=stored.event_id,
        occurred_at=stored.occurred_at,
        received_at=stored.received_at,
        actor=stored.actor,
        causation_id=stored.causation_id,
        correlation_id=stored.correlation_id,
        rule_version=stored.rule_version,
    )
    return Fact(position, stream_id, version, recorded_at, envelope, stored.body)


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


def fact_of(row: LogRow) -> Fact[Event]:
    """The fact behind a row, decoded once: the readers of one process share rows. Raises as `decode` does."""
    fact: Fact[Event] | None = row.fact
    if fact is None:
        fact = decode(
            topic=row.topic,
            state=row.state,
            position=row.position,
            stream_id=row.stream_id,
            version=row.version,
            recorded_at=row.recorded_at,
        )
        object.__setattr__(row, "fact", fact)  # a row is frozen; what it was decoded to is no part of it
    return fact


def _decode_after_failure(topic: str, event_type: type[Event], state: bytes, position: int, error: ValueError) -> Any:
    try:
        return _decode_old(topic, event_type, state)
    except NewerSchema:
        raise
    except (ValueError, KeyError, TypeError) as second:
        raise Undecodable(f"{topic} at position {position}: {error}") from second


def _decode_old(topic: str, event_type: type[Event], state: bytes) -> Any:
    raw = json.loads(state)
    stored_version = raw["schema_version"]
    if stored_version > event_type.schema_version:
        raise NewerSchema(
            f"{topic} has schema version {stored_version}; this release reads {event_type.schema_version}"
        )
    raw["body"] = upcast(topic, stored_version, event_type.schema_version, raw["body"])
    raw["schema_version"] = event_type.schema_version
    return _ADAPTERS[topic].validate_python(raw)


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
