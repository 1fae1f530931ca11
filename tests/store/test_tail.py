"""The shared tail answers as the log does, whoever reads where, and while others write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.ports import RecordedEvent, Tip, VersionConflict
from dispatch.store.held_streams import HeldStreams
from dispatch.store.postgres import PostgresLog
from dispatch.store.tail import HeldEnd, Tail, TailedLog
from tests.store.contract import LogContract, decision, on

STREAM = UUID(int=7)
TOPICS = ("a", "b", "c")


@pytest.fixture
async def tailed(dsn: str) -> AsyncIterator[TailedLog]:
    log = await TailedLog.open(dsn)
    try:
        yield log
    finally:
        await log.close()


class TestTailedLog(LogContract):
    @pytest.fixture
    def log(self, tailed: TailedLog) -> PostgresLog:
        return tailed


def row(position: int, size: int = 10) -> RecordedEvent:
    return RecordedEvent(
        position, STREAM, position, TOPICS[position % 3], b"x" * size, datetime(2026, 7, 1, tzinfo=UTC)
    )


@given(
    begins=st.integers(0, 50),
    lengths=st.lists(st.integers(0, 30), max_size=8),
    events_max=st.integers(8, 40),
    bytes_max=st.integers(80, 400),
    position=st.integers(0, 300),
    up_to=st.one_of(st.none(), st.integers(0, 300)),
    topics=st.one_of(st.none(), st.sets(st.sampled_from(TOPICS))),
    limit=st.integers(0, 40),
)
def test_what_is_held_reads_like_the_rows_that_went_in(
    begins: int,
    lengths: list[int],
    events_max: int,
    bytes_max: int,
    position: int,
    up_to: int | None,
    topics: set[str] | None,
    limit: int,
) -> None:
    tail = Tail(events_max, bytes_max)
    tail.begin(begins)
    went_in: list[RecordedEvent] = []
    for length in lengths:
        rows = [row(begins + len(went_in) + number) for number in range(1, length + 1)]
        went_in += rows
        tail.extend(rows)
    assert tail.last == begins + len(went_in)
    if tail.begins_by(position):
        wanted = [
            one
            for one in went_in
            if one.position > position
            and (up_to is None or one.position <= up_to)
            and (topics is None or one.topic in topics)
        ]
        assert tail.after(position, up_to, None if topics is None else frozenset(topics), limit) == wanted[:limit]


def test_memory_is_bounded_in_events_and_in_bytes() -> None:
    tail = Tail(events_max=100, bytes_max=1_000)
    tail.extend([row(number, size=1) for number in range(1, 201)])
    assert not tail.begins_by(99)
    assert tail.last == 200
    assert len(tail.after(0, None, None, 1_000)) <= 100
    tail.extend([row(number, size=300) for number in range(201, 206)])
    assert sum(len(one.state) for one in tail.after(0, None, None, 1_000)) <= 1_000


def test_rows_that_do_not_follow_are_refused() -> None:
    tail = Tail()
    tail.extend([row(1), row(2)])
    with pytest.raises(AssertionError, match="does not follow"):
        tail.extend([row(4)])


async def test_readers_share_rows_and_what_they_were_decoded_to(tailed: TailedLog) -> None:
    await tailed.append(decision(on(STREAM, 0, 5)))
    first = await tailed.read_after(0)
    second = await tailed.read_after(2, up_to_position=4)
    assert [one.position for one in second] == [3, 4]
    assert all(one is other for one, other in zip(first[2:4], second, strict=True))


async def test_many_readers_miss_nothing_while_another_process_writes(tailed: TailedLog, pg_log: PostgresLog) -> None:
    length = 400

    async def write() -> None:
        for _ in range(length):
            await pg_log.append(decision(on(STREAM, None)))

    async def read(limit: int) -> list[int]:
        seen: list[int] = []
        while len(seen) < length:
            end = await tailed.wait_beyond(len(seen), timeout_s=30)
            seen += [one.position for one in await tailed.read_after(len(seen), limit=limit, up_to_position=end)]
        return seen

    _, *readings = await asyncio.gather(write(), *(read(limit) for limit in (1, 7, 50, 500)))
    assert readings == [list(range(1, length + 1))] * 4


async def test_a_log_that_ends_before_what_is_held_empties_it(tailed: TailedLog) -> None:
    await tailed.append(decision(on(STREAM, 0, 5)))
    assert len(await tailed.read_after(0)) == 5
    tailed._end.tail.extend([row(6)])  # what a log held before it was restored to position 5
    await tailed.tip()
    assert [one.position for one in await tailed.read_after(0)] == [1, 2, 3, 4, 5]


class SlowLog:
    """It has `length` rows, read when it is let."""

    def __init__(self) -> None:
        self.length = 3
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.asked_after: list[int] = []

    async def read_after(
        self, position: int, *, limit: int = 500, up_to_position: int | None = None, topics: Sequence[str] | None = None
    ) -> list[RecordedEvent]:
        assert (up_to_position, topics) == (None, None)
        self.asked_after.append(position)
        await self.may_read.wait()
        return [row(number) for number in range(position + 1, self.length + 1)][:limit]


async def test_an_answer_that_was_overtaken_empties_nothing() -> None:
    log = SlowLog()
    end = HeldEnd(log.read_after, lambda: 5)
    await end.read_after(0, limit=500, up_to_position=3, topics=None)

    async def answer() -> Tip:
        log.length = 5
        await end.read_after(0, limit=500, up_to_position=5, topics=None)  # somebody else, while it is on its way
        return Tip(4, STREAM, row(4).recorded_at)

    assert (await end.tip(answer)).position == 4
    assert end.tail.last == 5


async def test_who_reads_on_while_the_end_is_emptied_reads_again_from_there() -> None:
    log = SlowLog()
    end = HeldEnd(log.read_after, lambda: 5)
    await end.read_after(0, limit=500, up_to_position=3, topics=None)
    log.length = 5
    log.may_read.clear()
    reading = asyncio.create_task(end.read_after(3, limit=500, up_to_position=5, topics=None))
    await asyncio.sleep(0)
    end.tail.begin(2)  # the log was restored to there
    log.may_read.set()
    assert [one.position for one in await reading] == [4, 5]
    assert log.asked_after == [0, 3, 2]


@given(begins=st.integers(0, 10), length=st.integers(0, 20), events_max=st.integers(1, 20), position=st.integers(1, 40))
def test_a_row_read_again_is_the_one_that_is_held_and_only_that(
    begins: int, length: int, events_max: int, position: int
) -> None:
    tail = Tail(events_max, 1_000)
    tail.begin(begins)
    rows = [row(begins + number) for number in range(1, length + 1)]
    tail.extend(rows)
    again, another = row(position), row(position, size=11)
    held = [one for one in rows[-events_max:] if one.position == position]
    assert tail.held(again) is (held[0] if held else again)
    assert tail.held(another) is another


async def test_a_stream_that_is_held_costs_no_statement(tailed: TailedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[UUID]] = []
    below = PostgresLog.read_streams

    async def counted(self: PostgresLog, ids: Sequence[UUID], *, up_to_position: int | None = None) -> Any:
        asked.append(list(ids))
        return await below(self, ids, up_to_position=up_to_position)

    monkeypatch.setattr(PostgresLog, "read_streams", counted)
    old, new, other = UUID(int=1), UUID(int=2), UUID(int=3)
    await tailed.append(decision(on(old, 0, 2)))
    tailed._end.tail.begin(2)  # as if it were long ago
    await tailed.append(decision(on(new, 0, 3)))
    for _ in range(2):
        found = await tailed.read_streams([old, new, other])
        assert [[one.version for one in found[each]] for each in (old, new, other)] == [[1, 2], [1, 2, 3], []]
    assert asked == [[old, other], [other]]
    await tailed.append(decision(on(old, 2, 2)))
    assert [one.version for one in (await tailed.read_streams([old]))[old]] == [1, 2, 3, 4]
    assert [one.version for one in (await tailed.read_streams([old], up_to_position=6))[old]] == [1, 2, 3]
    assert asked[2:] == []


async def test_who_lost_a_race_reads_what_it_lost_to(tailed: TailedLog, pg_log: PostgresLog) -> None:
    await tailed.append(decision(on(STREAM, 0)))
    assert len((await tailed.read_streams([STREAM]))[STREAM]) == 1
    await pg_log.append(decision(on(STREAM, 1)))  # no hint may have come yet
    assert isinstance(await tailed.append(decision(on(STREAM, 1))), VersionConflict)
    assert len((await tailed.read_streams([STREAM]))[STREAM]) == 2


class StreamsBelow:
    """A log of a few streams in memory, of which a process knows as much as it was told."""

    def __init__(self) -> None:
        self.rows: list[RecordedEvent] = []
        self.known = 0

    def record(self, stream: int) -> None:
        stream_id = UUID(int=stream)
        version = 1 + sum(one.stream_id == stream_id for one in self.rows)
        self.rows.append(
            RecordedEvent(len(self.rows) + 1, stream_id, version, "a", b"x" * 10, datetime(2026, 7, 1, tzinfo=UTC))
        )

    async def read_after(
        self, position: int, *, limit: int = 500, up_to_position: int | None = None, topics: Sequence[str] | None = None
    ) -> list[RecordedEvent]:
        assert topics is None
        return self.rows[position:up_to_position][:limit]

    async def read_streams(
        self, stream_ids: Sequence[UUID], *, up_to_position: int | None = None
    ) -> dict[UUID, list[RecordedEvent]]:
        assert up_to_position is None
        return {each: [one for one in self.rows if one.stream_id == each] for each in stream_ids}


STEPS = st.one_of(
    st.tuples(st.just("record"), st.lists(st.integers(1, 4), min_size=1, max_size=4)),
    st.tuples(st.just("hear"), st.just(())),
    st.tuples(st.just("page"), st.just(())),
    st.tuples(st.just("skip"), st.just(())),
    st.tuples(st.just("read"), st.lists(st.integers(1, 5), min_size=1, max_size=3)),
)


@given(steps=st.lists(STEPS, max_size=40), events_max=st.integers(1, 8), streams_max=st.integers(1, 3))
async def test_streams_read_like_the_log_as_far_as_it_is_known(
    steps: list[tuple[str, Sequence[int]]], events_max: int, streams_max: int
) -> None:
    log = StreamsBelow()
    end = HeldEnd(log.read_after, lambda: log.known)
    end.tail, end._streams = Tail(events_max, 1_000), HeldStreams(streams_max, 4, 120)
    for what, streams in steps:
        match what:
            case "record":
                for stream in streams:
                    log.record(stream)
            case "hear":
                log.known = len(log.rows)
            case "page":
                await end.read_after(end.tail.last, limit=3, up_to_position=log.known, topics=None)
            case "skip":
                end.tail.begin(max(end.tail.last, log.known))
            case _:
                ids = [UUID(int=stream) for stream in streams]
                found = await end.read_streams(ids, None, log.read_streams)
                for each in ids:
                    whole = [one for one in log.rows if one.stream_id == each]
                    assert found[each] == whole[: len(found[each])]
                    assert all(one in found[each] for one in whole if one.position <= log.known)


async def test_what_was_read_while_the_log_was_restored_is_not_kept() -> None:
    log = StreamsBelow()
    end = HeldEnd(log.read_after, lambda: log.known)
    for stream in (1, 2, 2, 2):
        log.record(stream)
    log.known = 4
    await end.read_after(0, limit=500, up_to_position=4, topics=None)
    end.tail.begin(4)  # as if it were long ago
    restored_to = Tip(1, UUID(int=9), datetime(2026, 7, 1, tzinfo=UTC))

    async def answer() -> Tip:
        return restored_to

    async def while_it_is_restored(ids: Sequence[UUID], *, up_to_position: int | None = None) -> Any:
        found = await log.read_streams(ids, up_to_position=up_to_position)
        del log.rows[1:]
        await end.tip(answer)
        return found

    await end.read_streams([UUID(int=1)], None, while_it_is_restored)
    log.record(1)  # at position 2, below what was held of the log that is no more
    for _ in range(4):
        log.record(3)
    log.known = len(log.rows)
    found = await end.read_streams([UUID(int=1)], None, log.read_streams)
    assert [one.position for one in found[UUID(int=1)]] == [1, 2]


async def test_a_log_of_another_epoch_empties_what_is_held_however_long_it_is() -> None:
    log = SlowLog()
    end = HeldEnd(log.read_after, lambda: 3)
    await end.read_after(0, limit=500, up_to_position=3, topics=None)
    for epoch in (1, 1, 2):

        async def answer(epoch: int = epoch) -> Tip:
            return Tip(8, UUID(int=epoch), row(8).recorded_at)

        await end.tip(answer)
        assert end.tail.begins_by(0) == (epoch == 1)


async def test_whoever_knows_the_tip_reads_streams_up_to_it(tailed: TailedLog, pg_log: PostgresLog) -> None:
    await tailed.append(decision(on(STREAM, 0)))
    assert len((await tailed.read_streams([STREAM]))[STREAM]) == 1
    await pg_log.append(decision(on(STREAM, 1)))  # no hint may have come yet
    await tailed.tip()
    assert len((await tailed.read_streams([STREAM]))[STREAM]) == 2
