"""Whatever is asked of them, the log in memory and the log in PostgreSQL answer alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch.ports import (
    AppendCommand,
    Appended,
    EventLog,
    Idempotency,
    Mark,
    NewEvent,
    RecordedEvent,
    StreamAppend,
    Verdict,
)
from dispatch.store.memory import MemoryLog
from dispatch.store.postgres import PostgresLog
from tests.store.test_memory_log import TickingClock

STREAMS = [UUID(int=number) for number in range(1, 5)]
TOPICS = ["alert.received", "incident.opened"]
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

new_events = st.builds(NewEvent, st.sampled_from(TOPICS), st.binary(max_size=8))
stream_appends = st.builds(
    StreamAppend,
    st.sampled_from(STREAMS),
    st.none() | st.integers(-1, 6),
    st.lists(new_events, min_size=1, max_size=3).map(tuple),
)
idempotencies = st.builds(
    Idempotency, st.sampled_from(["a", "b"]), st.sampled_from(["k", "l"]), st.sampled_from([b"1", b"2"]), st.just(b"ok")
)
marks = st.builds(Mark, st.sampled_from(["correlation", "routing"]), st.integers(0, 3), st.integers(0, 3))
commands = st.builds(
    AppendCommand,
    st.lists(stream_appends, max_size=3, unique_by=lambda stream: stream.stream_id).map(tuple),
    st.none() | idempotencies,
    st.lists(marks, max_size=2, unique_by=lambda mark: mark.reactor).map(tuple),
).filter(lambda command: bool(command.streams or command.marks))
calls = st.lists(st.lists(commands, min_size=1, max_size=6), min_size=1, max_size=8)


def without_time(answer: Any) -> Any:
    """Both have a clock of their own."""
    match answer:
        case Appended() | RecordedEvent():
            return replace(answer, recorded_at=LONG_AGO)
        case list():
            return [without_time(part) for part in answer]
        case dict():
            return {key: without_time(part) for key, part in answer.items()}
        case _:
            return answer


class Offset:
    """The PostgreSQL log of one example: a database is reused, so names and positions are shifted to look fresh."""

    def __init__(self, log: PostgresLog, example: int, position: int) -> None:
        self.log, self.example, self.position = log, example, position

    def stream(self, stream_id: UUID) -> UUID:
        return UUID(int=stream_id.int + (self.example << 64))

    def command(self, command: AppendCommand) -> AppendCommand:
        key = command.idempotency
        return AppendCommand(
            tuple(replace(stream, stream_id=self.stream(stream.stream_id)) for stream in command.streams),
            None if key is None else replace(key, caller=f"{self.example} {key.caller}"),
            tuple(replace(mark, reactor=f"{self.example} {mark.reactor}") for mark in command.marks),
        )

    def answer(self, answer: Any) -> Any:
        """The answer as a fresh log would have given it."""
        changes: dict[str, Any] = {}
        for field in ("position", "first_position", "last_position"):
            if hasattr(answer, field):
                changes[field] = getattr(answer, field) - self.position
        if hasattr(answer, "stream_id"):
            changes["stream_id"] = UUID(int=answer.stream_id.int - (self.example << 64))
        if hasattr(answer, "reactor"):
            changes["reactor"] = answer.reactor.split(" ", 1)[1]
        return replace(answer, **changes)


async def compare(offset: Offset, memory: MemoryLog, batches: list[list[AppendCommand]]) -> None:
    for batch in batches:
        ours: list[Verdict] = await memory.append_many(batch)
        theirs = await offset.log.append_many([offset.command(command) for command in batch])
        assert without_time([offset.answer(verdict) for verdict in theirs]) == without_time(ours)
    tip = (await memory.tip()).position
    assert (await offset.log.tip()).position - offset.position == tip
    await compare_reads(offset, memory)


async def compare_reads(offset: Offset, memory: MemoryLog) -> None:
    async def same(read: Callable[[EventLog, Callable[[UUID], UUID], int], Any]) -> None:
        ours = await read(memory, lambda stream_id: stream_id, 0)
        theirs = await read(offset.log, offset.stream, offset.position)
        assert without_time([offset.answer(e) for e in theirs]) == without_time(list(ours))

    await same(lambda log, name, base: log.read_after(base, limit=1_000))
    await same(lambda log, name, base: log.read_after(base + 2, limit=3, topics=TOPICS[:1]))
    await same(lambda log, name, base: log.read_after(base, limit=1_000, up_to_position=base + 4))
    for stream_id in STREAMS:
        await same(lambda log, name, base, s=stream_id: log.read_stream(name(s), after_version=-1))
        await same(lambda log, name, base, s=stream_id: log.read_stream(name(s), up_to_position=base + 5, limit=2))
    ours = await memory.heads(STREAMS)
    theirs = await offset.log.heads([offset.stream(stream_id) for stream_id in STREAMS])
    assert {head.stream_id: head for head in map(offset.answer, theirs.values())} == ours


async def test_both_logs_answer_alike(pg_log: PostgresLog) -> None:
    loop = asyncio.get_running_loop()
    examples = 0

    # Hypothesis is synchronous: it runs in a thread and hands each example to this loop.
    @settings(max_examples=150, suppress_health_check=list(HealthCheck), database=None)
    @given(calls)
    def example(batches: list[list[AppendCommand]]) -> None:
        nonlocal examples
        examples += 1

        async def run() -> None:
            offset = Offset(pg_log, examples, (await pg_log.tip()).position)
            await compare(offset, MemoryLog(TickingClock()), batches)

        asyncio.run_coroutine_threadsafe(run(), loop).result(60)

    await asyncio.to_thread(example)
    assert examples >= 100
