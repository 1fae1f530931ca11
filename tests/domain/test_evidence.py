"""A recording is asked for after the fact, provided once, and its chain of holders is never broken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.evidence import commands as ask
from domain.evidence import events as fact
from domain.evidence.decider import INITIAL, decide, evolve
from tests.domain.deciding import Decider

evidence = Decider(decide, evolve, INITIAL)

NOW = datetime(2026, 7, 4, tzinfo=UTC)
HASH, OTHER_HASH = "a" * 64, "b" * 64
REQUEST = ask.RequestEvidence(
    camera_id=UUID(int=1),
    camera_path=(UUID(int=2),),
    center_id=UUID(int=3),
    begins_at=NOW - timedelta(hours=2),
    ends_at=NOW - timedelta(hours=1),
    purpose="whose car it was",
    asked_at=NOW,
)
REQUESTED = fact.EvidenceRequested(**{name: getattr(REQUEST, name) for name in fact.EvidenceRequested.model_fields})
PROVIDE = ask.ProvideEvidence(
    uri="file://store/1", sha256=HASH, clock_offset_s=-412.5, clock_checked_by="a clock in the picture", holder="room 1"
)
PROVIDED = fact.EvidenceProvided(**PROVIDE.model_dump())
DECLINE = ask.DeclineEvidence(reason="overwritten")
DECLINED = fact.EvidenceUnavailable(reason="overwritten")
HAND_OVER = ask.HandOverEvidence(to_holder="detectives", sha256=HASH, purpose="the case")
HANDED_OVER = fact.EvidenceHandedOver(from_holder="room 1", to_holder="detectives", sha256=HASH, purpose="the case")
READ = ask.ReadEvidence(purpose="check the time")


def test_a_recording_is_asked_for_once():
    evidence.given().when(REQUEST).then(REQUESTED)
    evidence.given(REQUESTED).when(REQUEST).then_nothing()


def test_it_is_asked_for_after_the_fact():
    for begins_at, ends_at in ((NOW, NOW + timedelta(seconds=1)), (NOW, NOW), (NOW, NOW - timedelta(hours=1))):
        early = REQUEST.model_copy(update={"begins_at": begins_at, "ends_at": ends_at})
        evidence.given().when(early).then_refused("evidence.no_period")


def test_nothing_is_done_about_what_nobody_asked_for():
    for command in (PROVIDE, DECLINE, HAND_OVER, READ):
        evidence.given().when(command).then_refused("evidence.unknown")


def test_it_is_provided_once_and_does_not_change():
    evidence.given(REQUESTED).when(PROVIDE).then(PROVIDED)
    evidence.given(REQUESTED, PROVIDED).when(PROVIDE).then_nothing()
    other = PROVIDE.model_copy(update={"sha256": OTHER_HASH})
    evidence.given(REQUESTED, PROVIDED).when(other).then_refused("evidence.already_answered", phase="provided")


def test_what_is_not_there_is_not_provided_later():
    evidence.given(REQUESTED).when(DECLINE).then(DECLINED)
    evidence.given(REQUESTED, DECLINED).when(DECLINE).then_nothing()
    evidence.given(REQUESTED, DECLINED).when(PROVIDE).then_refused("evidence.already_answered")
    evidence.given(REQUESTED, PROVIDED).when(DECLINE).then_refused("evidence.already_answered")


def test_the_chain_goes_from_holder_to_holder():
    evidence.given(REQUESTED, PROVIDED).when(HAND_OVER).then(HANDED_OVER)
    evidence.given(REQUESTED, PROVIDED, HANDED_OVER).when(HAND_OVER).then_nothing()
    onward = HAND_OVER.model_copy(update={"to_holder": "court"})
    evidence.given(REQUESTED, PROVIDED, HANDED_OVER).when(onward).then(
        HANDED_OVER.model_copy(update={"from_holder": "detectives", "to_holder": "court"})
    )


def test_another_recording_is_not_handed_over():
    wrong = HAND_OVER.model_copy(update={"sha256": OTHER_HASH})
    evidence.given(REQUESTED, PROVIDED).when(wrong).then_refused(
        "evidence.hash_differs", provided=HASH, computed=OTHER_HASH
    )


def test_only_what_was_provided_is_read_or_handed_over():
    for facts in ((REQUESTED,), (REQUESTED, DECLINED)):
        evidence.given(*facts).when(READ).then_refused("evidence.not_provided")
        evidence.given(*facts).when(HAND_OVER).then_refused("evidence.not_provided")
    evidence.given(REQUESTED, PROVIDED).when(READ).then(fact.EvidenceRead(purpose="check the time"))
