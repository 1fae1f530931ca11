"""By when requests for aid are to be answered: a fold of facts, as for orders (`domain.policies.order_deadlines`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.aid.events import AidAccepted, AidAnswerMissed, AidDeclined, AidRequested, AidWithdrawn
from domain.event import Event, Fact
from domain.policies.dues import DueQueue

OPENS: tuple[type[Event], ...] = (AidRequested,)
ENDS: tuple[type[Event], ...] = (AidAccepted, AidDeclined, AidWithdrawn, AidAnswerMissed)
TOPICS: tuple[str, ...] = tuple(event.name for event in (*OPENS, *ENDS))
"""What the list folds."""


@dataclass(frozen=True, slots=True)
class AidDue:
    """One request that waits for its answer."""

    key: UUID
    due_at: datetime
    position: int

    kind = "aid_answer"

    @property
    def stream_id(self) -> UUID:
        """The request."""
        return self.key


class AidDues(DueQueue[UUID, AidDue]):
    """What is due when."""

    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact; others change nothing."""
        event = fact.gist()
        if isinstance(event, AidRequested):
            self._put(AidDue(fact.stream_id, event.answer_by, fact.position))
        elif isinstance(event, ENDS):
            self.drop(fact.stream_id)
