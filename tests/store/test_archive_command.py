"""`dispatch archive` as an operator meets it: output, JSON and exit codes; other commands read what it moved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dispatch.cli.main import main
from dispatch.store.postgres import PostgresLog
from tests.store.archiving import SIZE, fill, make_small_partitions

Run = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
async def run(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command against a log of two full ranges; its exit code and what it wrote to standard output."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path))
    await make_small_partitions(dsn)
    log = await PostgresLog.open(dsn)
    await fill(log, 2 * SIZE)
    await log.close()

    async def running(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(main, list(arguments))
        return code, capsys.readouterr().out

    return running


async def test_it_moves_what_may_go_and_says_why_it_stopped(run: Run, tmp_path: Path) -> None:
    code, out = await run("archive", "--archive-after-days", "0", "--ranges", "1", "--json")
    document = json.loads(out)
    (moved,) = document["moved"]
    assert (code, document["horizon"], moved["events"]) == (0, SIZE, SIZE)
    assert (tmp_path / "archive" / moved["file"]).stat().st_size == moved["file_bytes"]
    code, out = await run("archive", "--archive-after-days", "0")
    assert code == 0
    assert f"positions up to {2 * SIZE} are in files; stopped: no partition of the log is full" in out


async def test_by_default_young_ranges_stay(run: Run) -> None:
    code, out = await run("archive", "--json")
    document = json.loads(out)
    assert (code, document["moved"], document["horizon"]) == (0, [], 0)
    assert "younger than 90 days stays" in document["stopped_by"]


async def test_verify_names_a_damaged_and_a_missing_file_and_fails(run: Run, tmp_path: Path) -> None:
    await run("archive", "--archive-after-days", "0")
    assert json.loads((await run("archive", "--verify", "--json"))[1])["whole"] is True
    first, second = sorted((tmp_path / "archive").glob("*.log-archive"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    code, out = await run("archive", "--verify")
    assert code == 1
    assert f"{first.name}: it is missing" in out
    assert f"{second.name}: its SHA-256 is another one" in out


async def test_an_audit_without_its_files_is_unavailable_and_names_the_first(run: Run, tmp_path: Path) -> None:
    await run("archive", "--archive-after-days", "0")
    (tmp_path / "archive").rename(tmp_path / "lost")
    code, out = await run("audit", "--json")
    error = json.loads(out)["error"]
    assert (code, error["code"]) == (5, "archive.missing")
    assert "000000000000001-" in error["detail"]
