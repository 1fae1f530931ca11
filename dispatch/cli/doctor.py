"""`dispatch doctor`: look at everything this system needs, and say for each thing what to do next."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import click
import httpx
import nats
from rich.console import Console
from rich.table import Table

from dispatch.cli.forecast import foreseen
from dispatch.cli.options import json_option, with_settings
from dispatch.cli.output import print_json
from dispatch.config import RUNNING_FILE, Settings
from dispatch.embedded.binaries import nats_program, postgres_programs
from dispatch.embedded.child import unprivileged_identity
from dispatch.embedded.secrets import is_owner_only
from dispatch.store.migrate import pending
from domain.refusals import Unavailable

CHECK_TIMEOUT_S = 10.0
POSTGRES_VERSION_MIN = 18
ARCHIVE_LATE = 2
"""A run may be late by as much as lies between two."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `next_step` is empty when it is well; `values` are the numbers behind what was found."""

    name: str
    well: bool
    found: str
    next_step: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


Check = Callable[[Settings], Awaitable[Finding]]


@click.command()
@with_settings("data_dir", "database_url", "nats_url", "archive_after_days", "archive_dir", "archive_every_h")
@json_option
@click.pass_context
def command(ctx: click.Context, settings: Settings, as_json: bool) -> None:
    """Look at python, PostgreSQL, NATS, disk, its days ahead, schema, lags and secret files.

    Exit code 1 when something is wrong.
    """
    findings = asyncio.run(examine(settings))
    if as_json:
        print_json({"well": all(f.well for f in findings), "checks": [asdict(f) for f in findings]})
    else:
        _show(findings)
    ctx.exit(0 if all(finding.well for finding in findings) else 1)


async def examine(settings: Settings) -> list[Finding]:
    """Every check, in the order in which things depend on one another."""
    checks: list[tuple[str, Check]] = [
        ("python", _python),
        ("programs", _programs),
        ("data folder", _data_folder),
        ("disk", _disk),
        ("secret files", _secret_files),
        ("postgresql", _postgres),
        ("schema", _schema),
        ("forecast", _forecast),
        ("archive", _archive),
        ("nats", _nats),
        ("ready", _ready),
    ]
    return [await _guarded(name, check, settings) for name, check in checks]


async def _guarded(name: str, check: Check, settings: Settings) -> Finding:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check(settings)
    except (Unavailable, OSError, TimeoutError, asyncpg.PostgresError, nats.errors.Error, httpx.HTTPError) as error:
        return Finding(name, well=False, found=f"{type(error).__name__}: {error}", next_step=NEXT_STEPS[name])


NEXT_STEPS = {
    "python": "install Python 3.11 or newer",
    "programs": "run `make env`, or set DATABASE_URL and NATS_URL to servers of your own",
    "data folder": "choose a folder you own with DISPATCH_DATA_DIR",
    "disk": "free space, or move DISPATCH_DATA_DIR to a larger disk",
    "secret files": "chmod 600 the files named",
    "postgresql": "start `dispatch up`, or check DATABASE_URL; its log is postgres/postgres.log in the data folder",
    "schema": "run `dispatch migrate`",
    "forecast": "start `dispatch up`, or check DATABASE_URL",
    "archive": "start `dispatch work`; see its log, or run `dispatch archive` by hand to see what stops it",
    "nats": "start `dispatch up`, or check NATS_URL; its log is nats/nats.log in the data folder",
    "ready": "see the logs in the data folder: serve.log, work-urgent.log, work-rest.log",
}


async def _python(_: Settings) -> Finding:
    well = sys.version_info >= (3, 11)
    return Finding("python", well, sys.version.split()[0], "" if well else NEXT_STEPS["python"])


async def _programs(settings: Settings) -> Finding:
    if settings.database_url and settings.nats_url and not (settings.data_dir / RUNNING_FILE).exists():
        return Finding("programs", well=True, found="not needed: DATABASE_URL and NATS_URL are set")
    postgres = postgres_programs(settings.data_dir / "postgres", unprivileged_identity())
    return Finding("programs", well=True, found=f"{postgres}, {nats_program()}")


async def _data_folder(settings: Settings) -> Finding:
    folder = settings.data_dir
    if not folder.exists():
        return Finding("data folder", well=True, found=f"{folder} will be made by `dispatch up`")
    open_to_all = folder.stat().st_mode & 0o022
    return Finding(
        "data folder",
        not open_to_all,
        f"{folder}, mode {folder.stat().st_mode & 0o777:o}",
        f"chmod go-w {folder}" if open_to_all else "",
    )


async def _disk(settings: Settings) -> Finding:
    folder = next(part for part in (settings.data_dir, *settings.data_dir.parents) if part.exists())
    free_bytes = shutil.disk_usage(folder).free
    well = free_bytes >= settings.disk_free_bytes_min
    return Finding("disk", well, f"{free_bytes // 2**20} MiB free", "" if well else NEXT_STEPS["disk"])


async def _secret_files(settings: Settings) -> Finding:
    folders = [settings.secrets_dir, settings.data_dir / "run"]
    files = [path for folder in folders if folder.exists() for path in folder.rglob("*") if path.is_file()]
    files += [settings.data_dir / server / "password" for server in ("postgres", "nats")]
    files += [path for path in (settings.jwt_key_path, settings.seal_key_path) if path not in files]
    there = [path for path in files if path.exists()]
    wide = [path for path in there if not is_owner_only(path)]
    if wide:
        return Finding(
            "secret files", well=False, found=f"others can read {_names(wide)}", next_step=NEXT_STEPS["secret files"]
        )
    return Finding("secret files", well=True, found=f"{len(there)} files, for their owner only")


def _names(paths: list[Path]) -> str:
    return ", ".join(str(path) for path in paths)


async def _postgres(settings: Settings) -> Finding:
    if settings.database_url is None:
        return Finding(
            "postgresql",
            well=False,
            found="DATABASE_URL is not set and nothing runs here",
            next_step=NEXT_STEPS["postgresql"],
        )
    connection = await asyncpg.connect(settings.database_url, timeout=CHECK_TIMEOUT_S)
    try:
        version = str(await connection.fetchval("SHOW server_version"))
        major = int(await connection.fetchval("SHOW server_version_num")) // 10_000
        durable = {
            name: await connection.fetchval(f"SHOW {name}")
            for name in ("fsync", "full_page_writes", "synchronous_commit")
        }
    finally:
        await connection.close()
    off = [name for name, value in durable.items() if value == "off"]
    if off:
        return Finding(
            "postgresql",
            well=False,
            found=f"{', '.join(off)} off",
            next_step="turn it on: a power cut would lose alerts",
        )
    new_enough = major >= POSTGRES_VERSION_MIN
    return Finding("postgresql", new_enough, version, "" if new_enough else "upgrade to PostgreSQL 18")


async def _schema(settings: Settings) -> Finding:
    if settings.database_url is None:
        return Finding("schema", well=False, found="no database", next_step=NEXT_STEPS["postgresql"])
    lacking = await pending(settings.database_url)
    found = f"lacks {', '.join(lacking)}" if lacking else "up to date"
    return Finding("schema", not lacking, found, NEXT_STEPS["schema"] if lacking else "")


async def _forecast(settings: Settings) -> Finding:
    well, found, next_step, values = await foreseen(settings)
    return Finding("forecast", well, found, next_step, values)


async def _archive(settings: Settings) -> Finding:
    """Did the worker's last run of the archive do what it could, and was it in time?"""
    if not settings.archives_by_itself or settings.database_url is None:
        found = "not run by workers: DISPATCH_ARCHIVE_DIR is not set, or DISPATCH_ARCHIVE_EVERY_H is 0"
        return Finding("archive", well=True, found=found)
    connection = await asyncpg.connect(settings.database_url, timeout=CHECK_TIMEOUT_S)
    try:
        row = await connection.fetchrow(
            "SELECT r.*, now() - r.ended_at AS age FROM log.tip LEFT JOIN edge.archive_runs r ON true"
        )
    finally:
        await connection.close()
    if row["ended_at"] is None:
        return Finding("archive", well=True, found="no worker has run it yet")
    found = f"run {row['age'] / timedelta(hours=1):.1f} h ago, {row['ranges_moved']} ranges moved: {row['said']}"
    well = row["well"] and row["age"] < ARCHIVE_LATE * timedelta(hours=settings.archive_every_h)
    return Finding("archive", well, found, "" if well else NEXT_STEPS["archive"])


async def _nats(settings: Settings) -> Finding:
    """A greeting is enough: it comes before any credential, and says whether JetStream is on."""
    if settings.nats_url is None:
        return Finding(
            "nats", well=False, found="NATS_URL is not set and nothing runs here", next_step=NEXT_STEPS["nats"]
        )
    address = httpx.URL(settings.nats_url.split(",")[0])
    reader, writer = await asyncio.open_connection(address.host, address.port or 4222)
    try:
        greeting = json.loads((await reader.readline()).removeprefix(b"INFO "))
    finally:
        writer.close()
    well = bool(greeting.get("jetstream"))
    return Finding(
        "nats", well, f"{greeting['version']}, JetStream {'on' if well else 'off'}", "" if well else "enable JetStream"
    )


async def _ready(settings: Settings) -> Finding:
    """The API's own opinion: projection lag, relay lag, disk."""
    try:
        address = json.loads((settings.data_dir / RUNNING_FILE).read_text(encoding="utf-8"))["address"]
    except (OSError, ValueError, KeyError):
        address = f"http://{settings.host}:{settings.port}"
    async with httpx.AsyncClient(timeout=CHECK_TIMEOUT_S, trust_env=False) as client:
        answer = await client.get(f"{address}/readyz")
    return Finding("ready", answer.is_success, _reasons(answer), "" if answer.is_success else NEXT_STEPS["ready"])


def _reasons(answer: httpx.Response) -> str:
    """What each check of /readyz said; the answer as it is when it comes from something else."""
    try:
        return "; ".join(f"{name}: {check['reason']}" for name, check in answer.json()["checks"].items())
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"HTTP {answer.status_code} {answer.text[:200]}"


def _show(findings: list[Finding]) -> None:
    table = Table("", "what", "found", "next step")
    for finding in findings:
        mark = "[green]ok[/green]" if finding.well else "[red]wrong[/red]"
        table.add_row(mark, finding.name, finding.found, finding.next_step)
    Console().print(table)
