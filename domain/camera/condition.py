"""How a camera is, by what its gateway, the device itself and people say: it is as bad as the worst of them.

Until somebody says otherwise a camera is online and armed, so 150,000 cameras of which nothing is wrong need no fact.

A device says each trouble apart (no picture, covered, out of focus), with its beginning and its end: it is as bad as
the worst that lasts. A format without an end (GB/T 28181) leaves it to the gateway's next word. A person who says
`online` ends whatever the device said by then; the device's next word counts again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.camera.events import CameraArmingChanged, CameraHealthChanged, ToldTrouble
from domain.camera.vocabulary import ConditionSource
from domain.vocabulary import CameraHealth

PEOPLE = frozenset({ConditionSource.MAINTAINER, ConditionSource.OPERATOR})
_BADNESS = {CameraHealth.ONLINE: 0, CameraHealth.DEGRADED: 1, CameraHealth.OFFLINE: 2}


@dataclass(frozen=True, slots=True)
class Trouble:
    """How bad one trouble is, and since when. One that is over is kept: what it said before comes too late."""

    health: CameraHealth
    told_at: datetime
    is_lasting: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """What each of them said last, and how often what follows from all has changed."""

    health_by_machine: CameraHealth = CameraHealth.ONLINE
    health_by_people: CameraHealth = CameraHealth.ONLINE
    armed_by_machine: bool = True
    armed_by_people: bool = True
    health_number: int = 0
    arming_number: int = 0
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    """By the device's own word."""

    @property
    def health(self) -> CameraHealth:
        """The worst of them."""
        said = (self.health_by_machine, self.health_by_people, *(each.health for each in self.troubles.values()))
        return max(said, key=_BADNESS.__getitem__)

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

    def is_news(self, source: ConditionSource, health: CameraHealth) -> bool:
        """Whether such a word changes anything: it is another one, or ends what the device said."""
        return self.health_said(source) is not health or self._ended_by(source, health) != self.troubles

    def is_trouble_news(self, trouble: ToldTrouble, health: CameraHealth) -> bool:
        """Whether the device says anything new, and not something older than what it said since."""
        known = self.troubles.get(trouble.word)
        return known is None or (known.health is not health and trouble.told_at >= known.told_at)

    def has_trouble(self, word: str) -> bool:
        """Whether it lasts."""
        return word in self.troubles and self.troubles[word].health is not CameraHealth.ONLINE

    def with_health(self, source: ConditionSource, health: CameraHealth) -> Condition:
        """After such a word."""
        after = replace(self, troubles=self._ended_by(source, health))
        if source in PEOPLE:
            return self._counted(replace(after, health_by_people=health))
        return self._counted(replace(after, health_by_machine=health))

    def with_trouble(self, trouble: ToldTrouble, health: CameraHealth) -> Condition:
        """After such a word of the device."""
        told = Trouble(health, trouble.told_at, trouble.is_lasting)
        return self._counted(replace(self, troubles={**self.troubles, trouble.word: told}))

    def with_arming(self, source: ConditionSource, *, armed: bool) -> Condition:
        """After such a word."""
        after = replace(self, armed_by_people=armed) if source in PEOPLE else replace(self, armed_by_machine=armed)
        return replace(after, arming_number=self.arming_number + (after.armed is not self.armed))

    def after(self, event: CameraHealthChanged | CameraArmingChanged) -> Condition:
        """Fold one fact."""
        match event:
            case CameraHealthChanged(trouble=ToldTrouble() as trouble):
                return self.with_trouble(trouble, event.health)
            case CameraHealthChanged():
                return self.with_health(event.source, event.health)
            case CameraArmingChanged():
                return self.with_arming(event.source, armed=event.armed)

    def _ended_by(self, source: ConditionSource, health: CameraHealth) -> Mapping[str, Trouble]:
        """The troubles after such a word."""
        if health is not CameraHealth.ONLINE:
            return self.troubles
        return {
            word: replace(each, health=health) if source in PEOPLE or not each.is_lasting else each
            for word, each in self.troubles.items()
        }

    def _counted(self, after: Condition) -> Condition:
        return replace(after, health_number=self.health_number + (after.health is not self.health))


NOTHING_WRONG = Condition()
