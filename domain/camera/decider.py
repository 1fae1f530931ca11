"""Rules of sites and cameras: a code is permanent; own cameras are installed, social ones attached and detached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from domain.camera.commands import AttachCamera, BuildSite, CameraCommand, DetachCamera, InstallCamera
from domain.camera.events import CameraAttached, CameraDetached, CameraInstalled, SiteBuilt
from domain.event import Event
from domain.refusals import Refusal

Decision: TypeAlias = tuple[Event, ...] | Refusal


@dataclass(frozen=True, slots=True)
class CameraState:
    """What a rule reads of a camera."""

    known: CameraInstalled | CameraAttached | None = None
    detached: bool = False


@dataclass(frozen=True, slots=True)
class SiteState:
    """What a rule reads of a site."""

    built: SiteBuilt | None = None


INITIAL = CameraState()
INITIAL_SITE = SiteState()


def evolve(state: CameraState, event: Event) -> CameraState:
    """The camera after a fact."""
    match event:
        case CameraInstalled() | CameraAttached():
            return CameraState(event)
        case CameraDetached():
            return CameraState(state.known, detached=True)
        case _:
            return state


def evolve_site(state: SiteState, event: Event) -> SiteState:
    """The site after a fact."""
    return SiteState(event) if isinstance(event, SiteBuilt) else state


def decide_site(command: BuildSite, state: SiteState) -> Decision:
    """A repeat changes nothing; other content is a survey that corrects the first."""
    return () if state.built == command.site else (command.site,)


def decide(command: CameraCommand, state: CameraState) -> Decision:
    """Facts, nothing, or a refusal."""
    match command:
        case InstallCamera():
            return _install(command.camera, state)
        case AttachCamera():
            return _attach(command.camera, state)
        case DetachCamera():
            return _detach(command, state)
        case _:
            assert_never(command)


def _install(camera: CameraInstalled, state: CameraState) -> Decision:
    if isinstance(state.known, CameraAttached):
        return Refusal("camera.is_social", f"{camera.code} is an attached social camera; detach it and use a new code.")
    return () if state.known == camera else (camera,)


def _attach(camera: CameraAttached, state: CameraState) -> Decision:
    if isinstance(state.known, CameraInstalled):
        return Refusal("camera.is_own", f"{camera.code} is one of the city's own cameras and needs no attaching.")
    return () if state.known == camera and not state.detached else (camera,)


def _detach(command: DetachCamera, state: CameraState) -> Decision:
    if state.known is None:
        return Refusal("camera.unknown", "No such camera.")
    if isinstance(state.known, CameraInstalled):
        return Refusal("camera.is_own", f"{state.known.code} is one of the city's own cameras and cannot be detached.")
    return () if state.detached else (CameraDetached(reason=command.reason),)
