"""A rulebook as a file: every fault is said with the line it is on.

Whoever writes rules has an editor before them, not a schema: "categories.3.agencies: found 2" sends them counting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import ValidationError

from dispatch.ingest.hardened_json import parse_json
from dispatch.ingest.message import NotUnderstood
from domain.rulebook.content import Rulebook

FILE_BYTES_MAX = 8 * 1024 * 1024
"""A city of hundreds of categories has rules of some hundred kilobytes."""

Place: TypeAlias = tuple[str | int, ...]
"""Names and numbers from the document's root to a value."""
_SPACE = re.compile(r"[ \t\r\n]*")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_SCALAR = re.compile(r"[^ \t\r\n,\]}]+")
_LINE_SAID = re.compile(r"line (\d+)")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, where. `line` counts from 1; `pointer` is a JSON pointer (RFC 6901)."""

    line: int
    pointer: str
    why: str


class Faulty(Exception):
    """A file that is no rulebook, with all that is wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.line, fault.pointer)))
        super().__init__(f"{len(self.faults)} faults")


@dataclass(frozen=True, slots=True)
class Source:
    """A rulebook and where each part of it stands in its file."""

    rulebook: Rulebook
    lines: Mapping[Place, int]

    def fault(self, pointer: str, why: str) -> Fault:
        """A fault found later, by somebody who only knows the pointer."""
        parts = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
        place = tuple(int(part) if part.isdecimal() else part for part in parts)
        return _fault(self.lines, place, why)


def read(body: bytes) -> Source:
    """The rulebook in a file. Raises `Faulty`."""
    if len(body) > FILE_BYTES_MAX:
        raise Faulty([Fault(1, "", f"The file has {len(body):,} bytes; rules have {FILE_BYTES_MAX:,} at most.")])
    try:
        document = parse_json(body)
    except NotUnderstood as failure:
        said = _LINE_SAID.search(str(failure))
        raise Faulty([Fault(int(said[1]) if said else 1, "", str(failure))]) from None
    lines, repeated = _lines(body.decode("utf-8-sig"))
    faults = [_fault(lines, place, "It is said twice; only one of the two would count.") for place in repeated]
    try:
        rulebook = Rulebook.model_validate(document)
    except ValidationError as failure:
        faults += [_fault(lines, each["loc"], _why(each["msg"], each["input"])) for each in failure.errors()]
    if faults:
        raise Faulty(faults)
    return Source(rulebook, lines)


def _why(said: str, given: object) -> str:
    why = said.removeprefix("Value error, ")
    return f"{why} (here: {json.dumps(given, ensure_ascii=False)})" if isinstance(given, str | int | float) else why


def _fault(lines: Mapping[Place, int], place: Place, why: str) -> Fault:
    """On the line of the value, or of the nearest thing around it that is there: what lacks has no line."""
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in place)
    around = place
    while around and around not in lines:
        around = around[:-1]
    return Fault(lines.get(around, 1), pointer, why)


def _lines(text: str) -> tuple[dict[Place, int], list[Place]]:
    """The line of every value of a JSON text that parses, and the members that stand twice in their object."""
    lines: dict[Place, int] = {}
    repeated = []
    line, counted_to = 1, 0
    for place, begins_at in _values(text, _after(_SPACE, text, 0), ()):
        line, counted_to = line + text.count("\n", counted_to, begins_at), begins_at
        if place in lines:
            repeated.append(place)
        lines[place] = line
    return lines, repeated


def _values(text: str, at: int, place: Place) -> Iterator[tuple[Place, int]]:
    """Every value's place and where it begins, in the order of the text."""
    yield place, at
    stack = [_Open(place, text[at] == "{")] if text[at] in "[{" else []
    at += 1
    while stack:
        at = _after(_SPACE, text, at)
        inner = stack[-1]
        if text[at] in "]}":
            stack.pop()
            at += 1
            continue
        if text[at] == ",":
            at = _after(_SPACE, text, at + 1)
        begins_at = at
        if inner.is_object:
            at = _after(_TEXT, text, at)
            name = json.loads(text[begins_at:at])
            at = _after(_SPACE, text, _after(_SPACE, text, at) + 1)
        else:
            name, inner.members = inner.members, inner.members + 1
        yield (*inner.place, name), begins_at
        if text[at] in "[{":
            stack.append(_Open((*inner.place, name), text[at] == "{"))
            at += 1
        elif text[at] == '"':
            at = _after(_TEXT, text, at)
        else:
            at = _after(_SCALAR, text, at)


@dataclass(slots=True)
class _Open:
    """An object or an array that is not closed yet."""

    place: Place
    is_object: bool
    members: int = 0


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found is not None else at
