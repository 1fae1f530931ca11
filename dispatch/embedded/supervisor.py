"""Keeps a few named services alive, watches the disk they write to, and stops them in the reverse order of their start.

A service that leaves, or that is found unwell three times in a row, is started again after a pause that doubles
up to `PAUSE_S_MAX`. While the disk is full nothing is restarted for being unwell: it could only fail again; but as soon
as there is space it must be, since nats-server does not recover by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dispatch.embedded.child import Child, set_aside_when_long
from dispatch.embedded.watchdog import Watchdog
from domain.refusals import Unavailable

PAUSE_S_MIN = 0.2
PAUSE_S_MAX = 10.0
STEADY_S = 60.0
"""A service that lived this long starts over with the shortest pause."""
HEALTH_EVERY_S = 2.0
UNWELL_IN_A_ROW_MAX = 3
DISK_EVERY_S = 5.0
DISK_FULL_BYTES = 33_554_432
"""Below this a store cannot write; PostgreSQL alone wants 16 MiB for its next log segment."""
PROGRAM_STOP_WAIT_S = 20.0
FROZEN_STOP_WAIT_S = 1.0
"""For a program that gives no sign of life: it will hardly hear a request to leave."""
SILENT_S_MAX = 10.0
"""Signs of life come every second; a machine that is short of breath may delay some."""
FIRST_SIGN_WAIT_S = 60.0
"""Until then it may be loading its own modules, from a cold disk."""

log = logging.getLogger(__name__)


class Service(Protocol):
    """Something the supervisor can start, watch and stop. `start` may be called again after `stop`."""

    @property
    def child(self) -> Child:
        """Its running process."""

    @property
    def log_path(self) -> Path | None:
        """Where it writes; None when that is our own output."""

    async def start(self) -> object:
        """Start it and return when it can be used. Raises `Unavailable`."""

    async def stop(self) -> None:
        """Stop it and return when it has left."""

    async def why_unhealthy(self) -> str | None:
        """None when well, else a reason."""


@dataclass
class Program:
    """A plain program as a service: well while it runs.

    One that `gives_signs` (through `dispatch.process`) is unwell when they stop: frozen, or stuck. `niceness` (0 to 19)
    says how readily it leaves a processor to others.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log_path: Path | None = None
    gives_signs: bool = False
    silent_s_max: float = SILENT_S_MAX
    niceness: int = 0
    _child: Child | None = field(default=None, repr=False)
    _watchdog: Watchdog | None = field(default=None, repr=False)

    @property
    def child(self) -> Child:
        """Its running process."""
        assert self._child is not None, "start() first"
        return self._child

    async def start(self) -> None:
        """Spawn it; whether it became ready is for its own health page to say."""
        environment = dict(self.environment)
        if self.gives_signs:
            self._watchdog = Watchdog(self.name)
            environment["NOTIFY_SOCKET"] = self._watchdog.address
        self._child = Child.spawn(self.name, self.command, environment=environment, log_path=self.log_path)
        if self.niceness:
            with contextlib.suppress(ProcessLookupError):  # it left at once, which its watch will find
                os.setpriority(os.PRIO_PROCESS, self._child.pid, self.niceness)

    async def stop(self) -> None:
        """SIGTERM, patience, then SIGKILL."""
        if self._child is not None:
            patience_s = PROGRAM_STOP_WAIT_S if await self.why_unhealthy() is None else FROZEN_STOP_WAIT_S
            await self._child.stop([(signal.SIGTERM, patience_s)])
            self._child = None
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None

    async def why_unhealthy(self) -> str | None:
        """None while it gives signs of life, or never promised any: its own health page is for clients."""
        if self._watchdog is None:
            return None
        silent_s = self._watchdog.silent_s()
        allowed_s = self.silent_s_max if self._watchdog.has_been_heard else max(self.silent_s_max, FIRST_SIGN_WAIT_S)
        return f"no sign of life for {silent_s:.0f} s" if silent_s > allowed_s else None


class Supervisor:
    """Owns services for as long as its process lives."""

    def __init__(self, *, data_dir: Path, disk_free_bytes_min: int, health_every_s: float = HEALTH_EVERY_S) -> None:
        self._data_dir = data_dir
        self._disk_free_bytes_min = disk_free_bytes_min
        self._health_every_s = health_every_s
        self._services: list[tuple[str, Service]] = []
        self._watches: list[asyncio.Task[None]] = []
        self.restarts: dict[str, int] = {}
        self.restarted = asyncio.Condition()
        """Notified after each restart, for whoever must act on it."""

    async def start(self, name: str, service: Service) -> None:
        """Start a service and keep it alive from now on. The first start is not repeated: its failure is raised."""
        self._services.append((name, service))
        await service.start()
        self.restarts[name] = 0
        self._watches.append(asyncio.create_task(self._keep_alive(name, service), name=f"watch {name}"))
        if len(self._services) == 1:
            self._watches.append(asyncio.create_task(self._watch_disk(), name="watch disk"))

    def alongside(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Do this too until we stop: it ends before the services do."""
        self._watches.append(asyncio.create_task(work, name=name))

    async def stop(self) -> None:
        """Stop watching, then stop the services, the last started first. Every one is tried."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        self._watches.clear()
        while self._services:
            name, service = self._services.pop()
            try:
                await service.stop()
            except (Unavailable, OSError, TimeoutError):
                log.exception("service did not stop", extra={"service": name})

    async def _keep_alive(self, name: str, service: Service) -> None:
        pause_s = PAUSE_S_MIN
        while True:
            began = time.monotonic()
            reason = await self._until_unwell(service)
            pause_s = PAUSE_S_MIN if time.monotonic() - began > STEADY_S else pause_s
            log.warning("service is restarted", extra={"service": name, "reason": reason, "pause_s": pause_s})
            while True:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_S_MAX)
                try:
                    await service.stop()
                    await service.start()
                except (Unavailable, OSError, TimeoutError) as error:
                    log.warning("service did not start", extra={"service": name, "reason": str(error)})
                else:
                    break
            await self._note_restart(name)

    async def _until_unwell(self, service: Service) -> str:
        """Return why it must be restarted."""
        leaving = asyncio.ensure_future(service.child.wait())
        unwell = 0
        try:
            while True:
                await asyncio.wait([leaving], timeout=self._health_every_s)
                if leaving.done():
                    return f"left with {leaving.result()}"
                reason = await service.why_unhealthy()
                unwell = unwell + 1 if reason else 0
                if reason and unwell >= UNWELL_IN_A_ROW_MAX and self._free_bytes() > DISK_FULL_BYTES:
                    return reason
        finally:
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leaving

    async def _note_restart(self, name: str) -> None:
        async with self.restarted:
            self.restarts[name] += 1
            self.restarted.notify_all()

    async def _watch_disk(self) -> None:
        low = False
        while True:
            free_bytes = self._free_bytes()
            if (free_bytes < self._disk_free_bytes_min) is not low:
                low = not low
                level = logging.WARNING if low else logging.INFO
                log.log(level, "disk is short" if low else "disk has space again", extra={"free_bytes": free_bytes})
            self._keep_logs_short()
            await asyncio.sleep(DISK_EVERY_S)

    def _keep_logs_short(self) -> None:
        for name, service in self._services:
            # On a full disk there is no room for the copy; the next round tries again.
            with contextlib.suppress(OSError):
                if service.log_path is not None and set_aside_when_long(service.log_path):
                    log.info("log was set aside", extra={"service": name})

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._data_dir).free
