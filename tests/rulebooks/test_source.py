"""A rulebook's file: each fault on the line where an editor shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.rulebooks.source import FILE_BYTES_MAX, Fault, Faulty, Source, _lines, read
from tests.workers.town import sample_rulebook

RULES: dict[str, Any] = sample_rulebook().model_dump(mode="json")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


def written(document: Any) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False).encode()


def faults(body: bytes) -> tuple[Fault, ...]:
    with pytest.raises(Faulty) as caught:
        read(body)
    return caught.value.faults


def spoiled(change: Callable[[dict[str, Any]], None]) -> bytes:
    rules = json.loads(json.dumps(RULES))
    change(rules)
    return written(rules)


def line_of(body: bytes, text: str) -> int:
    (found,) = [number for number, line in enumerate(body.decode().splitlines(), 1) if text in line]
    return found


def test_a_sound_file_is_the_rulebook() -> None:
    assert read(written(RULES)).rulebook == sample_rulebook()


def test_a_value_out_of_bounds_is_on_its_own_line() -> None:
    body = spoiled(lambda rules: rules["categories"][2]["correlation"].update(radius_m=-4711))
    (fault,) = faults(body)
    assert fault.line == line_of(body, "-4711")
    assert fault.pointer == "/categories/2/correlation/radius_m"
    assert "greater than 0" in fault.why
    assert "-4711" in fault.why


def test_what_lacks_is_on_the_line_of_what_it_lacks_in() -> None:
    body = spoiled(lambda rules: rules["categories"][1].pop("priority"))
    (fault,) = faults(body)
    assert fault.pointer == "/categories/1/priority"
    lines = body.decode().splitlines()
    assert lines[fault.line - 1].strip() == "{"
    assert f'"{RULES["categories"][1]["code"]}"' in lines[fault.line]


def test_an_unknown_name_is_on_its_line() -> None:
    body = spoiled(lambda rules: rules["categories"][0]["deadlines"].update(accept_in_s=5))
    (fault,) = faults(body)
    assert fault.line == line_of(body, "accept_in_s")


def test_all_faults_are_said_in_the_order_of_the_file() -> None:
    def change(rules: dict[str, Any]) -> None:
        rules["categories"][3]["priority"] = 11
        rules["categories"][0]["code"] = "Not A Code"
        rules["number_prefix"] = "lower"

    found = faults(spoiled(change))
    assert [fault.pointer for fault in found] == ["/categories/0/code", "/categories/3/priority", "/number_prefix"]
    assert [fault.line for fault in found] == sorted(fault.line for fault in found)


def test_a_member_said_twice_is_a_fault() -> None:
    body = written(RULES).replace(b'"city": "chengdu",', b'"city": "elsewhere",\n "city": "chengdu",', 1)
    (fault,) = faults(body)
    assert (fault.pointer, fault.line) == ("/city", 3)
    assert "twice" in fault.why


@pytest.mark.parametrize("body", [b"", b"{", b'{"city": }', b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}', b"nonsense"])
def test_what_is_no_json_is_one_fault(body: bytes) -> None:
    (fault,) = faults(body)
    assert fault.line >= 1
    assert fault.why


def test_broken_json_is_on_its_line() -> None:
    body = written(RULES)
    at = line_of(body, '"catch_all_center_code"')
    lines = body.splitlines(keepends=True)
    lines[at - 1] = b' "catch_all_center_code" "x",\n'
    (fault,) = faults(b"".join(lines))
    assert fault.line == at


def test_a_file_of_any_size_is_not_read() -> None:
    (fault,) = faults(b" " * (FILE_BYTES_MAX + 1))
    assert "bytes" in fault.why


def test_a_pointer_found_later_has_its_line() -> None:
    body = written(RULES)
    source: Source = read(body)
    fault = source.fault("/categories/0/agencies/0/agency", "there is no such agency")
    assert body.decode().splitlines()[fault.line - 1].strip().startswith('"agency"')
    assert source.fault("/nowhere/0", "?").line == 1


@given(JSON, st.sampled_from([None, 0, 1, 3]))
def test_every_value_has_a_line(document: Any, indent: int | None) -> None:
    text = json.dumps(document, indent=indent)
    lines, repeated = _lines(text)
    assert repeated == []
    count = 0

    def walk(value: Any, place: tuple[str | int, ...]) -> None:
        nonlocal count
        count += 1
        line = text.split("\n")[lines[place] - 1]
        if place and isinstance(place[-1], str):
            assert json.dumps(place[-1]) in line
        elif not isinstance(value, dict | list):
            assert json.dumps(value) in line
        for name, inner in (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        ):
            walk(inner, (*place, name))

    walk(document, ())
    assert len(lines) == count
