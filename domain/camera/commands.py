"""What can be asked of sites and cameras."""

from __future__ import annotations

from typing import TypeAlias

from pydantic import Field

from domain.camera.events import CameraAttached, CameraInstalled, SiteBuilt
from domain.event import Frozen


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


CameraCommand: TypeAlias = InstallCamera | AttachCamera | DetachCamera
