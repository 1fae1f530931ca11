"""`dispatch bench latency`: from an accepted alert to a live screen, and from a command to the screen of who gave it.

A system of its own under a steady rate of single alerts. A separate process follows the city's live board, as a screen
does, and notes when it saw the end of each page. An alert is seen at the first page end at or beyond the fact that
opened or folded it, counted from the moment its acknowledgement was read; a command is seen at the first page end at
or beyond its own position, counted from the moment its request was sent. Both clocks are this machine's.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from dispatch import process
from dispatch.api.access.tokens import Identity
from dispatch.bench.scratch import scratch
from dispatch.bench.storm import CONNECTIONS, gateway_token, links, percentile, settled, witness
from dispatch.bench.storm_plan import Sending, storm
from dispatch.bench.wire import Answer, Connection
from dispatch.bootstrap.foundation import Foundation, foundation
from dispatch.bootstrap.tokens import issue_token
from dispatch.cli.up import Running, running_system
from dispatch.config import Settings
from domain.identifiers import operator_id
from domain.refusals import Unavailable
from domain.vocabulary import Role

COMMANDS_PER_S = 5.0
WARM_S = 5.0
"""What is sent before this is not counted: the night begins with openings at every spot at once, and with statements
that no connection has met before."""
FIRST_COMMAND_S = 2.0
"""After the first alert: there are incidents to take notes on."""
DECIDER = "city.30"
"""An operator of the city center who takes notes during the run."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LatencyOptions:
    """How the night goes. `same_spot` is the share of alerts that comes from few places, and so mostly folds."""

    rate: float = 500.0
    duration_s: float = 30.0
    same_spot: float = 0.95
    seed: int = 1


@dataclass(slots=True)
class Heard:
    """When answers were read (seconds since the epoch) by alert id; of commands position and when they were sent."""

    accepted_at: dict[str, float] = field(default_factory=dict)
    commands: list[tuple[int, float]] = field(default_factory=list)
    refused: int = 0


async def bench_latency(options: LatencyOptions, *, say: Say, advance: Callable[[int], None]) -> dict[str, float | int]:
    """The figures. Raises `Unavailable` if the system does not start or does not settle."""
    with scratch("dispatch-latency-") as folder:
        settings = Settings(data_dir=folder, port=0, log_level="warning", caller_requests_per_s=1_000)
        async with running_system(settings, say=say) as running:
            # Let go before anything is sent: a log that is open is told of every page by the database.
            async with foundation(running.settings) as base:
                night, center = _night(base, options)
            heard = Heard()
            # This process sends and looks at the clock; a walk of its collector through the city takes 0.3 s.
            process.settle()
            async with witness(running, center) as watching:
                say("alerts and commands")
                began_at = time.time()
                await asyncio.gather(
                    _alerts(running, night, began_at, heard, advance),
                    _commands(running, center, began_at + WARM_S, options.duration_s, heard),
                )
                async with foundation(running.settings) as base:
                    await settled(base.log, base.pool)
                    pages = (await watching.count([]))["pages"]
                    positions, linked, opened = await links(base.log)
            return _figures(heard, pages, positions, linked, opened, began_at + WARM_S)


def _night(base: Foundation, options: LatencyOptions) -> tuple[list[Sending], str]:
    """What is sent, and the center whose board is watched."""
    cameras = sorted((each for each in base.directory.cameras.values() if each.gateway), key=lambda c: c.code)
    night = storm(
        cameras,
        begins_at=base.clock.now(),
        rate=options.rate,
        duration_s=WARM_S + options.duration_s,
        duplicates=0.0,
        same_spot=options.same_spot,
        seed=options.seed,
    )
    return night, str(base.directory.root().id)


async def _alerts(
    running: Running, night: Sequence[Sending], began_at: float, heard: Heard, advance: Callable[[int], None]
) -> None:
    tokens = {gateway: gateway_token(running.settings, gateway) for gateway in {each.gateway for each in night}}
    remaining = iter(night)

    async def send() -> None:
        connections: dict[str, Connection] = {}
        for sending in remaining:
            pause_s = began_at + sending.due_s - time.time()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            if sending.gateway not in connections:
                connections[sending.gateway] = Connection(running.address, tokens[sending.gateway])
            answer = await _sent(connections[sending.gateway], "/v1/alerts", sending.body)
            if answer.status == HTTPStatus.CREATED:
                heard.accepted_at[answer.json()["alert_id"]] = time.time()
            else:
                heard.refused += 1
            advance(1)
        for connection in connections.values():
            connection.close()

    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))


async def _sent(connection: Connection, path: str, body: bytes, *, headers: str = "") -> Answer:
    """Once more if the server hung up on a connection that had said nothing for long: as any client would."""
    try:
        return await connection.request("POST", path, body, headers=headers)
    except ConnectionError:
        return await connection.request("POST", path, body, headers=headers)


async def _commands(running: Running, center: str, from_s: float, duration_s: float, heard: Heard) -> None:
    """A dispatcher takes notes on incidents of the board, steadily."""
    who = operator_id(running.settings.city, DECIDER)
    identity = Identity(f"operator:{DECIDER}", (Role.DISPATCHER, Role.SUPERVISOR), who)
    connection = Connection(running.address, issue_token(running.settings, identity))
    await asyncio.sleep(FIRST_COMMAND_S)
    first_s = time.time()
    board = (await connection.request("GET", f"/v1/centers/{center}/board?limit=50")).json()["items"]
    for number in range(round((from_s - first_s + duration_s) * COMMANDS_PER_S)):
        pause_s = first_s + number / COMMANDS_PER_S - time.time()
        if pause_s > 0:
            await asyncio.sleep(pause_s)
        incident = board[number % len(board)]["incident_id"]
        sent_at = time.time()
        answer = await _sent(
            connection,
            f"/v1/incidents/{incident}/notes",
            b'{"text": "on the way there"}',
            headers=f"Idempotency-Key: latency-{number}\r\n",
        )
        if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise Unavailable("bench.refused", f"a note was answered {answer.status}: {answer.body[:300]!r}")
        if sent_at >= from_s:
            heard.commands.append((int(answer.headers["dispatch-position"]), sent_at))
    connection.close()


def _figures(
    heard: Heard,
    pages: Sequence[Sequence[float]],
    positions: dict[str, int],
    linked: dict[int, int],
    opened: frozenset[int],
    counted_from_s: float,
) -> dict[str, float | int]:
    ends = [page[0] for page in pages]

    def seen_at(position: int) -> float:
        return pages[bisect_left(ends, position)][1]

    def latencies(is_opening: bool) -> Iterator[float]:
        for alert, at in heard.accepted_at.items():
            fact = linked.get(positions.get(alert, -1))
            if fact is not None and at >= counted_from_s and (fact in opened) is is_opening:
                # An answer may be read after the screen has changed already: then nobody waited.
                yield max(0.0, seen_at(fact) - at) * 1000

    folded, openings = sorted(latencies(False)), sorted(latencies(True))
    both = sorted([*folded, *openings])
    commands = sorted((seen_at(position) - at) * 1000 for position, at in heard.commands)
    return {
        "folded": len(folded),
        "opened": len(openings),
        "refused": heard.refused,
        "folded_ms_p50": percentile(folded, 50),
        "folded_ms_p99": percentile(folded, 99),
        "opened_ms_p50": percentile(openings, 50),
        "opened_ms_p99": percentile(openings, 99),
        "alert_to_sse_ms_p99": percentile(both, 99),
        "commands": len(commands),
        "command_to_screen_ms_p50": percentile(commands, 50),
        "command_to_screen_ms_p99": percentile(commands, 99),
    }
