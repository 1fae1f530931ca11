"""A flood night as a list of messages: mostly at few places, a third of them sent twice. Same seed, same night."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from dispatch.directory_entries import CameraEntry
from domain.identifiers import timed

HOT_SPOTS = 20
"""Cameras that most alerts come from: flooded underpasses and the junctions jammed by them."""
KINDS = ("waterlogging", "accident", "congestion", "water_level")


@dataclass(frozen=True, slots=True)
class Sending:
    """One request of the night. `repeats` names the first sending of the same bytes."""

    due_s: float
    gateway: str
    alert: str
    body: bytes
    repeats: bool


class Dice:
    """Repeatable chance without a generator's state: the n-th throw of a seed is a hash."""

    def __init__(self, seed: int) -> None:
        self._seed = str(seed)
        self._throws = count()

    def below(self, sides: int) -> int:
        """A whole number from 0 to `sides` - 1."""
        throw = timed(datetime.fromisoformat("1970-01-01T00:00:00+00:00"), "dice", self._seed, str(next(self._throws)))
        return (throw.int & ((1 << 60) - 1)) % sides

    def happens(self, share: float) -> bool:
        """True for this share of throws."""
        return self.below(1_000_000) < share * 1_000_000


def storm(
    cameras: Sequence[CameraEntry],
    *,
    begins_at: datetime,
    rate: float,
    duration_s: float,
    duplicates: float,
    same_spot: float,
    seed: int,
    name: str = "storm",
) -> list[Sending]:
    """`rate` × `duration_s` sendings, evenly in time; `duplicates` of them exact repeats of an earlier one; `same_spot`
    of the others at hot spots. `cameras` are the city's own, in a stable order; ids begin with `name`."""
    dice = Dice(seed)
    hot = [cameras[dice.below(len(cameras))] for _ in range(HOT_SPOTS)]
    sendings: list[Sending] = []
    firsts: list[Sending] = []
    for number in range(round(rate * duration_s)):
        due_s = number / rate
        if firsts and dice.happens(duplicates):
            first = firsts[dice.below(len(firsts))]
            sendings.append(Sending(due_s, first.gateway, first.alert, first.body, repeats=True))
            continue
        spot = dice.below(HOT_SPOTS)
        camera, kind = (hot[spot], KINDS[spot % len(KINDS)])
        if not dice.happens(same_spot):
            camera, kind = cameras[dice.below(len(cameras))], KINDS[dice.below(len(KINDS))]
        first = _alert(
            f"{name}-{begins(begins_at)}-{number:07d}", camera, kind, begins_at + timedelta(seconds=due_s), due_s
        )
        firsts.append(first)
        sendings.append(first)
    return sendings


def _alert(name: str, camera: CameraEntry, kind: str, at: datetime, due_s: float) -> Sending:
    body = {
        "id": name,
        "kind": kind,
        "severity": "moderate",
        "camera": camera.code,
        "occurred_at": at.isoformat(),
        "confidence": 0.87,
        "text": "rule 4 fired, region 2",
    }
    assert camera.gateway is not None, "a storm comes from the city's own cameras"
    return Sending(due_s, camera.gateway, name, json.dumps(body).encode(), repeats=False)


def begins(at: datetime) -> str:
    """The night's name inside ids."""
    return at.strftime("%Y%m%d")
