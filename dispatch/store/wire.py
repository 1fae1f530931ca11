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
FROM log.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""
APPEND_ONE = """
SELECT command, kind, position, recorded_at, stream_id, reactor, expected, actual, answer
FROM log.append_one($1, $2, $3, $4, $5, $6, $7, $8)
"""


def check(command: AppendCommand) -> None:
    """Assert the limits of one command, before it can fail the neighbours it would travel with."""
    events = 0
    for stream in command.streams:
        assert stream.events, f"stream {stream.stream_id}: no events"
        events += len(stream.events)
        for event in stream.events:
            assert len(event.state) <= MAX_STATE_BYTES, f"{event.topic}: {len(event.state)} bytes of state"
            assert "\0" not in event.topic, "a topic holds NUL"
    assert events <= MAX_EVENTS_PER_COMMAND, f"{events} events in one command"
    if len(command.streams) > 1:
        assert len({stream.stream_id for stream in command.streams}) == len(command.streams), "a stream named twice"
    if command.marks:
        assert len({mark.reactor for mark in command.marks}) == len(command.marks), "a reactor named twice"
        assert all("\0" not in mark.reactor for mark in command.marks), "a reactor's name holds NUL"
    assert command.streams or command.marks, "a command with nothing to record"
    key = command.idempotency
    assert key is None or "\0" not in key.caller + key.key, "a caller or key holds NUL"


def state_bytes(commands: Sequence[AppendCommand]) -> int:
    """How much state these commands carry."""
    return sum(len(event.state) for command in commands for stream in command.streams for event in stream.events)


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
    return columns


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


def verdicts(commands: Sequence[AppendCommand], rows: Sequence[Any]) -> list[Verdict]:
    """One verdict a command, from the rows of either function."""
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
        streams = command.streams
        if not streams:
            found.append(Appended(position, position, recorded_at))
            continue
        first = position + 1
        for stream in streams:
            position += len(stream.events)
        found.append(Appended(first, position, recorded_at))
    return found


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
