"""Operations: run in their order, watched by those who take part, and a restricted one known to nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from dispatch.simulation.flows.operations import SECRET
from dispatch.simulation.history import Looked
from dispatch.simulation.reading import Story
from domain.event import Event, Fact
from domain.operation import events as operation

AFTER_ITS_END = (operation.CameraReleased, operation.IncidentAttached, operation.IncidentDetached)
OWN_SCREENS = frozenset({"operations", "operation_points"})
"""Where a restricted operation may stand: both are shown by the rule that is checked here."""


@dataclass(slots=True)
class Undertaking:
    """An operation as its facts tell it."""

    planned: operation.OperationPlanned
    phase: str = "planned"
    members: set[UUID] = field(default_factory=set)
    passed: set[UUID] = field(default_factory=set)
    checkpoints: set[UUID] = field(default_factory=set)
    situations: int = 0

    def is_known_to(self, center_id: UUID) -> bool:
        """Whether a center may know that there is one."""
        return not self.planned.restricted or center_id in self.planned.path or center_id in self.members


def broken_operations(story: Story, looked: Iterable[Looked]) -> Iterator[str]:
    """What does not hold of any operation, and who was shown one, or was not, against the rule."""
    found: dict[UUID, Undertaking] = {}
    looks = sorted(looked, key=lambda look: look.position)
    for fact in story.facts:
        while looks and looks[0].position < fact.position:
            yield from _seen(looks.pop(0), found)
        if isinstance(fact.event, operation.OperationPlanned):
            if fact.stream_id in found:
                yield f"operation: planned twice, at {fact.position} again"
            found[fact.stream_id] = Undertaking(fact.event)
        elif fact.stream_id in found:
            yield from _step(found[fact.stream_id], fact)
    for look in looks:
        yield from _seen(look, found)


def _seen(look: Looked, found: Mapping[UUID, Undertaking]) -> Iterator[str]:
    known = {one for one, undertaking in found.items() if undertaking.is_known_to(look.center_id)}
    for one in look.shown - known:
        yield f"restricted: {look.center_id} was shown {one} at {look.position}, which it must not know of"
    for one in known - look.shown:
        yield f"operation: {look.center_id} was not shown {one} at {look.position}"


def _step(undertaking: Undertaking, fact: Fact[Event]) -> Iterator[str]:  # noqa: C901  # one case a fact, none nested
    event, at = fact.event, f"{fact.event.name} at {fact.position}"
    if undertaking.phase == "ended" and not isinstance(event, AFTER_ITS_END):
        yield f"operation: {at} comes after its end"
    match event:
        case operation.MemberAdded(center_id=center_id):
            if center_id in undertaking.members or center_id in undertaking.planned.path:
                yield f"operation: {at} adds who takes part already"
            undertaking.members.add(center_id)
        case operation.MemberRemoved(center_id=center_id):
            if center_id not in undertaking.members:
                yield f"operation: {at} removes who does not take part"
            undertaking.members.discard(center_id)
        case operation.CheckpointSet(checkpoint_id=checkpoint_id):
            if checkpoint_id in undertaking.passed:
                yield f"operation: {at} sets a checkpoint that was passed"
            undertaking.checkpoints.add(checkpoint_id)
        case operation.CheckpointPassed(checkpoint_id=checkpoint_id):
            new = checkpoint_id in undertaking.checkpoints - undertaking.passed
            if undertaking.phase != "under_way" or not new:
                yield f"operation: {at} passes a checkpoint while {undertaking.phase}, set and not passed: {new}"
            undertaking.passed.add(checkpoint_id)
        case operation.CameraAssigned(center_id=center_id):
            if center_id not in {*undertaking.planned.path, *undertaking.members}:
                yield f"operation: {at} lets {center_id} watch, which does not take part"
        case operation.OperationStarted():
            if undertaking.phase != "planned":
                yield f"operation: {at} starts what is {undertaking.phase}"
            undertaking.phase = "under_way"
        case operation.OperationEnded():
            undertaking.phase = "ended"
        case operation.SituationReported(number=number):
            undertaking.situations += 1
            if number != undertaking.situations:
                yield f"operation: {at} is situation {number}, it is the {undertaking.situations}."
        case _:
            pass


def told_secrets(
    story: Story, screens: Mapping[str, Mapping[Any, Any]], feeds: Mapping[str, Iterable[Any]]
) -> Iterator[str]:
    """Where words of a restricted operation stand that are for nobody there to read. If there was none, there are no
    such words, and nothing is searched."""
    if not any(isinstance(fact.event, operation.OperationPlanned) and fact.event.restricted for fact in story.facts):
        return
    for name, rows in screens.items():
        if name not in OWN_SCREENS and any(SECRET in str(row) for row in rows.values()):
            yield f"restricted: the screen {name} tells of it"
    for agency, entries in feeds.items():
        if any(SECRET.encode() in entry["body"] for entry in entries):
            yield f"restricted: the feed of {agency} tells of it"
