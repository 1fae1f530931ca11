"""kill -9 of the API, a worker, PostgreSQL and nats-server under load; then the oracle of invariants I1 to I5.

Senders repeat what was not acknowledged, as machines do, until the end; a dispatcher decides; a reader tails the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import pytest

from dispatch.api.access.tokens import Identity
from dispatch.audit.wholeness import wholeness
from dispatch.bench.scratch import scratch
from dispatch.bench.storm import gateway_token
from dispatch.bench.wire import Connection
from dispatch.bootstrap.foundation import Foundation, database_url, foundation
from dispatch.bootstrap.tokens import issue_token
from dispatch.cli.up import Running, running_system
from dispatch.config import Settings
from dispatch.handling.scribe import as_fact
from dispatch.partners.client import PartnerClient
from dispatch.partners.joining import credentials
from dispatch.partners.proof import feed_differences, stream_differences
from dispatch.workers.rebuild import Rebuild
from domain.alert.events import AlertReceived, AlertsWaited
from domain.identifiers import operator_id
from domain.incident.events import AlertsFolded, IncidentAccepted, IncidentOpened, IncidentVerified
from domain.refusals import Unavailable
from domain.vocabulary import Role
from projections.registry import PROJECTIONS

SENDERS = 8
BETWEEN_KILLS = 80
"""Alerts acknowledged before the next kill; also how much must go through after the last one."""
VICTIMS = (
    ("serve",),
    ("work",),
    ("postgres",),
    ("work", "work"),
    ("nats-server",),
    ("serve", "work", "postgres", "nats-server", "work"),
)
"""Killed together; one that is named twice is killed again as soon as it is there again."""
AGENCIES = ("police", "traffic_police", "flood_control", "urban_management")
PACE_S = 0.02
GO_ON_WITHIN_S = 120.0
BACK_WITHIN_S = 60.0
"""For a service to be there again: the supervisor's longest pause, several times."""
KINDS = ("accident", "waterlogging", "congestion", "intrusion")


@dataclass
class Load:
    """What was sent, what was acknowledged, and who waits for how much of it."""

    running: Running
    sent: set[str] = field(default_factory=set)
    acknowledged: dict[str, str] = field(default_factory=dict)
    decided: list[tuple[str, str]] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    killed: set[int] = field(default_factory=set)
    over: bool = False
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def reads(self, position: int) -> None:
        """Until the tailing reader has come to a position."""
        async with asyncio.timeout(GO_ON_WITHIN_S), self.arrived:
            await self.arrived.wait_for(lambda: len(self.seen) >= position)

    async def reaches(self, count: int) -> None:
        async with asyncio.timeout(GO_ON_WITHIN_S), self.arrived:
            await self.arrived.wait_for(lambda: len(self.acknowledged) >= count)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    with scratch("dispatch-kills-") as folder:
        settings = Settings(data_dir=folder, port=0, log_level="error")
        async with running_system(settings, say=lambda _: None) as system:
            yield system


@pytest.mark.long
async def test_nothing_acknowledged_is_lost_and_nothing_happens_twice_whatever_is_killed(running: Running) -> None:
    async with foundation(running.settings) as base:
        load = Load(running)
        await under_load(base, load)
        await healed(base)
        await every_acknowledged_alert_is_in_the_log_once_and_no_other(base, load)
        await every_decision_is_in_the_log_once(base, load)
        await every_alert_was_correlated_once(base)
        assert load.seen == list(range(1, len(load.seen) + 1)), "a reader skipped or repeated a position"
        found = await wholeness(base.log)
        assert found.is_whole, found.findings
        for projection in PROJECTIONS.values():
            (compared,) = await Rebuild(base.log, database_url(base.settings), projection).verify()
            assert compared.is_equal, compared
        await every_partner_has_its_feed(base)


async def under_load(base: Foundation, load: Load) -> None:
    numbers = itertools.count()
    tasks = [asyncio.create_task(send(base, load, numbers)) for _ in range(SENDERS)]
    tasks += [asyncio.create_task(decide(load)), asyncio.create_task(tail(base, load))]
    try:
        goal = BETWEEN_KILLS
        for victims in VICTIMS:
            await load.reaches(goal)
            for victim in victims:
                await kill(victim, load.killed)
            goal = len(load.acknowledged) + BETWEEN_KILLS
        await load.reaches(goal)
        load.over = True
        await asyncio.gather(*tasks[:-1])
        await load.reads((await base.log.tip()).position)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def kill(name: str, killed: set[int]) -> None:
    """kill -9 of our child of that name: one not killed before, waited for while the supervisor starts it again."""
    try:
        async with asyncio.timeout(BACK_WITHIN_S):
            while True:
                if (pid := child(name, killed)) is not None:
                    killed.add(pid)
                    with contextlib.suppress(ProcessLookupError):  # it left by itself; the next one is killed
                        os.kill(pid, signal.SIGKILL)
                        return
                await asyncio.sleep(PACE_S)
    except TimeoutError:
        there = [Path(command[0]).name + " … " + command[-1] for _, command in children()]
        raise AssertionError(f"no {name} to kill within {BACK_WITHIN_S:.0f} s; our children: {there}") from None


def child(name: str, killed: set[int]) -> int | None:
    """The process id of our child of that name, if it is there; one that was killed may be a moment in dying."""
    names = ((pid, (Path(command[0]).name, command[-1])) for pid, command in children())
    return next((pid for pid, known_as in names if name in known_as and pid not in killed), None)


def children() -> Iterator[tuple[int, list[str]]]:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
            command = (process / "cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
            if int(status["PPid"]) == os.getpid() and "Z" not in status["State"] and command[0]:
                yield int(process.name), command


async def send(base: Foundation, load: Load, numbers: Iterator[int]) -> None:
    """One alert after another, each repeated until it is acknowledged."""
    cameras = sorted((c for c in base.directory.cameras.values() if c.gateway), key=lambda camera: camera.code)
    connections: dict[str, Connection] = {}
    with contextlib.ExitStack() as opened:
        while not load.over:
            number = next(numbers)
            camera = cameras[number * 7919 % 200]
            assert camera.gateway is not None
            if camera.gateway not in connections:
                token = gateway_token(load.running.settings, camera.gateway)
                connection = opened.enter_context(contextlib.closing(Connection(load.running.address, token)))
                connections[camera.gateway] = connection
            name = f"kill-{number:06d}"
            alert = {
                "id": name,
                "kind": KINDS[number % len(KINDS)],
                "camera": camera.code,
                "occurred_at": base.clock.now().isoformat(),
                "severity": "moderate",
            }
            load.sent.add(name)
            receipt = await delivered(connections[camera.gateway], json.dumps(alert).encode())
            async with load.arrived:
                load.acknowledged[name] = receipt
                load.arrived.notify_all()
            await asyncio.sleep(PACE_S)


async def delivered(connection: Connection, body: bytes) -> str:
    while True:
        with contextlib.suppress(OSError):
            answer = await connection.request("POST", "/v1/alerts", body)
            if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED):
                return str(answer.json()["alert_id"])
            assert answer.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS), answer
        await asyncio.sleep(PACE_S)


async def decide(load: Load) -> None:
    """A supervisor verifies and accepts what is on the city's board, each decision under a key of its own."""
    settings = load.running.settings
    who = Identity("operator:city.27", (Role.DISPATCHER, Role.SUPERVISOR), operator_id(settings.city, "city.27"))
    done: set[str] = set()
    with contextlib.closing(Connection(load.running.address, issue_token(settings, who))) as connection:
        while not load.over:
            await asyncio.sleep(PACE_S)
            listed = await asked(connection, "GET", "/v1/incidents?limit=200")
            rows = listed.get("items", [])
            fresh = [row for row in rows if row["incident_id"] not in done and row["phase"] == "open"]
            for row in fresh[:3]:
                done.add(row["incident_id"])
                path = f"/v1/incidents/{row['incident_id']}/verify"
                headers = f'Idempotency-Key: verify-{row["incident_id"]}\r\nIf-Match: "{row["decision_version"]}"\r\n'
                answer = await asked(connection, "POST", path, headers=headers)
                if "position" in answer:
                    load.decided.append((row["incident_id"], IncidentVerified.name))


async def asked(connection: Connection, method: str, path: str, *, headers: str = "") -> dict[str, object]:
    """The answer; a request whose outcome is unknown is repeated under the same key."""
    while True:
        with contextlib.suppress(OSError):
            answer = await connection.request(method, path, b"{}" if method == "POST" else b"", headers=headers)
            if answer.status not in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
                assert answer.status < HTTPStatus.INTERNAL_SERVER_ERROR, answer
                return dict(answer.json())
        await asyncio.sleep(PACE_S)


async def tail(base: Foundation, load: Load) -> None:
    """Read every position, through every restart."""
    position = 0
    while True:
        with contextlib.suppress(Unavailable):
            await base.log.wait_beyond(position, timeout_s=1.0)
            for row in await base.log.read_after(position, limit=5_000):
                load.seen.append(row.position)
                position = row.position
            async with load.arrived:
                load.arrived.notify_all()
            continue
        await asyncio.sleep(PACE_S)


async def healed(base: Foundation) -> None:
    """Until everything has seen the whole log and it stands still for a second."""
    async with asyncio.timeout(GO_ON_WITHIN_S):
        while True:
            tip = (await base.log.tip()).position
            shown = await base.pool.fetchval("SELECT min(position) FROM read.checkpoints WHERE state = 'live'")
            told = await base.pool.fetchval("SELECT min(position) FROM feed.checkpoints")
            sent = await base.pool.fetchval(
                "SELECT bool_and(r.sequence = (SELECT coalesce(max(sequence), 0) FROM feed.entries e"
                " WHERE e.agency = r.agency)) FROM feed.relays r"
            )
            if await base.log.wait_beyond(tip, timeout_s=1.0) == tip and shown == told == tip and sent:
                return


async def every_acknowledged_alert_is_in_the_log_once_and_no_other(base: Foundation, load: Load) -> None:
    rows = await base.log.read_after(0, limit=100_000, topics=[AlertReceived.name])
    recorded = Counter(as_fact(row).event.content.source_event_id for row in rows)
    assert set(recorded.values()) == {1}
    assert load.acknowledged.keys() <= recorded.keys(), "an acknowledged alert is lost"
    assert recorded.keys() <= load.sent, "something is recorded that nobody sent"
    assert len(load.acknowledged) >= BETWEEN_KILLS * (len(VICTIMS) + 1)


async def every_decision_is_in_the_log_once(base: Foundation, load: Load) -> None:
    topics = [IncidentVerified.name, IncidentAccepted.name]
    rows = await base.log.read_after(0, limit=100_000, topics=topics)
    recorded = Counter((str(row.stream_id), row.topic) for row in rows)
    assert load.decided, "nobody decided anything"
    assert all(recorded[decision] == 1 for decision in load.decided)


async def every_alert_was_correlated_once(base: Foundation) -> None:
    alerts = {row.position for row in await base.log.read_after(0, limit=100_000, topics=[AlertReceived.name])}
    opened: Counter[int] = Counter()
    waited: set[int] = set()
    topics = [IncidentOpened.name, AlertsFolded.name, AlertsWaited.name]
    for row in await base.log.read_after(0, limit=100_000, topics=topics):
        match as_fact(row).event:
            case IncidentOpened(cause=cause):
                opened.update(cause.alert_positions)
            case AlertsFolded(alerts=folded):
                opened.update(alert.position for alert in folded)
            case AlertsWaited(alert_positions=positions):
                waited.update(positions)
    assert set(opened.values()) <= {1}, "an alert opened or joined twice"
    assert opened.keys() | waited == alerts, "an alert was never looked at"


async def every_partner_has_its_feed(base: Foundation) -> None:
    assert await feed_differences(base.log, base.pool, base.settings.city) == []
    assert base.settings.nats_url is not None
    for agency in AGENCIES:
        seed = credentials(base.settings).agency(agency).seed
        partner = await PartnerClient.connect(base.settings.nats_url, seed=seed, city=base.settings.city, agency=agency)
        try:
            assert await stream_differences(base.pool, partner, agency) == []
        finally:
            await partner.close()
