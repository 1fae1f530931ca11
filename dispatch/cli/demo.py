"""`dispatch demo`: one evening through the public interfaces, and what was seen of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import click
from rich.console import Console
from rich.table import Table

from dispatch.bench.scratch import scratch
from dispatch.cli.options import json_option
from dispatch.cli.output import note, print_json
from dispatch.demo.breaks import BREAKS
from dispatch.demo.checks import Checks
from dispatch.demo.evening import play
from dispatch.demo.stage import Stage, stage
from dispatch.telemetry import configure_logging

Figures = Mapping[str, int | bool]


@click.command()
@click.option("--check", is_flag=True, help="Exit 1 if anything was not seen as it should be.")
@click.option("--break", "broken", type=click.Choice(sorted(BREAKS)), help="Break this rule on purpose.")
@json_option
def command(check: bool, broken: str | None, as_json: bool) -> None:
    """Start a system on free ports, play an evening from ingest to closed incidents, show what was seen."""
    configure_logging("error")
    checks, figures = asyncio.run(_evening(broken))
    if as_json:
        failed = [{"scene": each.scene, "expectation": each.expectation, "seen": each.seen} for each in checks.failed]
        print_json({"figures": dict(figures), "failed": failed, "broken": broken})
    else:
        _show(checks, figures)
    if check and checks.failed:
        raise click.exceptions.Exit(1)


async def _evening(broken: str | None) -> tuple[Checks, Figures]:
    entry = None if broken is None else ("dispatch.demo.broken", broken)
    with scratch("dispatch-demo-") as folder:
        if broken is not None:
            BREAKS[broken]()
        async with stage(folder, say=note, entry=entry) as set_up:
            await play(set_up, begin=note)
            feed_messages = sum(len(partner.received) for partner in set_up.partners.values())
            closed = await _closed(set_up)
    checks = set_up.checks
    replays = [each for each in checks.made if "replays as it was seen" in each.expectation]
    return checks, {
        "checks": len(checks.made),
        "failed": len(checks.failed),
        "incidents_closed": closed,
        "feed_messages": feed_messages,
        "replay_equal": bool(replays) and all(each.holds for each in replays),
    }


async def _closed(set_up: Stage) -> int:
    """Incidents closed this evening, as the city's supervisor is told."""
    answer = await set_up.seats["supervisor"].get("/v1/incidents", state="ended", limit=200)
    return sum(row["phase"] == "closed" for row in answer.json()["items"])


def _show(checks: Checks, figures: Figures) -> None:
    table = Table("", "scene", "expectation", "seen instead")
    for each in checks.made:
        mark = "[green]ok[/]" if each.holds else "[red]NO[/]"
        table.add_row(mark, each.scene, each.expectation, "" if each.holds else each.seen)
    console = Console()
    console.print(table)
    console.print("  ".join(f"{name}: {value}" for name, value in figures.items()))
