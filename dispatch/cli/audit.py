"""`dispatch audit`: trusts nobody; reads the whole log and compares everything made from it."""

from __future__ import annotations

from typing import Any

import click

from dispatch import process
from dispatch.audit.wholeness import wholeness
from dispatch.bootstrap.foundation import Foundation, foundation
from dispatch.cli.options import json_option, with_settings
from dispatch.cli.output import print_json, progress
from dispatch.config import Settings
from dispatch.partners.proof import feed_differences
from dispatch.telemetry import configure_logging
from dispatch.workers.repeat import Repeater


@click.command()
@with_settings("database_url", "data_dir")
@click.option("--decisions", is_flag=True, help="Also make every automatic decision again (a millisecond or two each).")
@json_option
def command(settings: Settings, decisions: bool, as_json: bool) -> int:
    """Check the log (positions, versions, owners, bookings, units on ended incidents), and partners' feeds against it.

    `dispatch rebuild --verify` compares the projections.
    """
    configure_logging("warning")
    found = process.run_over_pages(_examined(settings, decisions=decisions))
    if as_json:
        print_json(found)
    else:
        for name, value in found.items():
            click.echo(f"{name}: {value}")
    return 0 if found["whole"] else 1


async def _examined(settings: Settings, *, decisions: bool) -> dict[str, Any]:
    async with foundation(settings) as base:
        with progress("log") as advance:
            seen = 0

            def advanced(position: int, goal: int) -> None:
                nonlocal seen
                advance(position - seen, total=goal)
                seen = position

            found = await wholeness(base.log, advanced=advanced)
        differences = await feed_differences(base.log, base.pool, settings.city)
        again = await _decisions_again(base) if decisions else {}
    whole = found.is_whole and not differences and not again.get("decisions_differing")
    return {**found.document(), "feed_differences": differences, **again, "whole": whole}


async def _decisions_again(base: Foundation) -> dict[str, Any]:
    """What policies decided, made again from the facts they were decided on: how many, and which came out otherwise."""
    count, differing = await Repeater(log=base.log, directory=base.directory, clock=base.clock).differing()
    return {"decisions_made_again": count, "decisions_differing": differing}
