"""The proof of invariant I5: each partner's feed is what the log says, all of it, in order, and nothing else.

Folds the whole log again, from nothing, and compares with what was written; then compares what was written with what
the streams hold. Used by the audit and by every test that breaks things on purpose.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg

from dispatch.handling.scribe import as_fact
from dispatch.partners import tree as trees
from dispatch.partners.client import PartnerClient
from dispatch.partners.composer import Composer, Entry
from dispatch.partners.feed import NAME, READ_CHECKPOINT
from dispatch.partners.order_sharing import ORDER_MESSAGES
from dispatch.partners.sharing import TOPICS, SharedIncident
from dispatch.partners.tree import Tree
from dispatch.ports import EventLog
from domain.center.events import AgencyRegistered
from domain.event import Event, Fact

PAGE_EVENTS = 2_000
DIFFERENCES_MAX = 20
READ_WRITTEN = """
SELECT agency, sequence, position, message_id, type, subject, headers, body FROM feed.entries
WHERE agency = $1 AND sequence > $2 ORDER BY sequence LIMIT 2000
"""
AGENCIES = "SELECT DISTINCT agency FROM feed.entries"
PARKED = "SELECT stream_id, min(position) AS since FROM feed.parked GROUP BY stream_id"


async def feed_differences(log: EventLog, pool: asyncpg.Pool, city: str) -> list[str]:
    """What the written feeds and a fold from nothing disagree about, up to the feeds' checkpoint; empty is proof."""
    position = await pool.fetchval(READ_CHECKPOINT, NAME) or 0
    expected = await _folded(log, pool, city, position)
    differences: list[str] = []
    for agency in sorted({*expected, *[row["agency"] for row in await pool.fetch(AGENCIES)]}):
        wanted = iter(expected.get(agency, []))
        async for row in _written(pool, agency):
            entry = next(wanted, None)
            if entry is None:
                differences.append(f"{agency} {row['sequence']}: nothing in the log asks for it")
            elif tuple(row) != _row(entry):
                differences.append(f"{agency} {row['sequence']}: written as {row['type']} of {row['position']},"
                                   f" the log says {entry.sequence}, {entry.type} of {entry.position}")  # fmt: skip
            if len(differences) >= DIFFERENCES_MAX:
                return differences
        differences += [f"{agency} {missing.sequence}: {missing.type} is not written" for missing in wanted]
    return differences[:DIFFERENCES_MAX]


async def stream_differences(pool: asyncpg.Pool, partner: PartnerClient, agency: str, *, after: int = 0) -> list[str]:
    """What a partner reads otherwise than it was written, behind `after`; empty is proof. Tombstones count as read."""
    differences: list[str] = []
    last = after
    while messages := await partner.read(last):
        rows = await pool.fetch(READ_WRITTEN, agency, last)
        for row, message in zip(rows, messages, strict=False):
            read = (message.sequence, message.attributes["id"], message.subject)
            if read != (row["sequence"], str(row["message_id"]), row["subject"]):
                differences.append(f"{agency} {row['sequence']}: read {read}")
        last = messages[-1].sequence
    missing = await pool.fetchval("SELECT count(*) FROM feed.entries WHERE agency = $1 AND sequence > $2", agency, last)
    if missing:
        differences.append(f"{agency}: {missing} messages behind {last} are not in the stream")
    return differences[:DIFFERENCES_MAX]


async def _folded(log: EventLog, pool: asyncpg.Pool, city: str, position: int) -> dict[str, list[Entry]]:
    last: dict[str, int] = {}
    incidents: dict[UUID, SharedIncident] = {}
    composer = Composer(city, Tree(), last)
    entries: dict[str, list[Entry]] = {}
    async for fact in _facts(log, pool, position):
        if isinstance(fact.event, AgencyRegistered):
            last.setdefault(fact.event.code, 0)
        for entry in composer.take(fact, incidents):
            entries.setdefault(entry.agency, []).append(entry)
    return entries


async def _facts(log: EventLog, pool: asyncpg.Pool, position: int) -> AsyncIterator[Fact[Event]]:
    """All facts that matter, without those that the feed parked."""
    parked = {row["stream_id"]: row["since"] for row in await pool.fetch(PARKED)}
    read = 0
    topics = (*TOPICS, *ORDER_MESSAGES, *trees.TOPICS)
    while rows := await log.read_after(read, limit=PAGE_EVENTS, up_to_position=position, topics=topics):
        for row in rows:
            if row.position < parked.get(row.stream_id, position + 1):
                yield as_fact(row)
        read = rows[-1].position


async def _written(pool: asyncpg.Pool, agency: str) -> AsyncIterator[asyncpg.Record]:
    last = 0
    while rows := await pool.fetch(READ_WRITTEN, agency, last):
        for row in rows:
            yield row
        last = rows[-1]["sequence"]


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.agency,
        entry.sequence,
        entry.position,
        entry.message_id,
        entry.type,
        entry.subject,
        entry.headers,
        entry.body,
    )
