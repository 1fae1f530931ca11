"""How a camera is, by what machines and what people say: it is as bad as the worse of the two.

Until somebody says otherwise a camera is online and armed, so 150,000 cameras of which nothing is wrong need no fact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from domain.camera.events import CameraArmingChanged, CameraHealthChanged
from domain.camera.vocabulary import CameraHealth, ConditionSource

PEOPLE = frozenset({ConditionSource.MAINTAINER, ConditionSource.OPERATOR})
_BADNESS = {CameraHealth.ONLINE: 0, CameraHealth.DEGRADED: 1, CameraHealth.OFFLINE: 2}


@dataclass(frozen=True, slots=True)
class Condition:
    """What each of the two said last, and how often what follows from both has changed."""

    health_by_machine: CameraHealth = CameraHealth.ONLINE
    health_by_people: CameraHealth = CameraHealth.ONLINE
    armed_by_machine: bool = True
    armed_by_people: bool = True
    health_number: int = 0
    arming_number: int = 0

    @property
    def health(self) -> CameraHealth:
        """The worse of the two."""
        return max(self.health_by_machine, self.health_by_people, key=_BADNESS.__getitem__)

    @property
    def armed(self) -> bool:
        """Neither says that it is off."""
        return self.armed_by_machine and self.armed_by_people

    def health_said(self, source: ConditionSource) -> CameraHealth:
        """What this source, or another of its side, said last."""
        return self.health_by_people if source in PEOPLE else self.health_by_machine

    def armed_said(self, source: ConditionSource) -> bool:
        """The same of its alarms."""
        return self.armed_by_people if source in PEOPLE else self.armed_by_machine

    def with_health(self, source: ConditionSource, health: CameraHealth) -> Condition:
        """After such a word."""
        after = replace(self, health_by_people=health) if source in PEOPLE else replace(self, health_by_machine=health)
        return replace(after, health_number=self.health_number + (after.health is not self.health))

    def with_arming(self, source: ConditionSource, *, armed: bool) -> Condition:
        """After such a word."""
        after = replace(self, armed_by_people=armed) if source in PEOPLE else replace(self, armed_by_machine=armed)
        return replace(after, arming_number=self.arming_number + (after.armed is not self.armed))

    def after(self, event: CameraHealthChanged | CameraArmingChanged) -> Condition:
        """Fold one fact."""
        if isinstance(event, CameraHealthChanged):
            return self.with_health(event.source, event.health)
        return self.with_arming(event.source, armed=event.armed)


NOTHING_WRONG = Condition()
