from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import asyncpg
import pytest

from dispatch.embedded.postgres import EmbeddedPostgres
from domain.refusals import Unavailable
from tests.embedded.keeper import Keeper, leaves

RUN_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from dispatch.embedded.postgres import EmbeddedPostgres

async def run():
    server = EmbeddedPostgres(Path(sys.argv[1]))
    dsn = await server.start()
    print(server.child.pid, dsn, flush=True)
    await asyncio.Event().wait()

asyncio.run(run())
"""


async def write_row(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (row int)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    await connection.close()


async def rows(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM kept"))
    finally:
        await connection.close()


async def test_a_fresh_folder_becomes_a_database_that_survives_a_power_cut(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    connection = await asyncpg.connect(await server.start())
    shown = {
        name: await connection.fetchval(f"SHOW {name}")
        for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums", "server_encoding")
    }
    await connection.close()
    await server.stop()
    assert shown == {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
    }


async def test_a_stranger_without_the_password_is_refused_over_tcp_and_socket(folder: Path) -> None:
    server = EmbeddedPostgres(folder, durable=False)
    await server.start()
    try:
        for host in ("127.0.0.1", str(folder / "socket")):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(
                    host=host, port=server.port, user="postgres", password="guess", database="dispatch"
                )
    finally:
        await server.stop()


async def test_the_socket_serves_who_knows_the_password(folder: Path) -> None:
    server = EmbeddedPostgres(folder, durable=False)
    await server.start()
    assert server.socket_dsn is not None
    await write_row(server.socket_dsn)
    assert await rows(server.dsn) == 1
    await server.stop()


async def test_a_path_too_long_for_a_socket_address_is_served_over_tcp(folder: Path) -> None:
    server = EmbeddedPostgres(folder / ("long" * 30), durable=False)
    await write_row(await server.start())
    assert server.socket_dsn is None
    await server.stop()


async def test_no_folder_above_the_data_changes_its_permissions(folder: Path) -> None:
    private = folder.parent
    before = [(path, path.stat().st_mode, path.stat().st_uid) for path in (private, *private.parents)]
    assert private.stat().st_mode & 0o777 == 0o700
    server = EmbeddedPostgres(folder, durable=False)
    await server.start()
    await server.stop()
    assert [(path, path.stat().st_mode, path.stat().st_uid) for path in (private, *private.parents)] == before
    assert (folder / "cluster").stat().st_mode & 0o777 == 0o700
    assert (folder / "password").stat().st_mode & 0o777 == 0o600


async def test_the_password_is_in_no_log_and_no_command_line(folder: Path) -> None:
    server = EmbeddedPostgres(folder, durable=False)
    await write_row(await server.start())
    password = (folder / "password").read_text().strip()
    command_line = Path(f"/proc/{server.child.pid}/cmdline").read_text()
    await server.stop()
    assert password not in server.log_path.read_text()
    assert password not in command_line


async def test_the_server_never_runs_as_root(folder: Path) -> None:
    server = EmbeddedPostgres(folder, durable=False)
    await server.start()
    uid = Path(f"/proc/{server.child.pid}").stat().st_uid
    await server.stop()
    assert uid != 0


async def test_a_second_start_continues_with_the_same_rows(folder: Path) -> None:
    for expected in (1, 2):
        server = EmbeddedPostgres(folder)
        await write_row(await server.start())
        assert await rows(server.dsn) == expected
        await server.stop()


async def test_after_kill_9_of_the_server_it_starts_at_once_with_every_committed_row(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    await write_row(await server.start())
    port = server.port
    idle = await asyncpg.connect(server.dsn)
    os.kill(server.child.pid, signal.SIGKILL)
    await server.start()
    assert await rows(server.dsn) == 1
    assert server.port == port
    idle.terminate()
    await server.stop()


async def test_after_kill_9_of_the_parent_the_server_leaves_and_the_next_one_recovers(
    folder: Path, keepers: list[Keeper]
) -> None:
    keepers.append(Keeper(RUN_UNTIL_KILLED, str(folder)))
    pid, dsn = keepers[0].said
    await write_row(dsn)
    keepers[0].kill()
    server = EmbeddedPostgres(folder)
    await server.start()
    assert leaves(int(pid))
    assert await rows(server.dsn) == 1
    await server.stop()


async def test_after_kill_9_of_parent_and_server_together_the_next_one_recovers(
    folder: Path, keepers: list[Keeper]
) -> None:
    keepers.append(Keeper(RUN_UNTIL_KILLED, str(folder)))
    pid, dsn = keepers[0].said
    await write_row(dsn)
    os.kill(int(pid), signal.SIGKILL)
    keepers[0].kill()
    server = EmbeddedPostgres(folder)
    await server.start()
    assert await rows(server.dsn) == 1
    await server.stop()


async def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(folder: Path) -> None:
    server = EmbeddedPostgres(folder, durable=False)
    await write_row(await server.start())
    os.kill(server.child.pid, signal.SIGKILL)
    assert await server.child.wait() == -signal.SIGKILL
    pid_file = folder / "cluster" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getppid()), *lines[1:]]) + "\n")
    await server.start()
    assert await rows(server.dsn) == 1
    await server.stop()


async def test_a_second_supervisor_of_one_folder_is_refused(folder: Path) -> None:
    server = EmbeddedPostgres(folder, durable=False)
    await server.start()
    with pytest.raises(Unavailable, match="another process runs a server"):
        await EmbeddedPostgres(folder, durable=False).start()
    assert await server.why_unhealthy() is None
    await server.stop()


async def test_a_cluster_that_was_only_half_made_is_made_again(folder: Path) -> None:
    (folder / "cluster.new" / "base").mkdir(parents=True)
    (folder / "cluster.new" / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(folder, durable=False)
    await write_row(await server.start())
    await server.stop()


async def test_a_taken_port_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = EmbeddedPostgres(folder, durable=False, port=taken.getsockname()[1])
        with pytest.raises(Unavailable, match="Address already in use"):
            await server.start()


async def test_a_stopped_server_says_why_it_is_unwell(folder: Path) -> None:
    server = EmbeddedPostgres(folder, durable=False)
    await server.start()
    assert await server.why_unhealthy() is None
    await server.stop()
    assert "Error" in str(await server.why_unhealthy())
