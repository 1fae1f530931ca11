"""Each partner's feed: a projection of the log into numbered messages, written before anything is sent.

One page is one transaction: messages, incidents and checkpoint move together, so a crash repeats nothing and loses
nothing, and a sequence once given is never given again. The checkpoint row is the lock and the compare-and-set: a
second owner finds it moved and begins anew.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from dispatch.partners import tree as trees
from dispatch.partners.composer import Composer, Entry
from dispatch.partners.order_sharing import ORDER_MESSAGES, order_of
from dispatch.partners.sharing import STORED, TOPICS, SharedIncident, incident_of
from dispatch.partners.tree import Tree
from dispatch.ports import EventLog, RecordedEvent
from dispatch.telemetry import counter, gauge
from domain.center.events import AgencyRegistered
from domain.codec import NewerSchema, Undecodable, for_fold
from domain.event import Event, Fact
from domain.refusals import Conflict

NAME = "partner_feed"
PAGE_EVENTS = 500
TREE_PAGE_EVENTS = 5_000
INCIDENTS_KNOWN_MAX = 2_000
"""Incidents kept in memory, some 8 kB each: what ten seconds of a flood open, and is routed soon."""

READ_CHECKPOINT = "SELECT position FROM feed.checkpoints WHERE name = $1"
LOCK_CHECKPOINT = READ_CHECKPOINT + " FOR UPDATE"
FIRST_CHECKPOINT = "INSERT INTO feed.checkpoints (name, position) VALUES ($1, 0) ON CONFLICT DO NOTHING"
MOVE_CHECKPOINT = "UPDATE feed.checkpoints SET position = $2 WHERE name = $1"
READ_INCIDENTS = "SELECT incident_id, state FROM feed.incidents WHERE incident_id = ANY($1)"
WRITE_INCIDENTS = """
INSERT INTO feed.incidents (incident_id, state) SELECT * FROM unnest($1::uuid[], $2::text[])
ON CONFLICT (incident_id) DO UPDATE SET state = excluded.state
"""
LAST_SEQUENCE = "SELECT coalesce(max(sequence), 0) FROM feed.entries WHERE agency = $1"
READ_PARKED = "SELECT DISTINCT stream_id FROM feed.parked"
WRITE_PARKED = """
INSERT INTO feed.parked (position, stream_id, reason) SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[])
"""

_log = logging.getLogger(__name__)
_LAG = gauge("partner_feed_lag_events", "Events of the log the partner feeds have not read yet.")
_WRITTEN = counter("partner_feed_messages_total", "Messages numbered for a partner.", ("agency",))
_PARKED = counter("partner_feed_parked_total", "Facts no feed could read, and later ones of their stream.")


@dataclass
class _Page:
    """What one page changes."""

    entries: list[Entry] = field(default_factory=list)
    before: dict[UUID, SharedIncident] = field(default_factory=dict)
    """Incidents it is about, as they were; those that are new lack."""
    incidents: dict[UUID, SharedIncident] = field(default_factory=dict)
    parked: list[tuple[int, UUID, str]] = field(default_factory=list)


class Feed:
    """The writer of all feeds. One owner at a time (an advisory lock); a second one is harmless."""

    def __init__(
        self,
        log: EventLog,
        pool: asyncpg.Pool,
        city: str,
        *,
        page_events: int = PAGE_EVENTS,
        incidents_known_max: int = INCIDENTS_KNOWN_MAX,
    ) -> None:
        self._log = log
        self._pool = pool
        self._city = city
        self._page_events = page_events
        self._incidents_known_max = incidents_known_max
        self._parked: set[UUID] = set()
        self._last: dict[str, int] = {}
        self._known: dict[UUID, SharedIncident] = {}
        """As stored, the last touched last. True as long as the checkpoint is where we left it: nobody else wrote."""
        self.tree = Tree()
        self.position: int | None = None

    async def catch_up(self) -> int:
        """Write every page up to the tip; the number of messages written."""
        written = 0
        while (page := await self.advance()) is not None:
            written += page
        return written

    async def advance(self) -> int | None:
        """Write one page; the number of its messages, or None at the tip. Raises `Conflict` if another owner wrote."""
        position = await self._begun()
        tip = await self._log.tip()
        _LAG.set(max(0, tip.position - position))
        if tip.position <= position:
            return None
        rows = await self._log.read_after(
            position,
            limit=self._page_events,
            up_to_position=tip.position,
            topics=(*TOPICS, *ORDER_MESSAGES, *trees.TOPICS),
        )
        end = rows[-1].position if len(rows) == self._page_events else tip.position
        try:
            facts, page, newer = self._decoded(rows)
            if newer is not None:
                # What this release can read goes out; then it waits for its upgrade.
                end = _last_before(newer, position)
            return await self._write(position, end, facts, page)
        except BaseException:
            # What we know may have run ahead of a transaction that did not happen, or behind another owner's.
            self.position = None
            raise

    async def _begun(self) -> int:
        """Where we stand; at first, and after any failure, read back from the database."""
        if self.position is not None:
            return self.position
        async with self._pool.acquire() as connection:
            await connection.execute(FIRST_CHECKPOINT, NAME)
            position: int = await connection.fetchval(READ_CHECKPOINT, NAME)
            self._parked = {row["stream_id"] for row in await connection.fetch(READ_PARKED)}
        self._last, self._known = {}, {}
        self.tree = await self._tree_at(position)
        self.position = position
        return position

    async def _tree_at(self, position: int) -> Tree:
        tree, read = Tree(), 0
        while read < position:
            rows = await self._log.read_after(
                read, limit=TREE_PAGE_EVENTS, up_to_position=position, topics=trees.TOPICS
            )
            for row in rows:
                if row.stream_id not in self._parked:
                    tree.take(for_fold(row).gist())
            if len(rows) < TREE_PAGE_EVENTS:
                break
            read = rows[-1].position
        return tree

    async def _write(self, position: int, end: int, facts: Sequence[Fact[Event]], page: _Page) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            found = await connection.fetchval(LOCK_CHECKPOINT, NAME)
            if found != position:
                raise Conflict(
                    "feed_moved", f"The partner feed is at {found}, written by another owner, and not at {position}."
                )
            page.before = await self._incidents(connection, facts)
            page.incidents = dict(page.before)
            await self._know_numbers(connection, facts)
            composer = Composer(self._city, self.tree, self._last)
            for fact in facts:
                page.entries += composer.take(fact, page.incidents)
            await self._store(connection, page)
            await connection.execute(MOVE_CHECKPOINT, NAME, end)
        self._remember(page.incidents)
        self.position = end
        _PARKED.inc(len(page.parked))
        for agency, written in Counter(entry.agency for entry in page.entries).items():
            _WRITTEN.labels(agency).inc(written)
        return len(page.entries)

    def _decoded(self, rows: Sequence[RecordedEvent]) -> tuple[list[Fact[Event]], _Page, RecordedEvent | None]:
        """Facts up to the first of a newer schema, which is the third. Poison is parked with what follows it there."""
        page = _Page()
        facts: list[Fact[Event]] = []
        for row in rows:
            if row.stream_id in self._parked:
                page.parked.append((row.position, row.stream_id, "an earlier fact of this stream is parked"))
                continue
            try:
                fact = for_fold(row)
                fact.envelope  # noqa: B018  # looked at here: what is said of a fact must not fail later
            except NewerSchema:
                return facts, page, row
            except Undecodable as error:
                _log.error("fact parked", extra={"position": row.position, "reason": str(error)[:500]})
                self._parked.add(row.stream_id)
                page.parked.append((row.position, row.stream_id, str(error)[:2_000]))
            else:
                facts.append(fact)
        return facts, page, None

    async def _incidents(
        self, connection: asyncpg.Connection, facts: Sequence[Fact[Event]]
    ) -> dict[UUID, SharedIncident]:
        """What is stored of the incidents that facts are about; read are those we do not know."""
        about = {incident_of(fact) for fact in facts if fact.name in TOPICS}
        ordered = {order_of(fact.event).incident_id for fact in facts if fact.name in ORDER_MESSAGES}
        about |= {incident_id for incident_id in ordered if incident_id is not None}
        found = {incident_id: self._known[incident_id] for incident_id in about & self._known.keys()}
        if unknown := about - found.keys():
            rows = await connection.fetch(READ_INCIDENTS, list(unknown))
            found |= {row["incident_id"]: STORED.validate_json(row["state"]) for row in rows}
        return found

    def _remember(self, incidents: Mapping[UUID, SharedIncident]) -> None:
        """Know what was stored just now, and forget what has not been touched for longest."""
        for incident_id, shared in incidents.items():
            self._known.pop(incident_id, None)
            self._known[incident_id] = shared
        for incident_id in list(self._known)[: max(0, len(self._known) - self._incidents_known_max)]:
            del self._known[incident_id]

    async def _know_numbers(self, connection: asyncpg.Connection, facts: Sequence[Fact[Event]]) -> None:
        """The last number of every agency that may hear of this page; nobody else counts, we hold the checkpoint."""
        named = (fact.gist() for fact in facts if fact.name == AgencyRegistered.name)
        registered = {event.code for event in named if isinstance(event, AgencyRegistered)}
        for agency in (self.tree.fields.keys() | registered) - self._last.keys():
            self._last[agency] = await connection.fetchval(LAST_SEQUENCE, agency)

    async def _store(self, connection: asyncpg.Connection, page: _Page) -> None:
        changed = {key: shared for key, shared in page.incidents.items() if shared is not page.before.get(key)}
        if changed:
            states = [STORED.dump_json(shared).decode() for shared in changed.values()]
            await connection.execute(WRITE_INCIDENTS, list(changed), states)
        if page.parked:
            await connection.execute(WRITE_PARKED, *map(list, zip(*page.parked, strict=True)))
        if page.entries:
            # Half the work of an INSERT for us, and a quarter less for PostgreSQL.
            await connection.copy_records_to_table(
                "entries", schema_name="feed", columns=Entry._fields, records=page.entries
            )


def _last_before(newer: RecordedEvent, position: int) -> int:
    if newer.position - 1 == position:
        raise NewerSchema(f"the fact at {newer.position} was written by a newer release: upgrade this one")
    return newer.position - 1
