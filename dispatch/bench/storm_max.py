"""`dispatch bench storm --max`: how many alerts a second, sustained, from the wire to the folded board.

Two systems of its own, one after the other: for single alerts, and for batches, whose flood leaves escalations behind
for minutes. Everything is on one machine, this load generator included. An alert counts once it is on the
board: judged by the correlator, and the board's checkpoint beyond the judgement, within `late_s_max` of its answer.

Peak: alerts are sent as fast as they are answered while the board is at most `AHEAD_S` behind. Overload: twice the
peak is offered by the clock, answered or not. Each phase has a part of the city to itself where nothing has happened
yet, so that each opens and folds alike: overload at spots whose incidents are open already is no work, and a peak
measured on openings is no peak. After a minute the deadlines of the first incidents pass, and from then on part
of the machine is busy with what nobody answered. So there are two rounds, one before and one from then on, each an
overload between two peaks against which it is held. They are compared by distinct alerts: of what is refused, a later
repeat is a first.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import asyncpg

from dispatch.bench.scratch import scratch
from dispatch.bench.storm import StormOptions, gateway_token, peak_memory_mb
from dispatch.bench.storm_board import Accounts, Board, Outcome, outcome
from dispatch.bench.storm_people import People
from dispatch.bench.storm_plan import Sending, storm
from dispatch.bench.wire import Answer, Connection
from dispatch.bootstrap.foundation import foundation
from dispatch.cli.up import Running, running_system
from dispatch.config import Settings
from dispatch.directory_entries import CameraEntry
from domain.refusals import Unavailable

BATCH_ALERTS = 50
SENDERS = 96
"""Gateways with a request out at the same time: pages of single alerts fill with them."""
SENDERS_OF_BATCHES = 16
"""Of a peak: what more of them have out is a second's work, which the board is then behind by."""
SENDERS_OVERLOADING = 512
"""So many that those who wait for an answer do not slow down what the clock offers."""
IDLE_S_MAX = 20.0
"""A connection idle for longer is not used again: the server hangs up after 30 s."""
REFUSED_PAUSE_S = 0.1
"""Of a peak: whoever is refused has been too fast for the board."""
AHEAD_S = 0.5
"""How far behind the senders of a peak let the board be."""
WARM_S = 5.0
"""Before counting, in each phase: it begins with thousands of openings, then most fold; what lasts is measured."""
OVERLOAD = 2.0
PLANNED_PER_S_MAX = 12_000
CELL_DEGREES = 0.02
"""Two kilometres: a phase has whole cells, dense ones and empty ones alike."""
WINDOW = """
SELECT count(*) FILTER (WHERE topic = 'alert.received') AS received,
       count(*) FILTER (WHERE topic = 'incident.opened') AS opened
FROM log.events WHERE notification_id BETWEEN $1 AND $2
"""
ROUNDS = 2
"""Overloads, each between two peaks of its own."""
SINGLES = "singles"
PHASES = (SINGLES, *(f"{name}{n}" for n in range(ROUNDS) for name in ("before", "over", "after")))
"""How the ids of their alerts begin."""

Say = Callable[[str], None]
Request = tuple[str, bytes, int]
"""Gateway, body, alerts in it."""


class Links:
    """The connections of all gateways: as many of each as it has requests out, kept open, all with its one token."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._tokens: dict[str, str] = {}
        self._idle: dict[str, list[tuple[Connection, float]]] = {}

    async def post(self, gateway: str, body: bytes) -> Answer:
        """Send in a gateway's name."""
        connection = self._taken(gateway)
        answer = await connection.request("POST", "/v1/alerts", body)
        self._idle.setdefault(gateway, []).append((connection, time.monotonic()))
        return answer

    def connection(self, gateway: str) -> Connection:
        """A new connection in a gateway's name."""
        if gateway not in self._tokens:
            self._tokens[gateway] = gateway_token(self._running.settings, gateway)
        return Connection(self._running.address, self._tokens[gateway])

    def _taken(self, gateway: str) -> Connection:
        idle = self._idle.get(gateway, [])
        while idle:
            connection, since = idle.pop()
            if time.monotonic() - since < IDLE_S_MAX:
                return connection
            connection.close()
        return self.connection(gateway)


@dataclass(frozen=True, slots=True)
class Stage:
    """A running system and what a phase needs of it."""

    running: Running
    links: Links
    pool: asyncpg.Pool
    cameras: Sequence[CameraEntry]
    center: str
    options: StormOptions
    now: Callable[[], Any]
    answers: list[bytes] = field(default_factory=list)

    def night(self, phase: str, alerts: int) -> list[Sending]:
        """Alerts from a phase's own part of the city, repeats and hot spots as the options say."""
        return storm(
            [camera for camera in self.cameras if _phase_of(camera) == phase],
            begins_at=self.now(),
            rate=alerts,
            duration_s=1.0,
            duplicates=self.options.duplicates,
            same_spot=self.options.same_spot,
            seed=self.options.seed,
            name=phase,
        )

    async def opened_share(self, found: Outcome) -> float:
        """Incidents opened an alert, in the positions that a window brought to the board."""
        row = await self.pool.fetchrow(WINDOW, found.first_position, found.last_position)
        return round(int(row["opened"]) / max(1, int(row["received"])), 3)


def _phase_of(camera: CameraEntry) -> str:
    cell = f"{camera.location.lon // CELL_DEGREES} {camera.location.lat // CELL_DEGREES}"
    return PHASES[hashlib.sha256(cell.encode()).digest()[0] % len(PHASES)]


def _batched(night: Sequence[Sending], batch: int) -> Iterator[Request]:
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
    """The figures. Raises `Unavailable` if a system does not start or does not settle."""
    async with _stage(options, say) as stage:
        say("single alerts, as fast as the board follows")
        singles = await _peak(stage, SINGLES, 1, PLANNED_PER_S_MAX / 2)
        accepted, lost = await _lost(stage.pool, stage.answers)
    async with _stage(options, say) as stage:
        figures = await _batches(stage, say)
        say("counting")
        accepted_too, lost_too = await _lost(stage.pool, stage.answers)
        return {
            "sustained_singles_per_s": round(singles.found.per_s),
            "singles_late_s_p99": singles.found.late_s_p99,
            "singles_late_s_end": singles.found.late_s_end,
            "singles_refused": singles.accounts.refused,
            **figures,
            "late_s_max": stage.running.settings.alert_wait_s_max,
            "accepted": accepted + accepted_too,
            "lost": lost + lost_too,
            "rss_mb_peak": peak_memory_mb(),
        }


@asynccontextmanager
async def _stage(options: StormOptions, say: Say) -> AsyncIterator[Stage]:
    """A system of its own."""
    with scratch("dispatch-storm-") as folder:
        # A gateway of this bench stands for thousands of cameras: its own limit is not what is measured.
        settings = Settings(data_dir=folder, port=0, log_level="warning", caller_requests_per_s=5_000)
        async with running_system(settings, say=say) as running, foundation(running.settings) as base:
            cameras = sorted((each for each in base.directory.cameras.values() if each.gateway), key=lambda c: c.code)
            yield Stage(
                running, Links(running), base.pool, cameras, str(base.directory.root().id), options, base.clock.now
            )


async def _batches(stage: Stage, say: Say) -> dict[str, float | int]:
    people = _people(stage)
    say("batches of 50, as fast as the board follows, and twice that")
    peaks, overloads = [], []
    for number in range(ROUNDS):
        peaks.append(await _peak(stage, f"before{number}", BATCH_ALERTS, PLANNED_PER_S_MAX))
        rate = OVERLOAD * peaks[-1].found.per_s
        overloads.append(await _overload(stage, people, f"over{number}", rate))
        peaks.append(await _peak(stage, f"after{number}", BATCH_ALERTS, PLANNED_PER_S_MAX))
        say(f"{rate:,.0f} alerts/s offered, {overloads[-1].found.per_s:,.0f} on the board in time")
    return {**_sustained(peaks), **_overloaded(overloads, peaks), **people.figures()}


def _people(stage: Stage) -> People:
    first = stage.night("over0", 1)[0]
    person = Connection(stage.running.address, stage.running.token)
    return People(person, stage.center, stage.links.connection(first.gateway), json.loads(first.body))


@dataclass(frozen=True, slots=True)
class Measured:
    """A phase that is over."""

    found: Outcome
    accounts: Accounts
    offered_per_s: float
    opened_share: float


def _sustained(peaks: Sequence[Measured]) -> dict[str, float | int]:
    found = [peak.found for peak in peaks]
    return {
        "sustained_per_s": round(fmean(each.per_s for each in found)),
        "sustained_per_s_least": round(min(each.per_s for each in found)),
        "sustained_per_s_most": round(max(each.per_s for each in found)),
        "sustained_distinct_per_s": round(fmean(each.distinct_per_s for each in found)),
        "sustained_late_s_p99": max(each.late_s_p99 for each in found),
        "sustained_late_s_end": max(each.late_s_end for each in found),
        "sustained_opened_share": round(fmean(peak.opened_share for peak in peaks), 3),
        "sustained_refused": sum(peak.accounts.refused for peak in peaks),
    }


def _overloaded(overloads: Sequence[Measured], peaks: Sequence[Measured]) -> dict[str, float | int]:
    found = [over.found for over in overloads]
    beside = [fmean(peak.found.distinct_per_s for peak in peaks[2 * n : 2 * n + 2]) for n in range(len(overloads))]
    return {
        "overload_offered_per_s": round(fmean(over.offered_per_s for over in overloads)),
        "overload_goodput_per_s": round(fmean(each.per_s for each in found)),
        "overload_goodput_distinct_per_s": round(fmean(each.distinct_per_s for each in found)),
        "overload_goodput_ratio": round(sum(each.distinct_per_s for each in found) / sum(beside), 3),
        "overload_late_s_p50": max(each.late_s_p50 for each in found),
        "overload_late_s_p99": max(each.late_s_p99 for each in found),
        "overload_late_s_end": max(each.late_s_end for each in found),
        "overload_too_late": sum(each.too_late for each in found),
        "overload_opened_share": round(fmean(over.opened_share for over in overloads), 3),
        "overload_refused": sum(over.accounts.refused for over in overloads),
        "overload_refused_unclear": sum(over.accounts.unclear for over in overloads),
    }


@asynccontextmanager
async def _phase(stage: Stage) -> AsyncIterator[tuple[Accounts, Board]]:
    """The accounts of a phase; at its end everything is on the board."""
    accounts, board = Accounts(), Board(stage.pool)
    await board.look()
    watching = asyncio.create_task(board.watch())
    try:
        yield accounts, board
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    await board.settle()
    stage.answers.extend(accounts.answers)


async def _measured(stage: Stage, accounts: Accounts, board: Board, began_at: float) -> Measured:
    begins_at = began_at + WARM_S
    ends_at = begins_at + stage.options.duration_s
    late_s_max = stage.running.settings.alert_wait_s_max
    found = outcome(accounts, board, begins_at=begins_at, ends_at=ends_at, late_s_max=late_s_max)
    return Measured(found, accounts, accounts.offered_per_s(begins_at, ends_at), await stage.opened_share(found))


async def _peak(stage: Stage, phase: str, batch: int, planned_per_s: float) -> Measured:
    """What gets on the board while senders go as fast as it allows."""
    length_s = WARM_S + stage.options.duration_s
    requests = list(_batched(stage.night(phase, round(planned_per_s * length_s)), batch))
    async with _phase(stage) as (accounts, board):
        began_at = time.monotonic()

        async def send(remaining: Iterator[Request]) -> None:
            for request in remaining:
                while accounts.behind_s(board.shown) > AHEAD_S:  # noqa: ASYNC110  # a table is asked, it does not tell
                    await asyncio.sleep(0.01)
                if time.monotonic() > began_at + length_s:
                    return
                if not await _request(stage, accounts, request):
                    await asyncio.sleep(REFUSED_PAUSE_S)
            raise Unavailable("bench.plan_too_short", f"All {len(requests)} requests were sent before the time was up.")

        await _all(send, iter(requests), SENDERS if batch == 1 else SENDERS_OF_BATCHES)
    if accounts.unclear:
        raise Unavailable("bench.refused", f"{accounts.unclear} alerts got neither a receipt nor a clear refusal.")
    return await _measured(stage, accounts, board, began_at)


async def _overload(stage: Stage, people: People, phase: str, rate: float) -> Measured:
    """What gets on the board while `rate` is offered by the clock."""
    requests = list(_batched(stage.night(phase, round(rate * (WARM_S + stage.options.duration_s))), BATCH_ALERTS))
    async with _phase(stage) as (accounts, board):
        began_at = time.monotonic()

        async def send(remaining: Iterator[tuple[int, Request]]) -> None:
            for number, request in remaining:
                pause_s = began_at + number * BATCH_ALERTS / rate - time.monotonic()
                if pause_s > 0:
                    await asyncio.sleep(pause_s)
                await _request(stage, accounts, request)

        async with people.asking():
            await _all(send, iter(enumerate(requests)), SENDERS_OVERLOADING)
    return await _measured(stage, accounts, board, began_at)


async def _all(send: Callable[..., Any], remaining: Iterator[Any], senders: int) -> None:
    await asyncio.gather(*(send(remaining) for _ in range(senders)))


async def _request(stage: Stage, accounts: Accounts, request: Request) -> bool:
    """Send one and account for it; whether it was taken."""
    gateway, body, alerts = request
    began_at = time.monotonic()
    return accounts.take(await stage.links.post(gateway, body), alerts, began_at)


async def _lost(pool: asyncpg.Pool, answers: Sequence[bytes]) -> tuple[int, int]:
    """Distinct alerts accepted, and how many of those the log does not have."""
    ids: set[str] = set()
    for body in answers:
        document = json.loads(body)
        ids.update(each["alert_id"] for each in document.get("results", [document]) if "alert_id" in each)
    found = await pool.fetchval(
        "SELECT count(DISTINCT originator_id) FROM log.events WHERE topic = 'alert.received'"
        " AND originator_id = ANY ($1::uuid[])",
        list(ids),
    )
    return len(ids), len(ids) - found
