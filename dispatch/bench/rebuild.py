"""How fast rows are built again from the log: on an idle machine, and beside a working city.

Figures are events of the log passed a second, whatever share of them a projection reads: a million events rebuilt in
ten seconds are 100,000 a second. Beside them stands what reading and validating the same events costs without folding
or writing anything, on one core. The live figure is the time from an append to the page that has it on the board; the
rounds with and without a rebuild beside alternate, so that both see the same machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any, TypeAlias

from pydantic_core import from_json

from dispatch import process
from dispatch.bench.append import checkpoint, fresh_database
from dispatch.bench.history import fill, repeated
from dispatch.ports import AppendCommand, Appended, EventLog, RecordedEvent
from dispatch.simulation.run import recorded
from dispatch.store.postgres import PostgresLog
from dispatch.workers.parts import PartProcesses
from dispatch.workers.projector import Projector, board_projector, other_projector
from dispatch.workers.rebuild import Rebuild
from domain.codec import OpenedFact, decode, open_fact
from projections.board import Board
from projections.projection import Projection
from projections.registry import PROJECTIONS

SEEDS = range(1, 9)
"""Towns whose history is repeated: some 2,500 events of 40 kinds."""
SCAN_EVENTS = 5_000
"""Events of one read of the plain scan."""
CODEC_ROUNDS = 5
LIVE_PER_S = 40.0
"""Single appends a second of the live part: a busy hour of a city of 20 million."""
WAIT_S_MAX = 30.0
WARM_UP_S = 2.0
LIVE_ROUNDS = 4
"""Looks at the live side alone and beside a rebuild, in turn."""
FILLED_EVENTS = 50_000
"""Recorded between two remarks."""

Figures: TypeAlias = dict[str, float | int]


@dataclass(frozen=True, slots=True)
class RebuildOptions:
    """How much history, and how long to look at the live side."""

    events: int = 1_000_000
    live_s: float = 20.0


Say: TypeAlias = Callable[[str], None]


async def bench_rebuild(dsn: str, options: RebuildOptions, history: Sequence[RecordedEvent], *, say: Say) -> Figures:
    """Measure on a database of its own, made on the server of `dsn` and dropped again."""
    async with fresh_database(dsn) as fresh:
        log = await PostgresLog.open(fresh)
        try:
            commands = repeated(history)
            began = time.perf_counter()
            for filled in range(0, options.events, FILLED_EVENTS):
                say(f"filled: {filled:,} of {options.events:,} events")
                await fill(log, commands, min(FILLED_EVENTS, options.events - filled))
            filled_s = time.perf_counter() - began
            process.settle(process.COLLECT_AFTER_PAGES_ALLOCATIONS)
            figures: Figures = {"events": options.events, "fill_per_s": round(options.events / filled_s)}
            figures |= codec_figures(history)
            figures |= await _idle(log, fresh, options.events, say)
            await checkpoint(dsn)
            process.settle()
            say(f"live rows alone and beside a rebuild, {LIVE_ROUNDS} rounds each")
            figures |= await _live(log, fresh, commands, options)
        finally:
            await log.close()
    return figures


def histories(seeds: Sequence[int] = SEEDS) -> list[RecordedEvent]:
    """What the simulated towns recorded, one after the other. Runs loops of its own: not from within one."""
    return [row for seed in seeds for row in recorded(seed)]


def codec_figures(history: Sequence[RecordedEvent]) -> Figures:
    """Decoding on one core, of the mix of simulated towns: found to be of the present version; as projections read most
    facts, their bodies parsed and not validated again; envelope and all that folds look at validated, which is all but
    explanations; everything validated. The ceiling is the bare JSON parser, which makes what it finds and no more."""
    rates = {
        "parse_json_per_s": _rate(history, lambda row: from_json(row.state, cache_strings="keys")),
        "open_per_s": _rate(history, _opened_anew),
        "decode_plain_per_s": _rate(history, lambda row: _opened_anew(row).plain()),
        "decode_per_s": _rate(history, _as_folds_do),
        "decode_whole_per_s": _rate(history, lambda row: decode(**_stored(row))),
    }
    return {
        "event_bytes": round(sum(len(row.state) for row in history) / len(history)),
        **{name: round(rate) for name, rate in rates.items()},
        "ratio_parse_json_plain": round(rates["decode_plain_per_s"] / rates["parse_json_per_s"], 3),
        "ratio_parse_json": round(rates["decode_per_s"] / rates["parse_json_per_s"], 3),
    }


def _rate(history: Sequence[RecordedEvent], read: Callable[[RecordedEvent], object]) -> float:
    """Rows a second, of the fastest round."""
    fastest_s = float("inf")
    for _ in range(CODEC_ROUNDS):
        began = time.perf_counter()
        for row in history:
            read(row)
        fastest_s = min(fastest_s, time.perf_counter() - began)
    return len(history) / fastest_s


def _stored(row: RecordedEvent) -> dict[str, Any]:
    return {
        "topic": row.topic,
        "state": row.state,
        "position": row.position,
        "stream_id": row.stream_id,
        "version": row.version,
        "recorded_at": row.recorded_at,
    }


def _opened_anew(row: RecordedEvent) -> OpenedFact:
    fact = open_fact(**_stored(row))
    assert isinstance(fact, OpenedFact), "written by this release"
    return fact


def _as_folds_do(row: RecordedEvent) -> None:
    fact = _opened_anew(row)
    fact.envelope, fact.gist()  # this is what is measured


async def _idle(log: EventLog, dsn: str, events: int, say: Say) -> Figures:
    """All projections from nothing, all again and the board alone beside their live rows, then the plain scan."""
    gc.collect()

    async def seconds(what: str, *projections: Projection) -> float:
        say(f"rebuilt: {what}")
        return await _timed(Rebuild(log, dsn, *projections, crew=PartProcesses(dsn, None)))

    first_s = await seconds("all from nothing", *PROJECTIONS.values())
    all_s = await seconds("all", *PROJECTIONS.values())
    board_s = await seconds("the board", Board())
    say("scanned and decoded")
    began = time.perf_counter()
    await _scan(log)
    scan_s = time.perf_counter() - began
    return {
        "board_events_per_s": round(events / board_s),
        "all_events_per_s": round(events / all_s),
        "first_events_per_s": round(events / first_s),
        "scan_decode_per_s": round(events / scan_s),
        "ratio_scan_decode": round(scan_s / board_s, 3),
        "ratio_scan_decode_all": round(scan_s / all_s, 3),
    }


async def _timed(rebuild: Rebuild) -> float:
    began = time.perf_counter()
    await rebuild.run()
    return time.perf_counter() - began


async def _scan(log: EventLog) -> None:
    """Read and validate everything, and do nothing with it."""
    position = 0
    while page := await log.read_after(position, limit=SCAN_EVENTS):
        for row in page:
            decode(
                topic=row.topic,
                state=row.state,
                position=row.position,
                stream_id=row.stream_id,
                version=row.version,
                recorded_at=row.recorded_at,
            )
        position = page[-1].position


async def _live(log: EventLog, dsn: str, commands: Iterator[AppendCommand], options: RebuildOptions) -> Figures:
    """The same load alone, and while a process of its own rebuilds the board, in turn."""
    stop = asyncio.Event()
    projector = board_projector(log, dsn)
    folding = [asyncio.create_task(each.run(stop)) for each in (projector, other_projector(log, dsn))]
    alone: list[float] = []
    beside: list[float] = []
    ended_early = 0
    try:
        for _ in range(LIVE_ROUNDS):
            await _latencies(log, projector, commands, WARM_UP_S)
            alone += await _latencies(log, projector, commands, options.live_s / LIVE_ROUNDS)
            async with _rebuilding(dsn) as rebuilding:
                await _latencies(log, projector, commands, WARM_UP_S)
                beside += await _latencies(log, projector, commands, options.live_s / LIVE_ROUNDS)
                ended_early += rebuilding.returncode is not None
    finally:
        stop.set()
        await asyncio.gather(*folding)
    return {
        "live_ms_p99": _p99(alone),
        "live_ms_p99_rebuilding": _p99(beside),
        "live_ms_p99_ratio": round(_p99(beside) / _p99(alone), 2),
        "rebuilds_ended_early": ended_early,
    }


@contextlib.asynccontextmanager
async def _rebuilding(dsn: str) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "dispatch.cli.main", "rebuild", "board", "--json"),
        env=os.environ | {"DATABASE_URL": dsn},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def _latencies(
    log: EventLog, projector: Projector, commands: Iterator[AppendCommand], seconds: float
) -> list[float]:
    """Milliseconds from before each append to the page that has it, appends evenly in time. Of what no board shows
    nobody waits for a page: it is recorded, not counted."""
    found: list[float] = []
    shown = Board().topics
    waiting: set[asyncio.Task[None]] = set()

    async def one() -> None:
        began = time.perf_counter()
        command = next(commands)
        verdict = await log.append(command)
        assert isinstance(verdict, Appended), verdict
        if any(event.topic in shown for stream in command.streams for event in stream.events):
            assert await projector.wait_for(verdict.last_position, timeout_s=WAIT_S_MAX), "the board stands still"
            found.append((time.perf_counter() - began) * 1_000)

    began = time.perf_counter()
    for number in range(round(seconds * LIVE_PER_S)):
        await asyncio.sleep(began + number / LIVE_PER_S - time.perf_counter())
        task = asyncio.create_task(one())
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    await asyncio.gather(*waiting)
    return found


def _p99(latencies: Sequence[float]) -> float:
    return round(quantiles(latencies, n=100, method="inclusive")[98], 2)
