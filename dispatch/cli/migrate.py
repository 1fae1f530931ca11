"""`dispatch migrate`: bring the database to the present schema."""

from __future__ import annotations

import asyncio

import click

from dispatch.cli.options import json_option, with_settings
from dispatch.cli.output import note, print_json
from dispatch.config import Settings
from dispatch.store.migrate import migrate, pending
from domain.refusals import Refused


@click.command()
@with_settings("database_url", "data_dir")
@json_option
def command(settings: Settings, as_json: bool) -> None:
    """Bring the database to the present schema. Safe to run again, and by several at once."""
    dsn = database_of(settings)
    lacking = asyncio.run(pending(dsn))
    asyncio.run(migrate(dsn))
    if as_json:
        print_json({"applied": lacking})
    else:
        note(f"applied {len(lacking)} revisions" if lacking else "nothing to do")


def database_of(settings: Settings) -> str:
    """The database to work on. Raises `Refused` when there is none to be found."""
    if settings.database_url is None:
        raise Refused(
            "settings.no_database",
            f"DATABASE_URL is not set and nothing runs in {settings.data_dir}: set it, or start `dispatch up` first",
        )
    return settings.database_url
