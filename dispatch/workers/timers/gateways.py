"""Gateways that said nothing for longer than they promised, and those that speak again (decision record 0029).

A promise holds for years, so it comes from the directory and not from the timers' mark; when a gateway was last heard
stands beside the log. What is due is worked out from both at each look: some hundred gateways.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from dispatch.directory import Directory
from dispatch.directory_entries import GatewayEntry
from dispatch.handling.scribe import Decision, Scribe
from dispatch.ingest.hearing import WRITTEN_EVERY_S, HeardGateways
from dispatch.ports import EventLog
from dispatch.workers.timers.mechanism import StreamPart, Subject
from domain.event import Event, Fact
from domain.gateway.commands import RecordHeard, RecordSilence
from domain.gateway.decider import INITIAL, GatewayState, decide, evolve
from domain.policies.dues import DueQueue

LOOK_EVERY = timedelta(seconds=5)
SLACK = timedelta(seconds=2 * WRITTEN_EVERY_S)
"""A sign of life is written down so much later than it came, at most."""
Kind = Literal["gateway_silent", "gateway_heard"]


@dataclass(frozen=True, slots=True)
class GatewayDue:
    """A gateway that is silent, or one that is not any more."""

    kind: Kind
    stream_id: UUID
    due_at: datetime
    last_heard_at: datetime
    position: int = 0

    @property
    def key(self) -> tuple[UUID, str]:
        """Whose what."""
        return self.stream_id, self.kind


class GatewayDues(DueQueue[tuple[UUID, str], GatewayDue]):
    """What this look has found; the next one finds its own."""

    def apply(self, fact: Fact[Event]) -> None:
        """Nothing is folded: see the directory."""

    def found(self, dues: Iterator[GatewayDue]) -> None:
        """Exactly these are due."""
        self._dues.clear()
        for due in dues:
            self._put(due)

    def oldest_position(self) -> int | None:
        """It needs no fact from the timers' mark on."""
        return None


def _follows(due: GatewayDue, state: GatewayState, now: datetime) -> Decision:
    if due.kind == "gateway_heard":
        return decide(RecordHeard(heard_at=due.last_heard_at), state)
    return decide(RecordSilence(last_heard_at=due.last_heard_at, due_at=due.due_at, noticed_at=now), state)


GATEWAYS = Subject(
    name="gateways",
    topics=(),
    dues=GatewayDues,
    initial=INITIAL,
    evolve=evolve,
    decide=_follows,
    seed=lambda due: f"{due.kind}\x1f{due.stream_id}\x1f{due.last_heard_at}",
)


class GatewayPart(StreamPart[GatewayDue, GatewayState]):
    """Silence is what we did not hear: a gateway was heard when one that we could authenticate said anything, whether
    we took it or not (`dispatch.ingest.hearing`). It counts from when these timers began to look, so nobody is called
    silent for a time in which nobody worked here; a line of ours that is down is not told from a gateway that is.
    """

    def __init__(self, log: EventLog, scribe: Scribe, directory: Directory, heard: HeardGateways) -> None:
        super().__init__(GATEWAYS, log, scribe)
        self._directory = directory
        self._heard = heard
        self._listens_since: datetime | None = None
        self._look_at: datetime | None = None

    def forget(self) -> None:
        """Another process may have listened, or none."""
        super().forget()
        self._listens_since = self._look_at = None

    async def answer(self, now: datetime, known_up_to: int, limit: int) -> int:
        """Record who fell silent and who speaks again; how many.

        Only the look waits: what it found is answered at every call until nothing is left, or the timers would find it
        due at once for ever.
        """
        self._listens_since = self._listens_since or now
        if self._look_at is None or now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            await self._look(self._listens_since, now)
        return await super().answer(now, known_up_to, limit)

    async def _look(self, listens_since: datetime, now: datetime) -> None:
        heard = await self._heard.all() if self._directory.gateways else {}
        dues = self.dues
        assert isinstance(dues, GatewayDues), "as the subject says"
        dues.found(self._found(heard, listens_since, now))

    def _found(self, heard: Mapping[str, datetime], listens_since: datetime, now: datetime) -> Iterator[GatewayDue]:
        for entry in self._directory.gateways.values():
            at = heard.get(entry.name)
            if entry.is_silent:
                if at is not None and at > entry.since:
                    yield GatewayDue("gateway_heard", entry.id, at, at)
                continue
            last = entry.since if at is None else max(at, entry.since)
            due_at = max(last, listens_since) + _promise(entry)
            if due_at + SLACK <= now:
                yield GatewayDue("gateway_silent", entry.id, due_at, last)


def _promise(entry: GatewayEntry) -> timedelta:
    return timedelta(seconds=entry.silent_after_s)
