from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatch.embedded.child import LOG_BYTES_MAX, open_log, set_aside_when_long
from dispatch.embedded.nats import EmbeddedNats
from dispatch.embedded.supervisor import Program, Supervisor
from dispatch.embedded.watchdog import Watchdog
from tests.embedded.keeper import ROOT, Keeper, leaves

WAIT_S = 60.0
WAITING = [sys.executable, "-c", "import signal; signal.pause()"]
"""A program that lives until a signal."""
RUN_UNTIL_KILLED = """
import asyncio, os, sys
from pathlib import Path
from dispatch.embedded.supervisor import Program, Supervisor

async def run():
    supervisor = Supervisor(data_dir=Path("/tmp"), disk_free_bytes_min=0)
    program = Program("waits", [sys.executable, "-c", "import signal; signal.pause()"], dict(os.environ))
    await supervisor.start("waits", program)
    print(program.child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(run())
"""


@pytest.fixture
async def supervisor(folder: Path) -> AsyncIterator[Supervisor]:
    folder.mkdir()
    supervisor = Supervisor(data_dir=folder, disk_free_bytes_min=0, health_every_s=0.2)
    yield supervisor
    await supervisor.stop()


async def restarted(supervisor: Supervisor, name: str, times: int) -> None:
    async with asyncio.timeout(WAIT_S), supervisor.restarted:
        await supervisor.restarted.wait_for(lambda: supervisor.restarts[name] >= times)


async def test_a_program_that_was_killed_is_started_again(supervisor: Supervisor) -> None:
    program = Program("waits", WAITING, dict(os.environ))
    await supervisor.start("waits", program)
    first = program.child.pid
    os.kill(first, signal.SIGKILL)
    await restarted(supervisor, "waits", 1)
    assert program.child.pid != first
    assert program.child.returncode is None


async def test_a_program_that_always_leaves_is_tried_again_after_longer_and_longer_pauses(
    supervisor: Supervisor,
) -> None:
    began = asyncio.get_running_loop().time()
    await supervisor.start("leaves", Program("leaves", [sys.executable, "-c", ""], dict(os.environ)))
    await restarted(supervisor, "leaves", 3)
    assert asyncio.get_running_loop().time() - began >= 0.2 + 0.4 + 0.8


async def test_a_frozen_server_is_replaced(supervisor: Supervisor, folder: Path) -> None:
    server = EmbeddedNats(folder / "nats")
    await supervisor.start("nats", server)
    frozen = server.child.pid
    os.kill(frozen, signal.SIGSTOP)
    await restarted(supervisor, "nats", 1)
    assert server.child.pid != frozen
    assert await server.why_unhealthy() is None


LIVING = """
import asyncio, signal, sys, time
from dispatch import process

async def live():
    await asyncio.sleep(0)  # the first sign of life is given
    await asyncio.to_thread(lambda: open(sys.argv[1], "w").close())  # a named pipe: opens once the test listens
    await asyncio.Event().wait()

signal.signal(signal.SIGUSR1, lambda *_: time.sleep(1_000))
process.run(live())
"""
"""Does nothing, and says every second that it could."""


@pytest.mark.parametrize(
    "number", [signal.SIGSTOP, signal.SIGUSR1], ids=["frozen by a signal", "stuck in a loop of its own"]
)
async def test_a_program_whose_loop_does_not_turn_is_replaced(
    supervisor: Supervisor, folder: Path, number: signal.Signals
) -> None:
    os.mkfifo(folder / "alive")
    command = [sys.executable, "-c", LIVING, str(folder / "alive")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = Program("lives", command, environment, gives_signs=True, silent_s_max=3.0)
    await supervisor.start("lives", program)
    await asyncio.to_thread((folder / "alive").read_text)
    first = program.child.pid
    os.kill(first, number)
    await restarted(supervisor, "lives", 1)
    await asyncio.to_thread((folder / "alive").read_text)
    assert program.child.pid != first
    assert leaves(first)
    assert await program.why_unhealthy() is None
    assert supervisor.restarts["lives"] == 1


async def test_a_program_that_only_waits_is_left_alone(supervisor: Supervisor) -> None:
    program = Program("waits", WAITING, dict(os.environ), silent_s_max=0.0)
    await supervisor.start("waits", program)
    assert await program.why_unhealthy() is None


def test_a_watchdog_believes_its_own_user_and_hears_what_waits() -> None:
    watchdog = Watchdog("test")
    assert not watchdog.has_been_heard
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"WATCHDOG=1", f"\0{watchdog.address[1:]}")
        sender.sendto(b"WATCHDOG=1", f"\0{watchdog.address[1:]}")
    assert watchdog.silent_s() < 1.0
    assert watchdog.has_been_heard
    watchdog.close()


async def test_services_stop_in_the_reverse_order_of_their_start(supervisor: Supervisor, folder: Path) -> None:
    said = folder / "said"
    last_words = (
        "import signal, sys\n"
        "def leave(*_):\n"
        f"    with open({str(said)!r}, 'a') as file: file.write(sys.argv[1] + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        f"open({str(folder)!r} + '/' + sys.argv[1], 'w').close()\n"  # a named pipe: opens once the test listens
        "while True: signal.pause()\n"
    )
    for name in ("first", "second", "third"):
        os.mkfifo(folder / name)
        await supervisor.start(name, Program(name, [sys.executable, "-c", last_words, name], dict(os.environ)))
        await asyncio.to_thread((folder / name).read_text)
    await supervisor.stop()
    assert said.read_text().split() == ["third", "second", "first"]


async def test_children_leave_when_the_supervisor_is_killed(keepers: list[Keeper]) -> None:
    keepers.append(Keeper(RUN_UNTIL_KILLED))
    (pid,) = keepers[0].said
    keepers[0].kill()
    assert leaves(int(pid))


def test_a_long_log_is_set_aside_while_its_writer_goes_on(folder: Path) -> None:
    folder.mkdir()
    path = folder / "serve.log"
    with open_log(path) as writer:
        writer.write(b"x" * (LOG_BYTES_MAX + 1))
        assert set_aside_when_long(path)
        writer.write(b"after\n")
    assert path.read_text() == "after\n"
    earlier = folder / "serve.log.1"
    assert earlier.stat().st_size == LOG_BYTES_MAX + 1
    assert earlier.stat().st_mode & 0o777 == 0o600
    assert not set_aside_when_long(path)
