"""Retention by class: what a rule keeps in the table, whose keys may go, and that no fact ever does."""

from __future__ import annotations

import json
from asyncio import to_thread
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import ValidationError

from dispatch.audit import retention
from dispatch.cli.main import main
from dispatch.cli.retention import keys_kept_days
from dispatch.ports import RecordedEvent
from dispatch.store.archiver import Hold
from dispatch.store.forgetting import persons_due
from dispatch.store.vault import PostgresSealer
from domain.alert.events import AlertReceived
from domain.codec import encode
from domain.event import Personal
from domain.identifiers import rulebook_stream
from domain.incident.events import IncidentClosed
from domain.refusals import Unavailable
from domain.report.events import ReportFiled, ReportLinked
from domain.rulebook.content import RetentionRule, Rulebook
from domain.rulebook.events import RulebookActivated, RulebookPublished
from domain.vocabulary import AlertKind
from tests.domain.incident_story import OPENED
from tests.domain.shapes import ENVELOPE, sample
from tests.projections.conftest import City
from tests.projections.happenings import INCIDENTS, SYSTEM, Happening, tell
from tests.workers.town import sample_rulebook

NOW = datetime(2027, 1, 1, tzinfo=UTC)
CAMERAS = RetentionRule(name="cameras", alert_kinds=(AlertKind.VIDEO_LOSS,), online_days=7)
FIRE = RetentionRule(name="fire", categories=("fire.alarm",), online_days=365, keys_kept_days=100)
BOOK = sample_rulebook().model_copy(update={"retention": (CAMERAS, FIRE)})


def alert(kind: AlertKind, age_days: float) -> RecordedEvent:
    body = AlertReceived.model_validate_json(json.dumps(sample(AlertReceived, full=True)))
    event = AlertReceived(content=body.content.model_copy(update={"kind": kind}))
    at = NOW - timedelta(days=age_days)
    return RecordedEvent(9, UUID(int=9), 1, event.name, encode(event, ENVELOPE), at)


@pytest.mark.parametrize(
    ("kind", "age_days", "held"),
    [
        (AlertKind.VIDEO_LOSS, 6, True),
        (AlertKind.VIDEO_LOSS, 8, False),
        (AlertKind.SMOKE_FIRE, 364, True),
        (AlertKind.SMOKE_FIRE, 366, False),
        (AlertKind.LITTERING, 1, False),
    ],
)
def test_an_alert_stays_as_long_as_the_rule_of_its_kind_or_category_says(
    kind: AlertKind, age_days: float, held: bool
) -> None:
    hold = Hold(retention.hold_of(BOOK), retention.longest(BOOK))
    assert (hold.keeps(alert(kind, age_days), NOW) is not None) is held


def test_what_is_no_alert_or_cannot_be_read_is_not_held() -> None:
    hold = retention.hold_of(BOOK)
    assert hold(RecordedEvent(1, UUID(int=1), 1, "incident.opened", b"{}", NOW)) is None
    assert hold(RecordedEvent(1, UUID(int=1), 1, AlertReceived.name, b"{}", NOW)) is None


def test_without_rules_nothing_is_held() -> None:
    assert retention.longest(sample_rulebook().model_copy(update={"retention": ()})) == timedelta(0)


def test_a_rule_for_a_category_that_does_not_exist_is_refused() -> None:
    strange = FIRE.model_copy(update={"categories": ("no.such",)})
    with pytest.raises(ValidationError, match=r"unknown category no\.such"):
        Rulebook.model_validate({**BOOK.model_dump(), "retention": [strange.model_dump()]})


def test_days_for_persons_are_those_of_their_category() -> None:
    assert keys_kept_days(BOOK) == {"fire.alarm": 100}


TWICE, OLD, RULELESS, LIVE = PERSONS = tuple(UUID(int=0x500 + number) for number in range(4))
DAYS = {"fire.alarm": 1, "crime.suspected": 36_000}
INCIDENT = INCIDENTS[0]


def report(number: int, category: str, *persons: UUID) -> Happening:
    sealed = tuple(Personal(subject_id=person, sealed="c2VhbGVk") for person in persons)
    filed = ReportFiled(channel="citizen", category=category, text="说", center_id=UUID(int=3), persons=sealed)
    return Happening(UUID(int=number), filed, 0, SYSTEM)


@pytest.fixture
async def vault(dsn: str, tmp_path: Path) -> AsyncIterator[PostgresSealer]:
    (tmp_path / "secrets").mkdir()
    vault = await PostgresSealer.open_vault(dsn, tmp_path / "secrets" / "seal.key")
    yield vault
    await vault.close()


@pytest.fixture
async def named(city: City, vault: PostgresSealer) -> City:
    """Old reports of three classes name four persons; the incident of one report is still on the board."""
    for person in PERSONS:
        await vault.seal(person, "a name")
    await city.tell(
        [
            Happening(INCIDENT, OPENED, 0, SYSTEM),
            report(0x61, "fire.alarm", TWICE, OLD),
            report(0x62, "crime.suspected", TWICE),
            report(0x63, "order.dispute", RULELESS),
            report(0x64, "fire.alarm", LIVE),
            Happening(UUID(int=0x64), ReportLinked(incident_id=INCIDENT, relation="opened"), 0, SYSTEM),
        ]
    )
    return city


async def test_a_person_is_due_when_every_report_is_old_and_no_incident_lives(named: City) -> None:
    pool = named.log.pool
    assert await persons_due(pool, DAYS) == [OLD]
    await named.tell([Happening(INCIDENT, IncidentClosed(), 0, SYSTEM)])
    assert await persons_due(pool, DAYS) == [OLD, LIVE]
    assert await persons_due(pool, {}) == []


async def test_nobody_is_due_while_the_rows_are_behind_the_log(named: City) -> None:
    await tell(named.log, [report(0x65, "crime.suspected", OLD)], began=named.told)
    with pytest.raises(Unavailable, match="a person may have been named since"):
        await persons_due(named.log.pool, DAYS)
    await named.projector.catch_up()
    assert await persons_due(named.log.pool, DAYS) == []


async def test_forgetting_destroys_keys_and_no_fact(
    named: City,
    vault: PostgresSealer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sealed = {person: await vault.seal(person, "a name") for person in PERSONS}
    fire = FIRE.model_copy(update={"keys_kept_days": 1})
    book = BOOK.model_copy(update={"retention": (CAMERAS, fire)})
    active = RulebookActivated(version=book.version, effective_at=NOW)
    stream = rulebook_stream("chengdu")
    await named.tell([Happening(stream, event, 0, SYSTEM) for event in (RulebookPublished(rulebook=book), active)])
    before = await named.log.read_after(0, limit=1_000)
    monkeypatch.setenv("DATABASE_URL", named.dsn)
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path))
    told = [("retention", "--json"), ("retention", "--json", "--destroy-keys"), ("retention", "--json")]
    said = []
    for arguments in told:
        assert await to_thread(main, list(arguments)) == 0
        said.append(json.loads(capsys.readouterr().out))
    assert [(one["persons_due"], one["keys_destroyed"]) for one in said] == [(1, 0), (1, 1), (0, 0)]
    assert [rule["name"] for rule in said[0]["rules"]] == ["cameras", "fire"]
    opened = {person: await vault.open(person, text) for person, text in sealed.items()}
    assert opened == {TWICE: "a name", OLD: None, RULELESS: "a name", LIVE: "a name"}
    assert await named.log.read_after(0, limit=1_000) == before
