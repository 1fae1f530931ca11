"""When changes of the tree come to be: a fold of facts, as for rules to come (`domain.policies.rulebook_schedule`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.center.events import TreeChangeApplied, TreeChangeCalledOff, TreeChangeRefused, TreeChangeScheduled
from domain.event import Event, Fact
from domain.policies.dues import DueQueue

SETS: tuple[type[Event], ...] = (TreeChangeScheduled,)
ENDS: tuple[type[Event], ...] = (TreeChangeApplied, TreeChangeRefused, TreeChangeCalledOff)
TOPICS: tuple[str, ...] = tuple(event.name for event in (*SETS, *ENDS))
"""What the list folds."""


@dataclass(frozen=True, slots=True)
class TreeDue:
    """One change that is to come."""

    key: UUID
    due_at: datetime
    position: int

    kind = "tree_change"

    @property
    def stream_id(self) -> UUID:
        """The change."""
        return self.key


class TreeDues(DueQueue[UUID, TreeDue]):
    """What comes to be when."""

    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact; others change nothing."""
        event = fact.gist()
        if isinstance(event, TreeChangeScheduled):
            self._put(TreeDue(fact.stream_id, event.effective_at, fact.position))
        elif isinstance(event, ENDS):
            self.drop(fact.stream_id)
