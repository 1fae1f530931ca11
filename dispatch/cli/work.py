"""`dispatch work`: projections, reactors and the relay of one process."""

from __future__ import annotations

import click

from dispatch import process
from dispatch.bootstrap.working import work
from dispatch.cli.migrate import database_of
from dispatch.cli.options import with_settings
from dispatch.config import Settings
from dispatch.telemetry import configure_logging


@click.command()
@with_settings("database_url", "nats_url", "data_dir", "work_on", "log_level")
def command(settings: Settings) -> None:
    """Run projections, reactors and the relay to partners until a signal ends it."""
    database_of(settings)
    configure_logging(settings.log_level)
    process.run(work(settings))
