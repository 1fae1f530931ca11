"""Values of any shape of the domain: one plain sample for golden files, one Hypothesis strategy a type for the rest.

Both walk the same annotations, so a field that somebody adds is sampled and tested without anybody's help. Only
shapes with rules of their own (a sealed person, a rulebook) are named below.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID, uuid5

from hypothesis import strategies as st
from pydantic import AwareDatetime
from pydantic.fields import FieldInfo

from domain.event import Actor, Envelope, Frozen, Personal
from domain.rulebook.content import AlertRule, CategoryRule, CorrelationRule, Rulebook
from domain.rulebook.plans import AgencyRule, ResponseRule
from domain.vocabulary import ActorKind, AgencyRole, AlertKind, UnitKind

NAMESPACE = UUID("00000000-0000-0000-0000-00000000600d")
MOMENT = datetime(2026, 7, 1, 4, 30, 15, 250_000, tzinfo=UTC)
DAY = date(2026, 7, 1)
PLAIN_TEXTS: dict[str, str] = {
    r"^[0-9a-f]{64}$": "0123456789abcdef" * 4,
    r"^[a-z][a-z0-9_]{1,40}$": "traffic_police",
    r"^[a-z0-9][a-z0-9-]{0,60}$": "district-01",
    r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$": "traffic.accident",
    r"^[A-Z][A-Z0-9]{0,5}$": "CD",
    r"^[a-z0-9][a-z0-9._-]{0,60}$": "li.na",
    r"^[a-z0-9][a-z0-9._-]{0,59}$": "police-cases",
    r"^[a-z][a-z0-9_]{0,60}$": "watched_live",
    r"^\S(.*\S)?$": "A5101042026070001",
}
"""A text for each pattern that fields have; alternatives (`^(a|b)$`) take their first."""
ENVELOPE = Envelope(
    event_id=UUID("0197c2e4-5b1e-7c3a-9d55-6a1f0e2b3c4d"),
    occurred_at=MOMENT,
    received_at=MOMENT + timedelta(seconds=1),
    actor=Actor(kind=ActorKind.OPERATOR, id="alice", center_id=uuid5(NAMESPACE, "center"), agency="police"),
    causation_id=uuid5(NAMESPACE, "causation"),
    correlation_id=uuid5(NAMESPACE, "correlation"),
    rule_version=3,
)


class Limits:
    """What a field's metadata says about its values."""

    def __init__(self, metadata: tuple[Any, ...]) -> None:
        self.pattern = next((item.pattern for item in metadata if getattr(item, "pattern", None)), None)
        self.least = next((value for item in metadata if (value := _bound(item, "ge", "gt")) is not None), None)
        self.most = next((value for item in metadata if (value := _bound(item, "le", "lt")) is not None), None)
        self.above = any(getattr(item, "gt", None) is not None for item in metadata)
        self.below = any(getattr(item, "lt", None) is not None for item in metadata)
        self.length_min = next((item.min_length for item in metadata if hasattr(item, "min_length")), 0)
        self.length_max = next((item.max_length for item in metadata if hasattr(item, "max_length")), None)


def _bound(item: Any, *names: str) -> Any:
    return next((getattr(item, name) for name in names if getattr(item, name, None) is not None), None)


def peeled(annotation: Any, metadata: tuple[Any, ...] = ()) -> tuple[Any, tuple[Any, ...]]:
    """The bare type and all metadata around it."""
    while get_origin(annotation) is typing.Annotated:
        inner, *more = get_args(annotation)
        for item in more:
            metadata += tuple(item.metadata) if isinstance(item, FieldInfo) else (item,)
        annotation = inner
    return annotation, metadata


# --- one plain sample ---


def sample(model: type[Frozen], *, full: bool, path: str = "") -> dict[str, Any]:
    """A value as JSON-ready Python: every field (`full`), or only those without which it is refused."""
    special = PLAIN_SPECIAL.get(model)
    if special is not None:
        return special
    return {
        name: _plain(info.annotation, tuple(info.metadata), path=f"{path}.{name}", full=full)
        for name, info in model.model_fields.items()
        if full or info.is_required()
    }


def _plain(annotation: Any, metadata: tuple[Any, ...], *, path: str, full: bool) -> Any:
    annotation, metadata = peeled(annotation, metadata)
    limits, origin = Limits(metadata), get_origin(annotation)
    if origin in {Union, types.UnionType}:
        options = [option for option in get_args(annotation) if option is not type(None)]
        return _plain(options[0], metadata, path=path, full=full)
    if origin is Literal:
        return get_args(annotation)[0]
    if origin is tuple:
        arguments = get_args(annotation)
        if arguments[-1] is Ellipsis:
            wanted = max(limits.length_min, 1 if full else 0)
            return [_plain(arguments[0], (), path=f"{path}.{index}", full=full) for index in range(wanted)]
        return [_plain(each, (), path=f"{path}.{index}", full=full) for index, each in enumerate(arguments)]
    if origin is dict:
        return {"key": _plain(get_args(annotation)[1], (), path=path, full=full)}
    if isinstance(annotation, type) and issubclass(annotation, Frozen):
        return sample(annotation, full=full, path=path)
    return _plain_leaf(annotation, limits, path)


def _plain_leaf(annotation: Any, limits: Limits, path: str) -> Any:
    name = path.rsplit(".", 1)[-1]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return list(annotation)[-1].value
    plain: dict[Any, Callable[[], Any]] = {
        UUID: lambda: str(uuid5(NAMESPACE, path)),
        AwareDatetime: lambda: MOMENT.isoformat().replace("+00:00", "Z"),
        datetime: lambda: MOMENT.isoformat().replace("+00:00", "Z"),
        date: DAY.isoformat,
        bool: lambda: True,
        int: lambda: max(int(limits.least or 0), min(7, int(limits.most if limits.most is not None else 7))),
        float: lambda: max(
            float(limits.least or 0.0), min(0.5, float(limits.most if limits.most is not None else 0.5))
        ),
        str: lambda: _plain_text(limits.pattern, name),
    }
    return plain[annotation]()


def _plain_text(pattern: str | None, name: str) -> str:
    if pattern is None:
        return f"{name} 成都"
    if pattern in PLAIN_TEXTS:
        return PLAIN_TEXTS[pattern]
    assert pattern.startswith("^("), f"give tests.domain.shapes.PLAIN_TEXTS a text for the pattern {pattern}"
    return pattern.removeprefix("^(").removesuffix(")$").split("|")[0]


# --- one strategy a type ---


@cache
def values(model: type[Frozen]) -> st.SearchStrategy[Any]:
    """Any value of the model."""
    special = STRATEGIES.get(model)
    if special is not None:
        return special()
    required, optional = {}, {}
    for name, info in model.model_fields.items():
        strategy = st.deferred(lambda info=info: _any(info.annotation, tuple(info.metadata)))
        (required if info.is_required() else optional)[name] = strategy
    return st.fixed_dictionaries(required, optional=optional).map(lambda fields: model(**fields))


def _any(annotation: Any, metadata: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    annotation, metadata = peeled(annotation, metadata)
    limits, origin = Limits(metadata), get_origin(annotation)
    if origin in {Union, types.UnionType}:
        return st.one_of(*(_any(option, metadata) for option in get_args(annotation)))
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    if origin is tuple:
        arguments = get_args(annotation)
        if arguments[-1] is Ellipsis:
            return st.lists(_any(arguments[0], ()), min_size=limits.length_min, max_size=3).map(tuple)
        return st.tuples(*(_any(each, ()) for each in arguments))
    if origin is dict:
        return st.dictionaries(st.text(max_size=10), _any(get_args(annotation)[1], ()), max_size=3)
    if isinstance(annotation, type) and issubclass(annotation, Frozen):
        return values(annotation)
    return _any_leaf(annotation, limits)


def _any_leaf(annotation: Any, limits: Limits) -> st.SearchStrategy[Any]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    leaves: dict[Any, Callable[[], st.SearchStrategy[Any]]] = {
        type(None): st.none,
        UUID: st.uuids,
        AwareDatetime: instants,
        datetime: instants,
        date: st.dates,
        bool: st.booleans,
        int: lambda: st.integers(
            limits.least if limits.least is not None else -(2**62), limits.most if limits.most is not None else 2**62
        ),
        float: lambda: st.floats(
            limits.least,
            limits.most,
            allow_nan=False,
            allow_infinity=False,
            exclude_min=limits.above and limits.least is not None,
            exclude_max=limits.below and limits.most is not None,
        ),
        str: lambda: (
            st.from_regex(limits.pattern, fullmatch=True)
            if limits.pattern
            else st.text(min_size=limits.length_min, max_size=min(limits.length_max or 20, 20))
        ),
    }
    return leaves[annotation]()


def instants() -> st.SearchStrategy[datetime]:
    """Aware instants in whole-minute offsets, as any modern clock says them."""
    zones = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
    return st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=zones)  # noqa: DTZ001  # zones are drawn


def sealed_persons() -> st.SearchStrategy[Personal]:
    """Persons as they may stand in the log."""
    return st.builds(Personal, subject_id=st.uuids(), sealed=st.text(max_size=40))


def rulebooks() -> st.SearchStrategy[Rulebook]:
    """Rulebooks that refer to what exists."""
    category = st.builds(
        CategoryRule,
        code=st.just("other.unclassified"),
        name_zh=st.text(max_size=10),
        name_en=st.text(max_size=10),
        priority=st.integers(0, 10),
        agencies=st.just((AgencyRule(agency="police", role=AgencyRole.RESPONSIBLE),)),
        correlation=values(CorrelationRule),
        response=st.lists(values(ResponseRule), max_size=2).map(tuple),
    )
    return st.builds(
        Rulebook,
        city=st.text(max_size=10),
        version=st.integers(1, 10_000),
        categories=category.map(lambda rule: (rule,)),
        alerts=st.just((AlertRule(kind=AlertKind.OTHER, category=None),)),
        catch_all_center_code=st.text(max_size=10),
        catch_all_category=st.just("other.unclassified"),
    )


PLAIN_RULEBOOK: dict[str, Any] = {
    "city": "chengdu",
    "version": 1,
    "categories": [
        {
            "code": "other.unclassified",
            "name_zh": "其他",
            "name_en": "Other",
            "priority": 5,
            "agencies": [{"agency": "police", "role": AgencyRole.RESPONSIBLE.value}],
            "correlation": {"radius_m": 100.0, "window_s": 600},
            "response": [{"agency": "police", "unit_kinds": [UnitKind.PATROL_CAR.value]}],
        }
    ],
    "alerts": [{"kind": AlertKind.OTHER.value, "category": "other.unclassified"}],
    "catch_all_center_code": "city",
    "catch_all_category": "other.unclassified",
}
PLAIN_SPECIAL: dict[type[Frozen], dict[str, Any]] = {
    Personal: {"subject_id": str(uuid5(NAMESPACE, "subject")), "sealed": "c2VhbGVkLWluLXRoZS1sb2c"},
    Rulebook: PLAIN_RULEBOOK,
}
STRATEGIES: dict[type[Frozen], Callable[[], st.SearchStrategy[Any]]] = {
    Personal: sealed_persons,
    Rulebook: rulebooks,
}
