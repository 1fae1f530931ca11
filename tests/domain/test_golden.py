"""What is in the log stays readable: every event, every version, in its fullest and its barest form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain.catalogue import EVENTS
from domain.codec import decode, encode
from tests.domain.golden_files import FOLDER, file_of, missing
from tests.domain.shapes import sample

FILES = sorted(path.name for path in FOLDER.glob("*.json"))


def fact_in(state: bytes, name: str) -> Any:
    return decode(
        topic=name,
        state=state,
        position=1,
        stream_id=UUID(int=1),
        version=1,
        recorded_at=datetime(2026, 7, 1, tzinfo=UTC),
    )


def said_by(file: str) -> tuple[str, int, str]:
    name, version, form = file.removesuffix(".json").rsplit(".", 2)
    return name, int(version.removeprefix("v")), form


def test_every_event_and_version_has_its_golden_files():
    lacking = [path.name for path in missing()]
    assert not lacking, f"write them with `python -m tests.domain.golden_files`: {lacking}"


def test_no_event_was_renamed_or_taken_away():
    gone = sorted({said_by(file)[0] for file in FILES} - set(EVENTS))
    assert not gone, f"names are permanent; these are in golden files and not in the catalogue: {gone}"


@pytest.mark.parametrize("file", FILES)
def test_what_was_written_once_is_read_for_ever(file):
    name, _, _ = said_by(file)
    assert type(fact_in((FOLDER / file).read_bytes(), name).event) is EVENTS[name]


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_the_fullest_form_is_written_as_it_is_read(name):
    golden = json.loads(file_of(name, EVENTS[name].schema_version, "full").read_text(encoding="utf-8"))
    fact = fact_in(json.dumps(golden).encode(), name)
    written = json.loads(encode(fact.event, fact.envelope))
    assert contains(written, golden), f"{name} is written otherwise than its golden file says"


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_the_fullest_form_has_every_field_at_every_depth(name):
    event = EVENTS[name]
    golden = json.loads(file_of(name, event.schema_version, "full").read_text(encoding="utf-8"))
    lacking = sorted(set(paths(sample(event, full=True))) - set(paths(golden["body"])))
    assert not lacking, f"`python -m tests.domain.golden_files --renew {name}` for the new fields {lacking}"


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_the_barest_form_has_only_what_is_needed(name):
    event = EVENTS[name]
    golden = json.loads(file_of(name, event.schema_version, "minimal").read_text(encoding="utf-8"))
    needed = {field for field, info in event.model_fields.items() if info.is_required()}
    assert set(golden["body"]) == needed, f"{name} needs other fields than before: a new version and an upcaster"


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Every field's path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}/{name}"
            yield from paths(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, f"{path}/{index}")


def contains(written: Any, golden: Any) -> bool:
    """Everything golden is there and the same; numbers by value, so 1 and 1.0 are one."""
    if isinstance(golden, dict):
        return all(name in written and contains(written[name], value) for name, value in golden.items())
    if isinstance(golden, list):
        return len(written) == len(golden) and all(map(contains, written, golden))
    return bool(written == golden)
