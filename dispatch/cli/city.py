"""`dispatch city`: borders and parents of centers as a GeoJSON file, checked, shown with all they would do, applied.

Each feature is one center: `properties.center` its code, the geometry its whole ground from then on (or null, if it
keeps the one it has), `properties.parent` another parent, `properties.closes` its end, `opens` its beginning.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import httpx
from pydantic import ValidationError

from dispatch.api.city.tree_bodies import PlanBody
from dispatch.cli.ingest import own_token, running_address
from dispatch.cli.options import json_option, with_settings
from dispatch.cli.output import print_json
from dispatch.config import Settings
from domain.refusals import Conflict, Refused, Unavailable

REQUEST_TIMEOUT_S = 60.0
FILE_BYTES_MAX = 16 * 1024 * 1024
SQUARE_KM_M2 = 1e6

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
url_option = click.option("--url", help="Address of the API; of `dispatch up` if left out.")
token_option = click.option("--token", help="Bearer token; one of our own if left out.")


@click.group()
def command() -> None:
    """Check changes of borders and parents, show what they would do, and apply them."""


@command.command()
@file_argument
@json_option
def check(*, file: Path, as_json: bool) -> None:
    """Say what is wrong with the shape of a FILE of changes, without a running system. Exit code 1 if anything is."""
    body = _read(file, as_json=as_json)
    if as_json:
        print_json({"file": str(file), "centers": [one["center"] for one in body["changes"]], "faults": []})
    else:
        click.echo(f"{file}: {len(body['changes'])} centers, nothing wrong with the shape; `plan` looks at the ground")


@command.command()
@file_argument
@url_option
@token_option
@json_option
@with_settings("data_dir", "city")
def plan(settings: Settings, *, file: Path, url: str | None, token: str | None, as_json: bool) -> None:
    """Show what a FILE of changes would do: overlaps, gaps, cameras and open incidents that would be another's.

    Nothing is recorded. Exit code 1 if it would be refused.
    """
    body = _read(file, as_json=as_json)
    found = asyncio.run(_sent("/v1/tree/plan", body, *_where(settings, url, token)))
    if as_json:
        print_json(found)
    else:
        _show(found)
    if not found["is_possible"]:
        raise click.exceptions.Exit(1)


@command.command()
@file_argument
@click.option("--reason", required=True, help="Why; it stays on record.")
@click.option("--at", help="From this instant on, with its zone; now if left out.")
@click.option("--correction", is_flag=True, help="It has been so since --at.")
@url_option
@token_option
@json_option
@with_settings("data_dir", "city")
def apply(
    settings: Settings,
    *,
    file: Path,
    reason: str,
    at: str | None,
    correction: bool,
    url: str | None,
    token: str | None,
    as_json: bool,
) -> None:
    """Apply a FILE of changes, now or from an instant on: all of it or nothing.

    Incidents that are open stay with their owner; /v1/centers/{center}/misplaced lists what is elsewhere then.
    """
    body = _read(file, as_json=as_json)
    asked = body | {"reason": reason, "effective_at": at, "is_correction": correction}
    done = asyncio.run(_sent("/v1/tree/changes", asked, *_where(settings, url, token)))
    if as_json:
        print_json(done)
    elif done["state"] == "applied":
        click.echo(f"applied, as of position {done['position']}")
    else:
        click.echo(f"scheduled from {at} on; call it off at /v1/tree/changes/{done['change_id']}/call-off")


def _where(settings: Settings, url: str | None, token: str | None) -> tuple[str, str]:
    return url or running_address(settings), token or own_token(settings)


def _read(file: Path, *, as_json: bool) -> dict[str, Any]:
    """The file as the API takes it. Leaves with 1 and what is wrong."""
    with file.open("rb") as opened:
        text = opened.read(FILE_BYTES_MAX + 1)
    faults: list[dict[str, str]] = []
    changes: list[dict[str, Any]] = []
    if len(text) > FILE_BYTES_MAX:
        faults = [{"feature": "", "why": f"larger than {FILE_BYTES_MAX} bytes"}]
    else:
        try:
            changes = [_change(feature) for feature in json.loads(text)["features"]]
            PlanBody.model_validate({"changes": changes})
        except ValidationError as error:
            faults = [
                {"feature": "/".join(str(part) for part in each["loc"]), "why": each["msg"]} for each in error.errors()
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            faults = [{"feature": "", "why": "not a GeoJSON FeatureCollection with a `center` in each feature"}]
    if not faults:
        return {"changes": changes}
    if as_json:
        print_json({"file": str(file), "faults": faults})
    else:
        for each in faults:
            click.echo(f"{file}: {each['feature'] or '/'}: {each['why']}", err=True)
    raise click.exceptions.Exit(1)


def _change(feature: Mapping[str, Any]) -> dict[str, Any]:
    """A feature as the API takes it."""
    said = feature["properties"]
    change: dict[str, Any] = {"center": said["center"]}
    change |= {name: said[name] for name in ("parent", "closes") if name in said}
    ground = feature.get("geometry")
    if said.get("opens") is not None:
        change["opens"] = {**said["opens"], "ground": ground}
    elif ground is not None:
        change["ground"] = ground
    return change


async def _sent(path: str, body: Mapping[str, Any], address: str, token: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"city-{time.time_ns()}"}
    try:
        async with httpx.AsyncClient(base_url=address, timeout=REQUEST_TIMEOUT_S, headers=headers) as client:
            answer = await client.post(path, json=body)
            document: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as failure:
        raise Unavailable("city.no_answer", f"{address} does not answer: {failure!r}. Try again.") from None
    if answer.is_success:
        return document
    kind = Conflict if answer.status_code == httpx.codes.CONFLICT else Refused
    errors = "".join(f" {each['pointer']}: {each['detail']}." for each in document.get("errors", ()))
    raise kind(str(document.get("code", "city.refused")), str(document.get("detail", answer.text)) + errors)


def _show(found: Mapping[str, Any]) -> None:
    for one in found["centers"]:
        before, then = one["ground_m2_before"], one["ground_m2_after"]
        ground = " → ".join("none" if each is None else f"{each / SQUARE_KM_M2:.3f} km²" for each in (before, then))
        parents = (one["parent_before"], one["parent_after"])
        parent = "" if parents[0] == parents[1] else f", below {parents[0]} → {parents[1]}"
        click.echo(f"{one['center']}: {ground}{parent}")
    for one in found["moved"]:
        what = f"{one['cameras']:,} cameras, {one['open_incidents']:,} open incidents"
        click.echo(f"  {one['from'] or 'nobody'} → {one['to'] or 'nobody'}: {what}")
    for kind, word in (("refused", "refused"), ("warned", "warning")):
        for one in found[kind]:
            other = f", {one['other']}" if one["other"] else ""
            click.echo(f"{word}: {one['code']}: {one['center']}{other}, {one['area_m2'] / SQUARE_KM_M2:.3f} km²")
    click.echo("possible" if found["is_possible"] else "not possible")
