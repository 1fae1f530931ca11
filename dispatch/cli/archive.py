"""`dispatch archive`: move old ranges of the log to files that read as if they were still in the table."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from dispatch import process
from dispatch.audit import retention
from dispatch.bootstrap.foundation import known_directory, reading_log
from dispatch.cli.migrate import database_of
from dispatch.cli.options import json_option, with_settings
from dispatch.cli.output import Advance, print_json, progress
from dispatch.config import Settings
from dispatch.store.archiver import NOT_HELD, Advanced, Archiver, Checked, Hold, Report, connect
from domain.refusals import Unavailable

EXIT_TROUBLE = 1
MIB = 2**20


@click.command()
@click.option("--verify", is_flag=True, help="Read every file whole and compare it with the manifest; move nothing.")
@click.option("--ranges", type=click.IntRange(min=1), default=1_000, help="Most ranges to move in this run.")
@json_option
@with_settings("database_url", "data_dir", "archive_dir", "archive_after_days", "city")
def command(settings: Settings, *, verify: bool, ranges: int, as_json: bool) -> int:
    """Move whole partitions of the log, the oldest first, to compressed files; or check the files.

    A range goes when it is full, older than the setting, held by no retention rule, and behind every reactor,
    projection and feed. Run it as often as you like: a run that was killed is ended by the next. Exit code 1 if a file
    is damaged.
    """
    if verify:
        checked = process.run_over_pages(_verify(settings))
        _show_checked(checked, as_json=as_json)
        return EXIT_TROUBLE if any(one.trouble for one in checked) else 0
    _show_report(process.run_over_pages(_run(settings, ranges)), as_json=as_json)
    return 0


async def _run(settings: Settings, ranges: int) -> Report:
    with progress("archive") as bar:
        connection = await connect(database_of(settings))
        try:
            archiver = Archiver(connection, settings.archive_path, advanced=_advancing(bar))
            age = timedelta(days=settings.archive_after_days)
            return await archiver.run(older_than=age, hold=await _hold(settings), ranges_max=ranges)
        finally:
            await connection.close()


async def _hold(settings: Settings) -> Hold:
    """What the rulebook in force keeps in the table; a city without a rulebook has no such rules."""
    async with reading_log(database_of(settings), settings.archive_path) as log:
        directory, _ = await known_directory(log, settings)
        try:
            rulebook = directory.rulebook()
        except Unavailable:
            return NOT_HELD
    return Hold(retention.hold_of(rulebook), retention.longest(rulebook))


async def _verify(settings: Settings) -> list[Checked]:
    with progress("verify") as bar:
        connection = await connect(database_of(settings))
        try:
            return await Archiver(connection, settings.archive_path, advanced=_advancing(bar)).verify()
        finally:
            await connection.close()


def _advancing(bar: Advance) -> Advanced:
    """Each part of the work runs the bar from the left."""
    part, reached = "", 0

    def advanced(what: str, done: int, total: int) -> None:
        nonlocal part, reached
        if what != part:
            bar(-reached)
            part, reached = what, 0
        bar(done - reached, total=total)
        reached = done

    return advanced


def _show_report(report: Report, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "moved": [asdict(one) for one in report.moved],
                "horizon": report.horizon,
                "stopped_by": report.stopped_by,
            }
        )
        return
    for one in report.moved:
        sizes = f"{one.table_bytes / MIB:.1f} MiB of table, {one.file_bytes / MIB:.1f} MiB of file"
        click.echo(f"{one.file}: {one.events} events, {sizes}")
    click.echo(f"positions up to {report.horizon} are in files; stopped: {report.stopped_by}")


def _show_checked(checked: list[Checked], *, as_json: bool) -> None:
    if as_json:
        document: dict[str, Any] = {
            "whole": not any(one.trouble for one in checked),
            "files": [asdict(one) for one in checked],
        }
        print_json(document)
        return
    for one in checked:
        click.echo(f"{one.file}: {one.trouble or 'whole'}")
    click.echo(f"{len(checked)} files, {sum(bool(one.trouble) for one in checked)} with trouble")
