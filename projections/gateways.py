"""What each gateway promises, and whether it is silent."""

from __future__ import annotations

from collections.abc import Sequence

from domain.event import Event, Fact
from domain.gateway import events as gateway
from projections import camera_tables
from projections.addressing import names
from projections.projection import Key, Projection, Row

NEW = {"city": None, "gateway": None, "silent_after_s": None, "promised_at": None, "silent_since": None, "silences": 0}


class Gateways(Projection):
    """One row a gateway that ever promised anything."""

    name = "gateways"
    version = 1
    table = camera_tables.gateways
    topics = names(gateway.EVENTS)
    is_append_only = False

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The gateway."""
        return ((fact.stream_id,),)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The gateway after the fact."""
        before = row or {"gateway_id": key[0], **NEW}
        match fact.event:
            case gateway.GatewayPromised() as event:
                return {
                    **before,
                    "city": event.city,
                    "gateway": event.gateway,
                    "silent_after_s": event.silent_after_s,
                    "promised_at": fact.occurred_at,
                }
            case gateway.GatewayPromiseWithdrawn():
                return {**before, "silent_after_s": None, "promised_at": None, "silent_since": None}
            case gateway.GatewayFellSilent(last_heard_at=since, number=number):
                return {**before, "silent_since": since, "silences": number}
            case gateway.GatewayHeardAgain():
                return {**before, "silent_since": None}
            case _:
                return row
