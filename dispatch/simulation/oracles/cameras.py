"""Cameras: each is as it said of itself, by when it said so; in a simulated town nobody else speaks of cameras."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from dispatch.simulation.reading import Story
from domain.alert.events import CameraHealthTold
from domain.camera.events import CameraHealthChanged
from domain.vocabulary import CameraHealth

ORDER = (CameraHealth.ONLINE, CameraHealth.DEGRADED, CameraHealth.OFFLINE)


def broken_conditions(story: Story) -> Iterator[str]:
    """What does not hold of any camera, or is left to be learnt when the town has come to rest."""
    said: dict[UUID, dict[str, tuple[CameraHealth, datetime]]] = {}
    owed: dict[tuple[UUID, str], list[CameraHealth]] = {}
    seen: dict[UUID, CameraHealth] = {}
    for fact in story.facts:
        match fact.event:
            case CameraHealthTold(camera_id=camera, word=word, health=health):
                words = said.setdefault(camera, {})
                before, at = words.get(word, (None, fact.occurred_at))
                if before is not health and fact.occurred_at >= at:
                    words[word] = health, fact.occurred_at
                    owed.setdefault((camera, word), []).append(health)
            case CameraHealthChanged(reason=reason, health=health, effective=effective):
                waiting = owed.get((fact.stream_id, reason or ""), [])
                if not waiting or waiting.pop(0) is not health:
                    yield f"camera: {fact.stream_id} is said at {fact.position} to be {health}, which nobody told"
                seen[fact.stream_id] = effective
            case _:
                pass
    for (camera, word), waiting in owed.items():
        if waiting:
            yield f"camera: nobody learnt of {camera} that {word} is {', '.join(waiting)}"
    for camera, words in said.items():
        due = max((health for health, _ in words.values()), key=ORDER.index)
        if seen.get(camera) is not due:
            yield f"camera: {camera} is {seen.get(camera)}, by its own words {due}"
