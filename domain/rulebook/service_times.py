"""How long things may take, as data: from which fact to which, what pauses the time, which time counts, and the goal.

"90 % of calls are answered within 60 s" is such a definition, and so is "a stall is dealt with in two working days".
The facts are named by their permanent names, out of a closed list for each kind of thing that is measured.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from domain.event import Frozen
from domain.rulebook.plans import CategoryCodeField
from domain.vocabulary import TimeCounting

Kind = Literal["incident", "assignment", "case"]
ServiceSeconds = Annotated[int, Field(ge=1, le=7_776_000)]
FactNames = tuple[str, ...]

CREW = (
    "assignment.made",
    "assignment.acknowledged",
    "assignment.en_route",
    "assignment.on_scene",
    "assignment.cleared",
)
"""In this order, whoever skips a step."""
FACTS: dict[Kind, FactNames] = {
    "incident": (
        "incident.opened",
        "incident.routed",
        "incident.verified",
        "incident.claimed",
        "incident.accepted",
        "incident.transfer_offered",
        "incident.transfer_accepted",
        "incident.transfer_declined",
        "incident.transfer_timed_out",
        "incident.merged",
        "incident.unmerged",
        "incident.resolved",
        "incident.closed",
        "incident.dismissed",
        "incident.reopened",
        *CREW,
    ),
    "assignment": (*CREW, "assignment.declined", "assignment.cancelled"),
    "case": (
        "case.filed",
        "case.assigned",
        "case.returned",
        "case.sent_to_arbiter",
        "case.arbitrated",
        "case.handled",
        "case.checked",
        "case.paused",
        "case.resumed",
        "case.extension_requested",
        "case.extension_granted",
        "case.extension_refused",
        "case.voided",
        "case.closed",
    ),
}
"""What may be named for each kind. Of an incident the first unit's steps count; of an assignment its own."""
ALWAYS_FIRST = frozenset({"incident.opened", "assignment.made", "case.filed"})
"""Nothing of its kind comes before; of an incident the first assignment is not meant."""
ALWAYS_LAST = frozenset(
    {"assignment.declined", "assignment.cancelled", "assignment.cleared", "case.voided", "case.closed"}
)
CHAINS: tuple[FactNames, ...] = (CREW, ("incident.accepted", "incident.resolved", "incident.closed"))
"""None of these comes after a later one, but by a reopening, which begins a time of its own."""
MOVING = frozenset({"assignment.en_route", "assignment.on_scene"})


def can_follow(kind: str, first: str, then: str) -> bool:
    """Whether the one may happen after the other to the same thing."""
    if first == then or (then in ALWAYS_FIRST and not (kind == "incident" and then == "assignment.made")):
        return False
    if kind != "incident" and first in ALWAYS_LAST:
        return False
    if first in {"incident.closed", "incident.dismissed"}:
        return then == "incident.reopened"
    if then == "assignment.declined" and first in MOVING:
        return False
    for chain in CHAINS:
        if first in chain and then in chain:
            return chain.index(then) > chain.index(first)
    return True


class Pause(Frozen):
    """Between the two the time does not run: from the first of `begins` until the first of `ends` after it."""

    begins: FactNames = Field(min_length=1, max_length=10)
    ends: FactNames = Field(min_length=1, max_length=10)


class ServiceTime(Frozen):
    """One defined time: from the first of `start` until the first of `stop` after it.

    `void` facts end it without a result (a false alarm was never late). It is of incidents of these categories and
    priorities, of assignments and cases of these agencies; empty means all. `goal_percent` of them are to take no more
    than `target_s` counted seconds.
    """

    code: str = Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")
    name_zh: str
    name_en: str
    kind: Kind
    start: FactNames = Field(min_length=1, max_length=10)
    stop: FactNames = Field(min_length=1, max_length=10)
    void: FactNames = Field(default=(), max_length=10)
    pauses: tuple[Pause, ...] = Field(default=(), max_length=10)
    categories: tuple[CategoryCodeField, ...] = ()
    priorities: tuple[Annotated[int, Field(ge=0, le=10)], ...] = ()
    agencies: tuple[str, ...] = ()
    counting: TimeCounting = TimeCounting.AROUND_THE_CLOCK
    target_s: ServiceSeconds
    goal_percent: float = Field(default=90.0, gt=0, le=100)

    @field_validator("start", "stop", "void", "pauses")
    @classmethod
    def _of_the_list(cls, value: tuple[str | Pause, ...], given: ValidationInfo) -> tuple[str | Pause, ...]:
        kind = given.data.get("kind")
        if kind is None:
            return value
        named = [name for each in value for name in (each.begins + each.ends if isinstance(each, Pause) else (each,))]
        unknown = [name for name in named if name not in FACTS[kind]]
        if unknown:
            msg = f"{', '.join(unknown)}: no fact by which the time of a {kind} is measured"
            raise ValueError(msg)
        return value

    @field_validator("stop", "void")
    @classmethod
    def _comes_after(cls, value: FactNames, given: ValidationInfo) -> FactNames:
        start, kind = given.data.get("start"), given.data.get("kind")
        if start is not None and kind is not None:
            for name in value:
                if not any(can_follow(kind, first, name) for first in start):
                    msg = f"{name} never comes after {' or '.join(start)}"
                    raise ValueError(msg)
        return value

    @field_validator("pauses")
    @classmethod
    def _ends_after_it_begins(cls, value: tuple[Pause, ...], given: ValidationInfo) -> tuple[Pause, ...]:
        kind = given.data.get("kind")
        if kind is None:
            return value
        for pause in value:
            for name in pause.ends:
                if not any(can_follow(kind, first, name) for first in pause.begins):
                    msg = f"a pause that begins with {' or '.join(pause.begins)} never ends with {name}"
                    raise ValueError(msg)
        return value
