"""When which version of the rulebook is to be put in force: a fold of facts, as every list of what is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from domain.event import Event, Fact
from domain.policies.dues import DueQueue
from domain.rulebook.events import RulebookActivated, RulebookScheduled, RulebookUnscheduled

TOPICS: tuple[str, ...] = (RulebookScheduled.name, RulebookUnscheduled.name, RulebookActivated.name)
Key: TypeAlias = tuple[UUID, int]
"""The rulebook, the version."""


@dataclass(frozen=True, slots=True)
class VersionDue:
    """One version of one city's rulebook."""

    stream_id: UUID
    version: int
    due_at: datetime
    position: int

    kind = "rulebook_version"

    @property
    def key(self) -> Key:
        """Whose version."""
        return self.stream_id, self.version


class Schedule(DueQueue[Key, VersionDue]):
    """What is due when: of several versions whose time has come, the last one decides."""

    def apply(self, fact: Fact[Event]) -> None:
        """Fold one fact; others change nothing."""
        match fact.gist():
            case RulebookScheduled(version=version, effective_at=effective_at):
                self._put(VersionDue(fact.stream_id, version, effective_at, fact.position))
            case RulebookUnscheduled(version=version):
                self.drop((fact.stream_id, version))
            case RulebookActivated(version=version, effective_at=effective_at):
                waiting = self._dues.get((fact.stream_id, version))
                if waiting is not None and waiting.due_at <= effective_at:
                    self.drop(waiting.key)
            case _:
                pass
