"""`dispatch serve`: the HTTP API of one process."""

from __future__ import annotations

import click

from dispatch import process
from dispatch.bootstrap.serving import serve
from dispatch.cli.migrate import database_of
from dispatch.cli.options import with_settings
from dispatch.config import Settings
from dispatch.telemetry import configure_logging


@click.command()
@with_settings("host", "port", "database_url", "nats_url", "data_dir", "log_level")
def command(settings: Settings) -> None:
    """Serve the HTTP API until a signal ends it."""
    database_of(settings)
    configure_logging(settings.log_level)
    process.run(serve(settings))
