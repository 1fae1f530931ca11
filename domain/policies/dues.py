"""What is due when, as every list of deadlines keeps it: a fold of facts, earliest first.

A list says which facts set a deadline, move it and end it (`apply`); the rest is the same for all. It serves a dozen
deadlines and a hundred thousand: what has passed and what comes next are found without looking at the others.
"""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from domain.event import Event, Fact


class Due(Protocol):
    """One deadline. Reading the log from just before `position` is enough to know of it."""

    @property
    def key(self) -> Any:
        """What tells it from all others of its list; a tuple that can be ordered."""

    @property
    def kind(self) -> str:
        """What was missed, as it is counted."""

    @property
    def stream_id(self) -> UUID:
        """Whose decider is asked when it has passed."""

    @property
    def due_at(self) -> datetime:
        """When it passes."""

    @property
    def position(self) -> int:
        """The first fact that it needs."""


K = TypeVar("K")
D = TypeVar("D", bound=Due)


class DueQueue(ABC, Generic[K, D]):
    """Deadlines by key, one a key."""

    def __init__(self) -> None:
        self._dues: dict[K, D] = {}
        self._heap: list[tuple[datetime, Any, K]] = []

    def __len__(self) -> int:
        return len(self._dues)

    def __contains__(self, key: K) -> bool:
        return key in self._dues

    @abstractmethod
    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact; those that set or meet no deadline change nothing."""

    def until(self, now: datetime, limit: int) -> list[D]:
        """Those that have passed, earliest first. They stay until a fact ends them, or they are dropped."""
        passed: dict[K, D] = {}
        while len(passed) < limit and (heap := self._trimmed()) and heap[0][0] <= now:
            key = heapq.heappop(heap)[2]
            passed[key] = self._dues[key]
        for due in passed.values():
            self._put(due)
        return list(passed.values())

    def next_at(self) -> datetime | None:
        """The earliest deadline."""
        heap = self._trimmed()
        return heap[0][0] if heap else None

    def oldest_position(self) -> int | None:
        """The first fact that this list still needs; None if it is empty."""
        return min((due.position for due in self._dues.values()), default=None)

    def drop(self, key: K) -> None:
        """It is recorded, or there is nothing to record."""
        self._dues.pop(key, None)

    def postpone(self, key: K, until: datetime) -> None:
        """What is to be said cannot be known yet: look again then."""
        due: Any = self._dues.get(key)
        if due is not None:
            self._put(replace(due, due_at=until))

    def _put(self, due: D) -> None:
        """It runs; what ran under its key before does not."""
        self._dues[due.key] = due
        heapq.heappush(self._heap, (due.due_at, self._rank(due), due.key))

    def _rank(self, due: D) -> Any:
        """What goes first of those due at the same instant: who was set first."""
        return due.position

    def _trimmed(self) -> list[tuple[datetime, Any, K]]:
        """The heap without entries that were dropped or replaced at its head."""
        while self._heap:
            due_at, _, key = self._heap[0]
            due = self._dues.get(key)
            if due is not None and due.due_at == due_at:
                break
            heapq.heappop(self._heap)
        return self._heap
