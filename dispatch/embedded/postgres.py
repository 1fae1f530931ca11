"""PostgreSQL 18 as a child of this process.

The hard parts, and the rules kept:

- PostgreSQL refuses to run as root, and the user it then runs as may be unable to enter the folders above the data.
  The usual way out opens every parent folder to everyone. Here the server is handed an open handle of its data folder
  and is told to live in `/proc/self/fd/N`: no permission is changed, and a path longer than the 107 bytes of a socket
  address does not matter either.
- A restart right after kill -9 fails while the old process, or one of its orphaned backends, is still visible, and
  two servers on one data folder destroy it. So the old ones are found by their working folder and awaited first.
- A half-made cluster is never used: `initdb` works in `cluster.new`, which is renamed when it is whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import asyncpg

from dispatch.embedded.binaries import postgres_programs
from dispatch.embedded.child import Child, processes_working_in, unprivileged_identity
from dispatch.embedded.folder import free_port, handle_of, take_lock, write_as_owner
from dispatch.embedded.secrets import secret_text
from domain.refusals import Unavailable

SUPERUSER = "postgres"
DATABASE = "dispatch"
START_WAIT_S = 600.0
"""Crash recovery after a storm may take minutes; giving up earlier would only begin it again."""
POLL_S = 0.05
OLD_SERVER_PATIENCE_S = 30.0
"""How long an old server may finish its shutdown before it is told to leave at once."""
HEALTH_TIMEOUT_S = 30.0
"""A server that needs longer to open a session is stuck; a storm alone does not make it so slow."""
ASK_FOR_TLS = (8).to_bytes(4, "big") + (80_877_103).to_bytes(4, "big")
"""The protocol's SSLRequest: the least a client can say and be answered."""
ANSWERS_ABOUT_TLS = (b"S", b"N", b"E")
"""Yes, no, and an error such as too many connections: busy is not broken, a restart would throw everybody out."""
PORT_ATTEMPTS = 5
SOCKET_PATH_BYTES_MAX = 107
LOG_TAIL_LINES = 15

ALWAYS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
}
FOR_TESTS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "max_wal_size": "'512MB'",
}
BASE = {
    "listen_addresses": "'127.0.0.1'",
    "password_encryption": "'scram-sha-256'",
    "max_connections": "200",
    "shared_buffers": "'256MB'",
    "wal_buffers": "'16MB'",
    "max_wal_size": "'4GB'",
    "checkpoint_timeout": "'10min'",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "max_locks_per_transaction": "256",
    "jit": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_line_prefix": "'%m [%p] %u@%d '",
    "log_lock_waits": "on",
    "log_min_error_statement": "'panic'",
    "log_parameter_max_length_on_error": "0",
}
HOST_RULES = """\
local all all scram-sha-256
host  all all 127.0.0.1/32 scram-sha-256
"""


class EmbeddedPostgres:
    """One cluster below `data_dir`, one database `dispatch`, one superuser with a password of its own.

    `port` 0 takes a free one at the first start and keeps it over restarts. `durable=False` is for tests: a power cut
    may lose everything. `start` may be called again after the server died.
    """

    def __init__(
        self, data_dir: Path, *, port: int = 0, settings: Mapping[str, str] | None = None, durable: bool = True
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._settings = dict(settings or {})
        self._durable = durable
        self._child: Child | None = None
        self._lock: int | None = None
        self._fixed_port = port
        self.port = port

    @property
    def dsn(self) -> str:
        """For asyncpg, psycopg, and (with the driver's name put in) SQLAlchemy: over loopback TCP."""
        return f"postgresql://{SUPERUSER}:{quote(self._password)}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def socket_dsn(self) -> str | None:
        """The same over the unix socket; None when the path exceeds what a socket address holds."""
        folder = self._data_dir / "socket"
        if len(os.fsencode(folder / f".s.PGSQL.{self.port}")) > SOCKET_PATH_BYTES_MAX:
            return None
        return (
            f"postgresql://{SUPERUSER}:{quote(self._password)}@/{DATABASE}?host={quote(str(folder))}&port={self.port}"
        )

    @property
    def child(self) -> Child:
        """The running server process."""
        assert self._child is not None, "start() first"
        return self._child

    @property
    def log_path(self) -> Path:
        """The server's log."""
        return self._data_dir / "postgres.log"

    @property
    def _cluster(self) -> Path:
        return self._data_dir / "cluster"

    @property
    def _password(self) -> str:
        return secret_text(self._data_dir / "password")

    async def start(self) -> str:
        """Start (after an old server has left), make the database, and return its DSN. Raises `Unavailable`."""
        # With an unprivileged user the programs lie in here too, and that user must pass through.
        self._data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        self._lock = self._lock or take_lock(self._data_dir)
        try:
            await self._stop_child()
            await self._old_server_leaves()
            self._prepare_sockets()
            identity = unprivileged_identity(self._cluster)
            programs = postgres_programs(self._data_dir, identity)
            if not (self._cluster / "PG_VERSION").exists():
                await self._make_cluster(programs)
            for attempt in range(PORT_ATTEMPTS):
                self.port = self.port or free_port()
                self._write_configuration()
                with self._handles() as (cluster, sockets):
                    self._child = Child.spawn(
                        "postgres",
                        [
                            str(programs / "postgres"),
                            *("-D", f"/proc/self/fd/{cluster}"),
                            *("-k", f"/proc/self/fd/{sockets}"),
                            *("-p", str(self.port)),
                        ],
                        log_path=self.log_path,
                        identity=identity,
                        handles=(cluster, sockets),
                        death_signal=signal.SIGINT,
                        working_dir=Path("/"),
                    )
                if await self._becomes_ready(last_try=attempt == PORT_ATTEMPTS - 1):
                    break
            await self._make_database()
        except BaseException:
            await self.stop()
            raise
        return self.dsn

    async def stop(self) -> None:
        """Stop in the fast mode (SIGINT: sessions are ended, a checkpoint is written); at once when not durable."""
        await self._stop_child()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _stop_child(self) -> None:
        if self._child is not None:
            first = signal.SIGINT if self._durable else signal.SIGQUIT
            await self._child.stop([(first, START_WAIT_S), (signal.SIGQUIT, 10.0)])
            self._child = None

    async def why_unhealthy(self) -> str | None:
        """None when the server forks a session that answers, else the reason. No password and no log line is needed."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(ASK_FOR_TLS)
                    answer = await reader.read(1)
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"
        return None if answer in ANSWERS_ABOUT_TLS else f"unexpected answer {answer!r}"

    def _prepare_sockets(self) -> None:
        """A folder of the server's own; what lies in it was left by a server that is gone."""
        identity = unprivileged_identity(self._cluster)
        sockets = self._data_dir / "socket"
        sockets.mkdir(mode=0o700, exist_ok=True)
        if identity is not None:
            os.chown(sockets, identity.uid, identity.gid)
        for stale in sockets.iterdir():
            stale.unlink(missing_ok=True)

    async def _old_server_leaves(self) -> None:
        """Wait for a server (or orphaned backends) of an earlier life; we hold the lock, so nobody needs it."""
        began = time.monotonic()
        asked: signal.Signals | None = None
        while pids := processes_working_in(self._cluster):
            waited_s = time.monotonic() - began
            wanted = _persuasion(waited_s)
            if wanted is not asked:
                # The postmaster passes a shutdown on to its backends; orphans are asked one by one.
                for pid in _postmaster_first(self._cluster, pids):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, wanted)
                asked = wanted
            if waited_s > START_WAIT_S:
                raise Unavailable("embedded.old_server_stuck", f"processes {pids} still hold {self._cluster}")
            await asyncio.sleep(POLL_S)
        # Its process is gone, but the number in the file may have been given to a stranger meanwhile.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    async def _make_cluster(self, programs: Path) -> None:
        unfinished = self._data_dir / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        identity = unprivileged_identity(unfinished)
        with handle_of(unfinished) as cluster, _password_handle(self._password) as password:
            if identity is not None:
                os.fchown(cluster, identity.uid, identity.gid)
                os.fchown(password, identity.uid, identity.gid)
            program = [
                str(programs / "initdb"),
                f"--pgdata=/proc/self/fd/{cluster}",
                f"--username={SUPERUSER}",
                f"--pwfile=/proc/self/fd/{password}",
                *("--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *(() if self._durable else ("--no-sync",)),
            ]
            making = Child.spawn(
                "initdb",
                program,
                log_path=self.log_path,
                identity=identity,
                handles=(cluster, password),
                working_dir=Path("/"),
            )
            try:
                status = await making.wait()
            finally:
                await making.stop([(signal.SIGTERM, 5.0)])
        if status != 0:
            raise Unavailable("embedded.initdb_failed", f"initdb ended with {status}:\n{self._log_tail()}")
        unfinished.rename(self._cluster)

    def _write_configuration(self) -> None:
        """Ours at every start, so that an upgrade of this program reaches old clusters; ALTER SYSTEM still wins."""
        settings = {**BASE, **(ALWAYS if self._durable else FOR_TESTS), **self._settings}
        lines = [f"{name} = {value}\n" for name, value in settings.items()]
        write_as_owner(
            self._cluster / "postgresql.conf", "# written at every start; use ALTER SYSTEM\n" + "".join(lines)
        )
        write_as_owner(self._cluster / "pg_hba.conf", HOST_RULES)

    @contextlib.contextmanager
    def _handles(self) -> Iterator[tuple[int, int]]:
        with handle_of(self._cluster) as cluster, handle_of(self._data_dir / "socket") as sockets:
            yield cluster, sockets

    async def _becomes_ready(self, *, last_try: bool) -> bool:
        """True when the server says ready; False when a stranger took the port between our choice and its bind."""
        deadline = time.monotonic() + START_WAIT_S
        while time.monotonic() < deadline:
            if self.child.returncode is not None:
                tail = self._log_tail()
                if "could not create any TCP/IP sockets" in tail and not self._fixed_port and not last_try:
                    self.port = 0
                    return False
                raise Unavailable("embedded.postgres_failed", f"PostgreSQL left with {self.child.returncode}:\n{tail}")
            if _postmaster_status(self._cluster) == "ready":
                return True
            await asyncio.sleep(POLL_S)
        raise Unavailable("embedded.postgres_slow", f"PostgreSQL was not ready within {START_WAIT_S:.0f} s")

    async def _make_database(self) -> None:
        connection = await self._connect()
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await connection.close()

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=SUPERUSER, password=self._password, database="postgres"
        )

    def _log_tail(self) -> str:
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])


def _persuasion(waited_s: float) -> signal.Signals:
    if waited_s < OLD_SERVER_PATIENCE_S:
        return signal.SIGINT
    return signal.SIGQUIT if waited_s < 2 * OLD_SERVER_PATIENCE_S else signal.SIGKILL


def _postmaster_first(cluster: Path, pids: list[int]) -> list[int]:
    """The postmaster alone if it lives (SIGINT means something else to a backend), else every orphan."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        postmaster = int((cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        if postmaster in pids:
            return [postmaster]
    return pids


def _postmaster_status(cluster: Path) -> str:
    """The eighth line of postmaster.pid: `starting`, `ready`, `stopping`; nothing before the file is there."""
    with contextlib.suppress(OSError, IndexError):
        return (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()[7].strip()
    return ""


@contextlib.contextmanager
def _password_handle(password: str) -> Iterator[int]:
    """The password as a file that exists in memory only."""
    descriptor = os.memfd_create("password")
    try:
        os.write(descriptor, f"{password}\n".encode())
        yield descriptor
    finally:
        os.close(descriptor)
