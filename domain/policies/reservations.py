"""When reservations of units begin and when they are over: a fold of facts (`domain.policies.dues`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.assignment.events import ReservationBegan, ReservationExpired, ReservationReleased, UnitReserved
from domain.event import Event, Fact
from domain.policies.dues import DueQueue

TOPICS: tuple[str, ...] = tuple(
    event.name for event in (UnitReserved, ReservationBegan, ReservationReleased, ReservationExpired)
)
"""What the list folds."""

Key = tuple[UUID, UUID]
"""(unit, reservation)."""


@dataclass(frozen=True, slots=True)
class ReservationDue:
    """A reservation that is to begin, or to end at `ends_at`."""

    key: Key
    due_at: datetime
    position: int
    ends_at: datetime

    @property
    def kind(self) -> str:
        """reservation_begins or reservation_ends."""
        return "reservation_ends" if self.due_at == self.ends_at else "reservation_begins"

    @property
    def stream_id(self) -> UUID:
        """The unit."""
        return self.key[0]


class ReservationDues(DueQueue[Key, ReservationDue]):
    """What is due when."""

    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact; others change nothing."""
        match fact.gist():
            case UnitReserved(reservation_id=key, begins_at=begins_at, ends_at=ends_at):
                self._put(ReservationDue((fact.stream_id, key), begins_at, fact.position, ends_at))
            case ReservationBegan(reservation_id=key):
                found = self._dues.get((fact.stream_id, key))
                if found is not None:
                    self._put(ReservationDue(found.key, found.ends_at, found.position, found.ends_at))
            case ReservationReleased(reservation_id=key) | ReservationExpired(reservation_id=key):
                self.drop((fact.stream_id, key))
            case _:
                pass
