"""What two versions of the rules say differently, as people would say it: by code, not by place in a list."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.rulebook.content import Rulebook

NAMES = ("code", "kind", "name", "level", "agency")
"""Members by which an entry of a list is known, in the order in which they are looked for."""
NOT_COMPARED = frozenset({"version"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One value. `before` or `after` is None where there is none; both are JSON texts."""

    where: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.where}: {self.after}"
        if self.after is None:
            return f"- {self.where}: {self.before}"
        return f"  {self.where}: {self.before} → {self.after}"


def differences(before: Rulebook, after: Rulebook) -> list[Difference]:
    """Everything but the version number, in the order of the later one. An entry that only moved is no difference."""
    first, second = (
        {name: value for name, value in rules.model_dump(mode="json").items() if name not in NOT_COMPARED}
        for rules in (before, after)
    )
    return list(_compared("", first, second))


def _compared(where: str, before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    first, second = _members(before), _members(after)
    if first is None or second is None:
        yield Difference(where, _text(before), _text(after))
        return
    for name in [*second, *(name for name in first if name not in second)]:
        inner = f"{where}.{name}" if where and not name.startswith("[") else f"{where}{name}"
        if name not in first:
            yield Difference(inner, None, _text(second[name]))
        elif name not in second:
            yield Difference(inner, _text(first[name]), None)
        else:
            yield from _compared(inner, first[name], second[name])


def _members(value: Any) -> Mapping[str, Any] | None:
    """The parts of an object, or of a list whose entries have names of their own; None: it is compared as one."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        for name in NAMES:
            named = {f"[{entry[name]}]": entry for entry in value if name in entry}
            if len(named) == len(value):
                return named
    return None


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def summary(found: Sequence[Difference]) -> str:
    """One line for a person."""
    added = sum(difference.before is None for difference in found)
    taken = sum(difference.after is None for difference in found)
    return f"{len(found)} differences: {added} added, {taken} taken out, {len(found) - added - taken} changed"
