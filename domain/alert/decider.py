"""An alert's stream: every distinct thing that was said under one identity, once.

A repeat says what was said before: nothing is recorded. Anything else is a new fact, because a device that reuses an
identity for other content has still said something. A device stuck in a loop could do that for ever, so revisions
are limited; a rise in severity passes the limit, for it must never be hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.alert.commands import ReceiveAlert
from domain.alert.events import AlertContent, AlertReceived, AlertRevised, CameraHealthTold
from domain.event import Event
from domain.refusals import Refusal
from domain.vocabulary import AlertPhase, CameraHealth, ClockQuality, MessageStatus, Severity

REVISIONS_MAX = 200
"""Distinct contents of one identity. Real sources show two or three; more is a device in a loop."""


@dataclass(frozen=True, slots=True)
class State:
    """Digests of what was said, with the stream version that said it, and the worst severity so far."""

    versions: Mapping[str, int] = field(default_factory=dict)
    worst: Severity = Severity.UNKNOWN
    last_version: int = 0


INITIAL = State()


def evolve(state: State, event: Event) -> State:
    """Fold one event; never raises."""
    version = state.last_version + 1
    match event:
        case AlertReceived(content=content) | AlertRevised(content=content):
            versions = {content.content_sha256: version, **state.versions}
            return State(versions, max(state.worst, content.severity), version)
        case _:
            return State(state.versions, state.worst, version)


def decide(command: ReceiveAlert, state: State) -> tuple[Event, ...] | Refusal:
    """The fact to record, nothing for a repeat, or a refusal for a device in a loop."""
    content = command.content
    if not state.versions:
        return (AlertReceived(content=content), *_told(command))
    if content.content_sha256 in state.versions:
        return ()
    if len(state.versions) >= REVISIONS_MAX and content.severity <= state.worst:
        return Refusal(
            "ingest.too_many_revisions",
            f"The identity {content.source_event_id} of {content.source} was used for {len(state.versions)} different"
            f" contents, which is the limit. Give each message an id or revision of its own.",
            {"source": content.source, "source_event_id": content.source_event_id, "limit": str(REVISIONS_MAX)},
        )
    return (AlertRevised(content=content), *_told(command))


def word_of(content: AlertContent) -> str:
    """The device's own word for what happened, as its format writes it; of our own format, the kind."""
    return f"{content.adapter}:{content.vendor_type or content.kind.value}".lower()


def _told(command: ReceiveAlert) -> tuple[CameraHealthTold, ...]:
    """What is learnt of a known camera's seeing. An exercise breaks no camera, nor does what was so the day before."""
    content, health = command.content, command.camera_health
    if health is None or content.camera_id is None or content.status is not MessageStatus.ACTUAL:
        return ()
    if content.clock is ClockQuality.LATE and health is not CameraHealth.ONLINE:
        return ()
    is_lasting = content.phase is not AlertPhase.SINGLE
    told = CameraHealthTold(camera_id=content.camera_id, health=health, word=word_of(content), is_lasting=is_lasting)
    return (told,)
