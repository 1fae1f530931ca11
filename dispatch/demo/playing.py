"""Plays flows one after another on one running city and says what came of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from dispatch.demo.cast import Cast
from dispatch.demo.checks import Check
from dispatch.demo.flow import CannotGoOn, Flow, Scene
from domain.refusals import DispatchError


@dataclass(frozen=True, slots=True)
class Played:
    """One flow as it was played."""

    flow: Flow
    station: str
    steps: tuple[str, ...]
    facts: int
    """Recorded in the log meanwhile."""
    seen_by: Mapping[str, Sequence[str]]
    checks: tuple[Check, ...]
    seconds: float

    @property
    def failed(self) -> list[Check]:
        """Expectations that did not hold."""
        return [check for check in self.checks if not check.holds]

    @property
    def passed(self) -> bool:
        """Whether everything was as expected, and anything was expected at all."""
        return bool(self.checks) and not self.failed

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "flow": self.flow.code,
            "name_zh": self.flow.name_zh,
            "name_en": self.flow.name_en,
            "station": self.station,
            "steps": list(self.steps),
            "facts": self.facts,
            "seen_by": {who: list(what) for who, what in self.seen_by.items()},
            "checks": len(self.checks),
            "failed": [
                {"step": each.scene, "expectation": each.expectation, "seen": each.seen} for each in self.failed
            ],
            "pass": self.passed,
            "seconds": self.seconds,
        }


async def play(cast: Cast, flows: Sequence[Flow], *, begin: Callable[[str], None]) -> list[Played]:
    """Each flow at a station of its own. One that cannot go on has failed, and the next one is played."""
    stages = cast.stages(len(flows))
    found = []
    for flow, (station, cameras) in zip(flows, stages, strict=True):
        begin(f"{flow.code} {flow.name_zh} {flow.name_en}")
        found.append(await _played(flow, Scene(cast, station, cameras)))
    return found


async def _played(flow: Flow, scene: Scene) -> Played:
    assert flow.play is not None, f"{flow.code} cannot be played yet"
    began, position = time.monotonic(), await scene.cast.position()
    try:
        await flow.play(scene)
    except CannotGoOn:
        pass  # the expectation that was not met stands in the checks
    except (DispatchError, httpx.HTTPError, KeyError, IndexError, ValueError, TypeError, TimeoutError) as error:
        scene.checks.that("the flow could be played to its end", holds=False, seen=repr(error))
    return Played(
        flow,
        scene.station.code,
        tuple(scene.steps),
        await scene.cast.position() - position,
        scene.seen_by,
        tuple(scene.checks.made),
        round(time.monotonic() - began, 2),
    )
