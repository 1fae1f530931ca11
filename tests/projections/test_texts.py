"""Every fact and every reason can be read in both languages; nothing missing shows as a bare brace."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.catalogue import EVENTS
from domain.event import Event, Fact
from domain.incident.events import IncidentDismissed, IncidentRouted
from domain.vocabulary import DismissReason
from projections import texts
from projections.code_texts import REASONS
from projections.timeline import _values
from tests.domain.golden_files import file_of
from tests.domain.incident_story import ROUTED
from tests.domain.shapes import ENVELOPE
from tests.projections.happenings import happenings, values_of

TOLD_OF = (
    "incident",
    "assignment",
    "report",
    "incident_number",
    "order",
    "order_number",
    "warning",
    "outcome",
    "checklist",
    "case",
    "handover",
    "aid",
    "cover",
    "unit",
)
TOLD = [name for name in EVENTS if name.split(".")[0] in TOLD_OF]
POLICIES = ("alarm", "commitment", "correlation", "cover", "escalation", "recommendation", "routing")
OF_A_POLICY = re.compile(rf'"((?:{"|".join(POLICIES)})\.[a-z_]+)"')
"""A reason that a policy gives, however it comes to be said; many are looked up in tables."""
SAID = re.compile(r'\bReason\(\s*code="([a-z_.]+)"')
"""A reason that is given anywhere else: a stack that promotes gives one."""
CHINESE = re.compile("[一-鿿]")


def said_in(event: Event) -> Mapping[str, Any]:
    """What the timeline keeps of an event."""
    return _values(Fact(1, UUID(int=1), 1, ENVELOPE.received_at, ENVELOPE, event))


@pytest.mark.parametrize("name", TOLD)
def test_every_fact_of_a_story_has_both_sentences(name: str) -> None:
    chinese, english = texts.SENTENCES[name]
    assert CHINESE.search(chinese)
    assert not CHINESE.search(english)


def test_no_sentence_is_about_a_fact_that_does_not_exist() -> None:
    assert set(texts.SENTENCES) <= set(EVENTS)


@settings(max_examples=200)
@given(happenings(), st.sampled_from(texts.LANGUAGES))
def test_any_fact_can_be_told(happening: object, language: str) -> None:
    event = happening.event  # type: ignore[attr-defined]
    said = texts.sentence(event.name, said_in(event), language)
    assert said
    assert said == texts.sentence(event.name, said_in(event), language)


def test_a_sentence_names_what_the_values_name() -> None:
    class Named(texts.PlainNames):
        def name(self, kind: str, key: str, language: str) -> str:
            return {"agency": "交警", "center": "武侯"}[kind]

    said = texts.sentence(IncidentRouted.name, said_in(ROUTED), "zh", Named())
    assert said == "派遣至武侯；通知交警（主办）"


@settings(max_examples=30)
@given(values_of(IncidentDismissed))
def test_codes_become_words(event: IncidentDismissed) -> None:
    said = texts.sentence(event.name, said_in(event), "en")
    assert event.reason is not DismissReason.FALSE_ALARM or said.startswith("Dismissed: false alarm")


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_a_fact_of_which_an_older_writer_left_fields_out_is_told_too(name: str, language: str) -> None:
    golden = json.loads(file_of(name, EVENTS[name].schema_version, "minimal").read_text(encoding="utf-8"))
    assert texts.sentence(name, golden["body"], language)


def test_what_is_missing_is_a_dash() -> None:
    assert texts.sentence("incident.accepted", {}, "en") == "Accepted by —"


def test_every_reason_the_policies_give_has_words() -> None:
    domain = Path(__file__).parents[2] / "domain"
    of_policies = {
        code
        for module in (domain / "policies").glob("*.py")
        for code in OF_A_POLICY.findall(module.read_text(encoding="utf-8"))
    }
    assert {code.split(".")[0] for code in of_policies} == set(POLICIES)
    elsewhere = {code for module in domain.rglob("*.py") for code in SAID.findall(module.read_text(encoding="utf-8"))}
    assert "stack.next" in elsewhere
    assert (of_policies | elsewhere) - set(REASONS) == set()
