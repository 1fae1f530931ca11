"""A folder for servers that live as long as one measurement."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """An empty folder that the servers' unprivileged user can pass through, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        path = Path(folder)
        path.chmod(0o711)
        yield path
