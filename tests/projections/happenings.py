"""Any story the catalogue can tell: events of every kind, about a few things, in any order, valid or not.

Values come from the fields' own types and limits, so a new event is told about the day it is added.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from unittest.mock import patch
from uuid import UUID, uuid5

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import HypothesisProvider
from pydantic import AwareDatetime
from pydantic.fields import FieldInfo

from dispatch.ports import AppendCommand, Appended, EventLog, NewEvent, RecordedEvent, StreamAppend
from domain.catalogue import EVENTS
from domain.codec import encode
from domain.event import Actor, Envelope, Event, Frozen, GeoPoint, Personal
from domain.identifiers import case_id_for, checklist_of, companion_of, outcome_of
from domain.report.events import ReportFiled
from domain.vocabulary import ActorKind, MessageStatus
from projections import fold
from projections.addressing import ASSIGNMENTS, CASES, CHECKLISTS, COMPANIONS, DECISIONS, OUTCOMES
from projections.fold import MemoryRows
from projections.projection import Projection, Row
from tests.domain.incident_story import OPENED

BEGAN_AT = datetime(2026, 7, 3, 18, 0, tzinfo=UTC)
INCIDENTS = [UUID(int=0x1000 + n) for n in range(3)]
UNITS = [UUID(int=0x2000 + n) for n in range(2)]
CENTERS = [UUID(int=0x3000 + n) for n in range(4)]
OTHERS = [UUID(int=0x4000 + n) for n in range(4)]
"""Ids of everything else: few, so that facts meet."""
POOLS = {"incident_id": INCIDENTS, "into_incident_id": INCIDENTS, "from_incident_id": INCIDENTS, "unit_id": UNITS}
AGENCIES = ["police", "traffic_police", "flood_control"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.just("天府大道\x00三段 \\u0000")


@dataclass(frozen=True)
class Happening:
    """One fact to be recorded."""

    stream_id: UUID
    event: Event
    late_s: int
    actor: Actor


def _limits(field: FieldInfo) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for rule in field.metadata:
        for name in ("ge", "gt", "le", "lt", "max_length", "min_length", "pattern"):
            if getattr(rule, name, None) is not None:
                found[name] = getattr(rule, name)
    return found


def _values(kind: Any, name: str, limits: dict[str, Any]) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _values(arguments[0], name, limits | _limits(FieldInfo.from_annotation(kind)))
    if origin in (Union, types.UnionType):
        return st.one_of(*[_values(one, name, limits) for one in arguments])
    if kind is type(None):
        return st.none()
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(_values(arguments[0], name, {}), min_size=limits.get("min_length", 0), max_size=2).map(
                tuple
            )
        return st.tuples(*[_values(one, name, {}) for one in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is dict:
        return st.dictionaries(st.sampled_from(["center", "distance_m"]), TEXTS, max_size=2)
    return _plain(kind, name, limits)


def _plain(kind: Any, name: str, limits: dict[str, Any]) -> st.SearchStrategy[Any]:
    if kind is UUID:
        return st.sampled_from(POOLS.get(name) or (CENTERS if "center" in name or name == "path" else OTHERS))
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.integers(limits.get("ge", 0), limits.get("le", 1_000))
    if kind is float:
        low, high = limits.get("ge", limits.get("gt", 0)), limits.get("le", limits.get("lt", 1_000))
        return st.floats(low, high, exclude_min="gt" in limits, exclude_max="lt" in limits, allow_subnormal=False)
    if kind in (datetime, AwareDatetime):
        return st.integers(0, 86_400_000).map(lambda ms: BEGAN_AT + timedelta(milliseconds=ms))
    if kind is date:
        return st.dates(date(2006, 1, 1), date(2026, 1, 1))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    if kind is str:
        return _text(name, limits)
    if isinstance(kind, type) and issubclass(kind, Frozen):
        return values_of(kind)
    raise AssertionError(f"no values for {name}: {kind}")


def _text(name: str, limits: dict[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in limits:
        return st.from_regex(limits["pattern"], fullmatch=True).filter(lambda text: "\n" not in text)
    if name == "agency":
        return st.sampled_from(AGENCIES)
    return TEXTS.filter(lambda text: len(text) >= limits.get("min_length", 0))


@cache
def values_of(kind: type[Frozen]) -> st.SearchStrategy[Any]:
    """Values of a type, by its fields."""
    if kind is Personal:
        return st.builds(Personal, subject_id=st.sampled_from(OTHERS), sealed=st.just("c2VhbGVk"))
    if kind is GeoPoint:
        return st.builds(GeoPoint, lon=st.floats(103.9, 104.2), lat=st.floats(30.5, 30.8))
    fields = {name: _values(field.annotation, name, _limits(field)) for name, field in kind.model_fields.items()}
    return st.fixed_dictionaries(fields).map(lambda values: kind(**values))


TOLD = [
    event
    for name, event in EVENTS.items()
    if name.split(".")[0]
    in (
        "incident",
        "assignment",
        "unit",
        "report",
        "camera",
        "gateway",
        "site",
        "outcome",
        "campaign",
        "checklist",
        "evidence",
        "operation",
        "watch",
        "cover",
        "order",
        "warning",
        "case",
        "handover",
        "aid",
    )
]


OF_INCIDENTS = [event for event in TOLD if event.name.split(".")[0] in ("incident", "assignment", "unit", "report")]
"""Half of what happens: most rows are about these, however many other kinds of facts there come to be."""


def stream_of(event: Event, chosen: UUID, unit: UUID) -> UUID:
    """Where such a fact is recorded."""
    if isinstance(event, COMPANIONS):
        return companion_of(event.incident_id)
    if isinstance(event, OUTCOMES):
        return outcome_of(event.incident_id)
    if isinstance(event, CHECKLISTS):
        return checklist_of(event.incident_id)
    if isinstance(event, DECISIONS):
        return chosen
    if isinstance(event, CASES):
        return case_id_for(event.incident_id)
    if isinstance(event, ASSIGNMENTS) or event.name.startswith("unit."):
        return unit
    return OTHERS[INCIDENTS.index(chosen)]


@st.composite
def happenings(draw: st.DrawFn) -> Happening:
    """Any one fact."""
    kind = draw(st.one_of(st.sampled_from(OF_INCIDENTS), st.sampled_from(TOLD)))
    event = draw(values_of(kind))
    stream = stream_of(event, draw(st.sampled_from(INCIDENTS)), draw(st.sampled_from(UNITS)))
    actor = Actor(kind=draw(st.sampled_from(ActorKind)), id="somebody")
    return Happening(stream, event, draw(st.integers(0, 60)), actor)


SYSTEM = Actor(kind=ActorKind.SYSTEM, id="test")


@st.composite
def stories(draw: st.DrawFn, *, facts_max: int = 30) -> list[Happening]:
    """Three incidents that exist, then anything."""
    status = st.sampled_from([MessageStatus.ACTUAL, MessageStatus.EXERCISE])
    prelude = [
        Happening(one, OPENED.model_copy(update={"number": f"n-{at}", "status": draw(status)}), 0, SYSTEM)
        for at, one in enumerate(INCIDENTS)
    ]
    registered = EVENTS["unit.registered"]
    prelude += [Happening(unit, draw(values_of(registered)), 0, SYSTEM) for unit in UNITS]
    filed = EVENTS["case.filed"]
    for one in INCIDENTS[:2]:
        case = (draw(values_of(filed))).model_copy(update={"incident_id": one})
        prelude += [Happening(case_id_for(one), case, 0, SYSTEM)]
    prelude += [Happening(OTHERS[0], draw(values_of(ReportFiled)), 0, SYSTEM)]
    return prelude + draw(st.lists(happenings(), max_size=facts_max))


def happened(stream_id: UUID, *events: Event) -> list[Happening]:
    """Facts of one stream, in this order."""
    return [Happening(stream_id, event, 0, SYSTEM) for event in events]


def row_after(projection: Projection, stream_id: UUID, *events: Event) -> Row:
    """The row of a stream after its facts. None of them may be parked."""
    rows = MemoryRows(projection)
    recorded = as_recorded(happened(stream_id, *events))
    rows.take(fold.read(recorded, len(recorded)))
    assert rows.parked == []
    return rows.rows[stream_id,]


@cache
def collected(count: int) -> Sequence[Sequence[Happening]]:
    """The same stories at every run, for tests that cannot be a Hypothesis function themselves; drawn once.

    Left to itself, Hypothesis mixes in constants of all our modules that are loaded by then: other stories after other
    tests.
    """
    found: list[list[Happening]] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(stories(facts_max=60))
    def collect(story: list[Happening]) -> None:
        found.append(story)

    with patch.object(HypothesisProvider, "_maybe_draw_constant", lambda *_arguments, **_limits: None):
        collect()
    return found


def as_recorded(story: Sequence[Happening]) -> list[RecordedEvent]:
    """The story as the log would give it back."""
    versions: dict[UUID, int] = {}
    recorded = []
    for position, happening in enumerate(story, start=1):
        versions[happening.stream_id] = versions.get(happening.stream_id, 0) + 1
        at = BEGAN_AT + timedelta(seconds=position)
        recorded.append(
            RecordedEvent(
                position,
                happening.stream_id,
                versions[happening.stream_id],
                happening.event.name,
                encode(happening.event, _envelope(happening, position)),
                at,
            )
        )
    return recorded


def _envelope(happening: Happening, position: int) -> Envelope:
    at = BEGAN_AT + timedelta(seconds=position - happening.late_s)
    event_id = uuid5(happening.stream_id, str(position))
    return Envelope(event_id=event_id, occurred_at=at, received_at=at, actor=happening.actor, rule_version=1)


async def tell(log: EventLog, story: Sequence[Happening], *, began: int = 0) -> int:
    """Record the story, each fact its own command; the last position."""
    commands = [
        AppendCommand(
            (
                StreamAppend(
                    happening.stream_id,
                    None,
                    (NewEvent(happening.event.name, encode(happening.event, _envelope(happening, began + place))),),
                ),
            )
        )
        for place, happening in enumerate(story, start=1)
    ]
    verdicts = await log.append_many(commands)
    assert all(isinstance(verdict, Appended) for verdict in verdicts), verdicts
    last = verdicts[-1]
    assert isinstance(last, Appended)
    return last.last_position
