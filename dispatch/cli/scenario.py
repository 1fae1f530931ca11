"""`dispatch scenario`: the flows of the city by their names, played through HTTP and NATS on a system of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

from dispatch.bench.scratch import scratch
from dispatch.cli.options import json_option
from dispatch.cli.output import note, print_json
from dispatch.demo.breaks import BREAKS
from dispatch.demo.cast import cast
from dispatch.demo.flow import Flow
from dispatch.demo.flows.listed import FLOWS, NIGHTS
from dispatch.demo.playing import Played, play
from dispatch.telemetry import configure_logging
from domain.refusals import Refused

LAST = "F28"


@click.group()
def command() -> None:
    """Play the flows of the city, F1 to F28, and check what everybody saw."""


@command.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """Name every flow, what it stands for, and the rule that breaks it."""
    if as_json:
        print_json({"flows": [_listed(flow) for flow in (*FLOWS, *NIGHTS)]})
        return
    table = Table("", "flow", "", "figure", "can be played", "--break")
    for flow in (*FLOWS, *NIGHTS):
        table.add_row(flow.code, flow.name_zh, flow.name_en, flow.figure, _state(flow), flow.breaks or "")
    Console().print(table)


@command.command()
@click.argument("flows", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All flows that can be played.")
@click.option("--check", is_flag=True, help="Exit 1 if anything was not seen as it should be.")
@click.option("--break", "broken", type=click.Choice(sorted(BREAKS)), help="Break this rule on purpose.")
@json_option
def run(*, flows: tuple[str, ...], everything: bool, check: bool, broken: str | None, as_json: bool) -> None:
    """Start a system on free ports, play FLOWS (F1, F5, …) on it, show what was seen."""
    chosen = _chosen(flows, everything=everything)
    configure_logging("error")
    began = time.monotonic()
    played = asyncio.run(_run(chosen, broken))
    figures = {
        "scenarios": len(played),
        "passed": sum(each.passed for each in played),
        "checks": sum(len(each.checks) for each in played),
        "failed": sum(len(each.failed) for each in played),
        "facts": sum(each.facts for each in played),
        "not_playable": sum(_state(flow) == "not yet" for flow in FLOWS) if everything else 0,
        "seconds": round(time.monotonic() - began, 1),
    }
    if as_json:
        print_json({"figures": figures, "scenarios": [each.row() for each in played], "broken": broken})
    else:
        _show(played)
        Console().print("  ".join(f"{name}: {value}" for name, value in figures.items()))
    if check and figures["passed"] < figures["scenarios"]:
        raise click.exceptions.Exit(1)


async def _run(flows: Sequence[Flow], broken: str | None) -> list[Played]:
    entry = None if broken is None else ("dispatch.demo.broken", broken)
    with scratch("dispatch-scenario-") as folder:
        async with cast(folder, say=note, entry=entry) as everybody:
            return await play(everybody, flows, begin=note)


def _chosen(codes: Sequence[str], *, everything: bool) -> list[Flow]:
    """The flows to be played. Raises `Refused` for one that is not there or cannot be played."""
    if everything == bool(codes):
        raise Refused("scenario.which", "Name the flows to play (dispatch scenario list names them), or say --all.")
    if everything:
        # Last comes the flow that changes the rules under everybody's feet.
        playable = [flow for flow in (*FLOWS, *NIGHTS) if flow.play is not None]
        return sorted(playable, key=lambda flow: flow.code == LAST)
    known = {flow.code.upper(): flow for flow in (*FLOWS, *NIGHTS)}
    for code in codes:
        if code.upper() not in known:
            raise Refused("scenario.unknown", f"There is no flow {code}. `dispatch scenario list` names them.")
        if known[code.upper()].play is None:
            raise Refused("scenario.not_playable", f"{code} cannot be played ({_state(known[code.upper()])}).")
    return [known[code.upper()] for code in codes]


def _state(flow: Flow) -> str:
    if flow.asks_nothing:
        return "asks nothing"
    return "not yet" if flow.play is None else "yes"


def _listed(flow: Flow) -> dict[str, object]:
    return {
        "flow": flow.code,
        "name_zh": flow.name_zh,
        "name_en": flow.name_en,
        "figure": flow.figure,
        "playable": _state(flow),
        "break": flow.breaks,
    }


def _show(played: Sequence[Played]) -> None:
    console = Console()
    table = Table("", "flow", "steps", "facts", "checks", "who saw", "s")
    for each in played:
        mark = "[green]ok[/]" if each.passed else "[red]NO[/]"
        name = f"{each.flow.code} {each.flow.name_zh} {each.flow.name_en}"
        table.add_row(
            mark,
            name,
            str(len(each.steps)),
            str(each.facts),
            str(len(each.checks)),
            ", ".join(sorted(each.seen_by)),
            f"{each.seconds:.1f}",
        )
    console.print(table)
    for each in played:
        for check in each.failed:
            console.print(f"[red]{each.flow.code}[/] {check.scene}: {check.expectation}: {check.seen}", markup=True)
