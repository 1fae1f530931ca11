"""nats-server with JetStream as a child of this process.

What measurement taught: with the default `sync_interval` a power cut loses the whole stream of acknowledged messages,
with `always` none; after a full disk the server stays dead although there is space again, until it is restarted
(`why_unhealthy` tells, the supervisor restarts it).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from pathlib import Path
from urllib.parse import quote

import httpx

from dispatch.embedded.binaries import nats_program
from dispatch.embedded.child import Child, processes_working_in, unprivileged_identity
from dispatch.embedded.folder import free_port, handle_of, take_lock, write_as_owner
from dispatch.embedded.secrets import secret_text
from domain.refusals import Unavailable

START_WAIT_S = 60.0
"""JetStream checks its files before it listens; a large store takes seconds."""
STOP_WAIT_S = 10.0
OLD_SERVER_PATIENCE_S = 15.0
POLL_S = 0.05
HEALTH_TIMEOUT_S = 2.0
PORT_ATTEMPTS = 5
LOG_TAIL_LINES = 15
DEFAULT_USER = "dispatch"
DEFAULT_MAX_STORE_BYTES = 20 * 1024**3


class EmbeddedNats:
    """One server below `data_dir`.

    `auth_config` is the text of its accounts (or authorization) section; without it there is one user whose password
    is in the URL. Ports 0 take free ones at the first start and keep them over restarts.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        monitor_port: int = 0,
        auth_config: str = "",
        max_store_bytes: int = DEFAULT_MAX_STORE_BYTES,
        max_payload_bytes: int = 1_048_576,
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._auth_config = auth_config
        self._max_store_bytes = max_store_bytes
        self._max_payload_bytes = max_payload_bytes
        self._ports_are_ours = port == 0 or monitor_port == 0
        self._fixed = (port, monitor_port)
        self._child: Child | None = None
        self._lock: int | None = None
        self._store_seen_by_server = ""
        self.port = port
        self.monitor_port = monitor_port

    @property
    def url(self) -> str:
        """Where clients connect. Credentials are in it only when no `auth_config` was given."""
        if self._auth_config:
            return f"nats://127.0.0.1:{self.port}"
        return f"nats://{DEFAULT_USER}:{quote(self._password)}@127.0.0.1:{self.port}"

    @property
    def auth_config(self) -> str:
        """The accounts in force, or to be in force when it starts."""
        return self._auth_config

    @property
    def child(self) -> Child:
        """The running server process."""
        assert self._child is not None, "start() first"
        return self._child

    @property
    def log_path(self) -> Path:
        """The server's log."""
        return self._data_dir / "nats.log"

    @property
    def _store(self) -> Path:
        return self._data_dir / "store"

    @property
    def _password(self) -> str:
        return secret_text(self._data_dir / "password")

    async def start(self) -> str:
        """Start (after an old server has left), wait until it is healthy, return its URL. Raises `Unavailable`."""
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = self._lock or take_lock(self._data_dir)
        try:
            await self._stop_child()
            await self._old_server_leaves()
            self._prepare_store()
            for attempt in range(PORT_ATTEMPTS):
                self._spawn()
                if await self._becomes_ready(last_try=attempt == PORT_ATTEMPTS - 1):
                    break
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def stop(self) -> None:
        """Stop cleanly: clients are told, streams are flushed."""
        await self._stop_child()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _stop_child(self) -> None:
        if self._child is not None:
            await self._child.stop([(signal.SIGTERM, STOP_WAIT_S)])
            self._child = None

    async def reload(self, auth_config: str) -> None:
        """Put other accounts in force without dropping connections that may stay. Raises `Unavailable`.

        A server that is down at the moment has them when it starts.
        """
        self._auth_config = auth_config
        if self._child is None:
            return
        self._write_configuration()
        try:
            before = await self._configured_at()
            self.child.send(signal.SIGHUP)
            deadline = time.monotonic() + START_WAIT_S
            while await self._configured_at() == before:
                if time.monotonic() > deadline:
                    why = f"nats-server kept its old accounts:\n{self._tail()}"
                    raise Unavailable("embedded.nats_refused_reload", why)
                await asyncio.sleep(POLL_S)
        except httpx.HTTPError as error:
            why = f"nats-server did not answer while its accounts were changed: {type(error).__name__}"
            raise Unavailable("embedded.nats_unreachable", why) from error

    async def why_unhealthy(self) -> str | None:
        """None when the server says it is healthy, else its reason."""
        try:
            async with _monitor() as client:
                answer = await client.get(f"http://127.0.0.1:{self.monitor_port}/healthz")
        except httpx.HTTPError as error:
            return f"no answer: {type(error).__name__}"
        return None if answer.is_success else answer.text.strip()[:300]

    async def _configured_at(self) -> str:
        async with _monitor() as client:
            answer = await client.get(f"http://127.0.0.1:{self.monitor_port}/varz")
        return str(answer.json()["config_load_time"])

    async def _old_server_leaves(self) -> None:
        """Two servers on one store would destroy it; we hold the lock, so nobody needs an older one."""
        began = time.monotonic()
        while pids := processes_working_in(self._store):
            patient = time.monotonic() - began < OLD_SERVER_PATIENCE_S
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM if patient else signal.SIGKILL)
            await asyncio.sleep(POLL_S)

    def _prepare_store(self) -> None:
        self._store.mkdir(mode=0o700, exist_ok=True)
        identity = unprivileged_identity(self._store)
        if identity is not None and self._store.stat().st_uid != identity.uid:
            os.chown(self._store, identity.uid, identity.gid)

    def _spawn(self) -> None:
        self.port = self.port or free_port()
        self.monitor_port = self.monitor_port or free_port()
        with handle_of(self._store) as store:
            self._store_seen_by_server = f"/proc/self/fd/{store}"
            self._write_configuration()
            self._child = Child.spawn(
                "nats-server",
                [str(nats_program()), "-c", f"{self._store_seen_by_server}/nats.conf"],
                log_path=self.log_path,
                identity=unprivileged_identity(self._store),
                handles=(store,),
                working_dir=self._store,
            )

    def _write_configuration(self) -> None:
        """The server reads this through the handle it inherited; it holds secrets, so it lies in the 0700 store."""
        authorization = self._auth_config or (
            f"authorization {{ user: {json.dumps(DEFAULT_USER)}, password: {json.dumps(self._password)} }}"
        )
        text = f"""\
listen: "127.0.0.1:{self.port}"
http: "127.0.0.1:{self.monitor_port}"
server_name: "dispatch-embedded"
max_payload: {self._max_payload_bytes}
max_connections: 1000
write_deadline: "10s"
jetstream {{
  store_dir: {json.dumps(self._store_seen_by_server)}
  sync_interval: always
  max_memory_store: 67108864
  max_file_store: {self._max_store_bytes}
}}
{authorization}
"""
        write_as_owner(self._store / "nats.conf", text)

    async def _becomes_ready(self, *, last_try: bool) -> bool:
        """True when healthy; False when a stranger took a port between our choice and the server's bind."""
        deadline = time.monotonic() + START_WAIT_S
        while time.monotonic() < deadline:
            if self.child.returncode is not None:
                tail = self._tail()
                if "address already in use" in tail and self._ports_are_ours and not last_try:
                    self.port, self.monitor_port = self._fixed
                    return False
                raise Unavailable("embedded.nats_failed", f"nats-server left with {self.child.returncode}:\n{tail}")
            if await self.why_unhealthy() is None:
                return True
            await asyncio.sleep(POLL_S)
        raise Unavailable("embedded.nats_slow", f"nats-server was not healthy within {START_WAIT_S:.0f} s")

    def _tail(self) -> str:
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])


def _monitor() -> httpx.AsyncClient:
    """A client for the monitoring port. It speaks plain HTTP, and to load certificates for that would hold up the whole
    process for 50 ms every time it is asked."""
    return httpx.AsyncClient(timeout=HEALTH_TIMEOUT_S, trust_env=False, verify=False)  # noqa: S501  # no TLS is spoken
