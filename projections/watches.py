"""Watches, one row each. Whom one is about is no column: only a recorded reading opens that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.event import Event, Fact
from domain.watch import events as watch
from projections import city_tables
from projections.addressing import names
from projections.projection import Key, Projection, Row
from projections.shown import columns_shown, id_text, instant, shown

SIGHTINGS_MAX = 200
"""Kept in a row, the newest."""


class Watches(Projection):
    """One row a watch."""

    name = "watches"
    version = 1
    table = city_tables.watches
    topics = names(watch.EVENTS)
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The watch."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The watch after the fact."""
        event = fact.gist()
        if row is None:
            return _opened(event, fact) if isinstance(event, watch.WatchOpened) else None
        after = {**row, "version": fact.version}
        match event:
            case watch.WatchAcknowledged(center_id=center_id):
                told = {"center_id": id_text(center_id), "at": instant(fact.occurred_at), "by": fact.actor.id}
                return {**after, "acknowledged": [*row["acknowledged"], told]}
            case watch.WatchRead():
                return {**after, "reads": row["reads"] + 1}
            case watch.WatchSighting():
                return {**after, "sightings": [*row["sightings"], _sighting(event, fact)][-SIGHTINGS_MAX:]}
            case watch.WatchExtended(expires_at=expires_at):
                return {**after, "expires_at": expires_at}
            case watch.WatchEnded(outcome=outcome, note=note):
                return {**after, "outcome": outcome.value, "note": note, "ended_at": fact.occurred_at}
            case _:
                return row


item = columns_shown(city_tables.watches.columns)
"""A watch as JSON shows it."""


def _opened(event: watch.WatchOpened, fact: Fact[Event]) -> Row:
    return {
        "watch_id": fact.stream_id,
        "incident_id": event.incident_id,
        "subject": event.subject.value,
        "purpose": event.purpose,
        "center_id": event.center_id,
        "path": list(event.path),
        "center_ids": list(event.center_ids),
        "last_seen": None if event.last_seen is None else shown(event.last_seen.model_dump()),
        "opened_at": fact.occurred_at,
        "opened_position": fact.position,
        "expires_at": event.expires_at,
        "ended_at": None,
        "outcome": None,
        "note": None,
        "acknowledged": [],
        "sightings": [],
        "reads": 0,
        "version": fact.version,
    }


def _sighting(event: watch.WatchSighting, fact: Fact[Event]) -> dict[str, Any]:
    return {
        "sighting_id": id_text(event.sighting_id),
        "center_id": id_text(event.center_id),
        "place": shown(event.place.model_dump()),
        "camera_id": None if event.camera_id is None else id_text(event.camera_id),
        "text": event.text,
        "at": instant(fact.occurred_at),
        "by": fact.actor.id,
    }
