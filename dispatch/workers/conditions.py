"""The keeper of cameras' conditions: what a camera said of its own seeing, in an alert, becomes how it is.

The alert itself is nobody's incident; it is recorded and left alone. Who said it, and the word, stand with the change.
A repeat changes nothing, and a word that is older than what the device said since comes too late.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from dispatch.handling.folding import folded
from dispatch.handling.scribe import Change
from dispatch.ports import EventLog, RecordedEvent
from domain.alert.events import CameraHealthTold
from domain.camera.commands import ReportTrouble
from domain.camera.decider import INITIAL, decide, evolve
from domain.camera.events import ToldTrouble
from domain.event import Event, Fact
from domain.refusals import Refusal

PAGE_FACTS = 500


class Conditions:
    """The reactor."""

    name = "conditions"
    topics = frozenset({CameraHealthTold.name})
    page_events = PAGE_FACTS
    linger_s = 0.05  # no dispatcher waits for it

    def __init__(self, *, log: EventLog) -> None:
        self._log = log

    async def prepare(self, mark: int) -> None:
        """Nothing is remembered."""
        assert mark >= 0, "marks start at 0"

    async def decide(self, page: Sequence[Fact[Event]]) -> Sequence[Change]:
        """One change for each camera of the page, in the page's order."""
        told: dict[UUID, list[Fact[Event]]] = {}
        for fact in page:
            assert isinstance(fact.event, CameraHealthTold), "as its topic"
            told.setdefault(fact.event.camera_id, []).append(fact)
        streams = await self._log.read_streams(list(told))
        return [_changed(camera_id, streams[camera_id], facts) for camera_id, facts in told.items()]


def _changed(camera_id: UUID, rows: Sequence[RecordedEvent], told: Sequence[Fact[Event]]) -> Change:
    """What follows for one camera; nothing for one that is not in use any more."""
    state, events = folded(rows, INITIAL, evolve), list[Event]()
    for fact in told:
        assert isinstance(fact.event, CameraHealthTold), "as its topic"
        said = fact.event
        trouble = ToldTrouble(word=said.word, told_at=fact.occurred_at, is_lasting=said.is_lasting)
        decided = decide(ReportTrouble(trouble=trouble, health=said.health), state)
        for event in () if isinstance(decided, Refusal) else decided:
            events.append(event)
            state = evolve(state, event)
    return Change(
        camera_id,
        rows[-1].version if rows else 0,
        tuple(events),
        occurred_at=told[-1].occurred_at,
        causation_id=told[-1].envelope.event_id,
    )
