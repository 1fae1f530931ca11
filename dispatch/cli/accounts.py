"""`dispatch accounts`: the accounts section for a NATS server that this system does not run itself."""

from __future__ import annotations

import asyncio

import click

from dispatch.bootstrap.foundation import nats_accounts
from dispatch.cli.migrate import database_of
from dispatch.cli.options import json_option, with_settings
from dispatch.cli.output import print_json
from dispatch.config import Settings


@click.command()
@with_settings("database_url", "data_dir", "city")
@json_option
def command(settings: Settings, as_json: bool) -> None:
    """Write the accounts of this system, of each agency and of each gateway, as nats-server reads them.

    It holds public keys only; the seeds stay in the data folder's secrets. Write it again after an agency or a gateway
    was registered, then `nats-server --signal reload`. Under `dispatch up` its own server is told by itself.
    """
    database_of(settings)
    accounts = asyncio.run(nats_accounts(settings))
    if as_json:
        print_json({"accounts": accounts})
    else:
        click.echo(accounts, nl=False)
