"""The change feed of orders, read from their rows: each holds the position of the last fact in it, so the rows that are
beyond a position are what changed since, each once and as it now is.

Who sees an order is settled when it is issued, so nothing is ever taken from a screen: an order that ends is told as
ended. Whether one is in force is not told, because it changes with the clock and without a fact: a screen compares
`effective_at` and `ends_at` with its own time.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from dispatch.api.live.board_feed import Above, Categories, Key, Missed, Reading, event
from dispatch.reading.database import Database, Snapshot
from domain.vocabulary import OrderPhase
from projections.order_tables import orders as table
from projections.orders import standing
from projections.queries.progress import checkpoints
from projections.tables import board

ORDERS: Final = "orders"
"""The side of a key whose second part is a `Viewer`, and the name of the projection."""
SNAPSHOT_ORDERS_MAX = 2_000
"""Orders that are not over and that a stream begins with, the newest ones: more than a city ever has at once."""
MISSED_ORDERS_MAX = 2_000
ORDERS_PER_READ = 500

TAILED = f"""
    SELECT c.position AS reached, c.changes_since,
        o.*, i.visible_center_ids AS knowing_center_ids, i.agencies AS knowing_agencies
    FROM read.checkpoints c LEFT JOIN LATERAL (
        SELECT * FROM read.orders WHERE updated_position > $1 AND updated_position <= c.position
        ORDER BY updated_position LIMIT {ORDERS_PER_READ}) o ON true
    LEFT JOIN read.board i ON i.incident_id = o.incident_id AND i.restricted_by IS NOT NULL
    WHERE c.name = 'orders' AND c.state <> 'building' ORDER BY o.updated_position
"""  # noqa: S608  # our own names


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: a center with those it commands for a headquarters, an agency by the center that speaks for it.
    Neither: who sees all.
    """

    centers: frozenset[UUID] = frozenset()
    agency: str | None = None
    own: UUID | None = None
    """By which center it may know of restricted incidents: none of those commanded."""

    @property
    def sees_everything(self) -> bool:
        """An auditor or an administrator."""
        return not self.centers and self.agency is None


@dataclass(frozen=True, slots=True)
class OrderChange:
    """An order as it last is, and who may see it. `upsert` is its event, `unnamed` the same without its incident.

    `knowing_centers`, `knowing_agencies`: of an order for a restricted incident, who may know of that; None: all.
    Others than these see the order if it is addressed to them (see `projections.queries.orders.known`).
    """

    page_position: int
    subject_id: UUID
    kind: str
    centers: frozenset[UUID]
    agencies: frozenset[str]
    upsert: bytes
    unnamed: bytes = b""
    addressed: frozenset[UUID] = frozenset()
    knowing_centers: frozenset[UUID] | None = None
    knowing_agencies: frozenset[str] = frozenset()

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> OrderChange:
        """From a row of orders, by whichever driver."""
        decoded = dict(row)
        for name in ("order", "addressees"):
            if isinstance(decoded[name], str):
                decoded[name] = json.loads(decoded[name])
        known_to, shown = decoded.get("knowing_center_ids"), standing(decoded)
        return cls(
            page_position=int(row["updated_position"]),
            subject_id=row["order_id"],
            kind=row["kind"],
            centers=frozenset(row["visible_center_ids"]),
            agencies=frozenset(row["agencies"]),
            upsert=_upsert(shown),
            unnamed=b"" if known_to is None else _upsert({**shown, "incident_id": None}),
            addressed=frozenset(row["addressed_center_ids"]),
            knowing_centers=None if known_to is None else frozenset(known_to),
            knowing_agencies=frozenset(decoded.get("knowing_agencies") or ()),
        )

    @property
    def is_restricted(self) -> bool:
        """Never: what was told of an order is not taken back."""
        return False

    def concerns(self, keys: Collection[Key]) -> Iterable[Key]:
        """All who look at orders: these are few, and orders are rare."""
        return [key for key in keys if key[0] == ORDERS]

    def for_key(self, key: Key, categories: Categories, above: Above = None) -> bytes:  # noqa: ARG002  # boards only
        """What one who looks is told; nothing if it is none of their business. `categories` are kinds of orders."""
        viewer = key[1]
        if not isinstance(viewer, Viewer) or (categories is not None and self.kind not in categories):
            return b""
        is_center = not viewer.centers.isdisjoint(self.centers)
        is_seen = viewer.sees_everything or is_center or viewer.agency in self.agencies
        if not is_seen or self._is_known_to(viewer):
            return self.upsert if is_seen else b""
        is_told = viewer.own in self.addressed or viewer.agency in self.agencies
        return self.unnamed if is_told else b""

    def _is_known_to(self, viewer: Viewer) -> bool:
        """Whether they may know of the incident that it is about."""
        if self.knowing_centers is None or viewer.sees_everything:
            return True
        return viewer.own in self.knowing_centers or viewer.agency in self.knowing_agencies


def _upsert(document: Mapping[str, Any]) -> bytes:
    return event("upsert", json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def reading_of(rows: list[Any]) -> Reading:
    """What the tail read: every order is a page of its own, so a limit cuts between pages."""
    if not rows:
        return Reading(0, 0, 0, ())
    reached, since = int(rows[0]["reached"]), int(rows[0]["changes_since"])
    changes = [OrderChange.of(row) for row in rows if row["order_id"] is not None]
    is_cut = len(changes) >= ORDERS_PER_READ
    return Reading(changes[-1].page_position if is_cut else reached, reached, since, changes)


async def missed(database: Database, key: Key, categories: Categories, above: Above, after: int) -> Missed:
    """What came after a position, as it is now: who may know of an incident may have changed since an order was last
    told, and that moves no order. Raises `Unavailable`."""
    later = table.c.updated_position > after
    query = _seen(key, categories).where(later).order_by(table.c.updated_position).limit(MISSED_ORDERS_MAX + 1)
    async with database.snapshot() as moment:
        reached, since = await _reached(moment)
        rows = await moment.rows(query)
    if len(rows) > MISSED_ORDERS_MAX:
        return Missed(reached, since, None)
    return Missed(reached, since, b"".join(OrderChange.of(row).for_key(key, categories, above) for row in rows))


async def snapshot(database: Database, key: Key, categories: Categories) -> tuple[int, list[bytes]]:
    """The position, and the events of all orders that are not over, newest first. Raises `Unavailable`."""
    query = (
        _seen(key, categories)
        .where(table.c.phase == OrderPhase.ISSUED.value)
        .order_by(table.c.issued_position.desc())
        .limit(SNAPSHOT_ORDERS_MAX)
    )
    async with database.snapshot() as moment:
        position, _ = await _reached(moment)
        rows = await moment.rows(query)
    told = [said for row in rows if (said := OrderChange.of(row).for_key(key, categories))]
    return position, [event("snapshot", json.dumps({"position": position, "orders": len(told)})), *told]


async def _reached(moment: Snapshot) -> tuple[int, int]:
    """How far the orders are, and since when their rows are these ones."""
    found = await moment.row(checkpoints([ORDERS]))
    return (0, 0) if found is None else (int(found["position"]), int(found["changes_since"]))


def _seen(key: Key, categories: Categories) -> sa.Select[Any]:
    viewer = key[1]
    assert isinstance(viewer, Viewer), "a key of orders says who looks"
    secret = board.alias("secret")
    query = sa.select(
        table,
        secret.c.visible_center_ids.label("knowing_center_ids"),
        secret.c.agencies.label("knowing_agencies"),
    ).outerjoin(secret, (secret.c.incident_id == table.c.incident_id) & secret.c.restricted_by.is_not(None))
    if not viewer.sees_everything:
        seen: list[sa.ColumnElement[bool]] = []
        if viewer.centers:
            seen.append(table.c.visible_center_ids.overlap(sorted(viewer.centers)))
        if viewer.agency is not None:
            seen.append(table.c.agencies.contains([viewer.agency]))
        query = query.where(sa.or_(*seen))
    return query if categories is None else query.where(table.c.kind.in_(sorted(categories)))
