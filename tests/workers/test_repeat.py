"""Every automatic decision names its rules and inputs, and comes out the same when made again."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter

from dispatch.handling.scribe import as_fact
from dispatch.ports import UnitPosition
from dispatch.workers.repeat import Repeater
from domain.center.events import CenterClosed
from domain.event import Fact, Place
from domain.identifiers import center_id
from domain.incident.commands import DismissIncident, RelocateIncident
from domain.incident.events import IncidentOpened
from domain.vocabulary import DismissReason
from tests.workers.town import (
    CITY,
    EAST,
    NOON,
    WEST,
    AlertKind,
    MessageStatus,
    Severity,
    Town,
    north_of,
    sample_rulebook,
    warning,
    with_rule,
)

DECISIONS = {
    "incident.opened",
    "incident.alerts_folded",
    "correlation.alerts_waited",
    "correlation.alerts_recorded_only",
    "incident.routed",
    "incident.units_recommended",
    "incident.escalated",
}


async def test_a_tree_that_changed_since_does_not_change_what_was_decided():
    town = await Town().found()
    await town.alert(AlertKind.INTRUSION)
    await town.react()
    await town.record(center_id(CITY, "s-west"), CenterClosed(valid_to=NOON.date(), reason="joined with another"))
    await town.alert(AlertKind.SMOKE_FIRE)
    await town.alert(AlertKind.LANDSLIDE)
    await town.react()
    repeater = Repeater(log=town.log, directory=town.directory, clock=town.clock)

    assert (await repeater.differing())[1] == []


async def an_evening(town: Town) -> None:
    for number in range(6):
        unit = await town.unit(f"P-{number}", north_of(WEST, 300 * number))
        town.positions.known[unit] = UnitPosition(unit, north_of(WEST, 90 * number), town.clock.now(), "radio")
    for number in range(40):
        town.clock.advance(seconds=45)
        kind = list(AlertKind)[number * 5 % len(AlertKind)]
        status = MessageStatus.TEST if number % 11 == 0 else MessageStatus.ACTUAL
        await town.alert(kind, point=north_of(EAST if number % 3 else WEST, number % 4 * 50), status=status)
        await town.alert(AlertKind.INTRUSION, severity=Severity(number % 5))
        if number % 3 == 0:
            await town.react()
            await town.timers.step()
        if number % 10 == 9:
            opened = (await town.facts(IncidentOpened))[number // 10]
            await town.decide(opened.stream_id, RelocateIncident(place=Place(point=EAST)))
    opened = (await town.facts(IncidentOpened))[-1]
    await town.decide(opened.stream_id, DismissIncident(reason=DismissReason.FALSE_ALARM))
    await town.alert(AlertKind.PUBLIC_WARNING, **warning("w-1"))
    await town.react()
    await town.publish(with_rule(sample_rulebook(), "security.intrusion", correlation__radius_m=5.0, owner="city"))
    await town.alert(AlertKind.INTRUSION, point=north_of(WEST, 20))
    await town.react()


async def test_every_decision_of_an_evening_comes_out_the_same():
    town = await Town().found()
    await an_evening(town)
    repeater = Repeater(log=town.log, directory=town.directory, clock=town.clock)

    seen: Counter[str] = Counter()
    for row in await town.log.read_after(0, limit=100_000):
        answer = await repeater.repeats(as_fact(row))
        if answer is not None:
            seen[row.topic] += 1
            assert answer, f"{row.topic} at {row.position} came out otherwise"
    assert set(seen) == DECISIONS
    assert await repeater.differing() == (seen.total(), [])


async def test_an_evening_on_a_real_database_is_the_evening_in_memory(pg_log):
    in_memory, on_disk = await Town().found(), await Town(pg_log).found()
    for town in (in_memory, on_disk):
        await an_evening(town)

    one, other = [await town.log.read_after(0, limit=100_000) for town in (in_memory, on_disk)]
    assert [(row.position, row.stream_id, row.version, row.topic, row.state) for row in one] == [
        (row.position, row.stream_id, row.version, row.topic, row.state) for row in other
    ]


async def test_a_forged_decision_does_not_come_out_the_same():
    town = await Town().found()
    await an_evening(town)
    repeater = Repeater(log=town.log, directory=town.directory, clock=town.clock)
    rows = await town.log.read_after(0, limit=100_000, topics=["incident.routed"])
    fact = as_fact(rows[0])
    root = town.directory.root().ownership
    forged = fact.event.model_copy(update={"owner": root})
    assert fact.event.owner.center_id != center_id(CITY, "city")
    assert await repeater.repeats(fact) is True
    assert (
        await repeater.repeats(Fact(*(forged if name == "event" else getattr(fact, name) for name in FIELDS))) is False
    )


FIELDS = ("position", "stream_id", "version", "recorded_at", "envelope", "event")


async def test_the_audit_makes_every_decision_again(pg_log, dsn, tmp_path):
    town = await Town(pg_log).found()
    await an_evening(town)
    environment = {**os.environ, "DATABASE_URL": dsn, "DISPATCH_DATA_DIR": str(tmp_path)}
    audit = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dispatch.cli.main",
        "audit",
        "--decisions",
        "--json",
        env=environment,
        stdout=subprocess.PIPE,
    )
    said, _ = await audit.communicate()
    found = json.loads(said)
    assert found["decisions_made_again"] > 60
    assert found["decisions_differing"] == []
