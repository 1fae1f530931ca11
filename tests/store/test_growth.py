"""The forecast of the disk: by arithmetic, and measured on a log that grew."""

from __future__ import annotations

import json
from asyncio import to_thread
from pathlib import Path

import asyncpg
import pytest

from dispatch.cli.main import main
from dispatch.store.growth import Growth, forecast, measure
from dispatch.store.postgres import PostgresLog
from tests.store.archiving import SIZE, archive, fill, make_small_partitions

GROWTH = Growth(
    events=1_000_000,
    events_per_day=100_000,
    log_bytes=500_000_000,
    projections_bytes=100_000_000,
    other_bytes=200_000_000,
    log_bytes_per_event=500,
    file_bytes_per_event=100,
    other_bytes_per_event=200,
)
"""The log's table takes 50 MB a day and holds ten days, everything else 20 MB, files 10 MB."""


def test_without_an_archive_everything_grows() -> None:
    assert forecast(GROWTH, 7_000_000_000, archive_after_days=90).days_until_full == 100


def test_with_an_archive_the_table_shrinks_to_its_youngest_days_and_then_files_grow() -> None:
    """Five of ten days go to files and free four fifths of 250 MB; from then on 30 MB a day."""
    found = forecast(GROWTH, 1_000_000_000, archive_after_days=5)
    assert found.days_until_full_with_archive == pytest.approx((1_000_000_000 + 200_000_000) / 30_000_000)


def test_an_archive_helps_only_when_ranges_are_old_enough() -> None:
    """Twenty days until the table has thirty: 1.4 GB at the full rate, then 30 MB a day."""
    found = forecast(GROWTH, 2_000_000_000, archive_after_days=30)
    assert found.days_until_full_with_archive == pytest.approx(20 + 600_000_000 / 30_000_000)
    soon = forecast(GROWTH, 700_000_000, archive_after_days=30)
    assert soon.days_until_full_with_archive == soon.days_until_full == 10


def test_a_disk_we_cannot_see_has_no_date() -> None:
    found = forecast(GROWTH, None, archive_after_days=30)
    assert (found.days_until_full, found.days_until_full_with_archive) == (None, None)


@pytest.fixture
async def grown(dsn: str) -> str:
    """A log of 2,000 events, of which the first 1,000 are two days old and the others half a day."""
    await make_small_partitions(dsn)
    log = await PostgresLog.open(dsn)
    await fill(log, 2_000)
    await log.close()
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "SET session_replication_role = replica;"
        "UPDATE log.events SET recorded_at = now() - CASE WHEN notification_id <= 1000 THEN interval '2 days'"
        " ELSE interval '12 hours' END"
    )
    await connection.close()
    return dsn


async def test_the_rate_is_that_of_the_last_day(grown: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(grown)
    before = await measure(connection)
    assert before is not None
    assert before.events_per_day == pytest.approx(1_000)
    assert before.log_bytes_per_event == before.log_bytes / 2_000
    assert 0 < before.file_bytes_per_event < before.log_bytes_per_event
    assert before.projections_bytes < before.other_bytes
    await connection.execute("UPDATE log.tip SET position = position")
    (moved,) = (await archive(grown, tmp_path)).moved
    log = await PostgresLog.open(grown, archive=tmp_path)
    await fill(log, SIZE)
    await log.close()
    after = await measure(connection)
    await connection.close()
    assert after is not None
    assert after.file_bytes_per_event == pytest.approx(moved.file_bytes / SIZE)
    assert after.events == 2_000 + SIZE


async def test_a_young_log_says_nothing(dsn: str) -> None:
    log = await PostgresLog.open(dsn)
    await fill(log, 1_200)
    await log.close()
    connection = await asyncpg.connect(dsn)
    assert await measure(connection) is None
    await connection.close()


async def test_the_doctor_says_when_the_disk_is_full(
    grown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", grown)
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path))
    (tmp_path / "postgres").mkdir()
    await to_thread(main, ["doctor", "--json", "--archive-after-days", "30"])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    said = checks["forecast"]
    assert said["well"]
    assert "events a day: the log grows by" in said["found"]
    assert said["values"]["archive_after_days"] == 30
    assert said["values"]["days_until_full_with_archive"] > said["values"]["days_until_full"] > 1
