"""When a camera could not see, or not well, or was not to ring: one row a spell, kept for good.

Coverage as of a day and the count of outages both ask which spells lay over a time. A fact that ends a spell carries
its number, so no other row is looked at. What lasts when a camera is detached goes on: nobody said that it is better.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from domain.camera import events as camera
from domain.event import Event, Fact
from domain.gateway import events as gateway
from domain.vocabulary import CameraHealth
from projections import camera_tables
from projections.addressing import names
from projections.projection import Key, Projection, Row

HEALTH, ARMING, SILENCE = "health", "arming", "silence"


class CameraSpells(Projection):
    """One row a spell of a camera, or of the gateway it speaks through."""

    name = "camera_spells"
    version = 1
    table = camera_tables.camera_spells
    topics = names(
        (
            camera.CameraHealthChanged,
            camera.CameraArmingChanged,
            gateway.GatewayFellSilent,
            gateway.GatewayHeardAgain,
            gateway.GatewayPromiseWithdrawn,
        )
    )
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Iterator[Key]:
        """The spell that the fact may end, and the one that it may begin."""
        match fact.event:
            case camera.CameraHealthChanged(number=number):
                yield from ((fact.stream_id, HEALTH, each) for each in (number - 1, number) if each > 0)
            case camera.CameraArmingChanged(number=number):
                yield from ((fact.stream_id, ARMING, each) for each in (number - 1, number) if each > 0)
            case (
                gateway.GatewayFellSilent(number=number)
                | gateway.GatewayHeardAgain(number=number)
                | gateway.GatewayPromiseWithdrawn(number=number)
            ) if number > 0:
                yield (fact.stream_id, SILENCE, number)
            case _:
                pass

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The spell after the fact."""
        match fact.event:
            case camera.CameraHealthChanged() as event:
                what = None if event.effective is CameraHealth.ONLINE else event.effective.value
                return _turned(key, row, fact, what, event)
            case camera.CameraArmingChanged() as event:
                return _turned(key, row, fact, None if event.effective else "disarmed", event)
            case gateway.GatewayFellSilent(last_heard_at=since):
                return row or _spell(key, fact, "silent", since)
            case gateway.GatewayHeardAgain(heard_at=heard_at):
                return _ended(row, heard_at)
            case gateway.GatewayPromiseWithdrawn():
                return _ended(row, fact.occurred_at)
            case _:
                return row


def _turned(
    key: Key,
    row: Row | None,
    fact: Fact[Event],
    what: str | None,
    event: camera.CameraHealthChanged | camera.CameraArmingChanged,
) -> Row | None:
    trouble = event.trouble if isinstance(event, camera.CameraHealthChanged) else None
    at = fact.occurred_at if trouble is None else trouble.told_at
    if key[2] != event.number:
        return _ended(row, at)
    if row is not None or what is None:
        return row
    return {**_spell(key, fact, what, at), "source": event.source.value, "reason": event.reason}


def _spell(key: Key, fact: Fact[Event], what: str, began_at: datetime) -> Row:
    return {
        "subject_id": key[0],
        "kind": key[1],
        "number": key[2],
        "what": what,
        "source": None,
        "reason": None,
        "began_at": began_at,
        "ended_at": None,
        "began_position": fact.position,
    }


def _ended(row: Row | None, at: datetime) -> Row | None:
    """Never before it began: what a device said happened by its own clock, what others say when they say it."""
    return row if row is None or row["ended_at"] is not None else {**row, "ended_at": max(at, row["began_at"])}
