"""Rules of sites and cameras: a code is permanent; own cameras are installed, social ones attached and detached.

A word that changes nothing is no fact: gateways repeat the state of all their cameras every minute.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from domain.camera.commands import (
    AttachCamera,
    BuildSite,
    CameraCommand,
    ConditionCommand,
    DetachCamera,
    ExpireCamera,
    InstallCamera,
    ReportArming,
    ReportHealth,
    ReportTrouble,
)
from domain.camera.condition import NOTHING_WRONG, Condition
from domain.camera.events import (
    CameraArmingChanged,
    CameraAttached,
    CameraDetached,
    CameraExpired,
    CameraHealthChanged,
    CameraInstalled,
    SiteBuilt,
)
from domain.camera.vocabulary import ConditionSource
from domain.event import Event
from domain.refusals import Refusal

Decision: TypeAlias = tuple[Event, ...] | Refusal


@dataclass(frozen=True, slots=True)
class CameraState:
    """What a rule reads of a camera."""

    known: CameraInstalled | CameraAttached | None = None
    detached: bool = False
    """Or what it was attached until has passed."""
    condition: Condition = NOTHING_WRONG


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
            return replace(state, known=event, detached=False)
        case CameraDetached() | CameraExpired():
            return replace(state, detached=True)
        case CameraHealthChanged() | CameraArmingChanged():
            return replace(state, condition=state.condition.after(event))
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
        case ExpireCamera():
            return _expire(command, state)
        case ReportHealth() | ReportArming() | ReportTrouble():
            return _report(command, state)
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


def _expire(command: ExpireCamera, state: CameraState) -> Decision:
    """Nothing, if it was renewed or detached meanwhile."""
    known = state.known
    if state.detached or not isinstance(known, CameraAttached) or known.expires_at is None:
        return ()
    late_s = (command.noticed_at - known.expires_at).total_seconds()
    return () if late_s < 0 else (CameraExpired(due_at=known.expires_at, late_s=late_s),)


def _report(command: ConditionCommand | ReportTrouble, state: CameraState) -> Decision:
    if state.known is None or state.detached:
        return Refusal("camera.unknown", "No such camera is in use. Check its code, or attach it first.")
    match command:
        case ReportHealth():
            return _report_health(command, state.condition)
        case ReportTrouble():
            return _report_trouble(command, state.condition)
        case ReportArming():
            return _report_arming(command, state.condition)
        case _:
            assert_never(command)


def _report_health(command: ReportHealth, before: Condition) -> Decision:
    if not before.is_news(command.source, command.health):
        return ()
    after = before.with_health(command.source, command.health)
    return (
        CameraHealthChanged(
            health=command.health,
            source=command.source,
            reason=command.reason,
            effective=after.health,
            number=after.health_number,
        ),
    )


def _report_trouble(command: ReportTrouble, before: Condition) -> Decision:
    if not before.is_trouble_news(command.trouble, command.health):
        return ()
    after = before.with_trouble(command.trouble, command.health)
    return (
        CameraHealthChanged(
            health=command.health,
            source=ConditionSource.DEVICE,
            reason=command.trouble.word,
            effective=after.health,
            number=after.health_number,
            trouble=command.trouble,
        ),
    )


def _report_arming(command: ReportArming, before: Condition) -> Decision:
    if before.armed_said(command.source) is command.armed:
        return ()
    after = before.with_arming(command.source, armed=command.armed)
    return (
        CameraArmingChanged(
            armed=command.armed,
            source=command.source,
            cause=command.cause,
            reason=command.reason,
            effective=after.armed,
            number=after.arming_number,
        ),
    )
