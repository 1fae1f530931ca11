"""`dispatch up` as a newcomer meets it: a separate process, real signals, one folder through several lives."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dispatch.cli.up import prepare_data_dir
from dispatch.config import RUNNING_FILE
from dispatch.embedded.child import processes_working_in
from dispatch.embedded.postgres import EmbeddedPostgres
from tests.embedded.keeper import ROOT, leaves

READY_WAIT_S = 120.0
STOP_WAIT_S = 60.0


class Up:
    """A running `dispatch up --json`."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dispatch.cli.main", "up", "--json"],
            cwd=ROOT,
            env={**os.environ, "DISPATCH_DATA_DIR": str(folder), "DISPATCH_PORT": "0"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        too_slow = threading.Timer(READY_WAIT_S, self.process.kill)
        too_slow.start()
        line = self.process.stdout.readline()
        too_slow.cancel()
        assert line, "dispatch up left, or was not ready in time"
        self.said = json.loads(line)
        self.children = children_of(self.process.pid)

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait until it has left."""
        self.process.send_signal(number)
        status = self.process.wait(STOP_WAIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def curl(self, *options: str) -> list[object]:
        """Run the printed line, word for word."""
        command = [*shlex.split(self.said["curl"]), "--silent", "--show-error", "--fail", *options]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        centers: list[object] = json.loads(answer.stdout)
        return centers


def children_of(pid: int) -> list[int]:
    """The direct children: PostgreSQL, NATS, the API, the workers."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[[], Up]]:
    """Starts `dispatch up` in one folder; what a failed test left running is stopped."""
    started: list[Up] = []

    def up() -> Up:
        started.append(Up(folder))
        return started[-1]

    yield up
    for each in started:
        if each.process.poll() is None:
            each.end(signal.SIGKILL)


@pytest.mark.long
def test_a_city_starts_answers_stops_continues_and_recovers(start: Callable[[], Up]) -> None:
    first = start()
    assert len(first.children) == 5
    centers = first.curl()
    assert centers
    assert first.end(signal.SIGINT) == 0
    assert all(leaves(child) for child in first.children), "Ctrl-C leaves nothing behind"

    second = start()
    assert second.curl() == centers
    frozen = second.children[2:]
    for child in frozen:
        os.kill(child, signal.SIGSTOP)
    assert all(leaves(child) for child in frozen), "an API and a worker that are frozen are replaced"
    assert second.curl("--retry", "60", "--retry-delay", "1", "--retry-all-errors") == centers
    for pid in (second.process.pid, *children_of(second.process.pid)):
        os.kill(pid, signal.SIGKILL)
    assert second.end(signal.SIGKILL) == -signal.SIGKILL

    third = start()
    assert third.curl() == centers
    for child in third.children:
        os.kill(child, signal.SIGKILL)
        assert leaves(child)
        assert third.curl("--retry", "60", "--retry-delay", "1", "--retry-all-errors") == centers
    restarted = children_of(third.process.pid)
    assert third.end(signal.SIGKILL) == -signal.SIGKILL
    assert all(leaves(child) for child in restarted), "kill -9 of the parent leaves nothing behind"


def fails(folder: Path, **variables: str) -> tuple[int, dict[str, str]]:
    """A start that cannot succeed: its exit code and what it says."""
    outcome = subprocess.run(
        [sys.executable, "-m", "dispatch.cli.main", "up", "--json"],
        cwd=ROOT,
        env={**os.environ, "DISPATCH_DATA_DIR": str(folder), "DISPATCH_PORT": "0", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=STOP_WAIT_S,
    )
    error: dict[str, str] = json.loads(outcome.stdout)["error"]
    return outcome.returncode, error


def test_a_taken_port_is_said_before_anything_is_started(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, error = fails(folder, DISPATCH_PORT=str(taken.getsockname()[1]))
    assert (status, error["code"]) == (5, "up.port_taken")
    assert "DISPATCH_PORT" in error["detail"]
    assert not (folder / "postgres").exists()


async def test_a_second_start_in_one_folder_is_refused_and_harms_nothing(folder: Path) -> None:
    prepare_data_dir(folder)
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    await server.start()
    running = folder / RUNNING_FILE
    running.parent.mkdir()
    running.write_text(json.dumps({"pid": os.getpid()}))
    status, error = fails(folder)
    assert (status, error["code"]) == (5, "embedded.data_dir_in_use")
    assert await server.why_unhealthy() is None
    assert running.exists(), "other commands still find the one that runs"
    await server.stop()


def test_a_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    folder.write_text("a file stands where the folder should be")
    status, error = fails(folder / "below")
    assert (status, error["code"]) == (5, "up.no_data_dir")
    assert "DISPATCH_DATA_DIR" in error["detail"]


def test_ctrl_c_during_the_start_leaves_nothing_behind(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dispatch.cli.main", "up"],
        cwd=ROOT,
        env={**os.environ, "DISPATCH_DATA_DIR": str(folder), "DISPATCH_PORT": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "migrating" in line:
            break
    children = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    process.stderr.read()
    assert process.wait(STOP_WAIT_S) == 0
    process.stderr.close()
    assert children
    assert all(leaves(child) for child in children)
    assert not processes_working_in(folder / "postgres" / "cluster")
