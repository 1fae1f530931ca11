from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error, NoServersError

from dispatch.embedded.nats import EmbeddedNats
from domain.refusals import Unavailable
from tests.embedded.keeper import Keeper, leaves

RUN_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from dispatch.embedded.nats import EmbeddedNats

async def run():
    server = EmbeddedNats(Path(sys.argv[1]))
    print(await server.start(), server.child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(run())
"""
ACCOUNTS = """accounts { CITY { jetstream: enabled, users: [ { user: "ours", password: "first" } ] } }"""


async def publish(url: str) -> int:
    connection = await nats.connect(url, allow_reconnect=False)
    stream = connection.jetstream()
    await stream.add_stream(name="KEPT", subjects=["kept.>"])
    acknowledged = await stream.publish("kept.one", b"message", timeout=5)
    await connection.close()
    return acknowledged.seq


async def refused(url: str, **credentials: str) -> None:
    """The server says no; the half-open client is closed, since it does not do so itself."""
    client = Client()
    with pytest.raises((Error, NoServersError)):
        await client.connect(url, allow_reconnect=False, connect_timeout=2, **credentials)
    await client.close()


async def test_every_acknowledged_message_is_synced_to_disk(folder: Path) -> None:
    server = EmbeddedNats(folder)
    await server.start()
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{server.monitor_port}/varz")
    await server.stop()
    assert answer.json()["jetstream"]["config"]["sync_always"] is True


async def test_messages_survive_kill_9_of_the_server(folder: Path) -> None:
    server = EmbeddedNats(folder)
    url = await server.start()
    assert await publish(url) == 1
    os.kill(server.child.pid, signal.SIGKILL)
    assert await server.start() == url
    assert await publish(url) == 2
    await server.stop()


async def test_after_kill_9_of_the_parent_the_server_leaves_and_its_messages_stay(
    folder: Path, keepers: list[Keeper]
) -> None:
    keepers.append(Keeper(RUN_UNTIL_KILLED, str(folder)))
    url, pid = keepers[0].said
    assert await publish(url) == 1
    keepers[0].kill()
    server = EmbeddedNats(folder)
    await server.start()
    assert leaves(int(pid))
    assert await publish(server.url) == 2
    await server.stop()


async def test_a_stranger_without_the_password_is_refused(folder: Path) -> None:
    server = EmbeddedNats(folder)
    await server.start()
    await refused(f"nats://127.0.0.1:{server.port}")
    await server.stop()


async def test_accounts_are_exchanged_without_a_restart(folder: Path) -> None:
    server = EmbeddedNats(folder, auth_config=ACCOUNTS)
    await server.start()
    pid = server.child.pid
    await server.reload(ACCOUNTS.replace("first", "second"))
    connection = await nats.connect(server.url, user="ours", password="second", allow_reconnect=False)
    await connection.close()
    await refused(server.url, user="ours", password="first")
    assert server.child.pid == pid
    await server.stop()


async def test_a_wrong_accounts_section_is_named(folder: Path) -> None:
    with pytest.raises(Unavailable, match="Parse error on line"):
        await EmbeddedNats(folder, auth_config="accounts { broken").start()


async def test_a_second_supervisor_of_one_store_is_refused(folder: Path) -> None:
    server = EmbeddedNats(folder)
    await server.start()
    with pytest.raises(Unavailable, match="another process runs a server"):
        await EmbeddedNats(folder).start()
    assert await server.why_unhealthy() is None
    await server.stop()


async def test_the_server_never_runs_as_root_and_its_configuration_is_for_its_owner_only(folder: Path) -> None:
    server = EmbeddedNats(folder)
    await server.start()
    uid = Path(f"/proc/{server.child.pid}").stat().st_uid
    mode = (folder / "store" / "nats.conf").stat().st_mode & 0o777
    await server.stop()
    assert uid != 0
    assert mode == 0o600
