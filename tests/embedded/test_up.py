"""`dispatch up` as a newcomer meets it: a separate process, real signals, one folder through several lives."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

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

    def curl(self) -> list[object]:
        """Run the printed line, word for word."""
        command = [*shlex.split(self.said["curl"]), "--silent", "--show-error", "--fail"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        items: list[object] = json.loads(answer.stdout)["items"]
        return items


def children_of(pid: int) -> list[int]:
    """The direct children: PostgreSQL, NATS, the API, the workers."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.xdist_group("up")
def test_a_city_starts_answers_stops_continues_and_recovers(folder: Path) -> None:
    first = Up(folder)
    assert len(first.children) == 4
    centers = first.curl()
    assert centers
    assert first.end(signal.SIGINT) == 0
    assert all(leaves(child) for child in first.children), "Ctrl-C leaves nothing behind"

    second = Up(folder)
    assert second.curl() == centers
    for pid in (second.process.pid, *second.children):
        os.kill(pid, signal.SIGKILL)
    assert second.end(signal.SIGKILL) == -signal.SIGKILL

    third = Up(folder)
    assert third.curl() == centers
    assert third.end(signal.SIGKILL) == -signal.SIGKILL
    assert all(leaves(child) for child in third.children), "kill -9 of the parent leaves nothing behind"
