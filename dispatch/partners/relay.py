"""Carries each feed from PostgreSQL to its stream, so that stream sequence and feed sequence are one number.

NATS holds nothing that PostgreSQL does not: whatever happens to a stream, it is made again from the feed. The stream's
own last sequence is the relay's only bookmark, and every batch says which sequence it expects to follow; so two
relays, a late batch or a repeat can never put a message twice or out of order.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from pydantic_core import from_json

from dispatch.partners.contracts import Withheld, personal_keys, unlisted_fields
from dispatch.partners.streams import BATCH_MESSAGES_MAX, BatchRefused, Outgoing, Streams, StreamState
from dispatch.ports import Ids
from dispatch.telemetry import counter, gauge
from domain.refusals import Unavailable

STREAM_MESSAGES_MAX = 1_000_000
"""Messages a stream keeps for replay, and the most that is put back after a loss; older ones stay in PostgreSQL."""
BATCH_BYTES_MAX = 4 * 1024 * 1024
REFUSALS_MAX = 3
"""Batches refused in a row before the relay reports trouble instead of looking again at once."""
ONE_STREAM_ONLY = {"nats.batch_refused", "nats.jetstream_refused"}
EPOCH_HEADER = "ce-epoch"

READ_ENTRIES = """
SELECT sequence, subject, headers, body FROM feed.entries WHERE agency = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
"""
READ_ENTRY = "SELECT message_id FROM feed.entries WHERE agency = $1 AND sequence = $2"
LAST_SEQUENCE = "SELECT coalesce(max(sequence), 0) FROM feed.entries WHERE agency = $1"
REPORT = """
INSERT INTO feed.relays (agency, sequence, trouble, checked_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (agency) DO UPDATE SET sequence = excluded.sequence, trouble = excluded.trouble,
    checked_at = excluded.checked_at
"""

_log = logging.getLogger(__name__)
_LAG = gauge("relay_lag_messages", "Messages of a feed that its stream does not have yet.", ("agency",))
_SENT = counter("relay_messages_total", "Messages acknowledged by a partner's stream.", ("agency",))
_REBUILT = counter("relay_streams_rebuilt_total", "Streams made anew from the feed.", ("agency",))
_WITHHELD = counter("relay_withheld_total", "Messages replaced by a tombstone at the gate.", ("agency",))

Fields = Callable[[], Mapping[str, frozenset[str]]]
"""Agencies with a feed and the fields that may leave, at present."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one feed has come."""

    agency: str
    sequence: int
    lag: int


class Relay:
    """Publishes over one connection; the caller makes a new one (and a new `Relay`) after `Unavailable`."""

    def __init__(
        self,
        streams: Streams,
        pool: asyncpg.Pool,
        ids: Ids,
        fields: Fields,
        epoch: UUID,
        *,
        batch_messages: int = BATCH_MESSAGES_MAX,
        stream_messages_max: int = STREAM_MESSAGES_MAX,
    ) -> None:
        self._streams = streams
        self._pool = pool
        self._ids = ids
        self._fields = fields
        self._epoch = str(epoch)
        self._batch_messages = batch_messages
        self._stream_messages_max = stream_messages_max
        self._at: dict[str, int] = {}
        self._trouble: dict[str, str] = {}

    async def reconcile(self) -> None:
        """Compare every stream with its feed; make a lost or foreign one anew. Nothing is sent here."""
        for agency in self._fields():
            with self._troubles_of(agency):
                await self._reconcile(agency)

    async def drain(self) -> None:
        """Send until every feed is sent."""
        while await self.step():
            pass

    async def step(self) -> int:
        """Send one batch of each feed in turn, so that a long one holds up no other; the number of messages sent."""
        sent = 0
        for agency in self._fields():
            with self._troubles_of(agency):
                sent += await self._send_batch(agency)
        return sent

    @contextlib.contextmanager
    def _troubles_of(self, agency: str) -> Iterator[None]:
        """A "no" about one stream is that agency's trouble; silence is everybody's."""
        try:
            yield
            self._trouble.pop(agency, None)
        except Unavailable as error:
            if error.code not in ONE_STREAM_ONLY:
                raise
            _log.warning("feed is stuck", extra={"agency": agency, "reason": error.detail})
            self._trouble[agency] = error.detail

    async def _send_batch(self, agency: str) -> int:
        for _ in range(REFUSALS_MAX):
            if agency not in self._at:
                await self._reconcile(agency)
            after = self._at[agency]
            rows = await self._pool.fetch(READ_ENTRIES, agency, after, self._batch_messages)
            batch = self._outgoing(agency, after, rows)
            if not batch:
                return 0
            try:
                await self._streams.publish(batch, batch_id=self._ids.new(), after=after)
            except BatchRefused as refused:
                _log.warning("batch refused", extra={"agency": agency, "after": after, "reason": str(refused)[:500]})
                del self._at[agency]
                continue
            except BaseException:
                # It may or may not be in the stream; only the stream knows.
                del self._at[agency]
                raise
            self._at[agency] = after + len(batch)
            _SENT.labels(agency).inc(len(batch))
            return len(batch)
        raise Unavailable("nats.batch_refused", f"The stream of {agency} refuses every batch: see the log")

    def _outgoing(self, agency: str, after: int, rows: Sequence[asyncpg.Record]) -> list[Outgoing]:
        """The rows up to the byte limit. The gate is here: whatever a registration does not list stays."""
        listed = self._fields().get(agency, frozenset())
        # What none of them holds is seen in one look at all.
        personal = personal_keys(b"\n".join([row["body"] for row in rows]))
        batch: list[Outgoing] = []
        size = 0
        for row in rows:
            assert row["sequence"] == after + len(batch) + 1, (
                f"the feed of {agency} has a hole after {after + len(batch)}"
            )
            headers: dict[str, str] = from_json(row["headers"])
            headers[EPOCH_HEADER] = self._epoch
            body: bytes = row["body"]
            wrong = unlisted_fields(from_json(body), listed)
            if personal:
                wrong |= personal_keys(body)
            if wrong:
                _WITHHELD.labels(agency).inc()
                _log.error("withheld", extra={"agency": agency, "sequence": row["sequence"], "fields": sorted(wrong)})
                headers["ce-type"] = Withheld.type
                body = b"{}"
            size += len(body) + len(row["headers"])
            if batch and size > BATCH_BYTES_MAX:
                break
            batch.append(Outgoing(row["subject"], headers, body))
        return batch

    async def _reconcile(self, agency: str) -> None:
        last = int(await self._pool.fetchval(LAST_SEQUENCE, agency))
        oldest = max(1, last - self._stream_messages_max + 1)
        state = await self._streams.state(agency)
        if state is not None:
            why = await self._why_rebuild(agency, state, last=last, oldest=oldest)
            if why is None:
                self._at[agency] = state.last
                return
            _log.warning("stream is made anew", extra={"agency": agency, "reason": why})
            _REBUILT.labels(agency).inc()
            await self._streams.delete(agency)
        await self._streams.create(agency, first=oldest)
        self._at[agency] = oldest - 1

    async def _why_rebuild(self, agency: str, state: StreamState, *, last: int, oldest: int) -> str | None:
        """None when the stream is a part of the feed that can be continued."""
        if state.last > last:
            return f"the stream is at {state.last}, the feed at {last}"
        if state.first > oldest:
            return f"the stream begins at {state.first} and lacks what the feed has from {oldest} on"
        if state.messages != state.last - state.first + 1:
            return f"the stream has {state.messages} messages between {state.first} and {state.last}"
        wanted = self._streams.config(agency, oldest)
        changed = {key for key in wanted if key != "first_seq" and state.config.get(key) != wanted[key]}
        if changed:
            return f"the stream is configured otherwise: {sorted(changed)}"
        if state.messages == 0:
            return None if state.last == oldest - 1 else "the stream is empty"
        headers = await self._streams.headers_at(agency, state.last)
        expected = await self._pool.fetchval(READ_ENTRY, agency, state.last)
        if headers.get("ce-id") != str(expected) or headers.get(EPOCH_HEADER) != self._epoch:
            return f"message {state.last} is not the feed's"
        return None

    async def report(self, now: datetime) -> list[Progress]:
        """Tell the database how far each stream is, for /readyz of every process. Returns the same."""
        progress = []
        for agency in self._fields():
            last = int(await self._pool.fetchval(LAST_SEQUENCE, agency))
            at = self._at.get(agency, 0)
            _LAG.labels(agency).set(last - at)
            await self._pool.execute(REPORT, agency, at, self._trouble.get(agency), now)
            progress.append(Progress(agency, at, last - at))
        return progress
