"""What the rules ask for beside what is there: the counts on a board row ("2 of 5 engines"), and the same in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.assignment.state import ENDED
from domain.incident.wanted import Sent, there
from projections.code_texts import CODES


@dataclass(frozen=True, slots=True)
class _Want:
    agency: str
    unit_kinds: Sequence[str]
    skills: Sequence[str]
    units: int


def with_there(
    wanted: Sequence[Mapping[str, Any]], assignments: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The entries with how many units on the incident fill each (`there`); a unit that is done or was called back fills
    none."""
    wants = [_Want(one["agency"], one["unit_kinds"], one["skills"], one["units"]) for one in wanted]
    units = [
        Sent(one["agency"], one.get("unit_kind"), one.get("skills", ()))
        for one in assignments.values()
        if one["phase"] not in ENDED
    ]
    return [{**one, "there": count} for one, count in zip(wanted, there(wants, units), strict=True)]


def lacking(wanted: Sequence[Mapping[str, Any]], language: str) -> str | None:
    """What is missing in words, "2 of 5 fire engines; aerial_ladder missing"; None if nothing is."""
    said = [_lacks(one, language) for one in wanted if one["there"] < one["units"]]
    return ("；" if language == "zh" else "; ").join(said) or None


def _lacks(one: Mapping[str, Any], language: str) -> str:
    kind = _word(f"unit_kind.{one['unit_kinds'][0]}", language)
    skills = [_word(f"skill.{skill}", language) for skill in one["skills"]]
    if language == "zh":
        what = f"{kind}（{'、'.join(skills)}）" if skills else kind
        return f"{what}{one['there']}/{one['units']}" if one["there"] else f"缺{what}{one['units']}"
    what = f"{kind} ({', '.join(skills)})" if skills else kind
    return f"{one['there']} of {one['units']} {what}" if one["there"] else f"{one['units']} {what} missing"


def _word(code: str, language: str) -> str:
    pair = CODES.get(code)
    return code.split(".", 1)[1] if pair is None else pair[0 if language == "zh" else 1]
