"""A process that starts from a stored directory and what followed knows the city that the whole log says."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from dispatch import directory_baseline
from dispatch.cities.load import load_city
from dispatch.directory import Directory
from dispatch.directory_baseline import Keeper, begin, keep, packed, rules, unpacked
from dispatch.directory_entries import Contents
from dispatch.handling.scribe import Scribe
from dispatch.ports import DirectoryBaseline, EventLog
from dispatch.store.directory_baselines import PostgresDirectoryBaselines
from dispatch.store.memory import MemoryLog
from dispatch.store.postgres import PostgresLog
from dispatch.store.vault import MemorySealer
from dispatch.world import SystemClock
from domain.event import GeoPoint
from domain.refusals import Unavailable
from tests.handling.world import World
from tests.projections.happenings import collected, tell
from tests.store.counting import CountingLog


class KeptDirectories:
    """`dispatch.ports.DirectoryBaselines` in a variable; `away` says Unavailable."""

    def __init__(self) -> None:
        self.kept: DirectoryBaseline | None = None
        self.away = False
        self.documents = 0

    async def find(self, *, rules: str) -> DirectoryBaseline | None:
        return self.kept if self.kept is not None and self.kept.rules == rules else None

    async def read_on(self, *, rules: str, epoch: UUID, position: int, read_to: int) -> bool:
        found = await self.find(rules=rules)
        if found is None or (found.epoch, found.position) != (epoch, position):
            return False
        self.kept = replace(found, read_to=max(read_to, found.read_to))
        return True

    async def keep(self, baseline: DirectoryBaseline) -> None:
        if self.away:
            raise Unavailable("log.unavailable", "gone")
        self.kept, self.documents = baseline, self.documents + 1

    async def drop(self, *, rules: str) -> None:
        self.kept = None


async def folded(log: EventLog) -> Contents:
    whole = Directory(log, "chengdu")
    await whole.catch_up()
    return whole.contents()


async def started(log: EventLog, store: Any) -> Directory:
    city = Directory(log, "chengdu")
    await begin(city, log, store)
    await city.catch_up()
    return city


async def test_whoever_starts_knows_what_the_log_says_at_every_moment() -> None:
    used = 0
    for number, story in enumerate(collected(8)):
        log, store = MemoryLog(SystemClock()), KeptDirectories()
        for place, happening in enumerate(story):
            await tell(log, [happening], began=place)
            city = await started(log, store)
            assert city.contents() == await folded(log)
            if (place + number) % 3 == 0:
                used += await keep(city, log, store)
        assert store.kept is None or store.kept.read_to <= (await log.tip()).position
    assert used > 10


async def test_the_sample_city_is_stored_once_and_read_from_there(pg_log: PostgresLog) -> None:
    clock = SystemClock()
    await load_city(Scribe(pg_log, MemorySealer(), clock), "chengdu")
    store, whole = PostgresDirectoryBaselines(pg_log.pool), Directory(pg_log, "chengdu")
    await whole.catch_up()
    assert await keep(whole, pg_log, store)

    counting = CountingLog(pg_log)
    city = await started(counting, store)
    assert counting.events_read == 1, "the last fact in it"
    assert city.contents() == whole.contents()
    camera = next(iter(city.cameras.values()))
    assert city.camera(camera.aliases[0], gateway=camera.gateway) == camera
    assert tuple(center.id for center in city.locate(camera.location)) == camera.path


async def test_a_city_that_does_not_change_is_not_written_again(pg_log: PostgresLog) -> None:
    world = await World(pg_log).settle()
    store = PostgresDirectoryBaselines(pg_log.pool)
    assert await keep(world.directory, pg_log, store)
    stored = await store.find(rules=rules())
    assert stored is not None
    await world.open()
    await world.directory.catch_up()
    assert await keep(world.directory, pg_log, store)
    assert await store.find(rules=rules()) == replace(stored, read_to=(await pg_log.tip()).position)


async def test_a_directory_that_read_less_does_not_replace_one_that_read_more(pg_log: PostgresLog) -> None:
    store = PostgresDirectoryBaselines(pg_log.pool)
    epoch = (await pg_log.tip()).epoch
    late = DirectoryBaseline(rules(), epoch, 20, b"fact", 40, b"late", b"sha")
    for one in (late, replace(late, position=10, read_to=30, document=b"early")):
        await store.keep(one)
    assert await store.find(rules=rules()) == late
    restored = replace(late, epoch=UUID(int=1), read_to=30)
    await store.keep(restored)
    assert await store.find(rules=rules()) == restored


def another_city(kept: DirectoryBaseline, write: Callable[[bytes], bytes]) -> DirectoryBaseline:
    document = zlib.compress(write(zlib.decompress(kept.document)))
    return replace(kept, document=document, sha256=hashlib.sha256(document).digest())


SPOILT: dict[str, Callable[[DirectoryBaseline], DirectoryBaseline]] = {
    "other rules": lambda kept: replace(kept, rules="those of another release"),
    "another log": lambda kept: replace(kept, epoch=UUID(int=9)),
    "ahead of the log": lambda kept: replace(kept, read_to=kept.read_to + 100),
    "another last fact": lambda kept: replace(kept, position=kept.position - 1),
    "damaged": lambda kept: replace(kept, document=kept.document[:-9]),
    "cut off": lambda kept: another_city(kept, lambda lines: lines[:-9]),
    "a field too few": lambda kept: another_city(kept, lambda lines: lines.replace(b'"call_sign":', b'"name":')),
    "a newer schema's line": lambda kept: another_city(kept, lambda lines: lines + b"drones []\n"),
    "not packed": lambda kept: replace(kept, document=b"x", sha256=hashlib.sha256(b"x").digest()),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
async def test_a_baseline_that_does_not_fit_is_not_believed_and_written_anew(
    spoil: Callable[[DirectoryBaseline], DirectoryBaseline],
) -> None:
    world, store = await World(MemoryLog(SystemClock())).settle(), KeptDirectories()
    await keep(world.directory, world.log, store)
    assert store.kept is not None
    store.kept = spoil(another_city(store.kept, lambda lines: lines.replace(b"JJ-101", b"JJ-999")))
    city = await started(world.log, store)
    assert city.contents() == world.directory.contents()
    await keep(city, world.log, store)
    assert unpacked(store.kept) == world.directory.contents()


async def test_a_directory_of_a_log_that_was_restored_since_is_not_stored() -> None:
    world, store = await World(MemoryLog(SystemClock())).settle(), KeptDirectories()
    restored = MemoryLog(SystemClock(), epoch=UUID(int=9), events=await world.log.read_after(0, limit=1_000))
    assert not await keep(world.directory, restored, store)
    assert store.kept is None


async def test_an_empty_log_has_nothing_to_start_from() -> None:
    log, store = MemoryLog(SystemClock()), KeptDirectories()
    city = await started(log, store)
    assert not await keep(city, log, store)


async def test_entries_that_would_come_back_as_others_are_not_stored() -> None:
    world = await World(MemoryLog(SystemClock())).settle()
    unit = next(iter(world.directory.units.values()))
    nowhere = replace(unit, home=GeoPoint.model_construct(lon=float("nan"), lat=0.0))
    assert await packed(replace(world.directory.contents(), units=(nowhere,))) is None


async def test_one_that_cannot_be_stored_costs_time_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_baseline, "EVERY_POSITIONS", 5)
    world, store = await World(MemoryLog(SystemClock())).settle(), KeptDirectories()
    store.away = True
    keeper = Keeper(world.directory, world.log, store)
    await keeper.begin()
    await keeper.keep()
    assert store.kept is None
    store.away = False
    for _ in range(3):
        await world.open()
    await world.directory.catch_up()
    await keeper.keep()
    await keeper.keep()
    assert store.documents == 1


async def test_what_no_release_uses_any_more_goes_after_a_day(pg_log: PostgresLog, dsn: str) -> None:
    world, store = await World(pg_log).settle(), PostgresDirectoryBaselines(pg_log.pool)
    epoch = (await pg_log.tip()).epoch
    for name in ("old", "of yesterday's release"):
        await store.keep(DirectoryBaseline(name, epoch, 1, b"fact", 1, b"document", b"sha"))
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "UPDATE edge.directory_baselines SET made_at = now() - interval '25 h' WHERE rules = 'old'"
    )
    await connection.close()
    await keep(world.directory, pg_log, store)
    assert await store.find(rules="old") is None
    assert await store.find(rules="of yesterday's release") is not None
    await store.drop(rules=rules())
    assert await store.find(rules=rules()) is None
