"""A range in a file reads as if it were still in the table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from dispatch.audit.wholeness import wholeness
from dispatch.ports import EventLog, Mark
from dispatch.store.archive_format import Opened
from dispatch.store.archiver import Hold
from dispatch.store.postgres import PostgresLog
from domain.refusals import Refused, Unavailable
from tests.store.archiving import LONG, SIZE, TOPICS, archive, archiver, fill, make_small_partitions
from tests.store.contract import decision, on

NOBODY = UUID(int=0xF00)
ALL = 100_000


@pytest.fixture
async def filled(dsn: str, tmp_path: Path) -> AsyncIterator[PostgresLog]:
    """Three full partitions and a bit."""
    await make_small_partitions(dsn)
    log = await PostgresLog.open(dsn, archive=tmp_path)
    await fill(log, 3 * SIZE + 100)
    yield log
    await log.close()


async def everything(log: EventLog) -> dict[str, Any]:
    """All that a reader can ask, with edges that lie before, on and after the borders of ranges and blocks."""
    found: dict[str, Any] = {}
    edges = (0, 1, 511, 512, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 3 * SIZE - 1, 3 * SIZE, 3 * SIZE + 99, 3 * SIZE + 100)
    for edge in edges:
        found[f"page {edge}"] = await log.read_after(edge, limit=700)
        found[f"up to {edge}"] = await log.read_after(0, limit=ALL, up_to_position=edge)
        found[f"topics {edge}"] = await log.read_after(edge, limit=90, topics=TOPICS[:1])
        found[f"stream to {edge}"] = await log.read_stream(LONG, up_to_position=edge)
        found[f"streams to {edge}"] = await log.read_streams([LONG, UUID(int=1_001), NOBODY], up_to_position=edge)
    everyone = await log.read_after(0, limit=ALL)
    found["all"] = everyone
    found["no such topic"] = await log.read_after(0, topics=["unheard.of"])
    found["streams"] = await log.read_streams(sorted({event.stream_id for event in everyone}))
    for version in (0, 1, 200, 642, 657, 10_000):
        found[f"stream after {version}"] = await log.read_stream(LONG, after_version=version, limit=300)
    for event in everyone[::97]:
        found[f"at {event.recorded_at}"] = await log.position_at(event.recorded_at)
        found[f"before {event.recorded_at}"] = await log.position_at(event.recorded_at - timedelta(microseconds=1))
    found["before all"] = await log.position_at(everyone[0].recorded_at - timedelta(days=1))
    found["after all"] = await log.position_at(everyone[-1].recorded_at + timedelta(days=1))
    return found


async def test_every_read_is_the_same_before_during_and_after(filled: PostgresLog, dsn: str, tmp_path: Path) -> None:
    before = await everything(filled)
    for ranges in (1, 2, 3):
        report = await archive(dsn, tmp_path, ranges_max=1)
        assert report.horizon == ranges * SIZE
        assert await everything(filled) == before
    stranger = await PostgresLog.open(dsn, archive=tmp_path)
    assert await everything(stranger) == before
    found = await wholeness(stranger)
    await stranger.close()
    assert (found.position, found.holes, found.version_gaps, found.clock_steps_back) == (3 * SIZE + 100, 0, 0, 0)


async def test_the_table_is_smaller_and_appends_go_on(filled: PostgresLog, dsn: str, tmp_path: Path) -> None:
    await archive(dsn, tmp_path)
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT min(notification_id) FROM log.events") == 3 * SIZE + 1
    assert await connection.fetchval("SELECT count(*) FROM log.partitions") == 5
    await connection.close()
    version = (await filled.heads([LONG]))[LONG].version
    await filled.append(decision(on(LONG, version, events=2)))
    stream = await filled.read_stream(LONG)
    assert [event.version for event in stream] == list(range(1, version + 3))


async def test_a_reader_that_knows_an_old_horizon_never_sees_less(
    filled: PostgresLog, dsn: str, tmp_path: Path
) -> None:
    """Each read meets the moved horizon for itself: a fresh reader for each, which learned the one before."""
    whole = await everything(filled)
    reads = {
        "page": lambda log: log.read_after(0, limit=700),
        "topics": lambda log: log.read_after(0, limit=90, topics=TOPICS[:1]),
        "stream": lambda log: log.read_stream(LONG, up_to_position=SIZE),
        "streams": lambda log: log.read_streams([LONG, UUID(int=1_001), NOBODY], up_to_position=SIZE),
        "instant": lambda log: log.position_at(whole["all"][0].recorded_at),
    }
    readers = {name: await PostgresLog.open(dsn, archive=tmp_path) for name in reads}
    expected = {name: await reads[name](log) for name, log in readers.items()}
    await archive(dsn, tmp_path)
    for name, log in readers.items():
        assert await reads[name](log) == expected[name], name
        await log.close()


async def test_reads_while_ranges_move_are_never_shorter(filled: PostgresLog, dsn: str, tmp_path: Path) -> None:
    whole = await filled.read_after(0, limit=ALL)
    stop = asyncio.Event()

    async def look() -> int:
        looks = 0
        while not stop.is_set():
            assert await filled.read_after(0, limit=ALL) == whole
            looks += 1
        return looks

    looking = [asyncio.create_task(look()) for _ in range(3)]
    await archive(dsn, tmp_path)
    stop.set()
    assert min(await asyncio.gather(*looking)) > 0


async def test_a_missing_file_is_named_with_what_to_do(filled: PostgresLog, dsn: str, tmp_path: Path) -> None:
    report = await archive(dsn, tmp_path)
    file = tmp_path / report.moved[1].file
    away = file.rename(tmp_path / "elsewhere")
    assert len(await filled.read_after(0, limit=SIZE)) == SIZE
    with pytest.raises(Unavailable, match=f"{file.name} .*is missing.*back from a backup") as failure:
        await filled.read_after(0, limit=ALL)
    assert failure.value.code == "archive.missing"
    with pytest.raises(Unavailable, match="is missing"):
        await filled.read_stream(LONG)
    away.rename(file)
    assert len(await filled.read_after(0, limit=ALL)) == 3 * SIZE + 100


@pytest.mark.parametrize("part", ["a block", "a page", "the index"])
async def test_a_damaged_file_is_noticed_when_it_is_read(
    filled: PostgresLog, dsn: str, tmp_path: Path, part: str
) -> None:
    moved = (await archive(dsn, tmp_path)).moved[1]
    file = tmp_path / moved.file
    index = Opened.open(file).index
    place = {"a block": index.blocks[1].offset + 9, "a page": index.pages[0].offset + 9, "the index": -60}[part]
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    with pytest.raises(Unavailable, match=moved.file) as failure:
        await (filled.read_stream(LONG) if part == "a page" else filled.read_after(0, limit=ALL))
    assert failure.value.code == "archive.damaged"
    async with archiver(dsn, tmp_path) as one:
        assert [bool(checked.trouble) for checked in await one.verify()] == [False, True, False]


async def test_a_whole_file_of_another_range_is_not_taken_for_it(filled: PostgresLog, dsn: str, tmp_path: Path) -> None:
    first, second, _ = (await archive(dsn, tmp_path)).moved
    (tmp_path / second.file).write_bytes((tmp_path / first.file).read_bytes())
    with pytest.raises(Unavailable, match="not the file that was archived here"):
        await filled.read_after(SIZE, limit=10)


async def test_a_process_that_knows_no_folder_says_so(filled: PostgresLog, dsn: str, tmp_path: Path) -> None:
    await archive(dsn, tmp_path)
    log = await PostgresLog.open(dsn)
    with pytest.raises(Unavailable, match="DISPATCH_ARCHIVE_DIR"):
        await log.read_after(0)
    assert len(await log.read_after(3 * SIZE)) == 100
    await log.close()


async def test_verify_reads_every_file(filled: PostgresLog, dsn: str, tmp_path: Path) -> None:
    await archive(dsn, tmp_path)
    seen: list[tuple[str, int, int]] = []
    async with archiver(dsn, tmp_path, advanced=lambda *told: seen.append(told)) as one:
        assert [checked.trouble for checked in await one.verify()] == ["", "", ""]
    assert seen[-1] == ("verify", 3 * SIZE, 3 * SIZE)


# What may go


async def test_what_is_young_stays(filled: PostgresLog, dsn: str, tmp_path: Path) -> None:
    async with archiver(dsn, tmp_path) as one:
        report = await one.run(older_than=timedelta(days=30))
    assert (report.moved, report.horizon) == ((), 0)
    assert "younger than 30 days" in report.stopped_by


async def test_the_range_the_log_ends_in_stays(dsn: str, tmp_path: Path) -> None:
    await make_small_partitions(dsn)
    log = await PostgresLog.open(dsn)
    await fill(log, SIZE - 1)
    assert (await archive(dsn, tmp_path)).stopped_by == "no partition of the log is full"
    await log.close()


async def test_a_range_goes_only_when_every_reader_has_it_behind(filled: PostgresLog, dsn: str, tmp_path: Path) -> None:
    await filled.append(decision(mark=Mark("correlator", 0, 2 * SIZE - 1)))
    connection = await asyncpg.connect(dsn)
    await connection.execute("INSERT INTO read.checkpoints VALUES ('board', 1, $1, 'live')", 3 * SIZE)
    report = await archive(dsn, tmp_path)
    assert (len(report.moved), report.horizon) == (1, SIZE)
    assert f"reactor correlator stands at {2 * SIZE - 1}" in report.stopped_by
    await filled.append(decision(mark=Mark("correlator", 2 * SIZE - 1, 3 * SIZE)))
    await connection.execute("INSERT INTO feed.checkpoints VALUES ('feed', $1)", 2 * SIZE)
    report = await archive(dsn, tmp_path)
    assert (report.horizon, report.stopped_by.split(" stands")[0]) == (2 * SIZE, "feed feed")
    await connection.close()


async def test_a_rule_may_hold_a_range(filled: PostgresLog, dsn: str, tmp_path: Path) -> None:
    week = timedelta(days=7)
    report = await archive(
        dsn,
        tmp_path,
        hold=Hold(lambda event: week if event.position == SIZE + 2 else None, week),
    )
    assert (len(report.moved), report.horizon) == (1, SIZE)
    assert f"{TOPICS[(SIZE + 1) % 3]} at {SIZE + 2}, whose class stays in the table for 7 days" in report.stopped_by
    assert [path.name for path in tmp_path.glob("*.partial")] == []


async def test_one_run_at_a_time(filled: PostgresLog, dsn: str, tmp_path: Path) -> None:
    async with archiver(dsn, tmp_path, step=lambda name: nested(dsn, tmp_path)) as one:
        with pytest.raises(Refused, match="Another archive run"):
            await one.run(older_than=timedelta(0))


def nested(dsn: str, folder: Path) -> None:
    from dispatch.store.archiver import _only_run

    with _only_run(folder):
        raise AssertionError("two runs at once")


# Who may do it


@pytest.mark.parametrize("role", ["dispatch_app", "dispatch_projector", "dispatch_auditor"])
async def test_no_other_role_may_archive_or_drop(filled: PostgresLog, dsn: str, role: str) -> None:
    connection = await asyncpg.connect(dsn, server_settings={"role": role})
    for statement in (
        "SELECT log.archive('small_1', 1500, 'f', 1, sha256(''), sha256(''), sha256(''))",
        "DROP TABLE log.small_1",
        "ALTER TABLE log.events DETACH PARTITION log.small_1",
        "UPDATE log.horizon SET position = 1500",
        "INSERT INTO log.archives SELECT * FROM log.archives",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE log.small_1",
        "DELETE FROM log.events",
        "UPDATE log.horizon SET position = 1500",
        "SELECT log.append_one(gen_random_uuid(), 0, 't', '', NULL, NULL, NULL, NULL)",
        "CREATE TABLE log.forged (id int)",
    ],
)
async def test_the_archiver_may_do_nothing_but_archive(filled: PostgresLog, dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn, server_settings={"role": "dispatch_archiver"})
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    await connection.close()


@pytest.mark.parametrize(
    ("partition", "events"), [("small_2", SIZE), ("small_1", SIZE - 1), ("small_9", SIZE), ("tip", 1)]
)
async def test_the_owners_function_believes_nobody(filled: PostgresLog, dsn: str, partition: str, events: int) -> None:
    connection = await asyncpg.connect(dsn, server_settings={"role": "dispatch_archiver"})
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        await connection.execute(
            "SELECT log.archive($1, $2, 'f', 1, sha256(''), sha256(''), sha256(''))", partition, events
        )
    assert await connection.fetchval("SELECT count(*) FROM log.events") == 3 * SIZE + 100
    await connection.close()


async def test_the_manifest_is_append_only_even_for_a_superuser(filled: PostgresLog, dsn: str, tmp_path: Path) -> None:
    await archive(dsn, tmp_path, ranges_max=1)
    connection = await asyncpg.connect(dsn)
    for statement in ("DELETE FROM log.archives", "UPDATE log.archives SET file = 'other'", "TRUNCATE log.archives"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await connection.execute(statement)
    await connection.close()
