"""Secrets the system makes for itself: random, in files only their owner reads, never in a log or a command line."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

SECRET_BYTES = 32
OWNER_ONLY = 0o600


def secret_text(path: Path) -> str:
    """The secret kept in `path`, made at first use."""
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(SECRET_BYTES))
    return path.read_text(encoding="utf-8").strip()


def write_secret(path: Path, text: str) -> None:
    """Write a secret so that nobody ever sees half of it, nor a moment of wider permissions."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def is_owner_only(path: Path) -> bool:
    """Is the file closed to group and others?"""
    return stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
