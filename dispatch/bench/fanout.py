"""`dispatch bench fanout`: thousands of live streams on one API process, each delivery timed and held against the rows.

PostgreSQL, the API and the clients are processes of their own; this one appends real facts at a steady rate and runs
the projector that writes the board changes. Windows without and with a stalled 1 % of clients are compared, in an order
in which what drifts does so for both; a fifth of the stalled look at the whole city and would have the most to read.
A delivery's time is from the record of the fact by the database to the bytes in the client's hands. Beside it stands
the ceiling: a bare `send` of such bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from dispatch.api.access.tokens import Identity
from dispatch.bench.fanout_plan import Plan
from dispatch.bench.scratch import scratch
from dispatch.bench.wire import Connection
from dispatch.bootstrap.foundation import Foundation, database_url, foundation, load_city_if_empty
from dispatch.bootstrap.tokens import issue_token
from dispatch.cli.up import prepare_data_dir
from dispatch.config import Settings
from dispatch.directory_entries import CenterEntry
from dispatch.embedded.folder import free_port
from dispatch.embedded.postgres import EmbeddedPostgres
from dispatch.embedded.supervisor import Program
from dispatch.handling.scribe import Request
from dispatch.store.migrate import migrate
from dispatch.workers.projector import Projector, board_projector, other_projector
from domain.event import Actor
from domain.identifiers import operator_id
from domain.refusals import Unavailable
from domain.vocabulary import ActorKind, Role

READY_WAIT_S = 60.0
READY_EVERY_S = 0.1
OPENING_BATCH = 50
SPARE_STREAMS = 200
"""Seats beyond the clients: one that reconnects may come before it has left."""
IDLE_S = 5.0
SETTLE_S = 2.0
AFTERWARDS_S = 0.5
"""What a window's last facts are given before anything else is asked of anybody."""
LINE_BYTES_MAX = 16 * 1024 * 1024
FRAME_BYTES = 1_700
"""About one board row as an event and a page's end."""
BARE_SENDS = 20_000
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")

ORDER = ("steady", "stalled", "stalled", "steady", "steady", "stalled", "stalled", "steady")

Say = Callable[[str], None]
Window = tuple[str, float, float]


@dataclass(frozen=True, slots=True)
class FanoutOptions:
    """How many, and how much they are told."""

    clients: int = 5_000
    at_city: int = 50
    rate: float = 50.0
    window_s: float = 5.0
    stalled: float = 0.01
    reconnect_per_s: float = 5.0
    incidents: int = 600
    seed: int = 1


@dataclass(slots=True)
class Windows:
    """What was measured when."""

    times: list[Window] = field(default_factory=list)
    behind: float = 0


@dataclass(slots=True)
class Night:
    """What runs while the clients listen."""

    base: Foundation
    projectors: Sequence[Projector]
    plan: Plan
    appended: int = 0

    async def append(self, *, incidents: int = 0) -> None:
        """Record the opening of incidents, or one fact of the plan."""
        now = self.base.clock.now()
        request = Request(Actor(kind=ActorKind.SYSTEM, id="bench"), now, self.base.ids.new())
        changes = list(self.plan.opening(incidents, now)) if incidents else [self.plan.next(now)]
        await self.base.scribe.record(changes, request)
        self.appended += len(changes)

    async def load(self, rate: float) -> None:
        """One fact after the other, at a rate, until cancelled."""
        begun_s, due = time.monotonic(), 0
        while True:
            due += 1
            await asyncio.sleep(max(0.0, begun_s + due / rate - time.monotonic()))
            await self.append()

    async def shown(self) -> None:
        """Return when the rows hold everything recorded."""
        tip = (await self.base.log.tip()).position
        for projector in self.projectors:
            if not await projector.wait_for(tip, timeout_s=READY_WAIT_S):
                raise Unavailable("bench.behind", f"A projector did not reach {tip} within {READY_WAIT_S:g} s.")


class Crowd:
    """The process of the clients."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def ask(self, line: Any) -> Any:
        """Say one line, read one."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        await self.process.stdin.drain()
        answer = await self.process.stdout.readline()
        if not answer:
            raise Unavailable("bench.no_clients", "The clients' process ended early; its words are on standard error.")
        return json.loads(answer)


async def bench_fanout(options: FanoutOptions, *, say: Say) -> dict[str, float | int]:
    """Run it; the figures. Raises `Unavailable` if something does not start or does not keep up."""
    with scratch("dispatch-fanout-") as folder:
        seats = options.clients + SPARE_STREAMS
        settings = Settings(data_dir=folder, port=free_port(), log_level="warning", sse_clients_max=seats)
        async with AsyncExitStack() as stack:
            settings = await stack.enter_async_context(_database(settings, say))
            base = await stack.enter_async_context(foundation(settings))
            night = await stack.enter_async_context(_night(base, options))
            say("starting the API")
            api = await stack.enter_async_context(_api(settings))
            crowd = await stack.enter_async_context(_crowd())
            return await _measure(options, night, api, crowd, say)


async def _measure(options: FanoutOptions, night: Night, api: int, crowd: Crowd, say: Say) -> dict[str, float | int]:
    settings = night.base.settings
    after = (await night.base.log.tip()).position
    before_kb = resident_kb(api)
    say(f"opening {options.clients} streams")
    streams = _streams(night.base, options)
    opened = await crowd.ask({"host": settings.host, "port": settings.port, "streams": streams})
    opened_kb = resident_kb(api)
    idle_percent = await _busy_percent(api, asyncio.sleep(IDLE_S))
    say(f"{options.rate:g} facts a second")
    appended, used_s, began_s = night.appended, cpu_s(api), time.monotonic()
    loading = asyncio.create_task(night.load(options.rate), name="load")
    try:
        await crowd.ask({"reconnect_per_s": options.reconnect_per_s})
        windows = await _windows(options, crowd, functools.partial(_behind, settings))
    finally:
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
    load_s, used_s, appended = time.monotonic() - began_s, cpu_s(api) - used_s, night.appended - appended
    loaded_kb = resident_kb(api)
    await crowd.ask({"reconnect_per_s": 0})
    await night.shown()
    say("comparing what was told with the rows")
    told = await crowd.ask({"judge": {"dsn": settings.database_url, "after": after, "windows": windows.times}})
    memory_kb = (opened_kb - before_kb, max(opened_kb, loaded_kb) - before_kb)
    return {
        "clients": options.clients,
        "centers": len({board for board, _, _ in streams}),
        "open_s": round(opened["seconds"], 1),
        "events_per_s": round(appended / load_s, 1),
        "delivered_per_s": round(told["delivered"] / load_s, 1),
        **_delivery(told),
        "kb_per_client": round(memory_kb[1] / options.clients, 1),
        "kb_per_client_opened": round(memory_kb[0] / options.clients, 1),
        "stalled_clients": sum(stalls for _, _, stalls in streams),
        "stalled_behind": windows.behind,
        "idle_cpu_percent": idle_percent,
        "load_cpu_percent": round(100 * used_s / load_s, 1),
        **_ceiling(used_s, told["delivered"]),
    }


def _delivery(told: Mapping[str, float | int]) -> dict[str, float | int]:
    """What the clients' process said, by the names of the figures."""
    steady_ms = told["steady_ms_p99"]
    found = {f"delivery_ms_{name}": told[f"all_ms_{name}"] for name in ("p50", "p99", "max")}
    found["stalled_effect_ratio"] = round(told["stalled_ms_p99"] / steady_ms, 3) if steady_ms else 0.0
    named = ("steady_ms_p99", "stalled_ms_p99", "fold_ms_p99", "gaps", "repeats", "resets", "reconnects", "dropped")
    return found | {name: told[name] for name in (*named, "stalled_cut")}


def _ceiling(used_s: float, delivered: int) -> dict[str, float]:
    """Processor time of a delivery beside that of a bare `send`."""
    us, bare_us = used_s * 1e6 / max(1, delivered), _bare_send_us()
    return {
        "us_per_delivery": round(us, 2),
        "bare_send_us": round(bare_us, 2),
        "ratio_bare_send": round(bare_us / us, 3) if us else 0.0,
    }


async def _windows(options: FanoutOptions, crowd: Crowd, behind: Callable[[], Awaitable[float]]) -> Windows:
    """The windows, and how many clients were behind while some stalled. What settles between counts for neither."""
    windows = Windows()
    for name in ORDER:
        await crowd.ask({"stall": name == "stalled"})
        await asyncio.sleep(SETTLE_S)
        begins_at = time.time()
        await asyncio.sleep(options.window_s)
        windows.times += [(name, begins_at, time.time()), ("all", begins_at, time.time())]
        await asyncio.sleep(AFTERWARDS_S)
        if name == "stalled":
            windows.behind = max(windows.behind, await behind())
    await crowd.ask({"stall": False})
    return windows


def _streams(base: Foundation, options: FanoutOptions) -> list[tuple[str, str, bool]]:
    """Center, token and whether it stalls, for each client; those that stall are spread evenly."""
    root = base.directory.root()
    others = sorted((center for center in base.directory.centers.values() if center.id != root.id), key=_code)
    at = [root] * options.at_city
    at += [others[number % len(others)] for number in range(options.clients - options.at_city)]
    tokens = {center.id: _token(base, center) for center in {center.id: center for center in at}.values()}
    stall = round(options.clients * options.stalled)
    at_city = min(options.at_city, stall // 5)
    stalls = {*_evenly(0, options.at_city, at_city), *_evenly(options.at_city, options.clients, stall - at_city)}
    return [(str(center.id), tokens[center.id], number in stalls) for number, center in enumerate(at)]


def _evenly(first: int, end: int, most: int) -> Sequence[int]:
    return [first + (end - first) * number // most for number in range(most)]


def _code(center: CenterEntry) -> str:
    return center.code


def _token(base: Foundation, center: CenterEntry) -> str:
    who: UUID = operator_id(base.settings.city, f"{center.code}.01")
    return issue_token(base.settings, Identity(f"operator:{center.code}.01", (Role.DISPATCHER,), who))


# --- What runs --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _database(settings: Settings, say: Say) -> AsyncIterator[Settings]:
    prepare_data_dir(settings.data_dir)
    say("starting PostgreSQL, loading the city")
    postgres = EmbeddedPostgres(settings.data_dir / "postgres")
    dsn = await postgres.start()
    try:
        await migrate(dsn)
        settings = settings.model_copy(update={"database_url": dsn})
        await load_city_if_empty(settings)
        yield settings
    finally:
        await postgres.stop()


@asynccontextmanager
async def _night(base: Foundation, options: FanoutOptions) -> AsyncIterator[Night]:
    """The projectors at work, as a worker has them, and incidents on every board."""
    dsn = database_url(base.settings)
    stop = asyncio.Event()
    projectors = board_projector(base.log, dsn), other_projector(base.log, dsn)
    running = [asyncio.create_task(projector.run(stop), name="projector") for projector in projectors]
    night = Night(base, projectors, Plan(base.directory, seed=options.seed))
    try:
        for _ in range(0, options.incidents, OPENING_BATCH):
            await night.append(incidents=OPENING_BATCH)
        await night.shown()
        yield night
    finally:
        stop.set()
        await asyncio.gather(*running)


@asynccontextmanager
async def _api(settings: Settings) -> AsyncIterator[int]:
    """The API in a process of its own; its process id."""
    root = str(Path(importlib.import_module("dispatch").__path__[0]).parent)
    program = Program(
        "serve",
        [sys.executable, "-m", "dispatch.cli.main", "serve"],
        {**os.environ, **settings.environment(), "PYTHONPATH": root},
        settings.data_dir / "logs" / "serve.log",
    )
    await program.start()
    try:
        async with asyncio.timeout(READY_WAIT_S), httpx.AsyncClient(trust_env=False) as client:
            while not await _lives(client, f"http://{settings.host}:{settings.port}/livez"):  # noqa: ASYNC110  # another process
                await asyncio.sleep(READY_EVERY_S)
        yield program.child.pid
    finally:
        await program.stop()


async def _lives(client: httpx.AsyncClient, address: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return (await client.get(address)).is_success
    return False


async def _behind(settings: Settings) -> float:
    """How many streams the API holds back, as it says itself."""
    connection = Connection(f"http://{settings.host}:{settings.port}", "")
    said = (await connection.request("GET", "/metrics")).body.decode()
    connection.close()
    found = re.search(r"^dispatch_live_clients_behind (\S+)$", said, re.MULTILINE)
    return float(found[1]) if found is not None else 0.0


@asynccontextmanager
async def _crowd() -> AsyncIterator[Crowd]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dispatch.bench.fanout_clients",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
    )
    try:
        yield Crowd(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


# --- What it costs ----------------------------------------------------------------------------------------------------


def resident_kb(pid: int) -> int:
    """Resident memory of a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0])


def cpu_s(pid: int) -> float:
    """Processor time a process has used, in user and in kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


async def _busy_percent(pid: int, while_: Any) -> float:
    used_s, began_s = cpu_s(pid), time.monotonic()
    await while_
    return round(100 * (cpu_s(pid) - used_s) / (time.monotonic() - began_s), 1)


def _bare_send_us() -> float:
    """The least a delivery can cost: processor time of one `send` of such bytes to a socket of this machine."""
    message = b"x" * FRAME_BYTES
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sender:
        receiver, _ = server.accept()
        with receiver:
            spent_s = 0.0
            for _ in range(BARE_SENDS):
                began_s = time.thread_time()
                sender.send(message)
                spent_s += time.thread_time() - began_s
                receiver.recv(FRAME_BYTES, socket.MSG_WAITALL)
    return spent_s * 1e6 / BARE_SENDS


def broken(figures: dict[str, float | int]) -> Sequence[str]:
    """What must never be: counts that should be zero and are not."""
    return [name for name in ("gaps", "repeats", "dropped") if figures[name]]
