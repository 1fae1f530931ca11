"""Folders short enough for a socket address, and processes that are surely gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.keeper import Keeper


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder below one that only we may enter, as the home of root or a CI workspace is."""
    private = Path(tempfile.mkdtemp(prefix="dispatch-"))
    yield private / "data"
    shutil.rmtree(private, ignore_errors=True)


@pytest.fixture
def keepers() -> Iterator[list[Keeper]]:
    """Keepers to be gone at the end, however the test went."""
    started: list[Keeper] = []
    yield started
    for keeper in started:
        if keeper.process.poll() is None:
            keeper.kill()
