"""What can be asked of sites and cameras."""

from __future__ import annotations

from typing import TypeAlias

from pydantic import AwareDatetime, Field

from domain.camera.events import CameraAttached, CameraInstalled, SiteBuilt, ToldTrouble
from domain.camera.vocabulary import ArmingCause, ConditionSource
from domain.event import Frozen
from domain.vocabulary import CameraHealth


class BuildSite(Frozen):
    """A site exists."""

    site: SiteBuilt


class InstallCamera(Frozen):
    """One of the city's own cameras hangs on a site."""

    camera: CameraInstalled


class AttachCamera(Frozen):
    """A social camera may be used."""

    camera: CameraAttached


class DetachCamera(Frozen):
    """It may not be used any more."""

    reason: str = Field(min_length=1, max_length=2_000)


class ExpireCamera(Frozen):
    """What it was attached until has passed."""

    noticed_at: AwareDatetime


class ReportHealth(Frozen):
    """Somebody says whether it sees."""

    health: CameraHealth
    source: ConditionSource
    reason: str | None = Field(default=None, max_length=500)


class ReportArming(Frozen):
    """Somebody says whether its alarms are on."""

    armed: bool
    source: ConditionSource
    cause: ArmingCause
    reason: str | None = Field(default=None, max_length=500)


class ReportTrouble(Frozen):
    """The device says in a message of its own format that something is wrong, or that it is over (`online`)."""

    trouble: ToldTrouble
    health: CameraHealth


ConditionCommand: TypeAlias = ReportHealth | ReportArming
CameraCommand: TypeAlias = InstallCamera | AttachCamera | DetachCamera | ExpireCamera | ConditionCommand | ReportTrouble
