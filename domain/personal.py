"""Where personal fields are inside an event."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from domain.event import Frozen, Personal


def personal_fields(value: Frozen) -> Iterator[Personal]:
    """Every personal field inside an event, at any depth.

    Most events can hold none by their type, which is asked once a type: walking their values cost a quarter of the
    time in which an alert is received.
    """
    if can_hold_personal(type(value)):
        for name in type(value).model_fields:
            yield from _personal_in(getattr(value, name))


@cache
def can_hold_personal(kind: type[Frozen]) -> bool:
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
