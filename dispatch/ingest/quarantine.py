"""Messages kept aside: what could not be understood is not lost, and can be tried again by a better adapter.

The row is written first and its fact in the log second; a crash between the two is healed by the next delivery, and
the row alone already keeps the bytes. The same bytes from the same source by the same adapter are one row, however
often they come: a broken camera repeats itself for days.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from dispatch.handling.alerts import Sender
from dispatch.handling.scribe import Change, Request, Scribe
from dispatch.ingest.limits import (
    BODY_BYTES_MAX,
    QUARANTINE_HEAD_BYTES,
    QUARANTINE_PAGE_MAX,
    QUARANTINE_STORE_BYTES_MAX,
)
from dispatch.ingest.message import Delivery, NotUnderstood, clean
from dispatch.ports import Ids
from domain.alert.events import MessageRedriven, MessageSetAside
from domain.identifiers import named
from domain.refusals import Conflict, Refused
from domain.vocabulary import CoordinateSystem


class EdgeStore(Protocol):
    """Statements on the edge tables."""

    async def rows(self, statement: str, *values: Any) -> Sequence[Mapping[str, Any]]:
        """All rows of a statement. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message kept aside. `body` is only its head unless `whole`."""

    sha256: str
    adapter: str
    source: str
    gateway: str | None
    content_type: str
    crs: CoordinateSystem
    camera: str | None
    body: bytes
    whole: bool
    size_bytes: int
    reason: str
    detail: str
    received_at: datetime
    deliveries: int
    attempts: int
    redriven_at: datetime | None

    @property
    def delivery(self) -> Delivery:
        """How it came."""
        return Delivery(self.source, self.content_type, self.crs, self.camera)


_KEEP = """
INSERT INTO edge.quarantine AS kept
       (sha256, adapter, source, gateway, content_type, crs, camera, body, whole, size_bytes, reason, detail,
        received_at)
SELECT $1, $2, $3, $4, $5, $6, $7,
       CASE WHEN room.there_is THEN $8::bytea ELSE substring($8::bytea FROM 1 FOR $13) END,
       $9 AND (room.there_is OR length($8::bytea) <= $13), $10, $11, $12, $15
  -- The size of the table is one look at the file system; a sum over its rows would read it all for each message.
  FROM (SELECT pg_total_relation_size('edge.quarantine') < $14::bigint AS there_is) AS room
ON CONFLICT (sha256) DO UPDATE
   SET deliveries = kept.deliveries + 1, reason = excluded.reason, detail = excluded.detail
RETURNING deliveries
"""
_COLUMNS = (
    "sha256, adapter, source, gateway, content_type, crs, camera, body, whole, size_bytes, reason, detail,"
    " received_at, deliveries, attempts, redriven_at"
)
_PAGE = f"""
SELECT {_COLUMNS} FROM edge.quarantine
 WHERE ($1::timestamptz IS NULL OR (received_at, sha256) > ($1, $2))
   AND ($3::boolean OR redriven_at IS NULL)
   AND ($4::text IS NULL OR reason = $4)
 ORDER BY received_at, sha256
 LIMIT $5
"""  # noqa: S608  # the columns are a constant
_FIND = f"SELECT {_COLUMNS} FROM edge.quarantine WHERE sha256 = $1"  # noqa: S608  # the same
_ATTEMPTED = """
UPDATE edge.quarantine
   SET attempts = attempts + 1, redriven_at = coalesce(redriven_at, $2), reason = coalesce($3, reason),
       detail = coalesce($4, detail)
 WHERE sha256 = $1
RETURNING attempts
"""


def reference_of(adapter: str, source: str, body: bytes) -> str:
    """The name of a kept message: SHA-256 of adapter, source and body, joined by line feeds."""
    return hashlib.sha256(b"\n".join((adapter.encode(), source.encode(), body))).hexdigest()


class Quarantine:
    """Keeps, lists and remembers what became of it."""

    def __init__(self, store: EdgeStore, scribe: Scribe, ids: Ids) -> None:
        self.store = store
        self._scribe = scribe
        self._ids = ids

    async def keep(
        self,
        body: bytes,
        *,
        adapter: str,
        delivery: Delivery,
        sender: Sender,
        refusal: NotUnderstood,
        size_bytes: int | None = None,
    ) -> str:
        """Keep a message; its reference. `size_bytes` is said when `body` is only the part that was read."""
        reference = reference_of(adapter, delivery.source, body)
        size = size_bytes if size_bytes is not None else len(body)
        whole = size <= BODY_BYTES_MAX and size == len(body)
        now, detail = self._scribe.clock.now(), clean(refusal.detail, 2_000)
        await self.store.rows(
            _KEEP,
            reference,
            adapter,
            delivery.source,
            sender.gateway,
            clean(delivery.content_type, 200),
            delivery.crs.value,
            delivery.camera,
            body if whole else body[:QUARANTINE_HEAD_BYTES],
            whole,
            size,
            refusal.code,
            detail,
            QUARANTINE_HEAD_BYTES,
            QUARANTINE_STORE_BYTES_MAX,
            now,
        )
        fact = MessageSetAside(
            adapter=adapter,
            source=delivery.source,
            sha256=reference,
            reason=refusal.code,
            detail=detail,
            size_bytes=size,
        )
        # A conflict means that it was set aside before; the row counts its deliveries.
        with contextlib.suppress(Conflict):
            await self._scribe.record([Change(_stream(reference), 0, (fact,))], self._request(sender, now))
        return reference

    async def page(
        self,
        *,
        limit: int,
        after: tuple[datetime, str] | None = None,
        with_redriven: bool = False,
        reason: str | None = None,
    ) -> list[KeptMessage]:
        """Kept messages, oldest first, after a given one."""
        instant, reference = after or (None, None)
        rows = await self.store.rows(_PAGE, instant, reference, with_redriven, reason, limit)
        return [_kept(row) for row in rows]

    async def everything(self) -> AsyncIterator[KeptMessage]:
        """All messages not understood yet, page by page."""
        after: tuple[datetime, str] | None = None
        while page := await self.page(limit=QUARANTINE_PAGE_MAX, after=after):
            for kept in page:
                yield kept
            after = (page[-1].received_at, page[-1].sha256)

    async def find(self, reference: str) -> KeptMessage | None:
        """One kept message."""
        rows = await self.store.rows(_FIND, reference)
        return _kept(rows[0]) if rows else None

    async def understood(self, kept: KeptMessage, alert_ids: Sequence[UUID], sender: Sender) -> None:
        """A re-drive succeeded: the fact first, so that the row never claims what the log does not hold."""
        now = self._scribe.clock.now()
        fact = MessageRedriven(sha256=kept.sha256, alert_ids=tuple(alert_ids))
        await self._scribe.record([Change(_stream(kept.sha256), None, (fact,))], self._request(sender, now))
        await self.store.rows(_ATTEMPTED, kept.sha256, now, None, None)

    async def refused_again(self, kept: KeptMessage, refusal: Refused) -> None:
        """A re-drive failed, perhaps for another reason than before."""
        await self.store.rows(_ATTEMPTED, kept.sha256, None, refusal.code, clean(refusal.detail, 2_000))

    def _request(self, sender: Sender, now: datetime) -> Request:
        return Request(sender.actor, now, self._ids.new())


def _stream(reference: str) -> UUID:
    return named("message", reference)


def _kept(row: Mapping[str, Any]) -> KeptMessage:
    values = {name: row[name] for name in KeptMessage.__dataclass_fields__}
    return KeptMessage(**{**values, "crs": CoordinateSystem(values["crs"]), "body": bytes(values["body"])})
