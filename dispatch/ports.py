"""What the running system needs from the world, as protocols. Only `bootstrap` meets the implementations.

The log is one ordered, contiguous sequence of events. Positions start at 1. Within a stream, versions start at 1
and are dense; version 0 means "the stream does not exist yet".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from domain.event import GeoPoint

MAX_COMMANDS_PER_CALL = 500
"""Commands in one lane call (one autocommit statement)."""
MAX_EVENTS_PER_COMMAND = 2_000
"""Events of one command, over all its streams."""
MAX_STATE_BYTES = 1_048_576
"""One event's encoded state."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One encoded event: `topic` is its permanent name, `state` UTF-8 JSON of its envelope and body."""

    topic: str
    state: bytes


@dataclass(frozen=True, slots=True)
class StreamAppend:
    """Events for one stream. `expected_version` None appends without a check; 0 demands a new stream."""

    stream_id: UUID
    expected_version: int | None
    events: tuple[NewEvent, ...]


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The row that makes a repeat harmless. `answer` is the stored reply: a pure function of ids.

    `fingerprint` is a digest of the request's meaning: same key with another fingerprint is `KeyReused`.
    """

    caller: str
    key: str
    fingerprint: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """A reactor's tracking mark, moved by compare-and-set in the same transaction as its effects."""

    reactor: str
    from_position: int
    to_position: int


@dataclass(frozen=True, slots=True)
class AppendCommand:
    """One decision: all of it is recorded or none of it; it never fails its neighbours in a call.

    A command with no stream and only marks is allowed: a reactor that saw a page and had nothing to say.
    """

    streams: tuple[StreamAppend, ...]
    idempotency: Idempotency | None = None
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Appended:
    """Recorded. Positions are inclusive; for a marks-only command both are the tip's position."""

    first_position: int
    last_position: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same caller, key and fingerprint were recorded before: the stored answer and its last position."""

    answer: bytes
    position: int


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The key was used before with another fingerprint."""

    position: int


@dataclass(frozen=True, slots=True)
class VersionConflict:
    """Somebody was first on `stream_id`; nothing of the command was recorded."""

    stream_id: UUID
    expected_version: int
    actual_version: int


@dataclass(frozen=True, slots=True)
class MarkConflict:
    """Another owner moved the reactor's mark; nothing of the command was recorded."""

    reactor: str
    expected_position: int
    actual_position: int


Verdict: TypeAlias = Appended | Repeated | KeyReused | VersionConflict | MarkConflict


@dataclass(slots=True)
class RecordedEvent:
    """One row of the log as it is stored. `recorded_at` is the database's, set under the lane's lock.

    Nobody changes it; but to make a frozen one takes four times as long, and every page has thousands.
    """

    position: int
    stream_id: UUID
    version: int
    topic: str
    state: bytes
    recorded_at: datetime
    fact: Any = field(default=None, init=False, repr=False, compare=False)
    """What the state was decoded to, once somebody did: the readers of one process share rows."""


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of the log. `epoch` is renewed by a restore; a position means nothing without its epoch."""

    position: int
    epoch: UUID
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """Where one stream stands."""

    stream_id: UUID
    version: int
    first_position: int
    last_position: int


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An idempotency row as found."""

    fingerprint: bytes
    answer: bytes
    position: int


class EventLog(Protocol):
    """The one ordered log. Implementations: `store.postgres` and `store.memory`, under one contract suite."""

    async def append(self, command: AppendCommand) -> Verdict:
        """Record one command. Concurrent callers are grouped into one call. Raises `Unavailable`."""

    async def append_many(self, commands: Sequence[AppendCommand]) -> list[Verdict]:
        """Record commands in order, each with its own verdict, later ones seeing earlier ones."""

    async def read_stream(
        self, stream_id: UUID, *, after_version: int = 0, up_to_position: int | None = None, limit: int = 10_000
    ) -> list[RecordedEvent]:
        """Events of one stream in version order."""

    async def read_streams(
        self, stream_ids: Sequence[UUID], *, up_to_position: int | None = None
    ) -> dict[UUID, list[RecordedEvent]]:
        """Several streams at once; a stream that does not exist has an empty list."""

    async def read_after(
        self, position: int, *, limit: int = 500, up_to_position: int | None = None, topics: Sequence[str] | None = None
    ) -> list[RecordedEvent]:
        """A page of the log in position order, without gaps (with `topics`: without gaps among those)."""

    async def tip(self) -> Tip:
        """The last position."""

    async def heads(self, stream_ids: Sequence[UUID]) -> dict[UUID, Head]:
        """Heads of those streams that exist."""

    async def wait_beyond(self, position: int, *, timeout_s: float) -> int:
        """Return as soon as the log's last position exceeds `position`, else at the time-out; the last position.

        With a time-out of 0 that is the last one this process has heard of, which costs nothing to ask: what another
        process recorded a moment ago may lie beyond it.
        """

    async def find_answer(self, *, caller: str, key: str) -> StoredAnswer | None:
        """The idempotency row of a caller's key, if that key was used."""

    async def position_at(self, instant: datetime) -> int:
        """The last position recorded at or before `instant`; 0 if the log is younger."""

    async def mark(self, reactor: str) -> int:
        """A reactor's position; 0 if it never ran."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stored state of a long stream: a place to start folding from, never the truth.

    `kind` names the fold, `rules` the code that made it; `position` is that of the fact at `version`, the last in it.
    """

    stream_id: UUID
    kind: str
    rules: str
    version: int
    position: int
    state: bytes


class Snapshots(Protocol):
    """Where snapshots are kept."""

    async def find(self, stream_id: UUID, *, kind: str, rules: str) -> Snapshot | None:
        """The snapshot made by these rules, if there is one. Raises `Unavailable`."""

    async def keep(self, snapshot: Snapshot) -> None:
        """Store it unless a later one by the same rules is there. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class BoardBaseline:
    """The rows on the board at a position, packed; `sha256` is of `document`, `rules` names the code that made it.

    `latest_occurred_at` is the latest instant at which any fact up to there happened in the world.
    """

    position: int
    rules: str
    latest_occurred_at: datetime
    rows_on_board: int
    document: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class EndedRow:
    """The board's row of an incident that had left it, packed."""

    incident_id: UUID
    updated_position: int
    document: bytes
    sha256: bytes


class BoardBaselines(Protocol):
    """Where replays of boards may start. All may raise `Unavailable`."""

    async def latest(self, *, rules: str, up_to_position: int, true_at: datetime | None) -> BoardBaseline | None:
        """The last one at or before a position; with `true_at`, of those whose facts had all happened by then."""

    async def ended(self, incident_ids: Sequence[UUID], *, rules: str, up_to_position: int) -> list[EndedRow]:
        """The last kept row of each incident that had ended by a baseline at or before that position."""

    async def keep(self, baseline: BoardBaseline, ended: Sequence[EndedRow]) -> None:
        """Store a baseline with the rows that left the board since the one before; both or neither."""

    async def drop(self, *, rules: str, from_position: int) -> None:
        """Throw away what these rules made from a position on, which cannot be used."""

    async def prune(self, *, rules: str) -> None:
        """Throw away what other rules made."""


@dataclass(frozen=True, slots=True)
class DirectoryBaseline:
    """The city's centers, cameras, people and rules as folded from the log, packed; a place to start from.

    `position` is that of the last fact in it and `fact_sha256` of that fact; everything up to `read_to` was looked at.
    `rules` names the code that made it, `epoch` the log it was read from, `sha256` is of `document`.
    """

    rules: str
    epoch: UUID
    position: int
    fact_sha256: bytes
    read_to: int
    document: bytes
    sha256: bytes


class DirectoryBaselines(Protocol):
    """Where a process that starts may have the directory from. All may raise `Unavailable`."""

    async def find(self, *, rules: str) -> DirectoryBaseline | None:
        """The one made by these rules, if there is one."""

    async def read_on(self, *, rules: str, epoch: UUID, position: int, read_to: int) -> bool:
        """Say that nothing followed `position` up to `read_to`; False if that is not the baseline that is stored."""

    async def keep(self, baseline: DirectoryBaseline) -> None:
        """Store it unless one of the same log and rules that read further is there."""

    async def drop(self, *, rules: str) -> None:
        """Throw away what cannot be used."""


@dataclass(frozen=True, slots=True)
class ArchiveRun:
    """A run of the archive by itself. `said` is why it went no further, or what went wrong."""

    began_at: datetime
    ended_at: datetime
    ranges_moved: int
    said: str
    well: bool


class ArchiveRuns(Protocol):
    """What the last run did, for all processes. Both may raise `Unavailable`."""

    async def last(self) -> ArchiveRun | None:
        """The last one."""

    async def put(self, run: ArchiveRun) -> None:
        """It ended."""


class Clock(Protocol):
    """Wall-clock time, always aware and in UTC."""

    def now(self) -> datetime:
        """The present instant."""


class Ids(Protocol):
    """Fresh, time-ordered identifiers (UUIDv7)."""

    def new(self) -> UUID:
        """A new id."""


@dataclass(frozen=True, slots=True)
class UnitPosition:
    """Where a unit was last believed to be. Positions stay out of the log; a decision copies them with their age."""

    unit_id: UUID
    point: GeoPoint
    reported_at: datetime
    source: str


class UnitPositions(Protocol):
    """Last known positions of units."""

    async def get(self, unit_ids: Sequence[UUID]) -> dict[UUID, UnitPosition]:
        """The positions of those units that have one."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """Units with an open assignment, as far as a fold has come: what the log says after `position` is not in it."""

    position: int
    unit_ids: frozenset[UUID]


class Roster(Protocol):
    """Which units are on which incident, as a fold of the log that may be behind."""

    async def assigned_to(self, incident_ids: Sequence[UUID]) -> Assigned:
        """The units on any of these incidents."""


class Sealer(Protocol):
    """Seals and opens personal fields, with one key per subject, kept in a store of its own."""

    async def seal(self, subject_id: UUID, text: str) -> str:
        """Ciphertext (base64url) under the subject's key, which is created on first use."""

    async def open(self, subject_id: UUID, sealed: str) -> str | None:
        """The plain text, or None when the subject's key was destroyed."""
