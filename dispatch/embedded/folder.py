"""A server's own folder: locked by one supervisor, handed over as an open handle, written under its owner."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from domain.refusals import Unavailable


def take_lock(folder: Path) -> int:
    """Lock a data folder for this process; the kernel frees the lock of one that was killed. Raises `Unavailable`."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Unavailable(
            "embedded.data_dir_in_use",
            f"another process runs a server in {folder}: stop it, or choose another DISPATCH_DATA_DIR",
        ) from None
    return descriptor


@contextlib.contextmanager
def handle_of(folder: Path) -> Iterator[int]:
    """An open handle of a folder; a child that inherits it needs no permission on the folders above."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_as_owner(path: Path, text: str) -> None:
    """Write a file (0600) under the owner of its folder; a link that owner may have put there is not followed."""
    owner = path.parent.stat()
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if os.geteuid() == 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.write(text)


def free_port() -> int:
    """A loopback TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
