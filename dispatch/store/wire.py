"""How commands travel to `log.append` and how its answer is read. Pure, and lean: every event passes through here.

The function answers one row for the call and one for each command it did not record; the positions of the others
follow by counting, because positions are contiguous.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dispatch.ports import (
    MAX_EVENTS_PER_COMMAND,
    MAX_STATE_BYTES,
    AppendCommand,
    Appended,
    KeyReused,
    MarkConflict,
    Repeated,
    Verdict,
    VersionConflict,
)

APPEND = """
SELECT command, kind, position, recorded_at, stream_id, reactor, expected, actual, answer
FROM log.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
APPEND_ONE = """
SELECT command, kind, position, recorded_at, stream_id, reactor, expected, actual, answer
FROM log.append_one($1, $2, $3, $4, $5, $6, $7, $8)
"""


def check(command: AppendCommand) -> int:
    """Assert the limits of one command, before it can fail its neighbours; returns the bytes of state it carries."""
    events = state_bytes = 0
    for stream in command.streams:
        assert stream.events, f"stream {stream.stream_id}: no events"
        events += len(stream.events)
        for event in stream.events:
            size = len(event.state)
            assert size <= MAX_STATE_BYTES, f"{event.topic}: {size} bytes of state"
            assert "\0" not in event.topic, "a topic holds NUL"
            state_bytes += size
    assert events <= MAX_EVENTS_PER_COMMAND, f"{events} events in one command"
    if len(command.streams) != 1:
        assert command.streams or command.marks or command.idempotency, "a command with nothing to record"
        assert len({stream.stream_id for stream in command.streams}) == len(command.streams), "a stream named twice"
    if command.marks:
        assert len({mark.reactor for mark in command.marks}) == len(command.marks), "a reactor named twice"
        assert all("\0" not in mark.reactor for mark in command.marks), "a reactor's name holds NUL"
    key = command.idempotency
    assert key is None or "\0" not in key.caller + key.key, "a caller or key holds NUL"
    return state_bytes


def is_short(command: AppendCommand) -> bool:
    """Fits `log.append_one`: one event on one stream, no marks."""
    return not command.marks and len(command.streams) == 1 and len(command.streams[0].events) == 1


def is_safe_to_repeat(command: AppendCommand) -> bool:
    """Carries something that makes recording it twice impossible."""
    return (
        command.idempotency is not None
        or any(stream.expected_version is not None for stream in command.streams)
        or any(mark.from_position != mark.to_position for mark in command.marks)
    )


def short(command: AppendCommand) -> tuple[Any, ...]:
    """The arguments of `log.append_one`."""
    (stream,) = command.streams
    (event,) = stream.events
    key = command.idempotency
    if key is None:
        return stream.stream_id, stream.expected_version, event.topic, event.state, None, None, None, None
    return (
        stream.stream_id,
        stream.expected_version,
        event.topic,
        event.state,
        key.caller,
        key.key,
        key.fingerprint,
        key.answer,
    )


def arrays(commands: Sequence[AppendCommand]) -> list[list[Any]]:
    """The arguments of `log.append`."""
    columns: list[list[Any]] = [[] for _ in range(15)]
    s_command, s_stream, s_expected, s_count, topics, states, *others = columns
    for number, command in enumerate(commands, 1):
        for stream in command.streams:
            s_command.append(number)
            s_stream.append(stream.stream_id)
            s_expected.append(stream.expected_version)
            events = stream.events
            s_count.append(len(events))
            for event in events:
                topics.append(event.topic)
                states.append(event.state)
        if command.idempotency is not None or command.marks:
            _add_extras(others, number, command)
    if len(states) == len(s_stream) == len(commands) and len(set(s_command)) == len(commands):
        # Command i is one event on stream i: said by two empty arrays, which are cheaper to send than to fill.
        s_command.clear()
        s_count.clear()
    if len(set(s_stream)) == len(s_stream) and not (others[0] or others[5]):
        return [[], *columns]
    return [_run_starts(commands), *columns]


def _add_extras(others: list[list[Any]], number: int, command: AppendCommand) -> None:
    k_command, k_caller, k_key, k_fingerprint, k_answer, m_command, m_reactor, m_from, m_to = others
    key = command.idempotency
    if key is not None:
        k_command.append(number)
        k_caller.append(key.caller)
        k_key.append(key.key)
        k_fingerprint.append(key.fingerprint)
        k_answer.append(key.answer)
    for mark in command.marks:
        m_command.append(number)
        m_reactor.append(mark.reactor)
        m_from.append(mark.from_position)
        m_to.append(mark.to_position)


def _run_starts(commands: Sequence[AppendCommand]) -> list[int]:
    """Where a new run must begin, so that no stream, key or reactor occurs twice in one run."""
    starts: list[int] = []
    seen: set[object] = set()
    for number, command in enumerate(commands, 1):
        names: list[object] = [stream.stream_id for stream in command.streams]
        if command.idempotency is not None:
            names.append((command.idempotency.caller, command.idempotency.key))
        names += [mark.reactor for mark in command.marks]
        if not seen.isdisjoint(names):
            starts.append(number)
            seen.clear()
        seen.update(names)
    return starts


def verdicts(commands: Sequence[AppendCommand], rows: Sequence[Any]) -> tuple[list[Verdict], int]:
    """One verdict a command, from the rows of either function, and the last position after the call."""
    call = rows[0]
    rejected: dict[int, Any] = {}
    if len(rows) > 1:
        for row in rows:
            if row["command"]:
                rejected[row["command"]] = row
            else:
                call = row
    position, recorded_at = call["position"], call["recorded_at"]
    found: list[Verdict] = []
    for number, command in enumerate(commands, 1):
        if number in rejected:
            found.append(_rejection(rejected[number]))
            continue
        last = position
        for stream in command.streams:
            last += len(stream.events)
        found.append(Appended(position + 1 if last > position else position, last, recorded_at))
        position = last
    return found, position


def _rejection(row: Any) -> Verdict:
    match row["kind"]:
        case "R":
            return Repeated(row["answer"], row["position"])
        case "K":
            return KeyReused(row["position"])
        case "V":
            return VersionConflict(row["stream_id"], row["expected"], row["actual"])
        case "M":
            return MarkConflict(row["reactor"], row["expected"], row["actual"])
        case kind:
            raise AssertionError(f"log.append answered {kind!r}")
