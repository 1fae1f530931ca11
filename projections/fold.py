"""Folding a page of the log into rows: the one way, used live, in a rebuild, in a replay and in tests.

A poison fact is parked, and with it the later facts of the same entity: a row that skipped one fact of its story and
took the next would be wrong in a way nobody could see, and would differ from a rebuild. Entities of an append-only
projection do not depend on one another, so there only the poison itself is parked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import NAMESPACE_OID, UUID, uuid5

from domain.codec import LogRow, NewerSchema, Undecodable, open_fact, opened
from domain.event import Event, Fact
from projections.projection import Key, Projection, Row

REASON_MAX = 1_000
"""Characters of a parked fact's reason."""

_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""An escaped NUL, whose backslash is not itself escaped."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stored bytes that no known shape explains."""

    position: int
    stream_id: UUID
    topic: str
    reason: str


@dataclass(frozen=True, slots=True)
class Parked:
    """A fact set aside. `follows` is the first parked position of its entity: its own for the poison itself."""

    projection: str
    position: int
    entity: str
    topic: str
    reason: str
    follows: int


Entity: TypeAlias = Callable[[Fact[Event]], UUID | None]
"""`Projection.entity`."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of several equal parts of all entities, numbered from 0. An entity's facts are all in one part."""

    number: int
    of: int

    def has(self, entity: UUID | None) -> bool:
        """Whether the entity is in it. What is no entity's is in none."""
        return entity is not None and entity.int % self.of == self.number

    def __str__(self) -> str:
        return f"{self.number + 1}/{self.of}"


Touched: TypeAlias = dict[Key, list[Fact[Event]]]
"""Key → the facts that touch the row, in order."""


@dataclass(slots=True)
class Page:
    """Facts in position order, read up to `position`. `newer` says why reading stopped there, if a newer schema did.

    With a `part` they are those of its entities, and those of which that cannot be said.
    """

    position: int
    facts: list[Fact[Event] | Unreadable]
    newer: str | None = None
    newer_topic: str | None = None
    _named: list[tuple[str, Fact[Event] | Unreadable]] | None = None
    _chosen: dict[str, list[Fact[Event] | Unreadable]] = field(default_factory=dict)
    _touched: dict[str, Touched | None] = field(default_factory=dict)

    def of(self, projection: Projection) -> list[Fact[Event] | Unreadable]:
        """The facts that matter to a projection; ten of them ask, so each fact's name is asked once."""
        found = self._chosen.get(projection.name)
        if found is None:
            if self._named is None:
                self._named = [(one.topic if isinstance(one, Unreadable) else one.name, one) for one in self.facts]
            topics = projection.topics
            found = [fact for name, fact in self._named if name in topics]
            self._chosen[projection.name] = found
        return found

    def touched(self, projection: Projection) -> Touched | None:
        """The rows they touch; None if one of them does not say. An id's hash takes as long as a small fold, so a row
        is looked up once for all of its facts."""
        if projection.name not in self._touched:
            self._touched[projection.name] = _touched(projection, self.of(projection))
        return self._touched[projection.name]

    def choose(self, chosen: Mapping[str, list[Fact[Event] | Unreadable]]) -> None:
        """What matters to each projection, by name, where that is known already."""
        self._chosen = dict(chosen)


@dataclass(slots=True)
class Folded:
    """What a page did to one projection's rows: key → the row (None: removed), in no order, and what was parked."""

    rows: dict[Key, Row | None] = field(default_factory=dict)
    parked: list[Parked] = field(default_factory=list)


_UNSEEN: Row = {}
"""Stands for a row that this page has not touched."""
Parking = MutableMapping[str, int]
"""Entity → the first parked position of it."""


def read(recorded: Iterable[LogRow], up_to: int) -> Page:
    """Decode a page that reaches `up_to`, stopping before an event of a newer schema."""
    page = Page(up_to, [])
    for one in recorded:
        try:
            page.facts.append(_decoded(one))
        except NewerSchema as newer:
            page.position, page.newer, page.newer_topic = one.position - 1, str(newer), one.topic
            break
        except Undecodable as poison:
            page.facts.append(Unreadable(one.position, one.stream_id, one.topic, str(poison)[:REASON_MAX]))
    return page


class Share:
    """What matters to some projections in one part of the entities.

    Most facts of other parts are never opened: whose they are is said by their stream.
    """

    def __init__(self, part: Part, projections: Sequence[Projection]) -> None:
        self._part = part
        self._names = [projection.name for projection in projections]
        asked: dict[str, dict[Entity, list[str]]] = {}
        for projection in projections:
            for topic in projection.topics:
                asked.setdefault(topic, {}).setdefault(projection.entity, []).append(projection.name)
        self._by_stream = {
            topic: [name for names in entities.values() for name in names]
            for topic, entities in asked.items()
            if all(_is_the_stream(entity, topic) for entity in entities)
        }
        self._by_entity = {topic: [*said.items()] for topic, said in asked.items() if topic not in self._by_stream}

    def of(self, recorded: Iterable[LogRow], up_to: int) -> Page:
        """As `read`, of rows with topics of these projections."""
        by_stream, part = self._by_stream, self._part
        page = read((one for one in recorded if one.topic not in by_stream or part.has(one.stream_id)), up_to)
        chosen: dict[str, list[Fact[Event] | Unreadable]] = {name: [] for name in self._names}
        kept: list[Fact[Event] | Unreadable] = []
        for fact in page.facts:
            topic = fact.topic if isinstance(fact, Unreadable) else fact.name
            names = by_stream.get(topic) or self._whose(topic, fact)
            for name in names:
                chosen[name].append(fact)
            if names:
                kept.append(fact)
        page.facts = kept
        page.choose(chosen)
        return page

    def _whose(self, topic: str, fact: Fact[Event] | Unreadable) -> list[str]:
        said = self._by_entity[topic]
        if len(said) == 1:
            ((entity, names),) = said
            return names if self._has(entity, fact) else []
        return [name for entity, names in said if self._has(entity, fact) for name in names]

    def _has(self, entity: Entity, fact: Fact[Event] | Unreadable) -> bool:
        if isinstance(fact, Unreadable):
            return True
        try:
            return self._part.has(entity(fact))
        except Exception:  # noqa: BLE001  # `fold` meets it again and parks it with its reason
            return True


@dataclass(frozen=True, slots=True)
class _Closed:
    """All that is known of a fact without opening it."""

    name: str
    stream_id: UUID


def _is_the_stream(entity: Entity, topic: str) -> bool:
    """Whether the entity of every such fact is its stream: then it is found without a look at the event."""
    closed: Any = _Closed(topic, uuid5(NAMESPACE_OID, topic))
    try:
        return bool(entity(closed) == closed.stream_id)
    except AttributeError:  # it would look at the event
        return False


def _decoded(one: LogRow) -> Fact[Event]:
    """PostgreSQL has no text with a NUL in it: a replacement character stands in, here and so everywhere."""
    if b"\\u0000" not in one.state:
        return opened(one)
    return open_fact(
        topic=one.topic,
        state=_NUL.sub(rb"\1\\ufffd", one.state),
        position=one.position,
        stream_id=one.stream_id,
        version=one.version,
        recorded_at=one.recorded_at,
    )


def keys_of(projection: Projection, page: Page) -> set[Key]:
    """The rows a page may touch, to be loaded before folding."""
    touched = page.touched(projection)
    if touched is not None:
        return set(touched)
    found: set[Key] = set()
    for fact in page.of(projection):
        if isinstance(fact, Fact):
            try:
                found.update(projection.keys(fact))
            except Exception:  # noqa: BLE001, S112  # `fold` meets it again and parks it with its reason
                continue
    return found


def fold(projection: Projection, page: Page, rows: Mapping[Key, Row], parking: Parking) -> Folded:
    """Apply a page. `rows` are the rows before it; `parking` grows by what had to be set aside."""
    touched = page.touched(projection)
    if touched is not None and not parking:
        try:
            return Folded(_rows_after(projection, touched, rows))
        except Exception:  # noqa: BLE001, S110  # met again below, where each fact is parked or not in its turn
            pass
    folded = Folded()
    for fact in page.of(projection):
        if isinstance(fact, Unreadable):
            _park(projection, fact.position, fact.topic, str(fact.stream_id), fact.reason, folded, parking)
        else:
            _apply(projection, fact, rows, folded, parking)
    return folded


def _touched(projection: Projection, facts: Iterable[Fact[Event] | Unreadable]) -> Touched | None:
    found: Touched = {}
    keys = projection.keys
    try:
        for fact in facts:
            if isinstance(fact, Unreadable):
                return None
            for key in keys(fact):
                touching = found.get(key)
                if touching is None:
                    found[key] = [fact]
                else:
                    touching.append(fact)
    except Exception:  # noqa: BLE001  # a bug in a fold must not stop every board of the city: `_apply` parks the fact
        return None
    return found


def _rows_after(projection: Projection, touched: Touched, rows: Mapping[Key, Row]) -> dict[Key, Row | None]:
    """Row by row: no row looks at another."""
    found: dict[Key, Row | None] = {}
    apply = projection.apply
    for key, facts in touched.items():
        before = row = rows.get(key)
        for fact in facts:
            row = apply(key, row, fact)
        if row is not before:
            found[key] = row
    return found


def _apply(
    projection: Projection, fact: Fact[Event], rows: Mapping[Key, Row], folded: Folded, parking: Parking
) -> None:
    try:
        keys: Sequence[Key] = tuple(projection.keys(fact))
    except Exception as bug:  # noqa: BLE001  # a bug in a fold must not stop every board of the city
        _park(projection, fact.position, fact.name, str(fact.stream_id), repr(bug)[:REASON_MAX], folded, parking)
        return
    for key in keys:
        # The text of an id takes as long as a small fold: it is made only where something was parked.
        if parking and not projection.is_append_only:
            held = _holder(str(key[0]), str(fact.stream_id), parking)
            if held is not None:
                reason = f"follows the parked event at position {parking[held]}"
                _park(projection, fact.position, fact.name, held, reason, folded, parking)
                continue
        before = folded.rows.get(key, _UNSEEN)
        if before is _UNSEEN:
            before = rows.get(key)
        try:
            after = projection.apply(key, before, fact)
        except Exception as bug:  # noqa: BLE001  # the same
            _park(projection, fact.position, fact.name, str(key[0]), repr(bug)[:REASON_MAX], folded, parking)
            continue
        if after is not before:
            folded.rows[key] = after


def _holder(entity: str, stream: str, parking: Parking) -> str | None:
    if entity in parking:
        return entity
    return stream if stream in parking else None


def _park(
    projection: Projection,
    position: int,
    topic: str,
    entity: str,
    reason: str,
    folded: Folded,
    parking: Parking,
) -> None:
    follows = position if projection.is_append_only else parking.setdefault(entity, position)
    folded.parked.append(Parked(projection.name, position, entity, topic, reason, follows))


class MemoryRows:
    """A projection's rows in memory: for replays and for tests of folds without a database."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.rows: dict[Key, Row] = {}
        self.parking: Parking = {}
        self.parked: list[Parked] = []
        self.position = 0

    def take(self, page: Page) -> None:
        """Fold one page."""
        folded = fold(self.projection, page, self.rows, self.parking)
        for key, row in folded.rows.items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row
        self.parked += folded.parked
        self.position = page.position
