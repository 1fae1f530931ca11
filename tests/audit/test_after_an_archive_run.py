"""Screens, replays and proofs of a city whose log lies mostly in files."""

from __future__ import annotations

from pathlib import Path

from dispatch.audit import replay
from dispatch.audit.wholeness import wholeness
from dispatch.directory import Directory
from dispatch.store.archive import Archive
from tests.projections.conftest import City
from tests.projections.happenings import INCIDENTS, collected
from tests.store.archiving import archive, make_small_partitions


async def test_rebuilds_replays_and_proofs_read_what_was_moved(city: City, tmp_path: Path) -> None:
    """The fixture ends with rebuilt == live for every projection, folded from files then."""
    await make_small_partitions(city.dsn, size=20, count=40)
    for story in collected(12):
        await city.tell(story)
    moment = await replay.as_of(city.log)
    boards = [(await replay.board_as_of(city.log, replay.AsOf(at))).items for at in range(0, city.told, 9)]
    cards = [await replay.incident_as_of(city.log, one, moment) for one in INCIDENTS]
    whole = (await wholeness(city.log)).document()
    report = await archive(city.dsn, tmp_path)
    assert report.horizon == city.told - city.told % 20 > 40
    city.log._archive = Archive(tmp_path)
    assert [(await replay.board_as_of(city.log, replay.AsOf(at))).items for at in range(0, city.told, 9)] == boards
    assert [await replay.incident_as_of(city.log, one, moment) for one in INCIDENTS] == cards
    assert (await wholeness(city.log)).document() == whole
    assert await Directory(city.log, "chengdu").catch_up() == city.told
