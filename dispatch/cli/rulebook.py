"""`dispatch rulebook`: rules as files, checked line by line, compared, tried on what has happened, put in force."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import httpx

from dispatch import process
from dispatch.bootstrap.foundation import known_directory, reading_log
from dispatch.cli.ingest import own_token, running_address
from dispatch.cli.migrate import database_of
from dispatch.cli.options import json_option, with_settings
from dispatch.cli.output import advance_to, print_json, progress
from dispatch.config import Settings
from dispatch.directory import Directory
from dispatch.handling.rulebook import unfit
from dispatch.ports import EventLog
from dispatch.rulebooks.differences import Difference, differences, summary
from dispatch.rulebooks.source import FILE_BYTES_MAX, Faulty, Source, read
from dispatch.rulebooks.trial import Changed, Outcome, Seen, tried
from domain.refusals import Conflict, Refused, Unavailable
from domain.rulebook.content import Rulebook

REQUEST_TIMEOUT_S = 30.0
WEEKS_TRIED = 4
SHOWN_MAX = 20
"""Incidents and centers that a person is shown; `--json` has all."""
FIGURE_TEXTS = {
    "incidents_then": "incidents, as it was",
    "incidents_now": "incidents, by these rules",
    "moved": "would be another center's",
    "told_otherwise": "would tell others, or in other roles",
    "asked_otherwise": "would ask for other units",
    "categorized_otherwise": "would be of another category",
    "prioritized_otherwise": "would have another priority",
    "folds": "would have been one with another incident",
    "waits": "would not have been opened: too few alerts",
    "left_alone": "would not have been opened: no alarm by these rules",
    "opened_only_now": "would have been opened in addition",
    "accept_missed_then": "acceptances too late, as it was",
    "accept_missed_now": "acceptances too late, by these rules",
    "acknowledge_missed_then": "crews' answers too late, as it was",
    "acknowledge_missed_now": "crews' answers too late, by these rules",
}

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def command() -> None:
    """Check rules, compare them, try them on the past, and put them in force."""


@command.command()
@file_argument
@click.option("--offline", is_flag=True, help="Look at the file only, not at the centers and agencies of the city.")
@json_option
@with_settings("database_url", "data_dir", "city")
def check(settings: Settings, *, file: Path, offline: bool, as_json: bool) -> None:
    """Say everything that is wrong with a FILE of rules, each with its line. Exit code 1 if anything is."""
    source = _read(file, as_json=as_json)
    if not offline:
        faults = [source.fault(*each) for each in asyncio.run(_unfit(settings, source.rulebook))]
        if faults:
            _refuse(file, Faulty(faults), as_json=as_json)
    rules = source.rulebook
    if as_json:
        print_json({"file": str(file), "version": rules.version, "categories": len(rules.categories), "faults": []})
    else:
        where = "" if offline else f"; {settings.city} has what they name"
        click.echo(f"{file}: version {rules.version}, {len(rules.categories)} categories, nothing wrong{where}")


@command.command()
@file_argument
@click.option("--version", type=click.IntRange(1), help="Compare with this published version. Default: that in force.")
@click.option("--with", "other", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="With a file.")
@json_option
@with_settings("database_url", "data_dir", "city")
def diff(settings: Settings, *, file: Path, version: int | None, other: Path | None, as_json: bool) -> None:
    """What a FILE of rules says otherwise. Entries are compared by their codes; their order is no difference."""
    after = _read(file, as_json=as_json).rulebook
    before = asyncio.run(_published(settings, version)) if other is None else _read(other, as_json=as_json).rulebook
    found = differences(before, after)
    if as_json:
        print_json({"before": before.version, "after": after.version, "differences": [_plain(each) for each in found]})
        return
    for each in found:
        click.echo(str(each))
    click.echo(summary(found))


@command.command(name="try")
@file_argument
@click.option("--since", help=f"From this instant (ISO 8601 with zone). Default: {WEEKS_TRIED} weeks before the end.")
@click.option("--until", help="To this instant. Default: now.")
@json_option
@with_settings("database_url", "data_dir", "city")
def try_(settings: Settings, *, file: Path, since: str | None, until: str | None, as_json: bool) -> None:
    """Judge and route the past again by a FILE of rules: what would have moved, what would have been too late.

    Nothing is recorded. What people did is taken as it was, and both rules are laid on the tree of today.
    """
    source = _read(file, as_json=as_json)
    began = time.monotonic()
    trial = _tried(settings, source, _instant("--since", since), _instant("--until", until))
    outcome, directory = process.run_over_pages(trial)
    names = {center.code: center.name_zh for center in directory.centers.values()}
    if as_json:
        print_json(_document(outcome, round(time.monotonic() - began, 2)))
    else:
        _show(outcome, names)


@command.command()
@file_argument
@click.option("--url", help="Address of the system. Default: the one that `dispatch up` runs here.")
@click.option("--token", help="Bearer token of an administrator. Default: one made with this system's key.")
@click.option("--at", help="Not now but at this instant ahead (ISO 8601 with zone).")
@json_option
@with_settings("data_dir", "city")
def activate(
    settings: Settings, *, file: Path, url: str | None, token: str | None, at: str | None, as_json: bool
) -> None:
    """Publish a FILE of rules and put them in force. Done again, it changes nothing.

    An older version is put in force again by its file, as it was published.
    """
    source = _read(file, as_json=as_json)
    address, bearer = url or running_address(settings), token or own_token(settings)
    instant = _instant("--at", at)
    answer = asyncio.run(_activated(file, source, address, bearer, at=instant, as_json=as_json))
    if as_json:
        print_json(answer)
    else:
        when = "is in force" if instant is None else f"will be in force from {instant.isoformat()} on"
        click.echo(f"version {source.rulebook.version} {when}")


def _read(file: Path, *, as_json: bool) -> Source:
    with file.open("rb") as opened:
        body = opened.read(FILE_BYTES_MAX + 1)
    try:
        return read(body)
    except Faulty as faulty:
        _refuse(file, faulty, as_json=as_json)
        raise


def _refuse(file: Path, faulty: Faulty, *, as_json: bool) -> None:
    """Show what is wrong, and leave with 1."""
    if as_json:
        faults = [{"line": each.line, "pointer": each.pointer, "why": each.why} for each in faulty.faults]
        print_json({"file": str(file), "faults": faults})
    else:
        for each in faulty.faults:
            click.echo(f"{file}:{each.line}: {each.pointer or '/'}: {each.why}", err=True)
    raise click.exceptions.Exit(1)


async def _unfit(settings: Settings, rulebook: Rulebook) -> list[tuple[str, str]]:
    async with reading_log(database_of(settings), settings.archive_path) as log:
        directory, _ = await known_directory(log, settings)
        return unfit(rulebook, directory)


async def _published(settings: Settings, version: int | None) -> Rulebook:
    async with reading_log(database_of(settings), settings.archive_path) as log:
        directory, _ = await known_directory(log, settings)
        return directory.rulebook(version)


async def _tried(
    settings: Settings, source: Source, since: datetime | None, until: datetime | None
) -> tuple[Outcome, Directory]:
    async with reading_log(database_of(settings), settings.archive_path) as log:
        directory, _ = await known_directory(log, settings)
        first, last = await _positions(log, since, until)
        with progress("events", last - first) as advance:
            outcome = await tried(
                source.rulebook,
                log,
                directory,
                after_position=first,
                up_to_position=last,
                advanced=advance_to(advance),
            )
        return outcome, directory


async def _positions(log: EventLog, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """Positions before the first event and of the last one. Raises `Refused` for a period with nothing in it."""
    tip = await log.tip()
    last = tip.position if until is None else await log.position_at(until)
    end = until or tip.recorded_at
    first = await log.position_at(since if since is not None else end - timedelta(weeks=WEEKS_TRIED))
    if first >= last:
        raise Refused("rulebook.nothing_happened", "Nothing was recorded between these instants: say others.")
    return first, last


async def _activated(
    file: Path, source: Source, address: str, token: str, *, at: datetime | None, as_json: bool
) -> Mapping[str, Any]:
    version = source.rulebook.version
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with httpx.AsyncClient(base_url=address, timeout=REQUEST_TIMEOUT_S, headers=headers) as client:
            key = {"Idempotency-Key": f"rulebook-{version}-{time.time_ns()}"}
            rules = source.rulebook.model_dump(mode="json")
            answer = await client.post("/v1/rulebook/versions", json=rules, headers=key)
            if answer.is_success:
                key = {"Idempotency-Key": f"rulebook-activate-{version}-{time.time_ns()}"}
                path = f"/v1/rulebook/versions/{version}"
                if at is None:
                    answer = await client.post(f"{path}/activate", headers=key)
                else:
                    later = {"effective_at": at.isoformat()}
                    answer = await client.post(f"{path}/schedule", json=later, headers=key)
            document = answer.json()
    except (httpx.HTTPError, ValueError) as failure:
        raise Unavailable("rulebook.no_answer", f"{address} does not answer: {failure!r}. Try again.") from None
    if answer.is_success:
        return dict(document)
    if document.get("errors"):
        faults = [source.fault(each["pointer"], each["detail"]) for each in document["errors"]]
        _refuse(file, Faulty(faults), as_json=as_json)
    kind = Conflict if answer.status_code == httpx.codes.CONFLICT else Refused
    raise kind(str(document.get("code", "rulebook.refused")), str(document.get("detail", answer.text)))


def _instant(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise Refused("rulebook.bad_instant", f"{option} needs an instant with its zone, as 2026-07-03T20:00:00+08:00.")
    return instant


def _plain(difference: Difference) -> dict[str, Any]:
    return {"where": difference.where, "before": difference.before, "after": difference.after}


def _document(outcome: Outcome, seconds: float) -> dict[str, Any]:
    return {
        "figures": {**outcome.figures(), "seconds": seconds},
        "centers": [{"code": code, "then": then, "now": now} for code, (then, now) in outcome.load().items()],
        "incidents": [_incident(each) for each in outcome.changed if each.differs],
        "opened_only_now": [
            {"incident_id": str(incident_id), **_seen(seen)} for incident_id, seen in outcome.opened_only_now
        ],
    }


def _incident(changed: Changed) -> dict[str, Any]:
    now = None if changed.now is None else _seen(changed.now)
    return {
        "incident_id": str(changed.incident_id),
        "number": changed.number,
        "fate": changed.fate,
        "then": _seen(changed.then),
        "now": now,
    }


def _seen(seen: Seen) -> dict[str, Any]:
    return {
        "category": seen.category,
        "severity": seen.severity.name.lower(),
        "priority": seen.priority,
        "owner": seen.owner,
        "told": [{"agency": agency, "role": role, "center": center} for agency, role, center in sorted(seen.told)],
        "asked": [each.model_dump(mode="json") for each in seen.asked],
    }


def _show(outcome: Outcome, names: Mapping[str, str]) -> None:
    figures = outcome.figures()
    click.echo(f"{figures['events']:,} events, {figures['alerts']:,} alerts tried")
    for name, text in FIGURE_TEXTS.items():
        click.echo(f"{figures[name]:8,}  {text}")
    load = [(code, then, now) for code, (then, now) in outcome.load().items() if then != now]
    for code, then, now in sorted(load, key=lambda row: (-abs(row[2] - row[1]), row[0]))[:SHOWN_MAX]:
        click.echo(f"  {code} {names.get(code, '')}: {then:,} → {now:,} ({now - then:+,})")
    moved = [each for each in outcome.changed if each.now is not None and each.then.owner != each.now.owner]
    for each in moved[:SHOWN_MAX]:
        assert each.now is not None, "chosen so"
        click.echo(f"  {each.number} {each.then.category}: {each.then.owner} → {each.now.owner}")
    if len(moved) > SHOWN_MAX:
        click.echo(f"  … {len(moved) - SHOWN_MAX:,} more; all with --json")
