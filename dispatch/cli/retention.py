"""`dispatch retention`: how long each class is kept within reach, and whose keys may be destroyed."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import click

from dispatch.bootstrap.foundation import database_url, foundation
from dispatch.cli.options import json_option, with_settings
from dispatch.cli.output import print_json, progress
from dispatch.config import Settings
from dispatch.store.forgetting import persons_due
from dispatch.store.vault import PostgresSealer
from domain.rulebook.content import Rulebook


@click.command()
@click.option("--destroy-keys", is_flag=True, help="Destroy the keys of all persons that are due. Cannot be undone.")
@json_option
@with_settings("database_url", "data_dir", "city")
def command(settings: Settings, *, destroy_keys: bool, as_json: bool) -> None:
    """Show the rules of retention in force and how many persons are due; with --destroy-keys forget these persons.

    The log keeps every fact. What a destroyed key sealed can never be read again, in the table, in archive files and
    in backups of either.
    """
    document = asyncio.run(_retained(settings, destroy_keys=destroy_keys))
    if as_json:
        print_json(document)
        return
    for rule in document["rules"]:
        persons = "never" if rule["keys_kept_days"] is None else f"after {rule['keys_kept_days']} days"
        click.echo(f"{rule['name']}: {rule['online_days']} days in the table; persons forgotten {persons}")
    click.echo(f"{document['persons_due']} persons due, {document['keys_destroyed']} keys destroyed")


async def _retained(settings: Settings, *, destroy_keys: bool) -> dict[str, Any]:
    async with foundation(settings) as base:
        rulebook = base.directory.rulebook()
        due = await persons_due(base.pool, keys_kept_days(rulebook))
        destroyed = await _destroy(settings, due) if destroy_keys else 0
    return {
        "rulebook_version": rulebook.version,
        "rules": [rule.model_dump(mode="json") for rule in rulebook.retention],
        "persons_due": len(due),
        "keys_destroyed": destroyed,
    }


def keys_kept_days(rulebook: Rulebook) -> dict[str, int]:
    """Days after which persons named in reports of a category are forgotten; categories without a rule are missing."""
    rules = {rule.code: rulebook.retention_of(rule.code) for rule in rulebook.categories}
    return {code: rule.keys_kept_days for code, rule in rules.items() if rule is not None and rule.keys_kept_days}


async def _destroy(settings: Settings, due: list[UUID]) -> int:
    vault = await PostgresSealer.open_vault(database_url(settings), settings.seal_key_path)
    try:
        with progress("keys", total=len(due)) as advance:
            for subject_id in due:
                await vault.destroy(subject_id)
                advance()
    finally:
        await vault.close()
    return len(due)
