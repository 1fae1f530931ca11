"""What every log promises. A test module subclasses this and says, in a fixture `log`, which log is meant."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest

from dispatch.ports import (
    MAX_EVENTS_PER_COMMAND,
    AppendCommand,
    Appended,
    EventLog,
    Head,
    Idempotency,
    KeyReused,
    Mark,
    MarkConflict,
    NewEvent,
    Repeated,
    StoredAnswer,
    StreamAppend,
    VersionConflict,
)

UNIT, INCIDENT, CENTER = UUID(int=0xA), UUID(int=0xB), UUID(int=0xC)
numbers: Iterator[int] = count()


def event(topic: str = "incident.opened", state: bytes | None = None) -> NewEvent:
    """An event like no other."""
    return NewEvent(topic, b'{"number":%d}' % next(numbers) if state is None else state)


def on(stream_id: UUID, expected_version: int | None, events: int = 1) -> StreamAppend:
    return StreamAppend(stream_id, expected_version, tuple(event() for _ in range(events)))


def decision(
    *streams: StreamAppend, key: str | None = None, meaning: bytes = b"m", mark: Mark | None = None
) -> AppendCommand:
    idempotency = None if key is None else Idempotency("operator 7", key, meaning, b"answer to " + key.encode())
    return AppendCommand(streams, idempotency, () if mark is None else (mark,))


async def positions(log: EventLog) -> list[int]:
    return [event.position for event in await log.read_after(0, limit=10_000)]


class LogContract:
    """Behaviour common to all logs."""

    # Recording

    async def test_an_empty_log_stands_at_position_0(self, log: EventLog) -> None:
        assert (await log.tip()).position == 0
        assert await log.read_after(0) == []
        assert await log.read_stream(UNIT) == []
        assert await log.heads([UNIT]) == {}
        assert await log.find_answer(caller="operator 7", key="k") is None
        assert await log.mark("correlation") == 0

    async def test_positions_and_versions_start_at_1_and_have_no_holes(self, log: EventLog) -> None:
        first = await log.append(decision(on(UNIT, 0, events=2)))
        second = await log.append(decision(on(INCIDENT, 0), on(UNIT, 2)))
        assert isinstance(first, Appended)
        assert isinstance(second, Appended)
        assert (first.first_position, first.last_position) == (1, 2)
        assert (second.first_position, second.last_position) == (3, 4)
        assert [(e.position, e.stream_id, e.version) for e in await log.read_after(0)] == [
            (1, UNIT, 1),
            (2, UNIT, 2),
            (3, INCIDENT, 1),
            (4, UNIT, 3),
        ]

    async def test_what_was_recorded_is_read_back_as_it_was(self, log: EventLog) -> None:
        new = event("unit.assigned", '{"why":"最近的可用单位"}'.encode())
        verdict = await log.append(decision(StreamAppend(UNIT, 0, (new,))))
        (read,) = await log.read_stream(UNIT)
        assert isinstance(verdict, Appended)
        assert (read.topic, read.state, read.recorded_at) == (new.topic, new.state, verdict.recorded_at)
        assert read.recorded_at.utcoffset() == timedelta(0)

    async def test_a_state_that_is_not_json_is_kept_byte_for_byte(self, log: EventLog) -> None:
        state = bytes(range(256))
        await log.append(decision(StreamAppend(UNIT, 0, (event(state=state),))))
        assert (await log.read_stream(UNIT))[0].state == state

    async def test_recorded_at_never_goes_back(self, log: EventLog) -> None:
        for _ in range(20):
            await log.append(decision(on(UNIT, None)))
        instants = [e.recorded_at for e in await log.read_after(0)]
        assert instants == sorted(instants)
        assert (await log.tip()).recorded_at >= instants[-1]

    async def test_the_largest_command_is_recorded_whole(self, log: EventLog) -> None:
        verdict = await log.append(decision(on(UNIT, 0, events=MAX_EVENTS_PER_COMMAND)))
        assert isinstance(verdict, Appended)
        assert verdict.last_position == MAX_EVENTS_PER_COMMAND
        assert len(await log.read_stream(UNIT)) == MAX_EVENTS_PER_COMMAND

    @pytest.mark.parametrize(
        "command",
        [
            AppendCommand(()),
            AppendCommand((StreamAppend(UNIT, 0, ()),)),
            decision(on(UNIT, 0), on(UNIT, 1)),
            decision(on(UNIT, 0, events=MAX_EVENTS_PER_COMMAND + 1)),
            decision(StreamAppend(UNIT, 0, (NewEvent("topic\0", b"{}"),))),
        ],
        ids=["nothing", "no event", "a stream twice", "too many events", "NUL in a topic"],
    )
    async def test_a_command_beyond_the_limits_is_a_programming_error(
        self, log: EventLog, command: AppendCommand
    ) -> None:
        with pytest.raises(AssertionError):
            await log.append(command)
        assert (await log.tip()).position == 0

    # Versions

    async def test_a_new_stream_cannot_be_begun_twice(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0)))
        assert await log.append(decision(on(UNIT, 0))) == VersionConflict(UNIT, 0, 1)
        assert await positions(log) == [1]

    async def test_a_version_that_does_not_exist_yet_is_a_conflict(self, log: EventLog) -> None:
        assert await log.append(decision(on(UNIT, 3))) == VersionConflict(UNIT, 3, 0)
        await log.append(decision(on(UNIT, 0)))
        assert await log.append(decision(on(UNIT, 2))) == VersionConflict(UNIT, 2, 1)

    async def test_a_refused_command_leaves_no_hole(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0)))
        await log.append(decision(on(UNIT, 0, events=3)))
        await log.append(decision(on(UNIT, 0, events=3), on(CENTER, 0)))
        await log.append(decision(on(UNIT, 1)))
        assert await positions(log) == [1, 2]
        assert (await log.tip()).position == 2

    async def test_without_an_expected_version_events_are_appended_wherever_the_stream_stands(
        self, log: EventLog
    ) -> None:
        await log.append(decision(on(UNIT, None)))
        await log.append(decision(on(UNIT, None, events=2)))
        assert [e.version for e in await log.read_stream(UNIT)] == [1, 2, 3]

    async def test_one_conflict_refuses_all_streams_of_the_command(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0)))
        refused = await log.append(decision(on(INCIDENT, 0), on(UNIT, 0), on(CENTER, 0), key="k"))
        assert refused == VersionConflict(UNIT, 0, 1)
        assert set(await log.heads([UNIT, INCIDENT, CENTER])) == {UNIT}
        assert await log.find_answer(caller="operator 7", key="k") is None

    # Batches

    async def test_a_refused_command_does_not_fail_its_neighbours(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0)))
        before, refused, after = await log.append_many(
            [decision(on(INCIDENT, 0, events=2)), decision(on(UNIT, 0)), decision(on(CENTER, 0), on(UNIT, 1))]
        )
        assert isinstance(before, Appended)
        assert refused == VersionConflict(UNIT, 0, 1)
        assert isinstance(after, Appended)
        assert (before.first_position, before.last_position) == (2, 3)
        assert (after.first_position, after.last_position) == (4, 5)
        assert [(e.stream_id, e.version) for e in await log.read_after(1)] == [
            (INCIDENT, 1),
            (INCIDENT, 2),
            (CENTER, 1),
            (UNIT, 2),
        ]

    async def test_later_commands_see_earlier_ones(self, log: EventLog) -> None:
        verdicts = await log.append_many(
            [decision(on(UNIT, 0)), decision(on(UNIT, 0)), decision(on(UNIT, 1)), decision(on(UNIT, None, events=2))]
        )
        assert [type(verdict) for verdict in verdicts] == [Appended, VersionConflict, Appended, Appended]
        assert verdicts[1] == VersionConflict(UNIT, 0, 1)
        assert [(e.position, e.version) for e in await log.read_stream(UNIT)] == [(1, 1), (2, 2), (3, 3), (4, 4)]

    async def test_a_refused_command_is_not_seen_by_later_ones(self, log: EventLog) -> None:
        verdicts = await log.append_many([decision(on(UNIT, 5), on(CENTER, 0)), decision(on(CENTER, 0))])
        assert verdicts[0] == VersionConflict(UNIT, 5, 0)
        assert isinstance(verdicts[1], Appended)

    async def test_more_commands_than_one_call_takes_are_recorded_in_order(self, log: EventLog) -> None:
        verdicts = await log.append_many([decision(on(UNIT, number)) for number in range(1_203)])
        assert [v.first_position for v in verdicts if isinstance(v, Appended)] == list(range(1, 1_204))

    async def test_of_many_at_once_exactly_one_begins_the_stream(self, log: EventLog) -> None:
        verdicts = await asyncio.gather(*(log.append(decision(on(UNIT, 0))) for _ in range(64)))
        assert sum(isinstance(verdict, Appended) for verdict in verdicts) == 1
        assert verdicts.count(VersionConflict(UNIT, 0, 1)) == 63

    async def test_many_writers_leave_no_hole_and_no_version_twice(self, log: EventLog) -> None:
        streams = [UUID(int=number) for number in range(10)]
        await asyncio.gather(*(log.append(decision(on(streams[n % 10], None, events=n % 3 + 1))) for n in range(300)))
        assert await positions(log) == list(range(1, 600 + 1))
        for found in (await log.read_streams(streams)).values():
            assert [e.version for e in found] == list(range(1, len(found) + 1))

    # Idempotency

    async def test_a_repeat_gets_the_stored_answer_and_records_nothing(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0, events=2), key="k"))
        assert await log.append(decision(on(UNIT, 0, events=2), key="k")) == Repeated(b"answer to k", 2)
        assert await log.append(decision(on(UNIT, 0), on(CENTER, 0), key="k")) == Repeated(b"answer to k", 2)
        assert await positions(log) == [1, 2]

    async def test_a_key_used_for_something_else_is_refused(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0), key="k", meaning=b"one"))
        assert await log.append(decision(on(CENTER, 0), key="k", meaning=b"other")) == KeyReused(1)
        assert await positions(log) == [1]

    async def test_two_callers_may_use_one_key(self, log: EventLog) -> None:
        theirs = AppendCommand((on(UNIT, 0),), Idempotency("operator 8", "k", b"m", b"theirs"))
        assert isinstance(await log.append(decision(on(CENTER, 0), key="k")), Appended)
        assert isinstance(await log.append(theirs), Appended)
        assert await log.find_answer(caller="operator 8", key="k") == StoredAnswer(b"m", b"theirs", 2)

    async def test_within_one_batch_a_key_counts_from_its_first_use(self, log: EventLog) -> None:
        verdicts = await log.append_many(
            [
                decision(on(UNIT, 0), key="k"),
                decision(on(CENTER, 0), key="k"),
                decision(on(CENTER, 0), key="k", meaning=b"other"),
                decision(on(CENTER, 0)),
            ]
        )
        assert verdicts[1:3] == [Repeated(b"answer to k", 1), KeyReused(1)]
        assert isinstance(verdicts[3], Appended)

    async def test_a_refusal_does_not_use_up_its_key(self, log: EventLog) -> None:
        assert isinstance(await log.append(decision(on(UNIT, 4), key="k")), VersionConflict)
        assert isinstance(await log.append(decision(on(UNIT, 0), key="k")), Appended)

    async def test_a_stored_answer_names_the_last_position_of_its_own_command(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0)))
        await log.append_many(
            [
                decision(on(UNIT, 7), key="refused"),
                decision(on(INCIDENT, 0, events=2), key="two"),
                decision(on(CENTER, 0), on(UNIT, 1), key="three"),
            ]
        )
        found = {key: await log.find_answer(caller="operator 7", key=key) for key in ("refused", "two", "three")}
        assert found == {
            "refused": None,
            "two": StoredAnswer(b"m", b"answer to two", 3),
            "three": StoredAnswer(b"m", b"answer to three", 5),
        }

    async def test_a_keyed_command_without_events_answers_with_the_position_it_came_at(self, log: EventLog) -> None:
        verdicts = await log.append_many(
            [
                decision(on(UNIT, 0, events=2)),
                decision(key="k", mark=Mark("correlation", 0, 2)),
                decision(on(CENTER, 0)),
            ]
        )
        assert isinstance(verdicts[1], Appended)
        assert verdicts[1].last_position == 2
        assert await log.find_answer(caller="operator 7", key="k") == StoredAnswer(b"m", b"answer to k", 2)

    # Marks

    async def test_a_mark_moves_with_the_events_it_explains(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0), mark=Mark("correlation", 0, 7)))
        assert await log.mark("correlation") == 7

    async def test_a_mark_may_move_without_events(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0)))
        verdict = await log.append(decision(mark=Mark("correlation", 0, 1)))
        assert isinstance(verdict, Appended)
        assert (verdict.first_position, verdict.last_position) == (1, 1)
        assert await log.mark("correlation") == 1

    async def test_who_lost_the_mark_records_nothing(self, log: EventLog) -> None:
        await log.append(decision(mark=Mark("correlation", 0, 7)))
        assert await log.append(decision(on(UNIT, 0), mark=Mark("correlation", 0, 9))) == MarkConflict(
            "correlation", 0, 7
        )
        assert await log.read_stream(UNIT) == []
        assert await log.mark("correlation") == 7

    async def test_within_one_batch_a_mark_moves_once(self, log: EventLog) -> None:
        verdicts = await log.append_many(
            [
                decision(on(UNIT, 0), mark=Mark("correlation", 0, 5)),
                decision(on(CENTER, 0), mark=Mark("correlation", 0, 5)),
                decision(mark=Mark("correlation", 5, 9)),
            ]
        )
        assert verdicts[1] == MarkConflict("correlation", 0, 5)
        assert await log.mark("correlation") == 9
        assert await log.read_stream(CENTER) == []

    # Reading

    async def test_a_page_is_bounded_and_continues_where_it_ended(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0, events=7)))
        assert [e.position for e in await log.read_after(0, limit=3)] == [1, 2, 3]
        assert [e.position for e in await log.read_after(3, limit=3)] == [4, 5, 6]
        assert [e.position for e in await log.read_after(3, limit=3, up_to_position=5)] == [4, 5]
        assert await log.read_after(7) == []

    async def test_a_page_of_some_topics_skips_the_others(self, log: EventLog) -> None:
        topics = ("alert.received", "unit.assigned", "alert.received", "incident.opened")
        await log.append(decision(StreamAppend(UNIT, 0, tuple(event(topic) for topic in topics))))
        page = await log.read_after(0, topics=["alert.received", "incident.opened"], limit=2)
        assert [e.position for e in page] == [1, 3]
        assert [e.position for e in await log.read_after(3, topics=["alert.received", "incident.opened"])] == [4]
        assert [e.position for e in await log.read_after(0, topics=["alert.received"], up_to_position=2)] == [1]

    async def test_a_stream_is_read_from_a_version_up_to_a_position(self, log: EventLog) -> None:
        for _ in range(4):
            await log.append(decision(on(UNIT, None), on(CENTER, None)))
        assert [e.version for e in await log.read_stream(UNIT, after_version=1)] == [2, 3, 4]
        assert [e.version for e in await log.read_stream(UNIT, after_version=1, limit=2)] == [2, 3]
        assert [e.version for e in await log.read_stream(UNIT, up_to_position=4)] == [1, 2]

    async def test_several_streams_are_read_at_once(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0, events=2), on(CENTER, 0)))
        await log.append(decision(on(UNIT, 2)))
        found = await log.read_streams([UNIT, INCIDENT, CENTER])
        assert {stream_id: [e.version for e in events] for stream_id, events in found.items()} == {
            UNIT: [1, 2, 3],
            INCIDENT: [],
            CENTER: [1],
        }
        assert [e.version for e in (await log.read_streams([UNIT], up_to_position=3))[UNIT]] == [1, 2]

    async def test_heads_say_where_streams_stand(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0, events=2), on(CENTER, 0)))
        await log.append(decision(on(UNIT, 2)))
        assert await log.heads([UNIT, INCIDENT, CENTER]) == {UNIT: Head(UNIT, 3, 1, 4), CENTER: Head(CENTER, 1, 3, 3)}

    async def test_the_position_at_an_instant_is_the_last_one_recorded_by_then(self, log: EventLog) -> None:
        for _ in range(5):
            await log.append(decision(on(UNIT, None)))
        events = await log.read_after(0)
        tick = timedelta(microseconds=1)
        assert await log.position_at(events[0].recorded_at - tick) == 0
        assert await log.position_at(events[-1].recorded_at + timedelta(days=1)) == 5
        for e in events:
            assert await log.position_at(e.recorded_at) == max(
                o.position for o in events if o.recorded_at <= e.recorded_at
            )

    # Waiting

    async def test_who_waits_for_what_is_there_returns_at_once(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0, events=3)))
        assert await log.wait_beyond(2, timeout_s=60) == 3

    async def test_who_waits_is_woken_by_an_append(self, log: EventLog) -> None:
        waiting = asyncio.create_task(log.wait_beyond(0, timeout_s=60))
        await log.append(decision(on(UNIT, 0)))
        assert await waiting == 1

    async def test_who_waits_in_vain_returns_at_the_time_out(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0)))
        assert await log.wait_beyond(1, timeout_s=0.02) == 1

    async def test_a_refused_append_wakes_nobody_with_a_position_that_is_not_there(self, log: EventLog) -> None:
        await log.append(decision(on(UNIT, 0)))
        await log.append(decision(on(UNIT, 0, events=3)))
        assert await log.wait_beyond(1, timeout_s=0.02) == 1

    async def test_an_epoch_stays_while_the_log_is_the_same(self, log: EventLog) -> None:
        before = (await log.tip()).epoch
        await log.append(decision(on(UNIT, 0)))
        assert (await log.tip()).epoch == before
