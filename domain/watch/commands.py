"""What may be asked of a watch. `at` is when it is asked: a watch that has expired is over, without a fact."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Frozen, Place
from domain.vocabulary import WatchOutcome
from domain.watch.events import WatchOpened

Note = Annotated[str, Field(min_length=1, max_length=2_000)]


class OpenWatch(Frozen):
    """Ask centers to keep their eyes open."""

    watch: WatchOpened
    at: AwareDatetime


class AcknowledgeWatch(Frozen):
    """A center has told its operators."""

    center_id: UUID
    at: AwareDatetime


class ReadWatch(Frozen):
    """Look whom it is about."""

    center_id: UUID
    purpose: Annotated[str, Field(min_length=1, max_length=500)]
    at: AwareDatetime


class ReportSighting(Frozen):
    """Perhaps seen, there."""

    sighting_id: UUID
    center_id: UUID
    place: Place
    text: Note
    at: AwareDatetime
    camera_id: UUID | None = None


class ExtendWatch(Frozen):
    """Let it go on a while longer."""

    expires_at: AwareDatetime
    reason: Note
    at: AwareDatetime


class EndWatch(Frozen):
    """Found, or called off."""

    outcome: WatchOutcome
    note: Note | None = None


WatchCommand: TypeAlias = OpenWatch | AcknowledgeWatch | ReadWatch | ReportSighting | ExtendWatch | EndWatch
