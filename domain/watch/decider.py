"""Rules of watches: nobody is watched for longer than is said, and never for more than a week without saying it again.

    command            open  expired  ended
    AcknowledgeWatch   x     -        -
    ReadWatch          x     -        -
    ReportSighting     x     x        -
    ExtendWatch        x     -        -
    EndWatch           x     x        .

`x` decides, `.` says nothing, `-` is refused. A sighting that comes late is still told. Who has expired is not read any
more, and a new watch must say its purpose anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never
from uuid import UUID

from domain.event import Event
from domain.refusals import Refusal
from domain.vocabulary import WatchOutcome
from domain.watch.commands import (
    AcknowledgeWatch,
    EndWatch,
    ExtendWatch,
    OpenWatch,
    ReadWatch,
    ReportSighting,
    WatchCommand,
)
from domain.watch.events import (
    WatchAcknowledged,
    WatchEnded,
    WatchExtended,
    WatchOpened,
    WatchRead,
    WatchSighting,
)

Decision: TypeAlias = tuple[Event, ...] | Refusal

LASTS_MAX = timedelta(days=7)
SIGHTINGS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class WatchState:
    """What a rule reads. `opened` None: there is none."""

    opened: WatchOpened | None = None
    expires_at: datetime | None = None
    acknowledged: frozenset[UUID] = frozenset()
    sightings: int = 0
    outcome: WatchOutcome | None = None


INITIAL = WatchState()


def evolve(state: WatchState, event: Event) -> WatchState:
    """The watch after a fact. Never raises."""
    match event:
        case WatchOpened():
            return WatchState(event, event.expires_at)
        case WatchAcknowledged(center_id=center_id):
            return replace(state, acknowledged=state.acknowledged | {center_id})
        case WatchSighting():
            return replace(state, sightings=state.sightings + 1)
        case WatchExtended(expires_at=expires_at):
            return replace(state, expires_at=expires_at)
        case WatchEnded(outcome=outcome):
            return replace(state, outcome=outcome)
        case _:
            return state


def decide(command: WatchCommand, state: WatchState) -> Decision:
    """Facts, nothing, or a refusal."""
    if isinstance(command, OpenWatch):
        return _open(command, state)
    if state.opened is None or state.expires_at is None:
        return Refusal("watch.unknown", "There is no such watch. Check its id.")
    if isinstance(command, EndWatch):
        return () if state.outcome is not None else (WatchEnded(outcome=command.outcome, note=command.note),)
    if state.outcome is not None:
        return Refusal("watch.over", f"The watch has ended ({state.outcome}).", {"outcome": state.outcome.value})
    if isinstance(command, ReportSighting):
        return _report(command, state)
    if command.at >= state.expires_at:
        values = {"expires_at": state.expires_at.isoformat()}
        return Refusal("watch.expired", "The watch has expired. Open a new one, and say what for.", values)
    match command:
        case AcknowledgeWatch(center_id=center_id):
            return () if center_id in state.acknowledged else (WatchAcknowledged(center_id=center_id),)
        case ReadWatch():
            return (WatchRead(center_id=command.center_id, purpose=command.purpose),)
        case ExtendWatch():
            return _extend(command, state)
        case _:
            assert_never(command)


def _open(command: OpenWatch, state: WatchState) -> Decision:
    if state.opened is not None:
        return ()
    refusal = _too_long(command.at, command.watch.expires_at)
    return refusal if refusal is not None else (command.watch,)


def _extend(command: ExtendWatch, state: WatchState) -> Decision:
    if command.expires_at == state.expires_at:
        return ()
    refusal = _too_long(command.at, command.expires_at)
    if refusal is not None:
        return refusal
    return (WatchExtended(expires_at=command.expires_at, reason=command.reason),)


def _report(command: ReportSighting, state: WatchState) -> Decision:
    if state.sightings >= SIGHTINGS_MAX:
        detail = f"A watch takes at most {SIGHTINGS_MAX} sightings. Write further ones as notes on the incident."
        return Refusal("watch.too_many", detail, {"limit": str(SIGHTINGS_MAX)})
    said = {name: getattr(command, name) for name in ReportSighting.model_fields if name != "at"}
    return (WatchSighting(**said),)


def _too_long(now: datetime, expires_at: datetime) -> Refusal | None:
    if now < expires_at <= now + LASTS_MAX:
        return None
    detail = f"A watch ends ahead of now and within {LASTS_MAX.days} days. It can be extended while it goes on."
    return Refusal("watch.no_period", detail, {"expires_at": expires_at.isoformat()})
