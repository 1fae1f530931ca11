"""`dispatch bench`: measurements on servers of their own, each beside the physical ceiling or counted twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import click
import uvloop
from rich.console import Console
from rich.table import Table

from dispatch import process
from dispatch.bench.append import bench_append
from dispatch.bench.cameras import ATTACHED, CameraOptions, bench_cameras
from dispatch.bench.fanout import FanoutOptions, bench_fanout, broken
from dispatch.bench.growth import LARGE_EVENTS, SMALL_EVENTS, bench_growth
from dispatch.bench.latency import WARM_S, LatencyOptions, bench_latency
from dispatch.bench.peers.contest import bench_peers, missing_peers
from dispatch.bench.rebuild import RebuildOptions, bench_rebuild, codec_figures, histories
from dispatch.bench.rulebook import bench_rulebook
from dispatch.bench.scratch import scratch
from dispatch.bench.storm import StormOptions, bench_storm
from dispatch.bench.storm_max import bench_storm_max
from dispatch.bench.wakeup import bench_wakeup
from dispatch.cli.options import json_option
from dispatch.cli.output import Advance, note, print_json, progress
from dispatch.cli.up import prepare_data_dir
from dispatch.embedded.postgres import EmbeddedPostgres
from dispatch.ports import RecordedEvent
from dispatch.telemetry import configure_logging

NIGHT_S = 60.0
MAX_PHASE_S = 10.0
Figures = Mapping[str, float | int]


@click.group()
def command() -> None:
    """Measure: append rate, alert storm, live streams. Each starts servers of its own and leaves nothing behind."""
    configure_logging("warning")


@command.command()
@click.option("--seconds", default=3.0, show_default=True, help="Length of each measurement. [seconds]")
@click.option("--rounds", default=3, show_default=True, help="Rounds; ratios of the best one are shown.")
@click.option("--peers", is_flag=True, help="Compare with other event stores on the same server (docs/peers.md).")
@click.option(
    "--peers-folder", type=Path, default=Path("var/peers"), show_default=True, help="Where npm put those it brings."
)
@json_option
def append(seconds: float, rounds: int, peers: bool, peers_folder: Path, as_json: bool) -> None:
    """Append rate at 1, 16, 64 and 256 writers, beside raw PostgreSQL in the same run; how soon others know.

    With --peers: at 1 and 64 writers, from two processes at once, and beside other event stores.
    """
    if peers:
        figures = asyncio.run(_peers(peers_folder, seconds, rounds))
        for name, how in missing_peers(peers_folder).items():
            note(f"MISSING {name}: not installed and not compared. It needs: {how}")
    else:
        figures = asyncio.run(_append(seconds, rounds))
    show(figures, as_json=as_json)


async def _append(seconds: float, rounds: int) -> Figures:
    async with a_server() as dsn:
        return {**await bench_append(dsn, seconds=seconds, rounds=rounds), **await bench_wakeup(dsn)}


async def _peers(peers_folder: Path, seconds: float, rounds: int) -> Figures:
    async with a_server() as dsn:
        return await bench_peers(dsn, peers_folder, seconds=seconds, rounds=rounds, say=note)


@asynccontextmanager
async def a_server(folder: Path | None = None) -> AsyncIterator[str]:
    """A durable PostgreSQL for as long as one measurement (in `folder`, which stays); its DSN."""
    with contextlib.nullcontext(folder) if folder is not None else scratch("dispatch-bench-") as place:
        postgres = EmbeddedPostgres(place / "postgres")
        try:
            yield await postgres.start()
        finally:
            await postgres.stop()


@command.command()
@click.option("--rate", default=460.0, show_default=True, help="Alerts sent in a second, repeats included.")
@click.option("--duration", "duration_s", default=None, type=float, help="Length; 60, with --max 10 a phase. [seconds]")
@click.option("--duplicates", default=0.3, show_default=True, help="Share that is an exact repeat of an earlier one.")
@click.option("--same-spot", default=0.8, show_default=True, help="Share of the others that comes from hot spots.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same night.")
@click.option("--max", "is_max", is_flag=True, help="Find the highest sustained rate; --rate means nothing then.")
@json_option
def storm(
    rate: float,
    duration_s: float | None,
    duplicates: float,
    same_spot: float,
    seed: int,
    is_max: bool,
    as_json: bool,
) -> None:
    """A flood night: every alert accepted is in the log once and on the board soon."""
    length_s = duration_s if duration_s is not None else (MAX_PHASE_S if is_max else NIGHT_S)
    options = StormOptions(rate, length_s, duplicates, same_spot, seed)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if is_max:
            figures = runner.run(bench_storm_max(options, say=note))
        else:
            with progress("storm", round(rate * length_s)) as advance:
                figures = runner.run(bench_storm(options, say=note, advance=advance))
    show(figures, as_json=as_json)
    if figures["lost"] or figures.get("duplicated"):
        raise click.exceptions.Exit(1)


@command.command()
@click.option("--events", default=100_000, show_default=True, help="Facts of the night.")
@json_option
def rulebook(events: int, as_json: bool) -> None:
    """Other rules tried on a night of so many facts, by `dispatch rulebook try` itself."""
    with progress("events", events) as advance:
        figures = asyncio.run(bench_rulebook(events, say=note, advance=advance))
    show(figures, as_json=as_json)


@command.command()
@click.option("--attached", default=ATTACHED, show_default=True, help="Social cameras beside the city's own.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same places.")
@json_option
def cameras(attached: int, seed: int, as_json: bool) -> None:
    """Every list of a city with all cameras that may be attached, and coverage along routes of 20 km."""
    with progress("cameras", attached) as advance:
        figures = asyncio.run(bench_cameras(CameraOptions(attached, seed), say=note, advance=advance))
    show(figures, as_json=as_json)


@command.command()
@click.option("--events", default=1_000_000, show_default=True, help="Length of the history.")
@click.option(
    "--live",
    "live_s",
    default=20.0,
    show_default=True,
    help="Looking at the live side, alone and beside a rebuild. [seconds]",
)
@json_option
def rebuild(events: int, live_s: float, as_json: bool) -> None:
    """Rebuilding from a long history, idle and beside live traffic, next to a plain scan of the same events.

    The history is that of simulated towns (people, machines, agencies, the real decisions), repeated with fresh ids.
    """
    note("towns are simulated")
    history = histories()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(_rebuild(RebuildOptions(events, live_s), history))
    show(figures, as_json=as_json)


async def _rebuild(options: RebuildOptions, history: Sequence[RecordedEvent]) -> Figures:
    async with a_server() as dsn:
        return await bench_rebuild(dsn, options, history, say=note)


@command.command()
@json_option
def codec(as_json: bool) -> None:
    """Decoding the events of simulated towns, on one core."""
    history = histories()
    process.settle()
    show(codec_figures(history), as_json=as_json)


@command.command()
@click.option("--clients", default=5_000, show_default=True, help="Live streams on one API process.")
@click.option("--at-city", default=50, show_default=True, help="How many of them look at the whole city.")
@click.option("--rate", default=50.0, show_default=True, help="Facts in a second that change a board.")
@click.option("--window", "window_s", default=5.0, show_default=True, help="An eighth of the measurement. [seconds]")
@click.option("--seed", default=1, show_default=True, help="Same seed, same facts.")
@json_option
def fanout(clients: int, at_city: int, rate: float, window_s: float, seed: int, as_json: bool) -> None:
    """Live streams: how fast a fact is with everybody who may see it, and what a stream costs."""
    options = FanoutOptions(clients, at_city, rate, window_s, seed=seed)
    figures = asyncio.run(bench_fanout(options, say=note))
    show(figures, as_json=as_json)
    if broken(figures):
        raise click.exceptions.Exit(1)


@command.command()
@click.option("--events", default=LARGE_EVENTS, show_default=True, help="Events of the large log.")
@click.option("--folder", type=Path, help="Keep the filled server here; a later run measures without filling again.")
@json_option
def growth(events: int, folder: Path | None, as_json: bool) -> None:
    """Append, command, board read and resume in a log of millions, beside one of 50,000 events.

    Filling takes about 1,700 bytes of disk (its WAL included) and 0.1 ms an event.
    """
    with progress("fill", SMALL_EVENTS + events) as advance:
        figures = asyncio.run(_growth(folder, events, advance))
    show(figures, as_json=as_json)


async def _growth(folder: Path | None, events: int, advance: Advance) -> Figures:
    with contextlib.nullcontext(folder) if folder is not None else scratch("dispatch-growth-") as place:
        prepare_data_dir(place)
        async with a_server(place) as dsn:
            return await bench_growth(dsn, place, events, say=note, advance=advance)


@command.command()
@click.option("--rate", default=500.0, show_default=True, help="Single alerts sent in a second.")
@click.option("--duration", "duration_s", default=30.0, show_default=True, help="Length after warming up. [seconds]")
@click.option("--same-spot", default=0.95, show_default=True, help="Share of alerts that comes from hot spots.")
@json_option
def latency(rate: float, duration_s: float, same_spot: float, as_json: bool) -> None:
    """From an accepted alert to a live screen, and from a command to one's own screen."""
    options = LatencyOptions(rate, duration_s, same_spot)
    with (
        progress("alerts", round(rate * (duration_s + WARM_S))) as advance,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        figures = runner.run(bench_latency(options, say=note, advance=advance))
    show(figures, as_json=as_json)


def show(figures: Figures, *, as_json: bool) -> None:
    """A flat JSON object `figures` with what machine it was, or a table."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    if as_json:
        print_json({"machine": machine, "figures": dict(figures)})
        return
    table = Table("figure", "value", title=machine)
    for name, value in figures.items():
        table.add_row(name, f"{value:,}")
    Console().print(table)
