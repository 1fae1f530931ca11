from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import nats
import pytest

from dispatch.config import variables
from dispatch.embedded.binaries import nats_program
from dispatch.embedded.child import Child
from dispatch.embedded.folder import free_port
from dispatch.embedded.postgres import EmbeddedPostgres
from dispatch.partners.accounts import accounts_config
from dispatch.partners.credentials import Credentials
from dispatch.store.migrate import migrate, pending
from tests.house.tree import ROOT

DEPLOY = ROOT / "deploy"
OF_THIS_MACHINE = {"listen_addresses", "port", "shared_buffers", "wal_buffers"}
"""Where it listens and how much memory it takes; everything else is started as it stands in the file."""


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="deploy-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def postgres_settings() -> dict[str, str]:
    text = (DEPLOY / "postgresql.conf").read_text(encoding="utf-8")
    return dict(re.findall(r"^(\w+) = (.+)$", text, flags=re.MULTILINE))


async def test_postgresql_starts_with_the_deployed_settings_and_migrates(folder: Path) -> None:
    wanted = {name: value for name, value in postgres_settings().items() if name not in OF_THIS_MACHINE}
    server = EmbeddedPostgres(folder / "postgres", settings=wanted)
    dsn = await server.start()
    try:
        connection = await asyncpg.connect(dsn)
        refused = await connection.fetch("SELECT name, error FROM pg_file_settings WHERE error IS NOT NULL")
        in_force = await connection.fetch("SELECT name FROM pg_settings WHERE source = 'configuration file'")
        await connection.close()
        await migrate(dsn)
        assert await pending(dsn) == []
    finally:
        await server.stop()
    assert [dict(row) for row in refused] == []
    assert {name.lower() for name in wanted} <= {row["name"].lower() for row in in_force}


def test_the_deployed_postgresql_is_durable() -> None:
    settings = postgres_settings()
    assert {settings[name] for name in ("fsync", "full_page_writes", "synchronous_commit")} == {"on"}


async def test_nats_starts_with_the_deployed_settings_and_our_accounts(folder: Path) -> None:
    credentials = Credentials(folder / "secrets")
    shutil.copy(DEPLOY / "nats.conf", folder)
    (folder / "accounts.conf").write_text(accounts_config("chengdu", ["110"], ["north"], credentials), encoding="utf-8")
    port, monitor_port = free_port(), free_port()
    environment = {
        **os.environ,
        "NATS_LISTEN": f"127.0.0.1:{port}",
        "NATS_MONITOR": f"127.0.0.1:{monitor_port}",
        "NATS_STORE_DIR": str(folder / "store"),
    }
    program = [str(nats_program()), "-c", str(folder / "nats.conf")]
    server = Child.spawn("nats-server", program, environment=environment, log_path=folder / "log")
    try:
        connection = await nats.connect(
            f"nats://127.0.0.1:{port}",
            nkeys_seed_str=credentials.ours().seed,
            max_reconnect_attempts=100,
            reconnect_time_wait=0.1,
        )
        await connection.jetstream().add_stream(name="TRIED", subjects=["tried.>"])
        await connection.close()
        async with httpx.AsyncClient(trust_env=False) as client:
            shown = (await client.get(f"http://127.0.0.1:{monitor_port}/varz")).json()
    finally:
        await server.stop([(signal.SIGTERM, 10.0)])
    assert shown["jetstream"]["config"]["sync_always"] is True


def test_units_and_compose_name_only_commands_and_variables_that_exist() -> None:
    from dispatch.cli.main import COMMANDS

    text = "".join(path.read_text(encoding="utf-8") for path in sorted((DEPLOY / "systemd").iterdir()))
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    commands = re.findall(r"bin/dispatch (\w+)", text) + re.findall(r'^    command: \["(\w+)"\]', compose, re.MULTILINE)
    assert len(commands) >= 6
    assert set(commands) <= set(COMMANDS)
    assert text.count("WatchdogSec=") == 2, "who freezes is started again"
    assert set(re.findall(r"(DISPATCH_\w+)", text + compose)) <= set(variables().values())


def test_the_image_holds_every_package_and_runs_as_nobody_special() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    for package in ("domain", "projections", "dispatch", "migrations"):
        assert f"COPY {package} {package}" in text
    assert "--require-hashes" in text
    assert "USER dispatch" in text
