"""`dispatch replay`: a board, an incident or a decision as it was, from the log alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from dispatch import process
from dispatch.api.http.names import DirectoryNames
from dispatch.audit import board_history, replay
from dispatch.audit.replay import AsOf
from dispatch.bootstrap.foundation import board_baselines, known_directory, reading_log
from dispatch.cli.migrate import database_of
from dispatch.cli.options import json_option, with_settings
from dispatch.cli.output import advance_to, print_json, progress
from dispatch.config import Settings
from dispatch.directory import Directory
from dispatch.ports import BoardBaselines, EventLog
from domain.refusals import Refused
from projections.shown import shown


@click.command()
@click.option("--board", "center_code", help="Code of the center whose board is wanted.")
@click.option("--agency", help="Code of the agency whose queue is wanted.")
@click.option("--incident", help="Id or number of the incident wanted.")
@click.option("--decision", type=int, help="Position of the automatic decision wanted, with its reasons.")
@click.option("--at", "instant", help="As known at this instant (ISO 8601 with zone).")
@click.option("--position", type=click.IntRange(min=0), help="As known at this position of the log.")
@click.option("--true-at", help="As true at this instant: only what had happened by then, with all we know now.")
@click.option("--whole", is_flag=True, help="Fold a board from the first fact on; without it, from the last baseline.")
@click.option("--keep-baselines", is_flag=True, help="Only make the baselines that `dispatch work` has not made yet.")
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", help="Of sentences and reasons.")
@json_option
@with_settings("database_url", "data_dir", "city")
def command(settings: Settings, *, as_json: bool, **wanted: Any) -> None:
    """Show a board, a queue, an incident or a decision as it was. Without an instant or a position: now."""
    if wanted["keep_baselines"]:
        _show_kept(process.run_over_pages(_keep_baselines(settings)), as_json=as_json)
        return
    asked = [name for name in ("center_code", "agency", "incident", "decision") if wanted[name] is not None]
    if len(asked) != 1:
        raise Refused("replay.what", "Say one of --board CENTER, --agency CODE, --incident ID, --decision POSITION.")
    document = process.run_over_pages(_replay(settings, wanted))
    if as_json:
        print_json(document)
    else:
        _show(document)


async def _replay(settings: Settings, wanted: dict[str, Any]) -> dict[str, Any]:
    async with reading_log(database_of(settings), settings.archive_path) as log:
        directory, _ = await known_directory(log, settings)
        moment = await replay.as_of(
            log,
            position=wanted["position"],
            instant=_instant("--at", wanted["instant"]),
            true_at=_instant("--true-at", wanted["true_at"]),
        )
        if wanted["incident"] is not None:
            return await _incident(log, directory, wanted["incident"], moment, wanted["language"])
        if wanted["decision"] is not None:
            found = await replay.decision_at(log, wanted["decision"], language=wanted["language"])
            if found is None:
                raise Refused("replay.no_decision", f"No automatic decision at position {wanted['decision']}.")
            return found
        baselines = None if wanted["whole"] else board_baselines(log)
        return await _board(log, directory, moment, wanted["center_code"], wanted["agency"], baselines)


async def _keep_baselines(settings: Settings) -> int:
    async with reading_log(database_of(settings), settings.archive_path) as log:
        with progress("baselines") as bar:
            return await board_history.keep(log, board_baselines(log), rest=0, advanced=advance_to(bar))


def _show_kept(made: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"baselines_made": made})
    else:
        click.echo(f"{made} baselines made")


async def _board(
    log: EventLog,
    directory: Directory,
    moment: AsOf,
    center_code: str | None,
    agency: str | None,
    baselines: BoardBaselines | None,
) -> dict[str, Any]:
    center_id = None
    if center_code is not None:
        center = directory.center_by_code(center_code)
        if center is None:
            raise Refused("replay.unknown_center", f"No center with the code {center_code}.")
        center_id = center.id
    elif directory.agency(str(agency)) is None:
        raise Refused("replay.unknown_agency", f"No agency with the code {agency}.")
    with progress("replay", total=moment.position) as bar:
        found = await replay.board_as_of(
            log, moment, center_id=center_id, agency=agency, baselines=baselines, advanced=advance_to(bar)
        )
    return {**_when(moment), "center": center_code, "agency": agency, "items": found.items}


async def _incident(log: EventLog, directory: Directory, wanted: str, moment: AsOf, language: str) -> dict[str, Any]:
    incident_id = await replay.incident_called(log, wanted)
    found = None
    if incident_id is not None:
        called = DirectoryNames(directory)
        found = await replay.incident_as_of(log, incident_id, moment, language=language, called=called)
    if found is None:
        raise Refused("replay.unknown_incident", f"There was no incident {wanted} at position {moment.position}.")
    return {**_when(moment), "card": found.card, "timeline": found.timeline}


def _when(moment: AsOf) -> dict[str, Any]:
    return {"position": moment.position, "true_at": shown(moment.true_at)}


def _instant(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise Refused("replay.bad_instant", f"{option} needs an instant with its zone, as 2026-07-03T20:00:00+08:00.")
    return instant


def _show(document: dict[str, Any]) -> None:
    """For a person: one line an incident, a fact or a reason."""
    if "items" in document:
        click.echo(f"as of position {document['position']}: {len(document['items'])} incidents")
        for row in document["items"]:
            where = row["place"]["address"] or (row["place"]["point"] or {}).get("coordinates") or "-"
            click.echo(f"{row['priority']:>2} {row['number']} {row['category']} {row['phase']} {where}")
    elif "card" in document:
        card = document["card"]
        click.echo(f"{card['number']} {card['category']} {card['phase']} as of position {document['position']}")
        for entry in document["timeline"]:
            click.echo(f"{entry['position']:>9} {entry['occurred_at']} {entry['actor']['id']}: {entry['text']}")
    else:
        click.echo(
            f"{document['event']} at {document['position']}: {document['policy']}, rules {document['rule_version']}"
        )
        for why in document["reasons"]:
            click.echo(f"  {why['text']}")
        for one in document["candidates"]:
            said = "; ".join(why["text"] for why in one["reasons"])
            click.echo(f"  {'*' if one['chosen'] else ' '} {one['id']} {said}")
