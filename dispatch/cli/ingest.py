"""`dispatch ingest`: send files of alerts to a running system, byte for byte, as a device would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx

from dispatch.api.access.tokens import Identity
from dispatch.bootstrap.tokens import issue_token
from dispatch.cli.options import json_option, with_settings
from dispatch.cli.output import Advance, note, print_json, progress
from dispatch.config import RUNNING_FILE, Settings
from dispatch.ingest.adapters import ADAPTERS
from dispatch.ingest.limits import BATCH_ALERTS_MAX
from domain.refusals import Refused, Unavailable
from domain.vocabulary import Role

REQUEST_TIMEOUT_S = 30.0
ATTEMPTS_MAX = 8
"""How often a request is repeated that was answered "later" or not at all; repeats of an alert are harmless."""
WAIT_S_MAX = 10.0
MEDIA_TYPES = {".xml": "application/xml", ".json": "application/json", ".ndjson": "application/x-ndjson"}


@dataclass(frozen=True, slots=True)
class Parcel:
    """One request: a whole file, or some lines of an NDJSON file."""

    file: str
    media_type: str
    body: bytes


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--adapter", type=click.Choice(sorted(ADAPTERS)), default="native", help="Format of the files.")
@click.option("--source", help="Name space of the ids. Default: who the token is for.")
@click.option("--camera", help="Code of the camera, for devices that do not know it.")
@click.option("--crs", type=click.Choice(["wgs84", "gcj02"]), default="wgs84", help="Datum of the coordinates.")
@click.option("--url", help="Address of the system. Default: the one that `dispatch up` runs here.")
@click.option("--token", help="Bearer token of a gateway or administrator. Default: one made with this system's key.")
@json_option
@with_settings("data_dir", "city")
@click.pass_context
def command(
    ctx: click.Context,
    settings: Settings,
    files: tuple[Path, ...],
    adapter: str,
    source: str | None,
    camera: str | None,
    crs: str,
    url: str | None,
    token: str | None,
    as_json: bool,
) -> None:
    """Send FILES of alerts to a running system. Exit code 1 when anything in them was not recorded."""
    parcels = [parcel for file in files for parcel in parcels_of(file, adapter)]
    parameters = {"source": source, "camera": camera, "crs": crs}
    given = {name: value for name, value in parameters.items() if value is not None}
    with progress("sending", total=len(parcels)) as advance:
        results = asyncio.run(
            send_all(
                parcels,
                f"{url or running_address(settings)}/v1/ingest/{adapter}",
                token or own_token(settings),
                given,
                advance,
            )
        )
    summary = summary_of(results)
    if as_json:
        print_json(summary)
    else:
        show(summary)
    ctx.exit(1 if summary["refused"] else 0)


def parcels_of(file: Path, adapter: str) -> Iterator[Parcel]:
    """The requests a file makes. Lines are sent in batches; anything else is one message."""
    body = file.read_bytes()
    media_type = MEDIA_TYPES.get(file.suffix.lower(), ADAPTERS[adapter].media_types[0])
    if body.lstrip().startswith(b"--"):
        media_type = "multipart/form-data"
    if media_type != MEDIA_TYPES[".ndjson"]:
        yield Parcel(str(file), media_type, body)
        return
    lines = [line for line in body.splitlines() if line.strip()]
    for start in range(0, len(lines), BATCH_ALERTS_MAX):
        yield Parcel(str(file), media_type, b"\n".join(lines[start : start + BATCH_ALERTS_MAX]))


def running_address(settings: Settings) -> str:
    """Where `dispatch up` serves. Raises `Refused` when it does not run here."""
    try:
        running = json.loads((settings.data_dir / RUNNING_FILE).read_text(encoding="utf-8"))
        return str(running["address"])
    except (OSError, ValueError, KeyError):
        raise Refused("ingest.no_address", "Nothing runs here: add --url, or start `dispatch up`.") from None


def own_token(settings: Settings) -> str:
    """An administrator's token, made with the key in the data folder."""
    return issue_token(settings, Identity("administrator:local", (Role.ADMINISTRATOR,)))


async def send_all(
    parcels: Sequence[Parcel], address: str, token: str, parameters: dict[str, str], advance: Advance
) -> list[dict[str, Any]]:
    """Send in order, one at a time: what comes later in a file may be about what came before."""
    results = []
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(timeout=REQUEST_TIMEOUT_S, headers=headers, params=parameters) as client:
        for parcel in parcels:
            answer = await send(client, address, parcel)
            results += results_of(parcel, answer)
            advance()
    return results


async def send(client: httpx.AsyncClient, address: str, parcel: Parcel) -> httpx.Response:
    """One request, repeated while the answer is "later". Raises `Unavailable`."""
    reason = ""
    for attempt in range(ATTEMPTS_MAX):
        try:
            answer = await client.post(address, content=parcel.body, headers={"Content-Type": parcel.media_type})
        except httpx.TransportError as error:
            reason, wait = repr(error), "1"
        else:
            if answer.status_code not in {429, 503}:
                return answer
            reason, wait = answer.text, answer.headers.get("Retry-After", "1")
        seconds = float(wait) if wait.isdigit() else 1.0
        await asyncio.sleep(min(WAIT_S_MAX, seconds * (attempt + 1)))
    raise Unavailable("ingest.no_answer", f"{address} did not take {parcel.file} in {ATTEMPTS_MAX} attempts: {reason}")


def results_of(parcel: Parcel, answer: httpx.Response) -> list[dict[str, Any]]:
    """One result for each entry. Raises `Refused` when the request itself was not permitted."""
    if answer.status_code in {401, 404} or (answer.status_code == 403 and answer.json().get("code") == "forbidden"):
        raise Refused("ingest.not_permitted", f"The system answered {answer.status_code}: {answer.text}")
    document = answer.json()
    entries = document.get("results", [document])
    return [{"file": parcel.file, **entry} for entry in entries]


def summary_of(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts and the results themselves."""
    return {
        "recorded": sum(result["status"] == 201 for result in results),
        "duplicates": sum(result.get("duplicate") is True for result in results),
        "refused": sum(result["status"] >= 400 for result in results),
        "results": list(results),
    }


def show(summary: dict[str, Any]) -> None:
    """What a person wants to know: the counts, and each refusal with its reason."""
    for result in summary["results"]:
        if result["status"] >= 400:
            note(f"{result['file']}: {result['code']}: {result['detail']}")
    click.echo(f"recorded {summary['recorded']}, repeats {summary['duplicates']}, refused {summary['refused']}")
