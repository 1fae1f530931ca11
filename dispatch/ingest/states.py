"""What a gateway says of its cameras, from bytes to an answer: HTTP and NATS share it.

    {"states": [{"camera": "51010400001310000017", "health": "offline", "reason": "no signal"}, ...]}

An empty list is a sign of life and nothing else. A name that is none of its cameras does not spoil the others.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from dispatch.handling.alerts import Sender
from dispatch.handling.cameras import CameraSaid, ConditionDesk, StatesTaken
from dispatch.handling.scribe import Request
from dispatch.ingest.hardened_json import parse_json
from dispatch.ingest.message import invalid
from dispatch.ports import Clock, Ids
from domain.camera.vocabulary import ConditionSource
from domain.event import Frozen

STATES_MAX = 1_000
"""Cameras in one report; a gateway with more sends several."""
NAMED_MAX = 100
"""Names that were not understood, in an answer."""


class StatesReport(Frozen):
    """How cameras are. What is left out of an entry is not said."""

    states: tuple[CameraSaid, ...] = Field(max_length=STATES_MAX)


class StatesIntake:
    """Takes reports of cameras' states. One for a process."""

    def __init__(self, desk: ConditionDesk, clock: Clock, ids: Ids) -> None:
        self._desk = desk
        self._clock = clock
        self._ids = ids

    async def take(self, report: StatesReport, sender: Sender) -> StatesTaken:
        """Record what is new. Raises `Unavailable`, `Conflict`, `Refused`."""
        request = Request(sender.actor, self._clock.now(), self._ids.new())
        return await self._desk.take(sender.gateway, report.states, ConditionSource.GATEWAY, request)


def report_in(body: bytes) -> StatesReport:
    """Read a report. Raises `NotUnderstood`."""
    document = parse_json(body)
    try:
        return StatesReport.model_validate(document)
    except ValidationError as error:
        raise invalid(error) from None


def document_of_states(taken: StatesTaken) -> dict[str, Any]:
    """What the gateway hears."""
    return {
        "status": 200,
        "cameras": taken.cameras,
        "changed": taken.changed,
        "unknown": list(taken.unknown[:NAMED_MAX]),
        "foreign": list(taken.foreign[:NAMED_MAX]),
        "position": taken.position,
    }
