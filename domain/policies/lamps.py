"""Which lamps are due when: a fold of the facts of cases, like the list of deadlines (`domain.policies.escalation`).

A limit that a fact sets running is due twice: when 80 % of it are used, and when all of it is. What stops the limit
before that ends the matter; what stops it later leaves it missed, and it stays due until that is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from domain.casework.events import EVENTS, LampTurned, limit_in, stopped_at
from domain.event import Event, Fact
from domain.policies.dues import DueQueue
from domain.vocabulary import Lamp

Key: TypeAlias = tuple[UUID, int, Lamp]
"""The case, the number of the limit in it, the lamp."""
STOPS = frozenset({"returned_at", "paused_at", "checked_at", "voided_at"})
"""Fields that say when a limit was stopped, of facts that may set no other one running."""
TOPICS: tuple[str, ...] = (
    LampTurned.name,
    *(event.name for event in EVENTS if not (STOPS | {"limit"}).isdisjoint(event.model_fields)),
)
"""What the list folds: all that sets a limit running, stops one, or says that a lamp turned."""


@dataclass(frozen=True, slots=True)
class LampDue:
    """One lamp of one limit. `position` is that of the fact that set the limit running."""

    case_id: UUID
    limit_number: int
    lamp: Lamp
    due_at: datetime
    position: int
    has_ended: bool = False

    @property
    def kind(self) -> str:
        """lamp_amber or lamp_red."""
        return f"lamp_{self.lamp}"

    @property
    def stream_id(self) -> UUID:
        """The case."""
        return self.case_id

    @property
    def key(self) -> Key:
        """Whose lamp."""
        return self.case_id, self.limit_number, self.lamp


class LampList(DueQueue[Key, LampDue]):
    """What is due when."""

    def __init__(self) -> None:
        super().__init__()
        self._of_case: dict[UUID, set[Key]] = {}

    def drop(self, key: Key) -> None:
        """It is recorded, or there is nothing to record."""
        if key in self:
            super().drop(key)
            self._of_case[key[0]].discard(key)
            if not self._of_case[key[0]]:
                del self._of_case[key[0]]

    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact."""
        event = fact.gist()
        if isinstance(event, LampTurned):
            self.drop((fact.stream_id, event.limit_number, event.lamp))
            return
        at = stopped_at(event)
        if at is not None:
            self._stop(fact.stream_id, at)
        limit = limit_in(event)
        if limit is None:
            return
        for lamp, due_at in ((Lamp.AMBER, limit.amber_at), (Lamp.RED, limit.red_at)):
            if due_at is not None:
                self._put(LampDue(fact.stream_id, limit.number, lamp, due_at, fact.position))

    def _stop(self, case_id: UUID, at: datetime) -> None:
        for key in [*self._of_case.get(case_id, ())]:
            due = self._dues[key]
            if due.has_ended:
                continue
            if at <= due.due_at:
                self.drop(key)
            else:
                self._dues[key] = replace(due, has_ended=True)

    def _put(self, due: LampDue) -> None:
        super()._put(due)
        self._of_case.setdefault(due.case_id, set()).add(due.key)
