"""`dispatch rebuild`: build a projection again from the log, or prove that there is no need to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from dispatch import process
from dispatch.bootstrap.foundation import reading_log
from dispatch.cli.migrate import database_of
from dispatch.cli.options import json_option, with_settings
from dispatch.cli.output import Advance, print_json, progress
from dispatch.config import Settings
from dispatch.workers.parts import NICE, PARTS_MAX, Advanced, Crew, PartProcesses
from dispatch.workers.rebuild import Rebuild, Switched
from dispatch.workers.shadow import Comparison
from domain.refusals import Refused
from projections.registry import PROJECTIONS

EXIT_DIFFERENT = 1


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Every projection.")
@click.option("--verify", is_flag=True, help="Compare rebuilt rows with the live ones by hash; change nothing.")
@click.option(
    "--processes",
    type=click.IntRange(1, PARTS_MAX),
    help=f"How many build while the log is quiet. [default: one a core, {PARTS_MAX} at most]",
)
@json_option
@with_settings("database_url", "data_dir", "archive_dir")
def command(
    settings: Settings,
    names: tuple[str, ...],
    *,
    everything: bool,
    verify: bool,
    processes: int | None,
    as_json: bool,
) -> int:
    """Build projections again from position 0 beside the live rows, then switch in one transaction.

    An interrupted rebuild goes on where it stopped. With --verify and no NAME all are compared; the exit code is 1
    if any differs.
    """
    chosen = tuple(PROJECTIONS) if everything or (verify and not names) else names
    _check(chosen)
    dsn = database_of(settings)
    os.nice(NICE)
    crew = PartProcesses(dsn, settings.archive_path, processes)
    results = process.run_over_pages(_work(dsn, settings.archive_path, chosen, crew, verify=verify))
    if as_json:
        print_json([_as_json(result) for result in results])
    else:
        for result in results:
            click.echo(_as_line(result))
    return 0 if all(not isinstance(one, Comparison) or one.is_equal for one in results) else EXIT_DIFFERENT


def _check(chosen: tuple[str, ...]) -> None:
    if not chosen:
        raise Refused("rebuild.no_name", f"Name a projection, or say --all: {', '.join(PROJECTIONS)}.")
    unknown = [name for name in chosen if name not in PROJECTIONS]
    if unknown:
        raise Refused(
            "rebuild.unknown_projection", f"No projection {', '.join(unknown)}. There are: {', '.join(PROJECTIONS)}."
        )


async def _work(
    dsn: str, archive: Path, chosen: tuple[str, ...], crew: Crew, *, verify: bool
) -> list[Comparison | Switched]:
    named = chosen[0] if len(chosen) == 1 else f"{len(chosen)} projections"
    async with reading_log(dsn, archive) as log:
        with progress(f"{'verify' if verify else 'rebuild'} {named}") as bar:
            projections = [PROJECTIONS[name] for name in chosen]
            rebuild = Rebuild(log, dsn, *projections, advanced=_advancing(bar), crew=crew)
            return list(await rebuild.verify() if verify else await rebuild.run())


def _advancing(bar: Advance) -> Advanced:
    reached = 0

    def advanced(position: int, goal: int) -> None:
        nonlocal reached
        bar(position - reached, total=goal)
        reached = position

    return advanced


def _as_json(result: Comparison | Switched) -> dict[str, Any]:
    if isinstance(result, Comparison):
        return {
            "projection": result.name,
            "position": result.position,
            "is_equal": result.is_equal,
            "live_rows": result.live_rows,
            "rebuilt_rows": result.rebuilt_rows,
            "live_hash": result.live_hash,
            "rebuilt_hash": result.rebuilt_hash,
            "differences": list(result.differences),
        }
    return {
        "projection": result.name,
        "version": result.version,
        "position": result.position,
        "rows_written": result.rows_written,
        "rows_removed": result.rows_removed,
    }


def _as_line(result: Comparison | Switched) -> str:
    if isinstance(result, Comparison):
        verdict = "equal" if result.is_equal else f"DIFFERENT: {', '.join(result.differences)}"
        return f"{result.name}: {result.live_rows} rows at position {result.position}: {verdict}"
    changed = f"{result.rows_written} rows written, {result.rows_removed} removed"
    return f"{result.name} v{result.version} at position {result.position}: {changed}"
