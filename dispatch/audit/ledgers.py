"""The ledgers of orders and of warnings at any past instant, folded from the log by the live functions.

*As known* at a position or an instant: what a screen showed. *As true* (`true_at`): with all that is known now, but
only what had happened in the world by then. Whether something was in force is asked of one instant, `at`, in both.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Protocol

from dispatch.audit.replay import AsOf, pages
from dispatch.ports import EventLog
from projections import orders, warnings
from projections.fold import MemoryRows
from projections.projection import Row
from projections.queries import warnings as chains
from projections.registry import PROJECTIONS


class Ledger(Protocol):
    """What stood in one of them."""

    async def __call__(self, log: EventLog, moment: AsOf, at: datetime, *, in_force_only: bool) -> list[dict[str, Any]]:
        """As it was known at the moment; in force at the instant, or all of it."""


async def orders_as_of(log: EventLog, moment: AsOf, at: datetime, *, in_force_only: bool) -> list[dict[str, Any]]:
    """Orders as they stood, newest first."""
    rows = sorted(await _rows(log, orders.Orders.name, moment), key=lambda row: -int(row["issued_position"]))
    shown = [orders.item(row, at) for row in rows]
    return [one for one in shown if one["is_in_force"] or not in_force_only]


async def warnings_as_of(log: EventLog, moment: AsOf, at: datetime, *, in_force_only: bool) -> list[dict[str, Any]]:
    """Warnings as they stood, the last message of each chain, newest first."""
    rows = [row for row in await _rows(log, warnings.Warnings.name, moment) if row["sent_at"] <= at]
    followed: dict[str, list[Row]] = {}
    for row in rows:
        for key in {row["key"], *row["refers_to"]}:
            followed.setdefault(key, []).append(row)
    heads = [row for row in rows if chains.ended_by(row, followed.get(row["key"], []), at) is None]
    heads.sort(key=lambda row: -int(row["received_position"]))
    shown = [warnings.item(row, chains.state_of(row, None, at), None) for row in heads]
    return [one for one in shown if one["is_in_force"] or not in_force_only]


async def instant_of(log: EventLog, moment: AsOf, now: datetime) -> datetime:
    """The instant of a position when nobody said one: when what stands there was recorded; the present at its end."""
    if moment.true_at is not None:
        return moment.true_at
    if moment.position <= 0 or moment.position >= (await log.tip()).position:
        return now
    found = await log.read_after(moment.position - 1, limit=1, up_to_position=moment.position)
    return found[0].recorded_at if found else now


async def _rows(log: EventLog, name: str, moment: AsOf) -> list[Row]:
    rows = MemoryRows(PROJECTIONS[name])
    async for page in pages(log, sorted(rows.projection.topics), moment, after=0):
        rows.take(page)
        await asyncio.sleep(0)  # a replay must not hold up the requests of its process
    return list(rows.rows.values())
