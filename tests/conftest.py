"""One real PostgreSQL for the test session, one fresh migrated database for each test that asks for `dsn`.

`DATABASE_URL_TEST` names a server to use (its user may create databases and roles); without it, one is started from
the wheel's programs. All xdist workers share it; the last to finish stops it. Migrating once and cloning the result
costs about 15 ms a test.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import json
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from dispatch.store.migrate import migrate
from dispatch.store.postgres import PostgresLog
from tests.cluster import Cluster

TEMPLATE = "template_migrated"
TOGETHER = frozenset(
    {"tests/rulebooks/test_trial.py", "tests/projections/test_bench_history.py", "tests/cities/test_chengdu.py"}
)
"""Modules whose tests look at one thing that takes seconds to make: one process runs them all."""
COLLECTED_EVERY = (50_000, 20, 50)
"""Allocations between two looks of the garbage collector, by generation: a twentieth of a run is looks otherwise."""

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "untimed", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")


class Schedule(LoadScopeScheduling):
    """One test at a time to whoever is free, so that long ones at the beginning hold up nobody."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if module in TOGETHER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:
    """What `-n` uses."""
    return Schedule(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end: the collector need not look at it again and again, nor so often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_EVERY)


def database_of(server: str, name: str) -> str:
    """The DSN of another database of the same server."""
    return urlunsplit(urlsplit(server)._replace(path="/" + name))


@contextmanager
def locked(file: Path) -> Iterator[Path]:
    """Hold a file among all processes of this test session."""
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield file


async def prepare(server: str, template: str) -> None:
    administrator = await asyncpg.connect(server)
    try:
        await administrator.execute(f'CREATE DATABASE "{template}"')
    finally:
        await administrator.close()
    await migrate(database_of(server, template))


async def drop(server: str, template: str) -> None:
    administrator = await asyncpg.connect(server)
    try:
        await administrator.execute(f'DROP DATABASE "{template}" WITH (FORCE)')
    finally:
        await administrator.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[dict[str, str]]:
    """The server's DSN and the name of the migrated template, made by the first worker that comes."""
    base = tmp_path_factory.getbasetemp()
    folder = base if worker_id == "master" else base.parent
    given = os.environ.get("DATABASE_URL_TEST")
    with locked(folder / "cluster.json") as file:
        state = json.loads(file.read_text()) if file.exists() else {"users": 0}
        if state["users"]:
            if given is None:
                Cluster(Path(state["folder"])).hold()
        else:
            if given is None:
                cluster = Cluster.start(durable=False)
                state["folder"], state["server"] = str(cluster.folder), cluster.dsn
            else:
                state["server"] = given
            state["template"] = f"{TEMPLATE}_{secrets.token_hex(4)}"
            asyncio.run(prepare(state["server"], state["template"]))
        state["users"] += 1
        file.write_text(json.dumps(state))
    yield {"server": state["server"], "template": state["template"]}
    with locked(folder / "cluster.json") as file:
        state = json.loads(file.read_text())
        state["users"] -= 1
        file.write_text(json.dumps(state))
        if not state["users"]:
            if given is None:
                Cluster(Path(state["folder"])).stop()
            else:
                asyncio.run(drop(state["server"], state["template"]))


@pytest.fixture(scope="session")
def server_dsn(shared: dict[str, str]) -> str:
    """The server itself, as its administrator; databases made on it are the test's to drop."""
    return shared["server"]


@pytest.fixture
async def dsn(shared: dict[str, str]) -> AsyncIterator[str]:
    """A fresh, migrated, never-analysed database."""
    name = f"t_{secrets.token_hex(6)}"
    administrator = await asyncpg.connect(shared["server"])
    try:
        await administrator.execute(f'CREATE DATABASE "{name}" TEMPLATE "{shared["template"]}"')
        yield database_of(shared["server"], name)
        await administrator.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await administrator.close()


@pytest.fixture
async def empty_dsn(shared: dict[str, str]) -> AsyncIterator[str]:
    """A fresh database with nothing in it."""
    name = f"e_{secrets.token_hex(6)}"
    administrator = await asyncpg.connect(shared["server"])
    try:
        await administrator.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        yield database_of(shared["server"], name)
        await administrator.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await administrator.close()


@pytest.fixture
async def pg_log(dsn: str) -> AsyncIterator[PostgresLog]:
    """An open log on a fresh database."""
    log = await PostgresLog.open(dsn)
    try:
        yield log
    finally:
        await log.close()
