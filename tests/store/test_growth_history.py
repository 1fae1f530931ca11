"""The history that the growth bench fills logs with is one the real system understands, whole and countable."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import pytest

from dispatch.bench.growth_history import (
    ALERTS,
    FACTS_PER_INCIDENT,
    INCIDENTS_PER_CALL,
    OPEN_INCIDENTS,
    History,
    facts_of,
    incidents_of,
)
from dispatch.handling.scribe import as_fact
from dispatch.ports import MAX_COMMANDS_PER_CALL, Appended
from dispatch.store.postgres import PostgresLog
from domain.alert.events import AlertReceived
from domain.identifiers import companion_of
from domain.incident.events import AlertsFolded, IncidentOpened
from domain.ownership import Ownership
from tests.store.contract import CENTER, UNIT, decision, on

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OWNERS = [Ownership(center_id=UUID(int=n), path=(UUID(int=n),)) for n in (7, 8)]


async def test_its_facts_decode_and_name_each_other(pg_log: PostgresLog) -> None:
    await pg_log.append(decision(on(UNIT, 0), on(CENTER, 0)))
    history = History(OWNERS, begins_at=BEGIN)
    verdicts = await pg_log.append_many(list(history.facts(0, 3, 2)))
    assert all(isinstance(verdict, Appended) for verdict in verdicts)
    facts = [as_fact(event) for event in await pg_log.read_after(2)]
    assert len(facts) == facts_of(3)
    assert len({fact.envelope.event_id for fact in facts}) == len(facts)
    by_position = {fact.position: fact for fact in facts}
    opened = [fact for fact in facts if isinstance(fact.event, IncidentOpened)]
    assert [fact.stream_id for fact in opened] == [history.incident_id(number) for number in range(3)]
    assert [fact.event.owner for fact in opened] == [OWNERS[0], OWNERS[1], OWNERS[0]]
    for fact in opened:
        (position,) = fact.event.cause.alert_positions
        assert by_position[position].stream_id == fact.event.cause.alert_ids[0]
        (folded,) = (f for f in facts if f.stream_id == companion_of(fact.stream_id))
        assert isinstance(folded.event, AlertsFolded)
        assert folded.event.incident_id == fact.stream_id
        assert len(folded.event.alerts) == ALERTS - 1
        for alert in folded.event.alerts:
            assert by_position[alert.position].stream_id == alert.alert_id
            assert isinstance(by_position[alert.position].event, AlertReceived)
    assert all(a.envelope.occurred_at <= b.envelope.occurred_at for a, b in pairwise(facts))


@pytest.mark.parametrize(
    "incidents", [0, 1, OPEN_INCIDENTS - 1, OPEN_INCIDENTS, OPEN_INCIDENTS + 1, 3 * OPEN_INCIDENTS]
)
def test_incidents_and_facts_are_counted_alike(incidents: int) -> None:
    history = History(OWNERS, begins_at=BEGIN)
    facts = sum(len(stream.events) for command in history.facts(0, incidents, 0) for stream in command.streams)
    assert facts == facts_of(incidents)
    assert incidents_of(facts) == incidents


def test_a_call_of_incidents_is_one_call_of_the_log() -> None:
    commands = list(History(OWNERS, begins_at=BEGIN).facts(OPEN_INCIDENTS, INCIDENTS_PER_CALL, 0))
    assert len(commands) == INCIDENTS_PER_CALL * (FACTS_PER_INCIDENT - 1) <= MAX_COMMANDS_PER_CALL
