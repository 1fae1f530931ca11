"""`dispatch bench storm --max`: how many alerts a second, sustained, from the wire to the folded board.

One system of its own, everything on one machine, this load generator included. Alerts are sent as fast as they are
answered, but never more than `AHEAD_MAX` ahead of the board: so what is counted is what the whole system sustains, and
its lag is bounded by construction. An alert counts once it is on the board: judged by the correlator, and the board's
checkpoint beyond the judgement. Afterwards twice that rate is offered, answered or not: what the board then gains a
second, against the sustained rate, is the goodput under overload; every refusal must be a 429 or 503.
"""

from __future__ import annotations

import asyncio
import json
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import asyncpg

from dispatch import bootstrap
from dispatch.bench.scratch import scratch
from dispatch.bench.storm import StormOptions, gateway_token, peak_memory_mb
from dispatch.bench.storm_plan import Sending, storm
from dispatch.bench.wire import Answer, Connection
from dispatch.cli.up import Running, running_system
from dispatch.config import Settings
from dispatch.directory_entries import CameraEntry
from dispatch.workers.correlator import Correlator
from domain.refusals import Unavailable

BATCH_ALERTS = 50
CONNECTIONS = 32
AHEAD_MAX = 6_000
"""Alerts accepted and not yet on the board."""
WARM_S = 20.0
"""Before counting: a storm begins with thousands of openings, then most alerts fold; what lasts is measured."""
WATCH_EVERY_S = 0.05
SETTLE_S_MAX = 120.0
OVERLOAD = 2.0
PLANNED_PER_S_MAX = 6_000
RECEIVED = """
SELECT count(*) FROM log.events WHERE topic = 'alert.received' AND notification_id > $1 AND notification_id <= $2
"""
CLEAR = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
STANDS = f"""
SELECT (SELECT position FROM log.marks WHERE reactor = '{Correlator.name}'), (SELECT position FROM log.tip),
       (SELECT position FROM read.checkpoints WHERE name = 'board' AND state = 'live')
"""  # noqa: S608 - our own name

Say = Callable[[str], None]


@dataclass(slots=True)
class Accounts:
    """What was answered. `positions`: for each accepted alert the highest position of its request."""

    answers: list[bytes] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    accepted: int = 0
    refused: int = 0
    unclear: int = 0

    def take(self, answer: Answer, alerts: int) -> None:
        """Count one answer."""
        if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.MULTI_STATUS):
            self.answers.append(answer.body)
            self.accepted += alerts
            self.positions += [int(answer.headers["dispatch-position"])] * alerts
        elif answer.status in CLEAR:
            self.refused += alerts
        else:
            self.unclear += alerts

    def ahead_of(self, shown: int) -> int:
        """Alerts accepted and not on the board yet. Answers come nearly in order; a batch off does not matter."""
        return self.accepted - bisect_right(self.positions, shown)

    def between(self, first: int, last: int) -> int:
        """Alerts answered for, by the highest position of their request."""
        return sum(first < position <= last for position in self.positions)


class Board:
    """Watches how far the board is: up to which position every alert is on it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._judged: deque[tuple[int, int]] = deque()
        self.shown = 0

    async def watch(self) -> None:
        """Look, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(WATCH_EVERY_S)

    async def look(self) -> int:
        """The position up to which alerts are on the board."""
        mark, tip, board = await self._pool.fetchrow(STANDS)
        self._judged.append((mark or 0, tip))
        while self._judged and (board or 0) >= self._judged[0][1]:
            self.shown = self._judged.popleft()[0]
        return self.shown


@dataclass(frozen=True, slots=True)
class Stage:
    """A running system and what a phase needs of it."""

    running: Running
    pool: asyncpg.Pool
    cameras: Sequence[CameraEntry]
    options: StormOptions
    now: Callable[[], Any]

    def requests(self, name: str, alerts: int, batch: int) -> list[tuple[str, bytes, int]]:
        """Bodies ready to send: (gateway, body, alerts in it), repeats and hot spots as the options say."""
        night = storm(
            self.cameras,
            begins_at=self.now(),
            rate=alerts,
            duration_s=1.0,
            duplicates=self.options.duplicates,
            same_spot=self.options.same_spot,
            seed=self.options.seed,
            name=name,
        )
        return list(_batched(night, batch))


def _batched(night: Sequence[Sending], batch: int) -> Iterator[tuple[str, bytes, int]]:
    if batch == 1:
        yield from ((each.gateway, each.body, 1) for each in night)
        return
    waiting: dict[str, list[bytes]] = {}
    for each in night:
        bodies = waiting.setdefault(each.gateway, [])
        bodies.append(each.body)
        if len(bodies) == batch:
            yield each.gateway, b"[" + b",".join(bodies) + b"]", batch
            bodies.clear()


async def bench_storm_max(options: StormOptions, *, say: Say) -> dict[str, float | int]:
    """The figures. Raises `Unavailable` if the system does not start or does not settle."""
    with scratch("dispatch-storm-") as folder:
        # A gateway of this bench stands for thousands of cameras: its own limit is not what is measured.
        settings = Settings(data_dir=folder, port=0, log_level="warning", caller_requests_per_s=5_000)
        async with running_system(settings, say=say) as running, bootstrap.foundation(running.settings) as base:
            cameras = sorted((each for each in base.directory.cameras.values() if each.gateway), key=lambda c: c.code)
            stage = Stage(running, base.pool, cameras, options, base.clock.now)
            everything = Accounts()
            say("batches of 50, as fast as the board follows")
            batches, distinct = await _sustained(stage, "b", BATCH_ALERTS, options.duration_s, everything)
            say(f"{batches:,.0f} alerts/s; now {OVERLOAD:.0f} times that")
            goodput, refused, unclear = await _overloaded(stage, batches * OVERLOAD, options.duration_s, everything)
            say("single alerts, as fast as the board follows")
            singles, _ = await _sustained(stage, "s", 1, options.duration_s, everything, warm_s=3.0)
            say("counting")
            accepted, lost = await _lost(base.pool, everything)
            return {
                "sustained_per_s": round(batches),
                "sustained_distinct_per_s": round(distinct),
                "sustained_singles_per_s": round(singles),
                "overload_offered_per_s": round(batches * OVERLOAD),
                "overload_goodput_per_s": round(goodput),
                "overload_goodput_ratio": round(goodput / batches, 3),
                "overload_refused": refused,
                "overload_refused_unclear": unclear,
                "ahead_max": AHEAD_MAX,
                "accepted": accepted,
                "lost": lost,
                "rss_mb_peak": peak_memory_mb(),
            }


async def _sustained(
    stage: Stage, name: str, batch: int, duration_s: float, everything: Accounts, *, warm_s: float = WARM_S
) -> tuple[float, float]:
    """Alerts a second, and distinct ones among them, that get on the board while senders go as fast as it allows."""
    requests = stage.requests(name, round(PLANNED_PER_S_MAX * (duration_s + warm_s) / (1 if batch > 1 else 2)), batch)
    accounts, board = Accounts(), Board(stage.pool)
    await board.look()
    watching = asyncio.create_task(board.watch())
    ends_at = time.monotonic() + warm_s + duration_s

    async def send(connections: dict[str, Connection], remaining: Iterator[tuple[str, bytes, int]]) -> None:
        for gateway, body, alerts in remaining:
            while accounts.ahead_of(board.shown) > AHEAD_MAX:  # noqa: ASYNC110  # a table is asked, it does not tell
                await asyncio.sleep(WATCH_EVERY_S / 2)
            if time.monotonic() > ends_at:
                return
            accounts.take(await _request(stage, connections, gateway, body), alerts)

    try:
        senders = asyncio.create_task(_all(send, requests))
        await asyncio.sleep(warm_s)
        began_at, first = time.monotonic(), board.shown
        await senders
        last, took_s = board.shown, time.monotonic() - began_at
    finally:
        watching.cancel()
    await _settle(board, stage.pool)
    _join(everything, accounts)
    if accounts.unclear:
        raise Unavailable(
            "bench.refused", f"{accounts.unclear} alerts got an answer that is neither a receipt nor busy"
        )
    distinct = await stage.pool.fetchval(RECEIVED, first, last)
    return accounts.between(first, last) / took_s, distinct / took_s


async def _overloaded(stage: Stage, rate: float, duration_s: float, everything: Accounts) -> tuple[float, int, int]:
    """What gets on the board a second while `rate` is offered, and the refusals (all, and the unclear ones)."""
    requests = stage.requests("o", round(rate * duration_s), BATCH_ALERTS)
    accounts, board = Accounts(), Board(stage.pool)
    first = await board.look()
    watching = asyncio.create_task(board.watch())
    began_at = time.monotonic()
    numbered = iter(enumerate(requests))

    async def send(connections: dict[str, Connection], remaining: Iterator[Any]) -> None:
        for number, (gateway, body, alerts) in remaining:
            pause_s = began_at + number * BATCH_ALERTS / rate - time.monotonic()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            accounts.take(await _request(stage, connections, gateway, body), alerts)

    try:
        await _all(send, numbered, connections=CONNECTIONS * 4)
    finally:
        watching.cancel()
    last = await _settle(board, stage.pool)
    took_s = time.monotonic() - began_at
    _join(everything, accounts)
    return accounts.between(first, last) / took_s, accounts.refused, accounts.unclear


async def _all(send: Callable[..., Any], requests: Any, connections: int = CONNECTIONS) -> None:
    remaining = iter(requests)

    async def one() -> None:
        mine: dict[str, Connection] = {}
        try:
            await send(mine, remaining)
        finally:
            for connection in mine.values():
                connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))


async def _request(stage: Stage, connections: dict[str, Connection], gateway: str, body: bytes) -> Answer:
    if gateway not in connections:
        connections[gateway] = Connection(stage.running.address, gateway_token(stage.running.settings, gateway))
    return await connections[gateway].request("POST", "/v1/alerts", body)


async def _settle(board: Board, pool: asyncpg.Pool) -> int:
    """Until every alert of the log is on the board; the position up to which they are."""
    last_alert = await pool.fetchval("SELECT max(notification_id) FROM log.events WHERE topic LIKE 'alert.%'")
    async with asyncio.timeout(SETTLE_S_MAX):
        while await board.look() < last_alert:  # noqa: ASYNC110  # the same
            await asyncio.sleep(WATCH_EVERY_S)
    return board.shown


def _join(everything: Accounts, accounts: Accounts) -> None:
    everything.answers += accounts.answers


async def _lost(pool: asyncpg.Pool, everything: Accounts) -> tuple[int, int]:
    """Distinct alerts accepted, and how many of those the log does not have."""
    ids: set[str] = set()
    for body in everything.answers:
        document = json.loads(body)
        ids.update(each["alert_id"] for each in document.get("results", [document]) if "alert_id" in each)
    found = await pool.fetchval(
        "SELECT count(DISTINCT originator_id) FROM log.events WHERE topic = 'alert.received'"
        " AND originator_id = ANY ($1::uuid[])",
        list(ids),
    )
    return len(ids), len(ids) - found
