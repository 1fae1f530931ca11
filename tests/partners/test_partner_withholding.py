"""What people typed does not tell partners about persons."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.partners.feed import Feed
from dispatch.partners.withholding import WITHHELD, without_numbers
from dispatch.store.postgres import PostgresLog
from domain.event import Place
from domain.incident.events import Cause, IncidentAccepted, IncidentRelocated, IncidentResolved
from domain.vocabulary import AgencyRole, Disposition
from tests.partners.conftest import CITY
from tests.partners.story import STATION, Story, opened

INCIDENT, REPORT = UUID(int=71), UUID(int=72)


async def told(log: PostgresLog, pool: asyncpg.Pool, **fields: Any) -> list[dict[str, Any]]:
    """What police reads of an incident with these fields, which is resolved in the end."""
    story = Story(log)
    await story.city()
    await story.tell(INCIDENT, opened("1").model_copy(update=fields))
    await story.routed(INCIDENT, police=AgencyRole.RESPONSIBLE)
    await story.tell(INCIDENT, IncidentRelocated(place=Place(address="锦江区三圣乡，找张先生 13800138000")))
    note = "已联系 ０２８-８５５１２３４５，身份证 51010419800101123X"
    await story.tell(INCIDENT, IncidentAccepted(center_id=STATION))
    await story.tell(INCIDENT, IncidentResolved(disposition=Disposition.SETTLED, note=note))
    await Feed(log, pool, CITY).catch_up()
    rows = await pool.fetch("SELECT body FROM feed.entries WHERE agency = 'police' ORDER BY sequence")
    return [json.loads(row["body"]) for row in rows]


async def test_a_reporters_own_words_stay_inside(pg_log: PostgresLog, pool: asyncpg.Pool) -> None:
    said = "李四家的孩子走失了，电话 13912345678"
    bodies = await told(pg_log, pool, cause=Cause(report_id=REPORT), headline=said)
    assert len(bodies) == 4
    assert all("headline" not in body for body in bodies)
    assert "李四" not in json.dumps(bodies, ensure_ascii=False)


async def test_a_machines_words_leave_without_numbers_of_persons(pg_log: PostgresLog, pool: asyncpg.Pool) -> None:
    bodies = await told(pg_log, pool, headline="锦江暴雨洪水预警，值班 139 1234 5678")
    assert {body["headline"] for body in bodies} == {f"锦江暴雨洪水预警，值班 {WITHHELD}"}


async def test_addresses_and_remarks_leave_without_numbers_of_persons(pg_log: PostgresLog, pool: asyncpg.Pool) -> None:
    bodies = await told(pg_log, pool)
    assert bodies[1]["place"]["address"] == f"锦江区三圣乡，找张先生 {WITHHELD}"
    assert bodies[-1]["note"] == f"已联系 {WITHHELD}，身份证 {WITHHELD}"


@pytest.mark.parametrize(
    "text",
    [
        "13800138000",
        "+86 138-0013-8000",
        "8613800138000",
        "１３８００１３８０００",
        "028-85512345",
        "(028)85512345",
        "510104198001011234",
        "51010419800101123x",
    ],
)
def test_a_number_of_a_person_is_cut(text: str) -> None:
    assert without_numbers(f"找{text}。") == f"找{WITHHELD}。"


@pytest.mark.parametrize(
    "text",
    [
        "CD-20260701-0001",
        "51010000001310000001",
        "川A12345",
        "2026-07-01 12:00",
        "水位 4.52 m，110、119",
        "104.0512345,30.6512345",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    ],
)
def test_what_dispatchers_need_is_not_cut(text: str) -> None:
    assert without_numbers(text) == text


@given(st.text(alphabet="0123456789 -+()Xx一号", max_size=60))
def test_cutting_again_changes_nothing(text: str) -> None:
    once = without_numbers(text)
    assert once is not None
    assert without_numbers(once) == once
