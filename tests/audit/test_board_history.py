"""A board folded from a baseline is the board folded from the first fact on."""

from __future__ import annotations

import asyncio
import zlib
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from dispatch.audit import board_history, replay
from dispatch.audit.replay import AsOf
from dispatch.ports import AppendCommand, EventLog, NewEvent, StreamAppend, Tip
from dispatch.store.board_baselines import PostgresBoardBaselines
from dispatch.store.postgres import PostgresLog
from dispatch.workers.board_keeper import CALM_POSITIONS_PER_S, Calm, keep_boards
from dispatch.workers.ownership import SoleOwnership
from domain.incident.events import IncidentClosed, IncidentReopened
from tests.domain.incident_story import OPENED
from tests.projections.happenings import BEGAN_AT, INCIDENTS, SYSTEM, Happening, collected, tell
from tests.store.counting import CountingLog

EVERY = 20


@pytest.fixture
async def store(pg_log: PostgresLog) -> PostgresBoardBaselines:
    return PostgresBoardBaselines(pg_log.pool)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Baselines every few positions, however many rows the board has."""
    monkeypatch.setattr(board_history, "POSITIONS_PER_ROW", 0)


@pytest.fixture
async def told(pg_log: PostgresLog, store: PostgresBoardBaselines) -> int:
    """Stories of three incidents that open, end, come back, merge and are unreadable; the log's last position."""
    # What is collected depends on what else is loaded: one that is over by the first baseline is always there.
    last = await tell(pg_log, [Happening(UUID(int=8), OPENED, 0, SYSTEM), closing(UUID(int=8))])
    for story in collected(20):
        last = await tell(pg_log, story, began=last)
    made = await board_history.keep(pg_log, store, rest=0, every=EVERY)
    assert made == last // EVERY > 5
    return last


async def board(log: EventLog, moment: AsOf, store: PostgresBoardBaselines | None) -> list[dict[str, Any]]:
    return (await replay.board_as_of(log, moment, baselines=store)).items


async def test_from_a_baseline_it_is_the_same_at_every_position(
    pg_log: PostgresLog, store: PostgresBoardBaselines, told: int
) -> None:
    for position in range(told + 1):
        assert await board(pg_log, AsOf(position), store) == await board(pg_log, AsOf(position), None)


async def test_as_true_it_is_the_same_at_every_instant(
    pg_log: PostgresLog, store: PostgresBoardBaselines, told: int
) -> None:
    for second in range(-70, told, 9):
        moment = AsOf(told, BEGAN_AT + timedelta(seconds=second))
        assert await board(pg_log, moment, store) == await board(pg_log, moment, None)


async def test_no_more_is_read_than_lies_behind_the_baseline(
    pg_log: PostgresLog, store: PostgresBoardBaselines, told: int
) -> None:
    counting = CountingLog(pg_log)
    for position in (EVERY, 3 * EVERY + 7, told):
        counting.events_read = 0
        await board(counting, AsOf(position), store)
        assert counting.events_read <= position % EVERY


def closing(incident_id: UUID) -> Happening:
    return Happening(incident_id, IncidentClosed(), 0, SYSTEM)


async def test_an_incident_that_ended_long_ago_comes_back_as_it_was(
    pg_log: PostgresLog, store: PostgresBoardBaselines
) -> None:
    one, two, three = INCIDENTS
    opened = [Happening(each, OPENED, 0, SYSTEM) for each in INCIDENTS]
    quiet = [Happening(UUID(int=7), OPENED, 0, SYSTEM)] * EVERY
    last = await tell(pg_log, [*opened, closing(one), *quiet, closing(two), *quiet])
    assert await board_history.keep(pg_log, store, rest=0, every=EVERY) == 2
    back = Happening(one, IncidentReopened(reason="again"), 0, SYSTEM)
    position = await tell(pg_log, [back, closing(three), *quiet], began=last)
    for moment in (AsOf(last + 1), AsOf(position)):
        items = await board(pg_log, moment, store)
        assert str(one) in {row["incident_id"] for row in items}
        assert items == await board(pg_log, moment, None)
    assert await board_history.keep(pg_log, store, rest=0, every=EVERY) == 1
    await tell(pg_log, [closing(one), Happening(one, IncidentReopened(reason="and again"), 0, SYSTEM)], began=position)
    assert await board(pg_log, AsOf(position + 2), store) == await board(pg_log, AsOf(position + 2), None)


PLANTED = "UPDATE edge.board_baselines SET document = decode('{}', 'hex'), sha256 = sha256(decode('{}', 'hex'))"
UNREADABLE = {
    "an infinite time": "UPDATE edge.board_baselines SET latest_occurred_at = '-infinity'",
    "an infinite time to come": "UPDATE edge.board_baselines SET latest_occurred_at = 'infinity'",
    **{
        name: PLANTED.format(document.hex(), document.hex())
        for name, document in {
            "not packed": b"x",
            "no JSON": zlib.compress(b"x"),
            "no board": zlib.compress(b"[]"),
            "rows of a newer schema": zlib.compress(b'{"rows": [{"incident": 1}], "parking": {}}'),
            "rows that are none": zlib.compress(b'{"rows": [1], "parking": {}}'),
        }.items()
    },
}
"""Planted under a right hash: rows that an older or newer release of the same rules may have left."""


@pytest.mark.parametrize(
    "spoiling",
    [
        "UPDATE edge.board_baselines SET document = document || 'x'::bytea WHERE position = 60",
        "UPDATE edge.board_baselines SET document = document || 'x'::bytea",
        "UPDATE edge.board_ended SET document = document || 'x'::bytea",
        "DELETE FROM edge.board_baselines WHERE position < 100",
        "UPDATE edge.board_baselines SET rules = 'those of another release', document = 'x'",
        *UNREADABLE.values(),
    ],
    ids=["one damaged", "all damaged", "ended rows damaged", "some gone", "other rules", *UNREADABLE],
)
async def test_what_is_damaged_or_foreign_is_not_believed(
    pg_log: PostgresLog, store: PostgresBoardBaselines, told: int, dsn: str, spoiling: str
) -> None:
    connection = await asyncpg.connect(dsn)
    assert int((await connection.execute(spoiling)).split()[-1]) > 0
    await connection.close()
    for position in range(40, told, 11):
        assert await board(pg_log, AsOf(position), store) == await board(pg_log, AsOf(position), None)


@pytest.mark.parametrize(
    "spoiling",
    [
        *(f"{spoiling} WHERE position >= 60" for spoiling in UNREADABLE.values()),
        "UPDATE edge.board_baselines SET document = document || 'x'::bytea WHERE position >= 60",
        "UPDATE edge.board_baselines SET document = document || 'x'::bytea",
    ],
    ids=[*UNREADABLE, "damaged", "all damaged"],
)
async def test_what_cannot_be_read_back_is_made_anew(
    pg_log: PostgresLog, store: PostgresBoardBaselines, told: int, dsn: str, spoiling: str
) -> None:
    connection = await asyncpg.connect(dsn)
    spoilt = int((await connection.execute(spoiling)).split()[-1])
    await connection.close()
    assert await board_history.keep(pg_log, store, rest=0, every=EVERY) == spoilt > 1
    assert await board_history.keep(pg_log, store, rest=0, every=EVERY) == 0
    counting = CountingLog(pg_log)
    for position in range(40, told, 11):
        counting.events_read = 0
        assert await board(counting, AsOf(position), store) == await board(pg_log, AsOf(position), None)
        assert counting.events_read <= position % EVERY


async def test_a_spoilt_row_of_an_incident_that_ended_makes_all_of_them_anew(
    pg_log: PostgresLog, store: PostgresBoardBaselines, dsn: str
) -> None:
    quiet = [Happening(UUID(int=7), OPENED, 0, SYSTEM)] * EVERY
    one = INCIDENTS[0]
    last = await tell(pg_log, [Happening(one, OPENED, 0, SYSTEM), closing(one), *quiet])
    assert await board_history.keep(pg_log, store, rest=0, every=EVERY) == 1
    connection = await asyncpg.connect(dsn)
    assert await connection.execute("UPDATE edge.board_ended SET document = 'x'") == "UPDATE 1"
    await connection.close()
    back = Happening(one, IncidentReopened(reason="again"), 0, SYSTEM)
    last = await tell(pg_log, [back, closing(one), *quiet], began=last)
    assert await board_history.keep(pg_log, store, rest=0, every=EVERY) == 2
    assert await board(pg_log, AsOf(last), store) == await board(pg_log, AsOf(last), None)


async def test_keeping_goes_on_where_it_was_ended_and_prunes_what_others_made(
    pg_log: PostgresLog, store: PostgresBoardBaselines, told: int, dsn: str
) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "INSERT INTO edge.board_baselines SELECT 'old', position, latest_occurred_at,"
        " rows_on_board, document, sha256, made_at FROM edge.board_baselines"
    )
    counting = CountingLog(pg_log)
    assert await board_history.keep(counting, store, rest=0, every=EVERY) == 0
    assert counting.events_read == 0
    assert await connection.fetchval("SELECT array_agg(DISTINCT rules) FROM edge.board_baselines") == [
        board_history.rules()
    ]
    await connection.close()


async def test_the_worker_keeps_them_until_it_is_stopped(
    pg_log: PostgresLog, store: PostgresBoardBaselines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_history, "EVERY_POSITIONS", EVERY)
    monkeypatch.setattr(board_history.keep, "__kwdefaults__", board_history.keep.__kwdefaults__ | {"every": EVERY})
    last = 0
    for story in collected(5):
        last = await tell(pg_log, story, began=last)
    stop = asyncio.Event()
    keeping = asyncio.create_task(keep_boards(pg_log, store, SoleOwnership(), stop, every_s=0.01, look_every_s=0.01))
    async with asyncio.timeout(30):
        while True:
            found = await store.latest(rules=board_history.rules(), up_to_position=last, true_at=None)
            if found is not None and found.position > last - EVERY:
                break
    stop.set()
    await keeping


class Growing:
    """A log that grows by `by` positions between two looks."""

    def __init__(self, by: int) -> None:
        self.by = by
        self.looks = 0
        self.position = 0

    async def tip(self) -> Tip:
        self.looks += 1
        self.position += self.by
        return Tip(self.position, UUID(int=0), BEGAN_AT)


async def test_baselines_wait_for_the_end_of_a_flood():
    look_every_s = 0.01
    flood = Growing(by=100 * CALM_POSITIONS_PER_S)
    waiting = asyncio.create_task(Calm(cast("EventLog", flood), asyncio.Event(), look_every_s=look_every_s).wait())
    async with asyncio.timeout(30):
        while flood.looks < 5:
            assert not waiting.done()
            await asyncio.sleep(look_every_s)
        flood.by = 0
        await waiting


async def test_baselines_do_not_hold_up_a_process_that_stops():
    stop = asyncio.Event()
    stop.set()
    await Calm(cast("EventLog", Growing(by=1_000_000)), stop).wait()


async def test_a_baseline_of_a_board_on_which_nothing_has_happened_yet_is_folded_on(
    pg_log: PostgresLog, store: PostgresBoardBaselines
) -> None:
    await pg_log.append(
        AppendCommand((StreamAppend(UUID(int=5), None, (NewEvent("camera.never_folded", b"{}"),) * (EVERY + 1)),))
    )
    assert await board_history.keep(pg_log, store, rest=0, every=EVERY) == 1
    last = await tell(pg_log, collected(1)[0], began=(await pg_log.tip()).position)
    assert await board(pg_log, AsOf(last), store) == await board(pg_log, AsOf(last), None)
