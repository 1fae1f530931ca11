"""Social cameras are attached and detached (O8: 150,000 and more), and machines and people say how cameras are.

A gateway repeats the state of all its cameras every minute. What it says is compared with the directory, which is
brought up to the log's end first; only cameras of which it says anything new are loaded, so a repeat costs one look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import Field

from dispatch.directory import Directory
from dispatch.handling.folding import folded
from dispatch.handling.scribe import Change, Outcome, Request, Scribe
from domain.camera.commands import CameraCommand, ConditionCommand, ReportArming, ReportHealth
from domain.camera.condition import Condition
from domain.camera.decider import INITIAL, decide, evolve
from domain.camera.vocabulary import ArmingCause, ConditionSource
from domain.event import Event, Frozen
from domain.refusals import Refusal
from domain.vocabulary import CameraHealth


class CameraDesk:
    """Attaches and detaches cameras. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    async def execute(self, commands: Mapping[UUID, CameraCommand], request: Request) -> Outcome:
        """All of them or none: whoever attaches a thousand must not wonder which.

        The answer has `camera_ids` in the order of the commands, and how many `changed`.
        """

        async def attempt() -> tuple[Sequence[Change], Mapping[str, Any]] | Refusal:
            loaded = await self._scribe.load_many(list(commands), INITIAL, evolve)
            changes = []
            for camera_id, command in commands.items():
                decided = decide(command, loaded[camera_id].state)
                if isinstance(decided, Refusal):
                    return decided
                if decided:
                    changes.append(Change(camera_id, loaded[camera_id].version, decided))
            answer = {"camera_ids": [str(camera_id) for camera_id in commands], "cameras_changed": len(changes)}
            return changes, answer

        return await self._scribe.decide(attempt, request)


class CameraSaid(Frozen):
    """What is said of one camera: its health, or its alarms, or both."""

    camera: str = Field(min_length=1, max_length=100, description="20-digit code, or the gateway's own name.")
    health: CameraHealth | None = None
    reason: str | None = Field(default=None, max_length=500)
    armed: bool | None = None
    armed_by: ArmingCause = Field(default=ArmingCause.SCHEDULE, description="Why its alarms are on or off.")
    armed_reason: str | None = Field(default=None, max_length=500)

    def commands(self, source: ConditionSource) -> list[ConditionCommand]:
        """The same as commands."""
        found: list[ConditionCommand] = []
        if self.health is not None:
            found.append(ReportHealth(health=self.health, source=source, reason=self.reason))
        if self.armed is not None:
            found.append(ReportArming(armed=self.armed, source=source, cause=self.armed_by, reason=self.armed_reason))
        return found


@dataclass(frozen=True, slots=True)
class StatesTaken:
    """What became of a gateway's report: how many cameras it changed, and the names that are none of its cameras."""

    cameras: int
    changed: int
    unknown: tuple[str, ...]
    foreign: tuple[str, ...]
    position: int


class ConditionDesk:
    """Takes what gateways and people say about cameras. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe, directory: Directory) -> None:
        self._scribe = scribe
        self._directory = directory

    async def say(self, camera_id: UUID, commands: Sequence[ConditionCommand], request: Request) -> Outcome:
        """What a person says of one camera."""

        async def attempt() -> tuple[Sequence[Change], Mapping[str, Any]] | Refusal:
            decided = await self._decided({camera_id: commands})
            return decided if isinstance(decided, Refusal) else (decided, {"camera_id": str(camera_id)})

        return await self._scribe.decide(attempt, request)

    async def take(
        self, gateway: str | None, said: Sequence[CameraSaid], source: ConditionSource, request: Request
    ) -> StatesTaken:
        """A machine's report, recorded as far as it says anything new. `gateway` None: it may speak for any camera."""
        await self._directory.catch_up()
        last: dict[UUID, dict[type[ConditionCommand], ConditionCommand]] = {}
        unknown, foreign = [], []
        for one in said:
            camera = self._directory.camera(one.camera, gateway=gateway)
            if camera is None:
                unknown.append(one.camera)
            elif not camera.is_of(gateway):
                foreign.append(one.camera)
            else:
                # A camera may be named twice, by its code and by the gateway's own name: its last word counts.
                last.setdefault(camera.id, {}).update({type(each): each for each in one.commands(source)})
        wanted = {camera_id: self._news(camera_id, words.values()) for camera_id, words in last.items()}
        wanted = {camera_id: news for camera_id, news in wanted.items() if news}
        changed, position = 0, self._directory.position
        if wanted:
            outcome = await self._recorded(wanted, request)
            changed, position = int(outcome.answer["cameras_changed"]), outcome.position
        return StatesTaken(len(said), changed, tuple(unknown), tuple(foreign), position)

    def _news(self, camera_id: UUID, words: Iterable[ConditionCommand]) -> list[ConditionCommand]:
        condition = self._directory.condition(camera_id)
        return [each for each in words if _is_news(each, condition)]

    async def _recorded(self, wanted: Mapping[UUID, Sequence[ConditionCommand]], request: Request) -> Outcome:
        async def attempt() -> tuple[Sequence[Change], Mapping[str, Any]] | Refusal:
            decided = await self._decided(wanted)
            if isinstance(decided, Refusal):
                return decided
            return decided, {"cameras_changed": len(decided)}

        return await self._scribe.decide(attempt, request)

    async def _decided(self, wanted: Mapping[UUID, Sequence[ConditionCommand]]) -> list[Change] | Refusal:
        changes = []
        for camera_id, rows in (await self._scribe.log.read_streams(sorted(wanted))).items():
            state = folded(rows, INITIAL, evolve)
            events: list[Event] = []
            for command in wanted[camera_id]:
                decided = decide(command, state)
                if isinstance(decided, Refusal):
                    return decided
                for event in decided:
                    events.append(event)
                    state = evolve(state, event)
            if events:
                changes.append(Change(camera_id, rows[-1].version, tuple(events)))
        return changes


def _is_news(command: ConditionCommand, condition: Condition) -> bool:
    if isinstance(command, ReportHealth):
        return condition.is_news(command.source, command.health)
    return condition.armed_said(command.source) is not command.armed
