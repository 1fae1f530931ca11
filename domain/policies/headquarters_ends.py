"""When temporary headquarters end by themselves: a fold of facts, as for orders (`domain.policies.order_deadlines`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.event import Event, Fact
from domain.headquarters.events import (
    HeadquartersExpired,
    HeadquartersExtended,
    HeadquartersOpened,
    HeadquartersStoodDown,
)
from domain.policies.dues import DueQueue

SETS: tuple[type[Event], ...] = (HeadquartersOpened, HeadquartersExtended)
ENDS: tuple[type[Event], ...] = (HeadquartersStoodDown, HeadquartersExpired)
TOPICS: tuple[str, ...] = tuple(event.name for event in (*SETS, *ENDS))
"""What the list folds."""


@dataclass(frozen=True, slots=True)
class HeadquartersDue:
    """One headquarters that is open."""

    key: UUID
    due_at: datetime
    position: int

    kind = "headquarters_end"

    @property
    def stream_id(self) -> UUID:
        """The headquarters."""
        return self.key


class HeadquartersDues(DueQueue[UUID, HeadquartersDue]):
    """What ends when."""

    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact; others change nothing."""
        event = fact.gist()
        if isinstance(event, HeadquartersOpened | HeadquartersExtended):
            self._put(HeadquartersDue(fact.stream_id, event.ends_at, fact.position))
        elif isinstance(event, ENDS):
            self.drop(fact.stream_id)
