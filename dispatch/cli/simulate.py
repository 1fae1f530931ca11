"""`dispatch simulate`: whole cities on a virtual clock, from seeds, with everything breaking."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from dispatch.cli.options import json_option
from dispatch.cli.output import note, print_json, progress
from dispatch.simulation.campaign import Summary, campaign, caught, pool, replay
from dispatch.simulation.plants import PlantedFault
from dispatch.simulation.played import by_flow, never_played
from dispatch.simulation.run import Report

FAILURES_SHOWN_MAX = 5


@click.command()
@click.option("--seeds", default=200, show_default=True, type=click.IntRange(1), help="How many seeds to run.")
@click.option("--seed", "first", default=1, show_default=True, type=click.IntRange(0), help="The first one.")
@click.option("--plant", type=click.Choice([fault.value for fault in PlantedFault]), help="Plant this fault.")
@click.option("--plants/--no-plants", default=True, show_default=True, help="Prove that planted faults are caught.")
@click.option("--jobs", type=click.IntRange(1), help="Processes to use; all cores if not said.")
@json_option
def command(seeds: int, first: int, plant: str | None, plants: bool, jobs: int | None, as_json: bool) -> None:
    """Run a ten-center city from seeds: the real deciders, reactors, folds and feeds, with crashes and partitions.

    Every promise is checked after every run. A seed that fails prints what is broken, its last steps and the command
    that replays it. 200 seeds are part of the tests; 2,000 take minutes; 100,000 are a campaign for a night.
    """
    workers = jobs or os.cpu_count() or 1
    fault = PlantedFault(plant) if plant is not None else None
    found: dict[str, Report | None] = {}
    began = time.monotonic()
    with pool(workers) as executor:
        with progress("seeds", seeds) as advance:
            summary = campaign(executor, range(first, first + seeds), jobs=workers, advance=advance, fault=fault)
        seconds = time.monotonic() - began
        if plants and fault is None:
            with progress("planted faults", len(PlantedFault)) as advance:
                for each in PlantedFault:
                    found[each.value] = caught(executor, each, jobs=workers)
                    advance()
    figures = _figures(summary, found, seconds)
    _show(summary, found, fault, figures, as_json=as_json)
    if summary.failures or figures["planted_caught"] < figures["planted_faults"]:
        raise click.exceptions.Exit(1)


def _figures(summary: Summary, found: dict[str, Report | None], seconds: float) -> dict[str, float]:
    return {
        "seeds": summary.seeds,
        "failed": len(summary.failures),
        "planted_faults": len(found),
        "planted_caught": sum(report is not None for report in found.values()),
        "events": summary.events,
        "deaths": summary.deaths,
        "virtual_hours": round(summary.virtual_s / 3_600, 1),
        "seconds": round(seconds, 1),
        "seeds_per_s": round(summary.seeds / seconds, 2) if seconds else 0.0,
    }


def _show(
    summary: Summary,
    found: dict[str, Report | None],
    fault: PlantedFault | None,
    figures: dict[str, float],
    *,
    as_json: bool,
) -> None:
    flows = by_flow(summary.decisions)
    lacking = never_played(summary.decisions)
    for report in summary.failures[:FAILURES_SHOWN_MAX]:
        _explain(report, fault)
    for name, caught_by in found.items():
        if caught_by is None:
            note(f"planted {name}: NOT caught")
        else:
            note(f"planted {name}: caught by seed {caught_by.seed}: {caught_by.findings[0]}")
            note(f"  {replay(caught_by, PlantedFault(name))}")
    if as_json:
        document: dict[str, Any] = {
            "figures": figures,
            "flows": flows,
            "decisions": dict(sorted(summary.decisions.items())),
            "never_played": lacking,
            "failures": [
                {"seed": report.seed, "findings": report.findings, "replay": replay(report, fault)}
                for report in summary.failures
            ],
            "caught_by": {name: report.seed if report is not None else None for name, report in found.items()},
        }
        print_json(document)
        return
    for name, value in figures.items():
        click.echo(f"{name:<16} {value:>12,}")
    click.echo("facts of each flow:")
    for name, value in flows.items():
        click.echo(f"  {name:<14} {value:>12,}")
    if lacking:
        note(f"never played: {', '.join(lacking)}")


def _explain(report: Report, fault: PlantedFault | None) -> None:
    note(f"seed {report.seed} broke {len(report.findings)} promises:")
    for finding in report.findings:
        note(f"  {finding}")
    note("its last steps:")
    for step in report.last_steps:
        note(f"  {step}")
    note(f"trace {report.trace_hash}")
    note(f"again: {replay(report, fault)}")
