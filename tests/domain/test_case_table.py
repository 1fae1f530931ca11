"""The table in the casework decider's docstring is the decider."""

from __future__ import annotations

import re

import pytest

from domain.casework import commands as ask
from domain.casework import decider
from domain.casework.admission import ADMITTED
from domain.event import Event
from domain.refusals import Refusal
from domain.vocabulary import CasePhase
from tests.domain.case_story import (
    ALICE,
    ASSIGN,
    ASSIGNED,
    HOUR,
    LIFE,
    PARKS,
    REQUESTED,
    RETURN,
    TURN,
    at,
    case,
    department,
)

COMMANDS: dict[str, tuple[object, tuple[Event, ...]]] = {
    "AssignCase": (ASSIGN, ()),
    "ReturnCase": (RETURN, ()),
    "ArbitrateCase": (
        ask.ArbitrateCase(department=department("parks", PARKS), arbitrated_at=at(hours=9), reason="yours"),
        (),
    ),
    "HandleCase": (ask.HandleCase(outcome="swept", handled_at=at(hours=2)), ()),
    "CheckCase": (ask.CheckCase(passed=True, checked_at=at(hours=5)), ()),
    "PauseCase": (ask.PauseCase(reason="rain", approved_by=ALICE, paused_at=at(hours=1)), ()),
    "ResumeCase": (ask.ResumeCase(resumed_at=at(hours=9)), ()),
    "RequestExtension": (ask.RequestExtension(extra_s=HOUR, reason="rain", requested_at=at(hours=1)), ()),
    "GrantExtension": (ask.GrantExtension(approved_by=ALICE, granted_at=at(hours=2)), (REQUESTED,)),
    "RefuseExtension": (ask.RefuseExtension(reason="no", refused_by=ALICE), (REQUESTED,)),
    "VoidCase": (ask.VoidCase(reason="filed twice", voided_at=at(hours=1)), ()),
    "SuperviseCase": (ask.SuperviseCase(demand="today", supervised_by=ALICE), ()),
    "CloseCase": (ask.CloseCase(closed_at=at(hours=6)), ()),
}
"""Each command at its plainest, with the facts it needs, told right after the assignment."""


def table() -> dict[tuple[str, CasePhase], str]:
    assert decider.__doc__ is not None
    rows = [line.split() for line in decider.__doc__.splitlines() if re.match(r"^    \w+ ", line)]
    phases = [CasePhase(name) for name in rows[0][1:]]
    return {(row[0], phase): mark for row in rows[1:] for phase, mark in zip(phases, row[1:], strict=True)}


def history(phase: CasePhase, needs: tuple[Event, ...]) -> tuple[Event, ...]:
    """The facts that lead to the phase; what a command needs stands behind the first assignment."""
    told = LIFE[phase]
    place = 2 if len(told) > 1 and told[1] is ASSIGNED else 1
    return (*told[:place], *needs, *told[place:])


@pytest.mark.parametrize(("cell", "mark"), sorted(table().items()), ids=str)
def test_the_decider_does_what_its_table_says(cell: tuple[str, CasePhase], mark: str) -> None:
    name, phase = cell
    command, needs = COMMANDS[name]
    decided = case.decide(command, history(phase, needs))
    assert ("-" if isinstance(decided, Refusal) else "x" if decided else ".") == mark


def test_the_table_names_every_command_but_the_filing() -> None:
    named = {name for name, _ in table()}
    assert named | {"TurnLamp"} == {command.__name__ for command in ADMITTED}
    assert named == set(COMMANDS)


def test_no_phase_refuses_a_lamp_that_was_due() -> None:
    for told in LIFE.values():
        assert not isinstance(case.decide(TURN, told), Refusal)


def test_what_was_never_filed_is_unknown() -> None:
    for command, _ in COMMANDS.values():
        case.given().when(command).then_refused("case.unknown")
