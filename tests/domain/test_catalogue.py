"""What every event in the catalogue keeps to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from domain.catalogue import EVENTS
from domain.event import Event, Frozen, Personal

PERSONAL_LOOKING = re.compile(
    r"(^|_)(caller|citizen|victim|witness|suspect|person|persons|phone|telephone|mobile|email|id_card|passport|"
    r"full_name|given_name|family_name|birth|plate|licence|license|home_address)(_|$)"
)
"""Field names that speak of a person."""
PERSONAL_IN_NAME_ONLY = {
    "incident.report_attached.has_caller": "says whether there is a caller, not who",
}
"""Fields that look personal and are not, with the reason."""


def fields_of(model: type[Frozen], path: str) -> Iterator[tuple[str, str, Any]]:
    """Every field at any depth: its path, its name, its annotation."""
    for name, info in model.model_fields.items():
        yield f"{path}.{name}", name, info.annotation
        for inner in models_in(info.annotation):
            if inner is not Personal:
                yield from fields_of(inner, f"{path}.{name}")


def models_in(annotation: Any) -> Iterator[type[Frozen]]:
    if isinstance(annotation, type) and issubclass(annotation, Frozen):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def test_every_personal_looking_field_is_sealed():
    plain = [
        path
        for event in EVENTS.values()
        for path, name, annotation in fields_of(event, event.name)
        if PERSONAL_LOOKING.search(name)
        and Personal not in set(models_in(annotation))
        and path not in PERSONAL_IN_NAME_ONLY
    ]
    assert not plain, f"type these as domain.event.Personal, or say why not: {plain}"


def test_the_exceptions_exist():
    paths = {path for event in EVENTS.values() for path, _, _ in fields_of(event, event.name)}
    assert set(PERSONAL_IN_NAME_ONLY) <= paths


def test_names_are_dotted_lower_case_facts():
    for name in EVENTS:
        assert re.fullmatch(r"[a-z][a-z_]*\.[a-z][a-z_]*", name), name


def test_every_event_class_is_in_the_catalogue_under_its_own_name():
    def below(model: type[Event]) -> Iterator[type[Event]]:
        for child in model.__subclasses__():
            yield child
            yield from below(child)

    ours = {event for event in below(Event) if event.__module__.startswith("domain.")}
    assert {event.name: event for event in ours} == EVENTS
    assert len(ours) == len(EVENTS), "two events share a name"


def test_every_event_says_what_it_means():
    for name, event in EVENTS.items():
        assert event.__doc__, name


def test_instants_end_in_at_or_by():
    for event in EVENTS.values():
        for path, name, annotation in fields_of(event, event.name):
            text = str(annotation)
            if "AwareDatetime" in text or "datetime.datetime" in text:
                assert name.endswith(("_at", "_by")), path
