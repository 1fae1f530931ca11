"""The comparison with other event stores measures what it says: each writer's count is what its store then holds."""

from __future__ import annotations

import json
from pathlib import Path

import asyncpg
import pytest

from dispatch.bench.append import empty_database
from dispatch.bench.peers import plain_library
from dispatch.bench.peers.contest import PEERS, Shape, missing_peers
from dispatch.bench.peers.crew import rate_of_crew
from dispatch.bench.peers.writer import SUBJECTS, Job
from dispatch.store.postgres import PostgresLog

NOWHERE = Path("/nowhere")


async def test_two_processes_write_one_log_together(pg_log: PostgresLog, dsn: str) -> None:
    rate = await rate_of_crew([Job("dispatch", dsn, 8, 1, 0.3, warm_up_s=0.1)] * 2, NOWHERE)
    assert rate > 0
    recorded, last = 0, (await pg_log.tip()).position
    while page := await pg_log.read_after(recorded, limit=10_000):
        assert [event.position for event in page] == list(range(recorded + 1, recorded + len(page) + 1))
        recorded = page[-1].position
    assert recorded == last
    assert last >= rate * 0.3


@pytest.mark.parametrize("subject", ["eventsourcing_locked", "eventsourcing_functions"])
async def test_the_plain_librarys_rate_is_what_its_table_holds(server_dsn: str, subject: str) -> None:
    async with empty_database(server_dsn) as fresh:
        plain_library.install(fresh)
        rate = await rate_of_crew(Shape(2, 2).jobs(subject, fresh, 0.3), NOWHERE)
        connection = await asyncpg.connect(fresh)
        held = await connection.fetchval("SELECT count(*) FROM stored_events")
        await connection.close()
    assert held >= rate * 0.3 > 0


async def test_a_writer_that_dies_says_why(dsn: str) -> None:
    with pytest.raises(RuntimeError, match="stored_events"):
        await rate_of_crew([Job("eventsourcing_locked", dsn, 1, 1, 0.1)], NOWHERE)


def test_whoever_is_not_installed_is_named_with_what_it_needs() -> None:
    missing = missing_peers(NOWHERE)
    assert set(missing) == {"message_db", "message_db_categories", "emmett"}
    assert all("npm ci" in how or "Node" in how for how in missing.values())


def test_every_peer_can_be_started_and_the_lock_names_no_address() -> None:
    assert {peer.name for peer in PEERS} - set(SUBJECTS) == {"emmett"}
    folder = Path(plain_library.__file__).parent
    lock = json.loads((folder / "package-lock.json").read_text())["packages"]
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    assert lock[""]["dependencies"] == wanted
    assert [name for name, package in lock.items() if name and "integrity" not in package] == []
    assert [name for name, package in lock.items() if "resolved" in package] == []
