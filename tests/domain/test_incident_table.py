"""The table in the decider's docstring is the decider."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from domain.event import Event, Place
from domain.incident import commands as ask
from domain.incident import decider
from domain.incident.admission import ADMITTED, EVERY, LATE_IS_NOTHING
from domain.refusals import Refusal
from domain.vocabulary import DismissReason, Disposition, IncidentPhase, Severity
from tests.domain.incident_story import (
    ABSORBED,
    ALARM_RAISED,
    ALICE,
    ANSWERED_LATE,
    CLAIMED,
    ESCALATE,
    GUEST,
    LIFE,
    MERGE,
    MERGE_HERE,
    NOON,
    OFFER,
    OFFERED,
    OPERATION,
    OTHER_STATION,
    OTHER_TRANSFER,
    RESTRICT,
    RESTRICTED,
    ROUTE,
    ROUTED,
    STATION,
    TRANSFER,
    incident,
    owned_by,
)

COMMANDS: dict[str, tuple[object, tuple[Event, ...]]] = {
    "VerifyIncident": (ask.VerifyIncident(), ()),
    "DismissIncident": (ask.DismissIncident(reason=DismissReason.UNFOUNDED), ()),
    "ClassifyIncident": (ask.ClassifyIncident(category="fire.alarm", severity=Severity.MINOR, priority=1), ()),
    "RaiseSeverity": (ask.RaiseSeverity(severity=Severity.EXTREME, priority=0, alert_position=1), ()),
    "RelocateIncident": (ask.RelocateIncident(place=Place(address="by the bridge")), ()),
    "RouteIncident": (ROUTE, ()),
    "AcceptIncident": (ask.AcceptIncident(center_id=STATION), ()),
    "ClaimIncident": (ask.ClaimIncident(operator_id=ALICE), ()),
    "ReleaseClaim": (ask.ReleaseClaim(operator_id=ALICE), (CLAIMED,)),
    "OfferTransfer": (OFFER, ()),
    "MoveIncident": (
        ask.MoveIncident(transfer_id=TRANSFER, to=owned_by(OTHER_STATION), reason="the river", moved_at=NOON),
        (),
    ),
    "AcceptTransfer": (ask.AcceptTransfer(transfer_id=TRANSFER, center_id=OTHER_STATION), (OFFERED,)),
    "DeclineTransfer": (
        ask.DeclineTransfer(transfer_id=TRANSFER, center_id=OTHER_STATION, reason="busy"),
        (OFFERED,),
    ),
    "TimeOutTransfer": (
        ask.TimeOutTransfer(transfer_id=TRANSFER, noticed_at=NOON + timedelta(hours=1)),
        (OFFERED,),
    ),
    "EscalateIncident": (
        ESCALATE.model_copy(update={"deadline": "acknowledge", "assignment_id": GUEST, "to": owned_by(STATION)}),
        (),
    ),
    "RecordLateAnswer": (ANSWERED_LATE, ()),
    "RaiseAlarm": (ask.RaiseAlarm(level=2, plan="fire", wanted=(), reason="it spreads"), ()),
    "LowerAlarm": (ask.LowerAlarm(level=1, plan="fire", wanted=(), reason="under control"), (ALARM_RAISED,)),
    "AcceptForAgency": (ask.AcceptForAgency(agency="traffic_police"), (ROUTED,)),
    "DeclineForAgency": (ask.DeclineForAgency(agency="traffic_police", reason="not ours"), (ROUTED,)),
    "ResolveIncident": (ask.ResolveIncident(disposition=Disposition.SETTLED), ()),
    "CloseIncident": (ask.CloseIncident(), ()),
    "ReopenIncident": (ask.ReopenIncident(reason="it came back"), ()),
    "MergeIncident": (MERGE_HERE, ()),
    "AbsorbIncident": (ask.AbsorbIncident(merge_id=OTHER_TRANSFER, incident_id=GUEST, incident_version=1), ()),
    "UnmergeIncident": (ask.UnmergeIncident(merge_id=MERGE), ()),
    "RestrictIncident": (RESTRICT, ()),
    "ChangeClearance": (ask.ChangeClearance(operation_id=OPERATION, center_ids=(STATION,)), (RESTRICTED,)),
    "LiftRestriction": (ask.LiftRestriction(operation_id=OPERATION, reason="no secret"), (RESTRICTED,)),
    "ReleaseIncident": (ask.ReleaseIncident(merge_id=MERGE, incident_id=GUEST), (ABSORBED,)),
}
"""Each command at its plainest, with the facts it needs, told right after the opening."""


def table() -> dict[tuple[str, IncidentPhase], str]:
    assert decider.__doc__ is not None
    rows = [line.split() for line in decider.__doc__.splitlines() if re.match(r"^    \w+ ", line)]
    phases = [IncidentPhase(name) for name in rows[0][1:]]
    return {(row[0], phase): mark for row in rows[1:] for phase, mark in zip(phases, row[1:], strict=True)}


def said(command: object, history: tuple[Event, ...]) -> str:
    decided = incident.decide(command, history)
    if isinstance(decided, Refusal):
        return "-"
    return "x" if decided else "."


@pytest.mark.parametrize(("cell", "mark"), sorted(table().items()), ids=str)
def test_the_decider_does_what_its_table_says(cell, mark):
    name, phase = cell
    command, needs = COMMANDS[name]
    opened, *rest = LIFE[phase]
    assert said(command, (opened, *needs, *rest)) == mark


def test_the_table_names_every_command_but_the_opening():
    named = {name for name, _ in table()}
    assert named == {command.__name__ for command in ADMITTED} == set(COMMANDS)


def test_only_reactors_are_answered_with_silence_when_they_come_too_late():
    for command, phases in ADMITTED.items():
        for phase in EVERY - phases:
            expected = "." if command in LATE_IS_NOTHING else "-"
            assert table()[command.__name__, phase] == expected
