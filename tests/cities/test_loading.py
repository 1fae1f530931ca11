"""The city is loaded as commands, once, however often it is loaded."""

from __future__ import annotations

from datetime import UTC, datetime

from dispatch.cities.load import load_city
from dispatch.directory import Directory
from dispatch.handling.scribe import Scribe
from dispatch.store.memory import MemoryLog
from dispatch.store.vault import MemorySealer
from domain.vocabulary import CenterKind

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOW


async def test_a_loaded_city_is_in_the_log_and_a_second_load_records_nothing():
    log = MemoryLog(FixedClock())
    scribe = Scribe(log, MemorySealer(), FixedClock())
    seen: list[tuple[int, int]] = []

    first = await load_city(scribe, "chengdu", progress=lambda done, total: seen.append((done, total)))
    position = (await log.tip()).position
    again = await load_city(scribe, "chengdu")

    assert first.events_recorded == position > 16_000
    assert seen[-1][0] == seen[-1][1]
    assert again.events_recorded == 0
    assert (await log.tip()).position == position
    await the_directory_knows_it(log)


async def the_directory_knows_it(log: MemoryLog) -> None:
    directory = Directory(log, "chengdu")
    await directory.catch_up()
    assert directory.position == (await log.tip()).position
    assert len(directory.centers) == 185
    assert len(directory.cameras) == 16_000
    assert directory.root().kind is CenterKind.CITY
    assert directory.rulebook().city == "chengdu"
    camera = next(iter(directory.cameras.values()))
    assert directory.camera(camera.code) == camera
    assert directory.camera(camera.aliases[0], gateway=camera.gateway) == camera
    assert directory.camera(camera.aliases[0], gateway="gw-of-somebody-else") is None
    assert tuple(center.id for center in directory.locate(camera.location)) == camera.path
    police = directory.functional_center("police")
    assert police is not None
    assert police.agency == "police"
