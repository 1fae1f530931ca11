"""How a decision becomes facts in the log: sealed, enveloped, recorded once, and answered.

The scribe is the only writer that commands and reactors use. A caller's own expected version (`If-Match`) is never
retried: whoever looked at an old version must look again. Without one, a lost race is decided anew on fresh state,
at most `DECIDE_ATTEMPTS` times.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from dispatch.handling.baselines import Baselines, Loaded
from dispatch.ports import (
    AppendCommand,
    Appended,
    Clock,
    EventLog,
    Idempotency,
    KeyReused,
    Mark,
    MarkConflict,
    NewEvent,
    RecordedEvent,
    Repeated,
    Sealer,
    Snapshots,
    StreamAppend,
    Verdict,
    VersionConflict,
)
from domain.codec import encode, fact_of
from domain.event import Actor, Envelope, Event, Fact, Frozen, Personal
from domain.identifiers import within
from domain.personal import can_hold_personal, personal_fields
from domain.refusals import Conflict, Refusal, Refused

__all__ = ["Loaded"]

DECIDE_ATTEMPTS = 40
"""How often a decision without a stated version is made anew after somebody else was first. Numbers are the contended
case: on a flood night the correlator takes some hundred a second, and a caller's report must get one among them."""
AT_ONCE_ATTEMPTS = 3
"""After these a decision waits a moment before it is made again, or the same one loses again and again."""
PAUSE_MS_MAX = 15

S = TypeVar("S")
Decision: TypeAlias = Sequence[Event] | Refusal
"""What a decider returns: facts (possibly none) or a named refusal."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's key and the digest of what the request means."""

    caller: str
    key: str
    fingerprint: bytes

    @staticmethod
    def of(caller: str, key: str, meaning: Mapping[str, Any]) -> IdempotencyKey:
        """`meaning` is the request: operation, target and body, as JSON."""
        text = json.dumps(meaning, sort_keys=True, default=str, ensure_ascii=False, separators=(",", ":"))
        return IdempotencyKey(caller, key, hashlib.sha256(text.encode()).digest())


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks, when, and in answer to what. `request_id` seeds the event ids: the same request, the same ids."""

    actor: Actor
    received_at: datetime
    request_id: UUID
    occurred_at: datetime | None = None
    expected_version: int | None = None
    idempotency: IdempotencyKey | None = None
    causation_id: UUID | None = None
    correlation_id: UUID | None = None
    rule_version: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """New facts for one stream. `expected_version` None appends without a check; 0 demands a new stream."""

    stream_id: UUID
    expected_version: int | None
    events: tuple[Event, ...]
    occurred_at: datetime | None = None
    causation_id: UUID | None = None
    correlation_id: UUID | None = None
    rule_version: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command did. `position` is that of its last fact; of the log's tip if it changed nothing."""

    position: int
    answer: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[UUID, int] = field(default_factory=dict)
    repeated: bool = False
    changed: bool = True


Decided: TypeAlias = tuple[Sequence[Change], Mapping[str, Any]]
"""What to record, and the answer to it."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Decisions of which the first whose versions hold is recorded. They exclude each other: all begin one stream."""

    decisions: Sequence[Decided]


def as_fact(recorded: RecordedEvent) -> Fact[Event]:
    """Decode one row of the log, once."""
    return fact_of(recorded)


class Scribe:
    """Loads, seals, records."""

    def __init__(self, log: EventLog, sealer: Sealer, clock: Clock, snapshots: Snapshots | None = None) -> None:
        self.log = log
        self.baselines = Baselines(log, snapshots)
        self.sealer = sealer
        self.clock = clock

    async def load(self, stream_id: UUID, initial: S, evolve: Callable[[S, Event], S]) -> Loaded[S]:
        """Fold one stream. A stream that does not exist is `initial` at version 0."""
        return await self.baselines.load(stream_id, initial, evolve)

    async def load_many(
        self, stream_ids: Sequence[UUID], initial: S, evolve: Callable[[S, Event], S]
    ) -> dict[UUID, Loaded[S]]:
        """Fold several streams of one kind."""
        return {stream_id: await self.load(stream_id, initial, evolve) for stream_id in stream_ids}

    async def command(
        self,
        changes: Sequence[Change],
        request: Request,
        *,
        answer: Mapping[str, Any] | None = None,
        marks: Sequence[Mark] = (),
    ) -> AppendCommand:
        """Seal and encode. Event ids are functions of the request, the stream and the place in it."""
        streams = []
        for change in changes:
            new = []
            for index, event in enumerate(change.events):
                envelope = Envelope(
                    event_id=within(request.request_id, f"{change.stream_id}\x1f{index}\x1f{event.name}"),
                    occurred_at=change.occurred_at or request.occurred_at or request.received_at,
                    received_at=request.received_at,
                    actor=request.actor,
                    causation_id=change.causation_id or request.causation_id,
                    correlation_id=change.correlation_id or request.correlation_id,
                    rule_version=change.rule_version if change.rule_version is not None else request.rule_version,
                )
                new.append(NewEvent(event.name, encode(await self.seal(event), envelope)))
            if new:
                streams.append(StreamAppend(change.stream_id, change.expected_version, tuple(new)))
        idempotency = None
        if request.idempotency is not None:
            key = request.idempotency
            stored = json.dumps(answer or {}, default=str, ensure_ascii=False, separators=(",", ":")).encode()
            idempotency = Idempotency(key.caller, key.key, key.fingerprint, stored)
        return AppendCommand(tuple(streams), idempotency, tuple(marks))

    async def seal(self, event: Event) -> Event:
        """The same event with every personal field sealed under its subject's key."""
        if not can_hold_personal(type(event)) or not any(True for _ in personal_fields(event)):
            return event
        sealed: Event = await self._sealed(event)
        return sealed

    async def _sealed(self, value: Any) -> Any:
        if isinstance(value, Personal):
            if value.sealed is not None or value.text is None:
                return value
            return Personal(subject_id=value.subject_id, sealed=await self.sealer.seal(value.subject_id, value.text))
        if isinstance(value, Frozen):
            replaced = {name: await self._sealed(getattr(value, name)) for name in type(value).model_fields}
            return value.model_copy(update=replaced)
        if isinstance(value, tuple):
            return tuple([await self._sealed(item) for item in value])
        return value

    async def record(
        self, changes: Sequence[Change], request: Request, *, answer: Mapping[str, Any] | None = None
    ) -> Outcome:
        """Record one decision, all or nothing.

        Raises `Conflict` (`stale_version`, `key_reused`), `Unavailable`. A repeat of an idempotency key gives the
        stored answer with `repeated` set, and changes nothing.
        """
        command = await self.command(changes, request, answer=answer)
        if not command.streams and command.idempotency is None:
            return Outcome((await self.log.tip()).position, answer or {}, changed=False)
        verdict = await self.log.append(command)
        return outcome_of(verdict, command, answer or {})

    async def record_any(self, decisions: Sequence[Decided], request: Request) -> Outcome:
        """Record the first of decisions that exclude each other whose versions hold, all in one call.

        Raises as `record`; of conflicts that of the first.
        """
        commands = [await self.command(changes, request, answer=answer) for changes, answer in decisions]
        verdicts = await self.log.append_many(commands)
        stand = (place for place, verdict in enumerate(verdicts) if not isinstance(verdict, VersionConflict))
        place = next(stand, 0)
        return outcome_of(verdicts[place], commands[place], decisions[place][1])

    async def decide(
        self,
        attempt: Callable[[], Awaitable[Decided | AnyOf | Refusal]],
        request: Request,
        *,
        lost: Callable[[Conflict], None] | None = None,
    ) -> Outcome:
        """Load, decide and record, deciding anew while others are first.

        `attempt` loads fresh state and returns changes and the answer, several of them that exclude each other, or a
        refusal (raised as `Refused`). A repeat of an idempotency key is answered before anything is loaded, so a
        command that can no longer be decided (the incident has moved on) still gets the answer it got the first time.
        `lost` hears of each race that was lost, before the next attempt: where the stream is now stands in it.
        """
        repeated = await self.answered_before(request)
        if repeated is not None:
            return repeated
        try:
            return await self._decide(attempt, request, lost)
        except (Refused, Conflict):
            # The same request may have come twice at once (a client that gave up waiting and repeated it): its twin
            # was recorded after we looked for the key, and what we were refused for is the twin's own effect.
            repeated = await self.answered_before(request)
            if repeated is not None:
                return repeated
            raise

    async def _decide(
        self,
        attempt: Callable[[], Awaitable[Decided | AnyOf | Refusal]],
        request: Request,
        lost: Callable[[Conflict], None] | None,
    ) -> Outcome:
        for attempt_number in range(DECIDE_ATTEMPTS):
            decided = await attempt()
            if isinstance(decided, Refusal):
                raise Refused.by(decided)
            try:
                if isinstance(decided, AnyOf):
                    return await self.record_any(decided.decisions, request)
                changes, answer = decided
                return await self.record(changes, request, answer=answer)
            except Conflict as conflict:
                last = attempt_number == DECIDE_ATTEMPTS - 1
                if conflict.code != "stale_version" or request.expected_version is not None or last:
                    raise
                if lost is not None:
                    lost(conflict)
            if attempt_number >= AT_ONCE_ATTEMPTS:
                await asyncio.sleep(_pause_s(request, attempt_number))
        raise AssertionError("the loop returns or raises")

    async def answered_before(self, request: Request) -> Outcome | None:
        """What the same request under the same key was answered; None if it is new. Raises `Conflict` key_reused."""
        key = request.idempotency
        if key is None:
            return None
        found = await self.log.find_answer(caller=key.caller, key=key.key)
        if found is None:
            return None
        if found.fingerprint != key.fingerprint:
            raise key_reused(key.key)
        return Outcome(found.position, json.loads(found.answer), repeated=True, changed=False)


def _pause_s(request: Request, attempt_number: int) -> float:
    """Another pause for each request and attempt, and the same one again in a replay: bits of the request's id."""
    return (request.request_id.int >> attempt_number) % (PAUSE_MS_MAX + 1) / 1000


def check_version(loaded: Loaded[S], request: Request) -> None:
    """Raise `Conflict` if the caller decided on another version than the one just loaded."""
    if request.expected_version is not None and request.expected_version != loaded.version:
        raise stale(loaded.stream_id, request.expected_version, loaded.version)


def stale(stream_id: UUID, expected: int, actual: int) -> Conflict:
    """Somebody was first on this stream."""
    return Conflict(
        "stale_version",
        f"The version you decided on is {expected}; it is now {actual}. Read what changed since, then decide again.",
        stream_id=str(stream_id),
        expected_version=str(expected),
        actual_version=str(actual),
    )


def key_reused(key: str) -> Conflict:
    """Same idempotency key, other request."""
    return Conflict(
        "key_reused", f"The idempotency key {key} was used before for another request. Use a new key.", key=key
    )


def outcome_of(verdict: Verdict, command: AppendCommand, answer: Mapping[str, Any]) -> Outcome:
    """An append's verdict as a command's outcome, or the `Conflict` it means."""
    match verdict:
        case Appended():
            versions = {
                stream.stream_id: stream.expected_version + len(stream.events)
                for stream in command.streams
                if stream.expected_version is not None
            }
            return Outcome(verdict.last_position, answer, versions, changed=bool(command.streams))
        case Repeated():
            return Outcome(verdict.position, json.loads(verdict.answer), repeated=True, changed=False)
        case KeyReused():
            assert command.idempotency is not None
            raise key_reused(command.idempotency.key)
        case VersionConflict():
            raise stale(verdict.stream_id, verdict.expected_version, verdict.actual_version)
        case MarkConflict():
            raise Conflict(
                "mark_moved",
                f"Reactor {verdict.reactor} was moved by another owner to position {verdict.actual_position}.",
                reactor=verdict.reactor,
            )
