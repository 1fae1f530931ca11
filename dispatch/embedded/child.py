"""One child process: started in a session of its own, dies with its parent, can be awaited and stopped in order.

A session of its own keeps Ctrl-C in the terminal from reaching the database before the programs that use it; the
supervisor decides the order. The kernel's parent-death signal covers the case in which the supervisor cannot decide
anything any more (kill -9).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dispatch.embedded import launch
from domain.refusals import Unavailable

LOG_BYTES_MAX = 16 * 1024 * 1024
"""A child's log is set aside (one generation) once it is larger than this."""
KILL_WAIT_S = 10.0
"""After SIGKILL the kernel owes us the exit; longer than this means a process stuck in the kernel."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The unprivileged user a child runs as when we are root."""

    uid: int
    gid: int


def unprivileged_identity(owned: Path | None = None) -> Identity | None:
    """Whom to become: nobody at all when we are not root; else the owner of `owned`, `nobody`, or its usual number."""
    if os.geteuid() != 0:
        return None
    if owned is not None and owned.exists():
        found = owned.stat()
        if found.st_uid != 0:
            return Identity(found.st_uid, found.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Identity(65534, 65534)
    return Identity(nobody.pw_uid, nobody.pw_gid)


def open_log(path: Path) -> BinaryIO:
    """Open a child's log for appending, readable by its owner only."""
    set_aside_when_long(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    return os.fdopen(descriptor, "ab", buffering=0)


def set_aside_when_long(path: Path) -> bool:
    """Keep one earlier generation (`.1`) of a log that has grown too long; true if it was set aside.

    The writer has the file open for appending, so it is copied and emptied, not renamed. What is written between the
    two is lost; what must not be lost is an event, not a line.
    """
    if not path.exists() or path.stat().st_size <= LOG_BYTES_MAX:
        return False
    earlier = path.with_name(path.name + ".1")
    shutil.copyfile(path, earlier)
    earlier.chmod(0o600)
    os.truncate(path, 0)
    return True


class Child:
    """A started program. `returncode` is None while it runs."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes]) -> None:
        self.name = name
        self._popen = popen

    @classmethod
    def spawn(
        cls,
        name: str,
        program: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        identity: Identity | None = None,
        handles: Sequence[int] = (),
        death_signal: signal.Signals = signal.SIGTERM,
        working_dir: Path | None = None,
    ) -> Child:
        """Start `program` (an absolute path first). Without `log_path` it writes to our own output."""
        uid, gid = (identity.uid, identity.gid) if identity else (launch.NO_CHANGE, launch.NO_CHANGE)
        launcher = [sys.executable, "-I", "-S", launch.__file__]
        request = [str(int(death_signal)), str(os.getpid()), str(uid), str(gid)]
        log = open_log(log_path) if log_path else None
        try:
            popen = subprocess.Popen(  # noqa: S603  # programs of our own wheels, no shell
                [*launcher, *request, *program],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=None if environment is None else dict(environment),
                cwd=working_dir,
                pass_fds=tuple(handles),
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable("embedded.spawn_failed", f"could not start {name}: {error}") from error
        finally:
            if log is not None:
                log.close()
        return cls(name, popen)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit status (negative: killed by that signal), or None while running."""
        return self._popen.poll()

    async def wait(self) -> int:
        """Wait until the process has left."""
        status = self._popen.poll()
        if status is not None:
            return status
        loop = asyncio.get_running_loop()
        left = asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        loop.add_reader(descriptor, left.set)
        try:
            await left.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return self._popen.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a process that has left gets none."""
        if self._popen.poll() is None:
            self._popen.send_signal(number)

    async def stop(self, steps: Sequence[tuple[signal.Signals, float]]) -> int:
        """Send each signal in turn and wait its seconds; SIGKILL to the whole session at the end."""
        for number, patience_s in steps:
            self.send(number)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self.wait(), patience_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return await asyncio.wait_for(self.wait(), KILL_WAIT_S)


def processes_working_in(folder: Path) -> list[int]:
    """Pids whose working folder is `folder`: a PostgreSQL server and each of its backends, orphans included."""
    wanted = str(folder.resolve())
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if str((entry / "cwd").readlink()) == wanted:
                    found.append(int(entry.name))
    return found
