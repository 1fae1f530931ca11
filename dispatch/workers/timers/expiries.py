"""Attached cameras whose time is over: recorded, so that the day they ended is a fact and not a reading (record 0029).

An attachment runs for a year, and there are 150,000: their ends come from the directory, which is looked through once a
minute, and not from the timers' mark, which would stay a year behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from dispatch.directory import Directory
from dispatch.directory_entries import CameraEntry
from dispatch.handling.scribe import Decision, Scribe
from dispatch.ports import EventLog
from dispatch.workers.timers.mechanism import StreamPart, Subject
from domain.camera.commands import ExpireCamera
from domain.camera.decider import INITIAL, CameraState, decide, evolve
from domain.event import Event, Fact
from domain.policies.dues import DueQueue

LOOK_EVERY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class ExpiryDue:
    """One attachment that has run out."""

    key: UUID
    due_at: datetime
    position: int = 0

    kind: ClassVar[str] = "camera_expiry"

    @property
    def stream_id(self) -> UUID:
        """The camera."""
        return self.key


class ExpiryDues(DueQueue[UUID, ExpiryDue]):
    """Those that the last look found and that are not answered yet."""

    def apply(self, fact: Fact[Event]) -> None:
        """Nothing is folded: see the directory."""

    def found(self, cameras: Iterable[CameraEntry], now: datetime) -> None:
        """Add those whose time is over."""
        for camera in cameras:
            if camera.expires_at is not None and camera.expires_at <= now and camera.id not in self:
                self._put(ExpiryDue(camera.id, camera.expires_at))

    def oldest_position(self) -> int | None:
        """It needs no fact from the timers' mark on."""
        return None


def _follows(_due: ExpiryDue, state: CameraState, now: datetime) -> Decision:
    return decide(ExpireCamera(noticed_at=now), state)


EXPIRIES = Subject(
    name="camera-expiries",
    topics=(),
    dues=ExpiryDues,
    initial=INITIAL,
    evolve=evolve,
    decide=_follows,
    seed=lambda due: f"{due.key}\x1f{due.due_at}",
)


class ExpiryPart(StreamPart[ExpiryDue, CameraState]):
    """Looks through the directory's cameras now and then."""

    def __init__(self, log: EventLog, scribe: Scribe, directory: Directory) -> None:
        super().__init__(EXPIRIES, log, scribe)
        self._directory = directory
        self._look_at: datetime | None = None

    def forget(self) -> None:
        """Look at once."""
        super().forget()
        self._look_at = None

    async def answer(self, now: datetime, known_up_to: int, limit: int) -> int:
        """Record what has run out; how many."""
        if self._look_at is None or now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            dues = self.dues
            assert isinstance(dues, ExpiryDues), "as the subject says"
            dues.found(self._directory.cameras.values(), now)
        return await super().answer(now, known_up_to, limit)
