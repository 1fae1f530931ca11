"""The archive is run when it is time, by one worker, never beside another run, and everybody can see how it went."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dispatch.cli.doctor import examine
from dispatch.config import Settings
from dispatch.ports import ArchiveRun
from dispatch.readiness import report_archive
from dispatch.store.archive_runs import PostgresArchiveRuns
from dispatch.store.archiver import Archiver, connect
from dispatch.store.postgres import PostgresLog
from dispatch.telemetry import render_metrics
from dispatch.workers.archivist import Outcome, due_at, keep_archived, outcome_of, run_archive
from dispatch.workers.ownership import AdvisoryOwnership, SoleOwnership
from dispatch.world import SystemClock
from domain.refusals import Unavailable
from tests.store.archiving import SIZE, fill, make_small_partitions
from tests.workers.town import NOON, HandClock

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
WELL = Outcome(2, "no partition of the log is full", well=True)
WRONG = Outcome(0, "archive.not_equal: look at the disk", well=False)
MET = Outcome(0, "archive.running: wait for it", well=True, met_another=True)


class KeptRuns:
    """`dispatch.ports.ArchiveRuns` in a variable; `away` says Unavailable."""

    def __init__(self, last: ArchiveRun | None = None) -> None:
        self.kept = last
        self.away = False

    async def last(self) -> ArchiveRun | None:
        if self.away:
            raise Unavailable("log.unavailable", "gone")
        return self.kept

    async def put(self, run: ArchiveRun) -> None:
        self.kept = run


class Evening:
    """A worker that looks again and again while the hours pass, one each time it looks."""

    def __init__(self, *outcomes: Outcome, last: ArchiveRun | None = None) -> None:
        self.clock = HandClock()
        self.runs = KeptRuns(last)
        self.outcomes = list(outcomes)
        self.ran_at: list[datetime] = []

    async def pass_by(self, hours: int, every: timedelta = DAY) -> list[int]:
        """The hours after the beginning at which it was run."""
        stop, began, looks = asyncio.Event(), self.clock.now(), 0
        evening = self

        class Hours(SoleOwnership):
            async def holds(self) -> bool:
                nonlocal looks
                looks += 1
                if looks > 1:
                    evening.clock.advance(hours=1)
                if looks > hours:
                    stop.set()
                return True

        async def run() -> Outcome:
            self.ran_at.append(self.clock.now())
            return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]

        async with asyncio.timeout(20):
            await keep_archived(run, self.runs, Hours(), self.clock, stop, every=every, look_every_s=0.0)
        return [round((at - began) / HOUR) for at in self.ran_at]


async def test_it_is_run_at_once_and_then_each_day() -> None:
    evening = Evening(WELL)
    assert await evening.pass_by(50) == [0, 24, 48]
    assert evening.runs.kept == ArchiveRun(NOON + 2 * DAY, NOON + 2 * DAY, 2, WELL.said, True)


async def test_a_restart_neither_skips_a_run_nor_makes_one_more() -> None:
    last = ArchiveRun(NOON - 20 * HOUR, NOON - 19 * HOUR, 1, "", True)
    assert await Evening(WELL, last=last).pass_by(10) == [4]


async def test_after_a_run_that_went_wrong_it_is_tried_again_within_the_hour() -> None:
    evening = Evening(WRONG, WRONG, WELL)
    assert await evening.pass_by(20) == [0, 1, 2]
    assert due_at(ArchiveRun(NOON, NOON, 0, "", False), HOUR / 2, NOON) == NOON + HOUR / 2


async def test_a_run_that_met_another_one_says_nothing_about_the_archive() -> None:
    evening = Evening(MET)
    assert await evening.pass_by(4) == [0, 1, 2, 3, 4]
    assert evening.runs.kept is None


async def test_an_outage_is_waited_out() -> None:
    evening = Evening(WELL)
    evening.runs.away = True
    assert await evening.pass_by(3) == []
    evening.runs.away = False
    assert len(await evening.pass_by(1)) == 1


async def test_of_two_workers_one_runs_it(dsn: str) -> None:
    stop, running, most, count = asyncio.Event(), 0, 0, 0
    runs = KeptRuns()

    async def run() -> Outcome:
        nonlocal running, most, count
        running, count = running + 1, count + 1
        most = max(most, running)
        for _ in range(20):
            await asyncio.sleep(0)
        running -= 1
        if count >= 5:
            stop.set()
        return WELL

    owners = [AdvisoryOwnership(dsn, "archive", beat_s=0.05) for _ in range(2)]
    clock, every = HandClock(), timedelta(0)
    async with asyncio.timeout(30):
        await asyncio.gather(
            *(keep_archived(run, runs, own, clock, stop, every=every, look_every_s=0.0) for own in owners)
        )
    assert (most, count) == (1, 5)


@pytest.mark.parametrize(
    ("exit_code", "written", "expected"),
    [
        (0, {"moved": [{}, {}], "horizon": 9, "stopped_by": "nothing"}, Outcome(2, "nothing", True)),
        (3, {"error": {"code": "archive.running", "detail": "wait"}}, Outcome(0, "archive.running: wait", True, True)),
        (5, {"error": {"code": "archive.missing", "detail": "gone"}}, Outcome(0, "archive.missing: gone", False)),
        (-9, None, Outcome(0, "it ended with code -9 and said nothing that can be read", False)),
    ],
)
def test_what_a_run_says_is_understood(exit_code: int, written: Any, expected: Outcome) -> None:
    assert outcome_of(exit_code, b"" if written is None else json.dumps(written).encode()) == expected


@pytest.fixture
async def settings(dsn: str, tmp_path: Path) -> Settings:
    """A log of two full ranges."""
    await make_small_partitions(dsn)
    log = await PostgresLog.open(dsn)
    await fill(log, 2 * SIZE)
    await log.close()
    given = {"DATABASE_URL": dsn, "DISPATCH_DATA_DIR": str(tmp_path), "DISPATCH_ARCHIVE_DIR": str(tmp_path / "files")}
    return Settings.from_environment({**given, "DISPATCH_ARCHIVE_AFTER_DAYS": "0"}, attach=False)


async def test_a_real_run_moves_what_may_go_and_two_never_meet(settings: Settings, dsn: str) -> None:
    connection = await connect(dsn)
    met: list[Outcome] = []
    loop = asyncio.get_running_loop()

    def step(name: str) -> None:
        if name == "begun":  # somebody runs the archive by hand, in another folder even
            elsewhere = settings.environment() | {"DISPATCH_ARCHIVE_DIR": str(settings.data_dir / "elsewhere")}
            met.append(asyncio.run_coroutine_threadsafe(run_archive(elsewhere), loop).result(60))

    archiver = Archiver(connection, settings.archive_path, step=step)
    report = await asyncio.to_thread(asyncio.run, _by_hand(dsn, settings, step))
    assert [len(report.moved), report.horizon] == [1, SIZE]
    assert [outcome.met_another for outcome in met] == [True]
    outcome = await run_archive(settings.environment())
    assert (outcome.ranges_moved, outcome.well, outcome.said) == (1, True, "no partition of the log is full")
    assert [checked.trouble for checked in await archiver.verify()] == ["", ""]
    await connection.close()


async def _by_hand(dsn: str, settings: Settings, step: Any) -> Any:
    connection = await connect(dsn)
    try:
        return await Archiver(connection, settings.archive_path, step=step).run(older_than=timedelta(0), ranges_max=1)
    finally:
        await connection.close()


async def test_how_it_went_is_in_the_metrics_and_with_the_doctor(settings: Settings, dsn: str) -> None:
    async def doctor() -> tuple[bool, str]:
        (found,) = [finding for finding in await examine(settings) if finding.name == "archive"]
        return found.well, found.found

    async with asyncpg.create_pool(dsn, min_size=1, max_size=1, server_settings={"role": "dispatch_app"}) as pool:
        runs = PostgresArchiveRuns(pool)
        assert await runs.last() is None
        assert await doctor() == (True, "no worker has run it yet")
        now = SystemClock().now()
        for run in (ArchiveRun(now, now, 3, "nothing is full", True), ArchiveRun(now, now, 0, "damaged", False)):
            await runs.put(run)
            assert await runs.last() == run
            well, found = await doctor()
            assert (well, found) == (run.well, f"run 0.0 h ago, {run.ranges_moved} ranges moved: {run.said}")
            await report_archive(runs)
            numbers = render_metrics().decode()
            assert f"dispatch_archive_well {float(run.well)}" in numbers
            assert f"dispatch_archive_ranges_moved {float(run.ranges_moved)}" in numbers
        await runs.put(ArchiveRun(now - 3 * DAY, now - 3 * DAY, 1, "long ago", True))
        assert (await doctor())[0] is False


def test_it_is_off_unless_a_folder_was_chosen(tmp_path: Path) -> None:
    for folder, every, runs in ((None, "24", False), (str(tmp_path), "24", True), (str(tmp_path), "0", False)):
        given = {"DISPATCH_ARCHIVE_EVERY_H": every} | ({} if folder is None else {"DISPATCH_ARCHIVE_DIR": folder})
        assert Settings.from_environment(given, attach=False).archives_by_itself is runs
