"""What `dispatch doctor` says about the days ahead of the disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import asyncpg

from dispatch.config import Settings
from dispatch.store.growth import Forecast, forecast, measure

DAYS_MIN = 14.0
"""Below this `doctor` says that something is wrong: a disk takes some days to be bought."""
CONNECT_TIMEOUT_S = 5.0


async def foreseen(settings: Settings) -> tuple[bool, str, str, dict[str, Any]]:
    """Whether all is well, what was found, what to do next, and the numbers."""
    if settings.database_url is None:
        return True, "no database to measure", "", {}
    connection = await asyncpg.connect(settings.database_url, timeout=CONNECT_TIMEOUT_S)
    try:
        growth = await measure(connection)
    except asyncpg.UndefinedTableError:
        return True, "no log to measure yet", "", {}
    finally:
        await connection.close()
    if growth is None:
        return True, "the log is too young to say", "", {}
    found = forecast(growth, _free_bytes(settings), archive_after_days=settings.archive_after_days)
    return *_judged(found), found.document()


def _judged(found: Forecast) -> tuple[bool, str, str]:
    growth, days, archived = found.growth, found.days_until_full, found.days_until_full_with_archive
    said = (
        f"{growth.events_per_day:,.0f} events a day: the log grows by {_size(growth.log_bytes_per_day)} a day,"
        f" projections and the rest by {_size(growth.other_bytes_per_day)}"
    )
    if found.free_bytes is None:
        spared = _size(growth.log_bytes_per_day - growth.file_bytes_per_day)
        return True, f"{said}; the database's disk is not on this machine; `dispatch archive` spares {spared} a day", ""
    if days is None or archived is None:
        return True, f"{said}; no end in sight", ""
    said += f"; {_size(found.free_bytes)} are full in {days:,.0f} days"
    said += f", in {archived:,.0f} with `dispatch archive` after {found.archive_after_days:g} days"
    if max(days, archived) >= DAYS_MIN and (days >= DAYS_MIN or archived > days * 1.1):
        return True, said, ""
    return False, said, "add disk, or run `dispatch archive` with a smaller DISPATCH_ARCHIVE_AFTER_DAYS"


def _free_bytes(settings: Settings) -> int | None:
    """Free space where our own PostgreSQL keeps its data; None if it runs elsewhere."""
    folder: Path = settings.data_dir / "postgres"
    return shutil.disk_usage(folder).free if folder.exists() else None


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(count) < 1_000:
            return f"{count:.3g} {unit}"
        count /= 1_000
    return f"{count:.3g} TB"
