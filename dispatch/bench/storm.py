"""`dispatch bench storm`: a flood night against a whole system, every alert accounted for.

An embedded system of its own is started on free ports. This process sends, at the stated rate, single alerts as the
gateways of the city's cameras would; a separate process watches the city's board and afterwards asks the API for every
alert that was accepted. The log is counted by SQL as well. An alert is on the board when the witness has seen the end
of the page that holds the fact which opened or joined its incident; its time begins when its request is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from statistics import quantiles
from typing import Any

import asyncpg

from dispatch import process
from dispatch.api.access.tokens import Identity
from dispatch.bench.scratch import scratch
from dispatch.bench.storm_plan import Sending, storm
from dispatch.bench.wire import Connection
from dispatch.bootstrap.foundation import foundation
from dispatch.bootstrap.tokens import issue_token
from dispatch.cli.up import Running, running_system
from dispatch.config import Settings
from dispatch.handling.scribe import as_fact
from dispatch.ports import EventLog
from dispatch.workers.correlator import Correlator
from domain.alert.events import AlertReceived
from domain.identifiers import operator_id
from domain.incident.events import AlertsFolded, IncidentOpened
from domain.refusals import Unavailable
from domain.vocabulary import Role

CONNECTIONS = 64
WITNESSES = 16
"""Operators in whose names the witness asks; each has its own limit of requests."""
ATTEMPTS_MAX = 10
"""How often a sending is repeated after a clear refusal (429, 503) or a broken connection."""
SETTLE_S_MAX = 60.0
SETTLE_EVERY_S = 0.5
LAST_ALERT = "SELECT max(notification_id) FROM log.events WHERE topic LIKE 'alert.%'"
SHOWN = "SELECT min(position) FROM read.checkpoints WHERE state = 'live'"
PAGE_EVENTS = 5_000

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StormOptions:
    """What the night is like."""

    rate: float = 460.0
    duration_s: float = 60.0
    duplicates: float = 0.3
    same_spot: float = 0.8
    seed: int = 1


@dataclass(slots=True)
class Sent:
    """What the sender saw."""

    began_at: dict[str, float] = field(default_factory=dict)
    """Alert id → when the request that was accepted first began (seconds since the epoch)."""
    repeats: int = 0
    refused: int = 0
    request_ms: list[float] = field(default_factory=list)


async def bench_storm(options: StormOptions, *, say: Say, advance: Callable[[int], None]) -> dict[str, float | int]:
    """Run the night; the figures. Raises `Unavailable` if the system does not start or does not settle."""
    with scratch("dispatch-storm-") as folder:
        settings = Settings(data_dir=folder, port=0, log_level="warning")
        async with running_system(settings, say=say) as running, foundation(running.settings) as base:
            cameras = sorted(
                (camera for camera in base.directory.cameras.values() if camera.gateway), key=lambda camera: camera.code
            )
            night = storm(
                cameras,
                begins_at=base.clock.now(),
                rate=options.rate,
                duration_s=options.duration_s,
                duplicates=options.duplicates,
                same_spot=options.same_spot,
                seed=options.seed,
            )
            center = str(base.directory.root().id)
            process.settle()  # a walk of the collector through the city would hold up all that is sent
            async with witness(running, center) as watching:
                say("storm")
                sent = await _send(running, night, advance)
                memory_mb = peak_memory_mb()
                say("waiting until everything is on the board")
                await settled(base.log, base.pool)
                say("counting")
                seen = await watching.count(list(sent.began_at))
            figures = await _figures(base.log, base.pool, sent, seen)
            return {"offered": len(night), **figures, "rss_mb_peak": memory_mb}


async def _send(running: Running, night: Sequence[Sending], advance: Callable[[int], None]) -> Sent:
    """Send at each one's time, over a fixed number of connections a gateway's token can use."""
    tokens = {gateway: gateway_token(running.settings, gateway) for gateway in {each.gateway for each in night}}
    sent = Sent()
    begins_at = time.time()
    remaining = iter(night)
    await asyncio.gather(*(_sender(running, tokens, remaining, begins_at, sent, advance) for _ in range(CONNECTIONS)))
    return sent


async def _sender(
    running: Running,
    tokens: dict[str, str],
    remaining: Iterator[Sending],
    begins_at: float,
    sent: Sent,
    advance: Callable[[int], None],
) -> None:
    connections: dict[str, Connection] = {}
    for sending in remaining:
        pause_s = begins_at + sending.due_s - time.time()
        if pause_s > 0:
            await asyncio.sleep(pause_s)
        if sending.gateway not in connections:
            connections[sending.gateway] = Connection(running.address, tokens[sending.gateway])
        await _deliver(connections[sending.gateway], sending, sent)
        advance(1)
    for connection in connections.values():
        connection.close()


async def _deliver(connection: Connection, sending: Sending, sent: Sent) -> None:
    """Until it is accepted: a machine repeats what was not acknowledged."""
    for _ in range(ATTEMPTS_MAX):
        began_at = time.time()
        try:
            answer = await connection.request("POST", "/v1/alerts", sending.body)
        except ConnectionError:
            sent.refused += 1
            continue
        if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED):
            receipt = answer.json()
            sent.request_ms.append((time.time() - began_at) * 1000)
            sent.repeats += bool(receipt["duplicate"])
            sent.began_at.setdefault(receipt["alert_id"], began_at)
            return
        sent.refused += 1
        await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
    raise Unavailable("bench.refused", f"Alert {sending.alert} was refused {ATTEMPTS_MAX} times: {answer.body[:300]!r}")


async def settled(log: EventLog, pool: asyncpg.Pool) -> None:
    """Until every alert has been judged and every projection shows the judgements.

    The log itself need not stand still: on such a night deadlines go on passing.
    """
    async with asyncio.timeout(SETTLE_S_MAX):
        sent_to = await pool.fetchval(LAST_ALERT)
        while await log.mark(Correlator.name) < sent_to:  # noqa: ASYNC110  # a mark is asked, it does not tell
            await asyncio.sleep(SETTLE_EVERY_S)
        judged_to = (await log.tip()).position
        while await pool.fetchval(SHOWN) < judged_to:  # noqa: ASYNC110  # the same
            await asyncio.sleep(SETTLE_EVERY_S)


async def _figures(log: EventLog, pool: asyncpg.Pool, sent: Sent, seen: dict[str, Any]) -> dict[str, float | int]:
    in_log = await pool.fetchval(
        "SELECT count(*) FROM log.events WHERE topic = $1 AND originator_id = ANY ($2::uuid[])",
        AlertReceived.name,
        list(sent.began_at),
    )
    recorded = await pool.fetchval("SELECT count(*) FROM log.events WHERE topic LIKE 'alert.%'")
    positions, linked, opened = await links(log)
    incidents = len(opened)
    latencies = sorted(_latencies_ms(sent, positions, linked, seen["pages"]))
    accepted = len(sent.began_at)
    return {
        "accepted": accepted,
        "in_log": in_log,
        "lost": max(accepted - in_log, accepted - seen["found"]),
        "duplicated": recorded - in_log + seen["twice"],
        "repeats_sent": sent.repeats,
        "refused": sent.refused,
        "incidents": incidents,
        "fold_ratio": round(len(linked) / incidents, 2) if incidents else 0.0,
        "on_board": len(latencies),
        "alert_to_board_ms_p50": percentile(latencies, 50),
        "alert_to_board_ms_p99": percentile(latencies, 99),
        "request_ms_p50": percentile(sorted(sent.request_ms), 50),
        "request_ms_p99": percentile(sorted(sent.request_ms), 99),
    }


async def links(log: EventLog) -> tuple[dict[str, int], dict[int, int], frozenset[int]]:
    """From the log: each alert's position; for each alert position the fact that put it on a board; the openings."""
    positions: dict[str, int] = {}
    linked: dict[int, int] = {}
    opened: set[int] = set()
    async for fact in _facts(log, (AlertReceived.name, AlertsFolded.name, IncidentOpened.name)):
        match fact.event:
            case AlertReceived():
                positions[str(fact.stream_id)] = fact.position
            case AlertsFolded(alerts=alerts):
                linked.update({alert.position: fact.position for alert in alerts})
            case IncidentOpened(cause=cause):
                opened.add(fact.position)
                linked.update(dict.fromkeys(cause.alert_positions, fact.position))
            case _:
                pass
    return positions, linked, frozenset(opened)


async def _facts(log: EventLog, topics: Sequence[str]) -> AsyncIterator[Any]:
    position = 0
    while page := await log.read_after(position, limit=PAGE_EVENTS, topics=topics):
        for row in page:
            yield as_fact(row)
        position = page[-1].position


def _latencies_ms(
    sent: Sent, positions: dict[str, int], linked: dict[int, int], pages: list[list[float]]
) -> Iterator[float]:
    ends = [page[0] for page in pages]
    for alert_id, began_at in sent.began_at.items():
        shown_by = linked.get(positions.get(alert_id, -1))
        index = bisect_left(ends, shown_by) if shown_by is not None else len(ends)
        if index < len(ends):
            yield (pages[index][1] - began_at) * 1000


def percentile(ordered: Sequence[float], percent: int) -> float:
    """A percentile of sorted values; 0 of none."""
    if len(ordered) < 2:
        return round(ordered[0], 2) if ordered else 0.0
    return round(quantiles(ordered, n=100, method="inclusive")[percent - 1], 2)


def peak_memory_mb() -> float:
    """Peak resident memory of the API and the workers together (their high-water marks)."""
    peak_kb = 0
    for found in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = dict(line.split(":", 1) for line in (found / "status").read_text().splitlines())
            command = (found / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            if command[-1] in (b"serve", b"work") and int(status["PPid"]) == os.getpid():
                peak_kb += int(status["VmHWM"].split()[0])
    return round(peak_kb / 1024, 1)


def gateway_token(settings: Settings, gateway: str) -> str:
    """What a gateway of the sample city would be given."""
    return issue_token(settings, Identity(f"gateway:{gateway}", (Role.GATEWAY,), gateway=gateway))


# --- The separate process that only looks -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Witness:
    """A process that follows the board."""

    process: asyncio.subprocess.Process

    async def count(self, alert_ids: Sequence[str]) -> dict[str, Any]:
        """Let it ask for every alert; what it found and when it saw each page."""
        seen: dict[str, Any] = await self.ask({"count": alert_ids})
        return seen

    async def ask(self, line: Any) -> Any:
        """Say one line, read one."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        await self.process.stdin.drain()
        answer = await self.process.stdout.readline()
        if not answer:
            raise Unavailable("bench.no_witness", "The witness process ended early; its words are on standard error.")
        return json.loads(answer)


@asynccontextmanager
async def witness(running: Running, center: str) -> AsyncIterator[Witness]:
    """A witness that has begun to follow the board."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dispatch.bench.witness",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=64 * 1024 * 1024,
    )
    watching = Witness(process)
    try:
        settings = running.settings
        logins = [f"city.{number:02d}" for number in range(1, WITNESSES + 1)]
        tokens = [
            issue_token(settings, Identity(f"operator:{login}", (Role.DISPATCHER,), operator_id(settings.city, login)))
            for login in logins
        ]
        await watching.ask({"address": running.address, "tokens": tokens, "center": center})
        yield watching
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
