"""Gateways send alerts by NATS; our reply after the commit acknowledges them, and nothing else does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError

from dispatch.handling.cameras import ConditionDesk
from dispatch.ingest.admission import Stand
from dispatch.ingest.gateways import WAITING_OF_ONE_MAX, GatewayIntake
from dispatch.ingest.hearing import Hearing, MemoryHeardGateways
from dispatch.ingest.intake import Intake
from dispatch.ingest.quarantine import Quarantine
from dispatch.ingest.states import StatesIntake
from dispatch.partners.connection import settled
from dispatch.partners.subjects import gateway_subject, states_subject
from dispatch.store.edge import EdgeStatements
from dispatch.store.postgres import PostgresLog
from domain.refusals import Unavailable
from tests.ingest.stage import CAMERA, Stage, StandingClock, fixture
from tests.partners.conftest import CITY, GATEWAYS, Bus

GATEWAY, OTHER = GATEWAYS
ANSWER_S = 10


class Listening:
    """The intake on a bus. `joins` holds one entry for each time it joined."""

    def __init__(self, stage: Stage, intake: Intake, hearing: Hearing, bus: Bus) -> None:
        self.stage = stage
        self.intake = intake
        self.hearing = hearing
        self.joins: asyncio.Queue[Client] = asyncio.Queue()
        self.said: list[str | None] = []
        self.stop = asyncio.Event()
        states = StatesIntake(ConditionDesk(stage.scribe, stage.directory), StandingClock(), stage.ids)
        self.gateways = GatewayIntake(intake, states, CITY, self._join, self._report)
        self._bus = bus

    async def _join(self) -> Client:
        client = await self._bus.ours()
        self.joins.put_nowait(client)
        return client

    async def _report(self, trouble: str | None) -> None:
        self.said.append(trouble)

    async def heard(self) -> None:
        """Return when the intake has joined once more and listens."""
        async with asyncio.timeout(3 * ANSWER_S):
            await self.joins.get()
            await self.gateways.listening.wait()


@pytest.fixture
async def listening(dsn: str, pg_log: PostgresLog, bus: Bus) -> AsyncIterator[Listening]:
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=4, server_settings={"role": "dispatch_app"})
    stage = await Stage(pg_log, StandingClock()).set_up()
    quarantine = Quarantine(EdgeStatements(pool), stage.scribe, stage.ids)
    hearing = Hearing(MemoryHeardGateways(), StandingClock())
    intake = Intake(stage.desk, quarantine, wait_s_max=5.0, hearing=hearing)
    listening = Listening(stage, intake, hearing, bus)
    running = asyncio.create_task(listening.gateways.run(listening.stop))
    try:
        await listening.heard()
        yield listening
    finally:
        listening.stop.set()
        async with asyncio.timeout(ANSWER_S):
            await running
        assert not listening.gateways.listening.is_set()
        await pool.close()


async def ask(client: Client, body: bytes, *, adapter: str = "", gateway: str = GATEWAY, **headers: str) -> Any:
    subject = gateway_subject(CITY, gateway) + (f".{adapter}" if adapter else "")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await client.request(subject, body, timeout=ANSWER_S, headers=named or None)
    return json.loads(answer.data)


def alert(number: int, **fields: Any) -> bytes:
    return json.dumps({"id": str(number), "kind": "motion", **fields}).encode()


async def test_an_alert_is_acknowledged_when_it_is_in_the_log(bus: Bus, listening: Listening):
    client = await bus.gateway(GATEWAY)
    first, second = await ask(client, alert(1)), await ask(client, alert(1))
    (fact,) = await listening.stage.facts()
    assert (first["status"], first["position"], first["alert_id"]) == (201, fact.position, str(fact.stream_id))
    assert (second["status"], second["duplicate"]) == (200, True)
    assert fact.event.content.source == fact.envelope.actor.id == GATEWAY


async def test_many_at_once_are_all_recorded_and_answered(bus: Bus, listening: Listening):
    client = await bus.gateway(GATEWAY)
    answers = await asyncio.gather(*(ask(client, alert(number % 150)) for number in range(200)))
    assert sorted(answer["status"] for answer in answers) == [200] * 50 + [201] * 150
    assert len(await listening.stage.facts()) == 150


async def test_vendor_bytes_come_by_the_adapters_subject(bus: Bus, listening: Listening):
    client = await bus.gateway(GATEWAY)
    body = fixture("gb28181_alarm.xml").replace(CAMERA.encode(), b"51019900001320009999")
    answer = await ask(client, body, adapter="gb28181", Dispatch_Crs="gcj02")
    assert answer["status"] == 201
    (fact,) = await listening.stage.facts()
    assert fact.event.content.place.original.crs == "gcj02"


async def test_a_poisonous_message_is_kept_and_its_neighbours_are_recorded(bus: Bus, listening: Listening):
    client = await bus.gateway(GATEWAY)
    answers = await asyncio.gather(ask(client, alert(1)), ask(client, b"\x00{"), ask(client, alert(2)))
    assert [answer["status"] for answer in answers] == [201, 400, 201]
    assert await listening.intake.quarantine.find(answers[1]["quarantine"]) is not None


async def test_states_are_taken_by_their_own_subject_and_answered(bus: Bus, listening: Listening):
    client = await bus.gateway(GATEWAY)
    answer = await client.request(
        states_subject(CITY, GATEWAY), b'{"states":[{"camera":"nobody","health":"offline"}]}', timeout=ANSWER_S
    )
    told = json.loads(answer.data)
    assert (told["status"], told["cameras"], told["changed"], told["unknown"]) == (200, 1, 0, ["nobody"])
    wrong = await client.request(states_subject(CITY, GATEWAY), b'{"states":[{"health":"gone"}]}', timeout=ANSWER_S)
    assert json.loads(wrong.data)["status"] == 400


async def test_alerts_and_states_are_recorded_and_answered_in_the_order_in_which_they_came(
    bus: Bus, listening: Listening, monkeypatch: pytest.MonkeyPatch
):
    client, intake = await bus.gateway(GATEWAY), listening.intake
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    entered, gate, take_many = asyncio.Event(), asyncio.Event(), intake.take_many

    async def slow(messages: Any) -> Any:
        entered.set()
        await gate.wait()
        return await take_many(messages)

    monkeypatch.setattr(intake, "admit", arrived.put_nowait)
    monkeypatch.setattr(intake, "take_many", slow)
    answered: list[str] = []

    async def told(name: str, subject: str, body: bytes) -> None:
        await client.request(subject, body, timeout=ANSWER_S)
        answered.append(name)

    alerts, states = gateway_subject(CITY, GATEWAY), states_subject(CITY, GATEWAY)
    said = [("alone", alerts, alert(0)), ("alert", alerts, alert(1)), ("by fax", f"{alerts}.fax", alert(2))]
    said += [("state", states, b'{"states":[]}'), ("another alert", alerts, alert(3))]
    asked = []
    for one in said:
        asked.append(asyncio.create_task(told(*one)))
        await arrived.get()
        await entered.wait()
    gate.set()
    await asyncio.gather(*asked)
    assert answered == [name for name, _, _ in said]


async def test_whatever_a_gateway_says_it_was_heard(bus: Bus, listening: Listening):
    client, other = await bus.gateway(GATEWAY), await bus.gateway(OTHER)
    answer = await client.request(states_subject(CITY, GATEWAY), b"no states at all", timeout=ANSWER_S)
    assert json.loads(answer.data)["status"] == 400
    await listening.hearing.write()
    assert set(await listening.hearing.all()) == {GATEWAY}
    admission = listening.intake.admission
    admission.observe(Stand(0, 0, 0))
    admission.observe(Stand(3_333, 0, 0, range(1, 3_334)))
    assert (await ask(other, alert(1), gateway=OTHER))["code"] == "ingest.behind"
    await listening.hearing.write()
    assert set(await listening.hearing.all()) == {GATEWAY, OTHER}


async def test_a_batch_answers_each_entry(bus: Bus, listening: Listening):
    client = await bus.gateway(GATEWAY)
    answer = await ask(client, b"[" + alert(1) + b',{"id":"2"}]')
    assert answer["status"] == 207
    assert [result["status"] for result in answer["results"]] == [201, 400]


@pytest.mark.parametrize(("adapter", "headers"), [("fax", {}), ("", {"Dispatch_Crs": "mars"})])
async def test_what_cannot_be_taken_is_answered(bus: Bus, listening: Listening, adapter: str, headers: Any):
    client = await bus.gateway(GATEWAY)
    answer = await ask(client, alert(1), adapter=adapter, **headers)
    assert answer["status"] in {400, 404}
    assert await listening.stage.facts() == []


async def test_a_camera_of_another_gateway_is_refused(bus: Bus, listening: Listening):
    client = await bus.gateway(OTHER)
    answer = await ask(client, alert(1, camera=CAMERA), gateway=OTHER)
    assert (answer["status"], answer["code"]) == (403, "ingest.foreign_camera")


async def test_while_the_log_is_away_nothing_is_acknowledged(
    bus: Bus, listening: Listening, monkeypatch: pytest.MonkeyPatch
):
    client = await bus.gateway(GATEWAY)

    async def away(_commands: object) -> None:
        raise Unavailable("log.unavailable", "The database cannot answer now.")

    with monkeypatch.context() as broken:
        broken.setattr(listening.stage.log, "append_many", away)
        assert (await ask(client, alert(1)))["status"] == 503
    assert (await ask(client, alert(1)))["status"] == 201


async def test_a_gateway_that_floods_is_told_to_wait_and_the_others_are_heard(
    bus: Bus, listening: Listening, monkeypatch: pytest.MonkeyPatch
):
    flooding, calm = await bus.gateway(GATEWAY), await bus.gateway(OTHER)
    entered, gate, take_many = asyncio.Event(), asyncio.Event(), listening.intake.take_many

    async def slow(messages: Any) -> Any:
        entered.set()
        await gate.wait()
        return await take_many(messages)

    monkeypatch.setattr(listening.intake, "take_many", slow)
    first = asyncio.create_task(ask(flooding, alert(0)))
    await entered.wait()
    flood = [asyncio.create_task(ask(flooding, alert(number))) for number in range(1, WAITING_OF_ONE_MAX + 21)]
    done, _ = await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED, timeout=ANSWER_S)
    assert {task.result()["code"] for task in done} == {"ingest.behind"}
    heard = asyncio.create_task(ask(calm, alert(1), gateway=OTHER))
    gate.set()
    assert (await heard)["status"] == 201
    statuses = [answer["status"] for answer in await asyncio.gather(first, *flood)]
    assert (statuses.count(201), statuses.count(503)) == (WAITING_OF_ONE_MAX + 1, 20)


async def test_a_message_that_would_come_too_late_is_told_when_to_come_again(bus: Bus, listening: Listening):
    admission, client = listening.intake.admission, await bus.gateway(GATEWAY)
    admission.observe(Stand(0, 0, 0))
    admission.observe(Stand(3_333, 0, 0, range(1, 3_334)))
    refused = await ask(client, alert(1))
    assert (refused["status"], refused["code"]) == (503, "ingest.behind")
    assert refused["retry_after_s"] >= 1
    assert (await ask(client, alert(2, severity="extreme")))["status"] == 201
    admission.observe(Stand(3_333, 3_333, 3_333))
    assert (await ask(client, alert(1)))["status"] == 201


async def test_the_intake_joins_again_after_the_server_was_away(bus: Bus, listening: Listening):
    await bus.server.stop()
    await bus.server.start()
    await listening.heard()
    assert (await ask(await bus.gateway(GATEWAY), alert(7)))["status"] == 201
    assert [listening.said[0], listening.said[-1]] == [None, None]
    assert any(listening.said), "in between it said why it did not hear"


async def ask_for_ever(client: Client) -> None:
    while True:
        await ask(client, alert(99))


async def test_who_is_stopped_answers_what_has_arrived_and_hears_nothing_more(
    bus: Bus, listening: Listening, monkeypatch: pytest.MonkeyPatch
):
    client = await bus.gateway(GATEWAY)
    entered, gate, take_many = asyncio.Event(), asyncio.Event(), listening.intake.take_many

    async def slow(messages: Any) -> Any:
        entered.set()
        await gate.wait()
        return await take_many(messages)

    monkeypatch.setattr(listening.intake, "take_many", slow)
    asked = [asyncio.create_task(ask(client, alert(number))) for number in range(20)]
    await entered.wait()
    await settled(client, 5)
    listening.stop.set()
    gate.set()
    assert [answer["status"] for answer in await asyncio.gather(*asked)] == [201] * 20
    with pytest.raises(NoRespondersError):
        await ask_for_ever(client)  # the server may need a moment to see that we left
    assert len(await listening.stage.facts()) < 25
