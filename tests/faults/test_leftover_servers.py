"""A test run sweeps away the servers of killed runs, and never trips over them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import cluster
from tests.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where servers of this test alone stand. Short: a socket's path may have 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="sweep_", dir="/tmp"))
    folder.chmod(0o755)
    monkeypatch.setattr(cluster, "DISK", folder)
    monkeypatch.setattr(cluster, "MEMORY", folder / "none")
    monkeypatch.setattr(cluster, "SWEEP_LOCK", folder / "sweep.lock")
    yield folder
    shutil.rmtree(folder)


def leave(started: Cluster) -> None:
    """Let go of it as a killed run does: no lock, everything else in its place."""
    cluster.held.pop(started.folder).close()


def test_a_server_that_still_runs_is_stopped(place: Path) -> None:
    left = Cluster.start(durable=False)
    leave(left)
    assert left.is_running()
    cluster.sweep()
    assert not left.is_running()
    assert list(place.glob("pg_*")) == []


def test_a_server_that_died_with_its_machine_is_removed(place: Path) -> None:
    left = Cluster.start(durable=False)
    postmaster = left.folder / "data" / "postmaster.pid"
    as_it_was = postmaster.read_text()
    left.halt()
    postmaster.write_text(as_it_was)  # the file a power cut leaves
    leave(left)
    cluster.sweep()
    assert list(place.glob("pg_*")) == []


def test_another_process_with_its_number_is_left_alone(place: Path) -> None:
    left = Cluster.start(durable=False)
    left.halt()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (left.folder / "data" / "postmaster.pid").write_text(f"{other.pid}\n")
        leave(left)
        cluster.sweep()
        assert list(place.glob("pg_*")) == []
        assert other.poll() is None
        os.kill(other.pid, 0)
        other.terminate()


def test_a_server_in_use_is_not_touched(place: Path) -> None:
    used = Cluster.start(durable=False)
    cluster.sweep()
    assert used.is_running()
    used.stop()
    assert not used.is_running()
    assert list(place.glob("pg_*")) == []
