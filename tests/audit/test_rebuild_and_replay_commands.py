"""`dispatch rebuild` and `dispatch replay` as an operator meets them: output, JSON and exit codes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dispatch.cli.main import main
from dispatch.workers.rebuild import Rebuild
from domain.center.events import CenterEstablished
from domain.event import GeoPoint
from domain.vocabulary import CenterKind
from projections.board import item
from projections.queries import board
from projections.queries.sight import EVERYTHING
from projections.registry import PROJECTIONS
from tests.domain.incident_story import ACCEPTED, OPENED, ROUTED, STATION
from tests.projections.conftest import City
from tests.projections.happenings import INCIDENTS, SYSTEM, Happening

ONE, TWO, _ = INCIDENTS
ESTABLISHED = CenterEstablished(
    city="chengdu",
    code="wuhou-01",
    name_zh="武侯一所",
    name_en="Wuhou 1",
    kind=CenterKind.STATION,
    level=3,
    parent_id=None,
    path=(STATION,),
    valid_from=date(2020, 1, 1),
    location=GeoPoint(lon=104.04, lat=30.64),
)
Run = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def run(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command against the test's database; its exit code and what it wrote to standard output."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path))

    async def running(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(main, list(arguments))
        return code, capsys.readouterr().out

    return running


def happening(stream: Any, event: Any) -> Happening:
    return Happening(stream, event, 0, SYSTEM)


async def test_replay_shows_a_board_as_it_was(city: City, run: Run) -> None:
    await city.tell([happening(STATION, ESTABLISHED), happening(ONE, OPENED)])
    seen = [item(row) for row in await city.ask(board.for_center(STATION, sight=EVERYTHING, cursor=None, limit=10))]
    await city.tell([happening(ONE, ACCEPTED), happening(TWO, OPENED)])
    code, out = await run("replay", "--board", "wuhou-01", "--position", "2", "--json")
    assert code == 0
    assert json.loads(out)["items"] == seen
    code, out = await run("replay", "--board", "wuhou-01")
    assert code == 0
    assert "as of position 4: 2 incidents" in out


async def test_replay_tells_an_incident_in_sentences(city: City, run: Run) -> None:
    await city.tell([happening(STATION, ESTABLISHED), happening(ONE, OPENED), happening(ONE, ACCEPTED)])
    code, out = await run("replay", "--incident", str(ONE), "--language", "en")
    assert code == 0
    assert "Accepted by Wuhou 1" in out
    code, _ = await run("replay", "--incident", str(ONE), "--position", "1", "--json")
    assert code == 3


async def test_replay_explains_a_decision(city: City, run: Run) -> None:
    await city.tell([happening(ONE, OPENED), happening(ONE, ROUTED)])
    code, out = await run("replay", "--decision", "2", "--json")
    assert (code, json.loads(out)["rule_version"]) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "replay.what"),
        (("--board", "nowhere"), "replay.unknown_center"),
        (("--agency", "nobody"), "replay.unknown_agency"),
        (("--board", "wuhou-01", "--at", "2026-07-03T20:00:00"), "replay.bad_instant"),
        (("--board", "wuhou-01", "--position", "99"), "audit.position_ahead"),
        (("--decision", "1"), "replay.no_decision"),
    ],
)
async def test_replay_says_what_to_do_next(city: City, run: Run, arguments: tuple[str, ...], why: str) -> None:
    await city.tell([happening(STATION, ESTABLISHED)])
    code, out = await run("replay", *arguments, "--json")
    assert (code, json.loads(out)["error"]["code"]) == (3, why)


async def test_verify_ends_with_one_if_rows_differ_and_rebuild_mends_them(
    city: City, run: Run, hand: asyncpg.Connection
) -> None:
    await city.tell([happening(ONE, OPENED)])
    code, out = await run("rebuild", "--verify", "--json")
    assert code == 0
    assert {one["projection"] for one in json.loads(out)} == set(PROJECTIONS)
    await hand.execute("UPDATE read.board SET headline = 'wrong'")
    code, out = await run("rebuild", "board", "--verify")
    assert code == 1
    assert f"other: {ONE}" in out
    code, out = await run("rebuild", "board", "--json")
    assert (code, json.loads(out)[0]["rows_written"]) == (0, 1)
    await city.projector.close()
    (comparison,) = await Rebuild(city.log, city.dsn, PROJECTIONS["board"]).verify()
    assert comparison.is_equal


async def test_rebuild_names_what_there_is(run: Run) -> None:
    code, out = await run("rebuild", "bored", "--json")
    assert code == 3
    assert "board" in json.loads(out)["error"]["detail"]
    assert (await run("rebuild", "--json"))[0] == 3
