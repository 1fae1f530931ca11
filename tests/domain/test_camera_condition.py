"""How a camera is: nothing is recorded twice, people and machines do not talk over each other, silences end once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.camera import commands as ask
from domain.camera import decider as cameras
from domain.camera.events import (
    CameraArmingChanged,
    CameraAttached,
    CameraDetached,
    CameraExpired,
    CameraHealthChanged,
    ToldTrouble,
)
from domain.camera.vocabulary import ArmingCause, ConditionSource
from domain.event import GeoPoint
from domain.gateway import decider as gateways
from domain.gateway.commands import PromiseSigns, RecordHeard, RecordSilence, WithdrawPromise
from domain.gateway.events import GatewayFellSilent, GatewayHeardAgain, GatewayPromised, GatewayPromiseWithdrawn
from domain.vocabulary import CameraHealth
from tests.domain.deciding import Decider
from tests.domain.shapes import ENVELOPE

AT = ENVELOPE.received_at
ONLINE, DEGRADED, OFFLINE = CameraHealth.ONLINE, CameraHealth.DEGRADED, CameraHealth.OFFLINE
GATEWAY, MAINTAINER = ConditionSource.GATEWAY, ConditionSource.MAINTAINER
ATTACHED = CameraAttached(
    city="cd",
    code="social-1",
    label="mall",
    location=GeoPoint(lon=104.07, lat=30.66),
    owner="mall",
    approved_by="li",
    reason="summer",
    expires_at=AT + timedelta(days=30),
)
camera = Decider(cameras.decide, cameras.evolve, cameras.INITIAL)
gateway = Decider(gateways.decide, gateways.evolve, gateways.INITIAL)


def health(said: CameraHealth, source: ConditionSource = GATEWAY) -> ask.ReportHealth:
    return ask.ReportHealth(health=said, source=source, reason="because")


def changed(said: CameraHealth, source: ConditionSource, effective: CameraHealth, number: int) -> CameraHealthChanged:
    return CameraHealthChanged(health=said, source=source, reason="because", effective=effective, number=number)


def arming(*, armed: bool, cause: ArmingCause = ArmingCause.SCHEDULE) -> ask.ReportArming:
    source = GATEWAY if cause is ArmingCause.SCHEDULE else ConditionSource.OPERATOR
    return ask.ReportArming(armed=armed, source=source, cause=cause)


WENT = changed(OFFLINE, GATEWAY, OFFLINE, 1)


def test_what_a_gateway_repeats_is_no_fact() -> None:
    camera.given(ATTACHED).when(health(ONLINE)).then_nothing()
    camera.given(ATTACHED).when(arming(armed=True)).then_nothing()
    camera.given(ATTACHED).when(health(OFFLINE)).then(WENT)
    camera.given(ATTACHED, WENT).when(health(OFFLINE)).then_nothing()
    camera.given(ATTACHED, WENT).when(health(ONLINE)).then(changed(ONLINE, GATEWAY, ONLINE, 2))


def test_what_a_maintainer_found_stands_until_people_take_it_back() -> None:
    found = changed(DEGRADED, MAINTAINER, DEGRADED, 1)
    camera.given(ATTACHED).when(health(DEGRADED, MAINTAINER)).then(found)
    camera.given(ATTACHED, found).when(health(ONLINE)).then_nothing()
    worse = changed(OFFLINE, GATEWAY, OFFLINE, 2)
    camera.given(ATTACHED, found).when(health(OFFLINE)).then(worse)
    better = changed(ONLINE, GATEWAY, DEGRADED, 3)
    camera.given(ATTACHED, found, worse).when(health(ONLINE)).then(better)
    repaired = changed(ONLINE, ConditionSource.OPERATOR, ONLINE, 4)
    camera.given(ATTACHED, found, worse, better).when(health(ONLINE, ConditionSource.OPERATOR)).then(repaired)


LOSS, BLIND, SINGLE = "hikvision:videoloss", "hikvision:shelteralarm", "gb28181:method=2 type=1"


def told(word: str, said: CameraHealth, at_s: float, *, is_lasting: bool = True) -> ask.ReportTrouble:
    trouble = ToldTrouble(word=word, told_at=AT + timedelta(seconds=at_s), is_lasting=is_lasting)
    return ask.ReportTrouble(trouble=trouble, health=said)


def learnt(command: ask.ReportTrouble, effective: CameraHealth, number: int) -> CameraHealthChanged:
    return CameraHealthChanged(
        health=command.health,
        source=ConditionSource.DEVICE,
        reason=command.trouble.word,
        effective=effective,
        number=number,
        trouble=command.trouble,
    )


LOST = told(LOSS, OFFLINE, 0)
WAS_LOST = learnt(LOST, OFFLINE, 1)


def test_a_device_that_sees_nothing_is_offline_until_it_says_that_it_sees() -> None:
    camera.given(ATTACHED).when(LOST).then(WAS_LOST)
    camera.given(ATTACHED, WAS_LOST).when(told(LOSS, OFFLINE, 1)).then_nothing()
    over = told(LOSS, ONLINE, 60)
    camera.given(ATTACHED, WAS_LOST).when(over).then(learnt(over, ONLINE, 2))
    camera.given().when(LOST).then_refused("camera.unknown")


def test_a_device_is_as_bad_as_the_worst_of_its_troubles_that_lasts() -> None:
    blind, seen = told(BLIND, DEGRADED, 5), told(LOSS, ONLINE, 10)
    covered = learnt(blind, OFFLINE, 1)
    camera.given(ATTACHED, WAS_LOST).when(blind).then(covered)
    camera.given(ATTACHED, WAS_LOST, covered).when(seen).then(learnt(seen, DEGRADED, 2))


def test_words_of_a_device_count_by_when_they_were_said() -> None:
    early_end = told(LOSS, ONLINE, 60)
    ended = learnt(early_end, ONLINE, 0)
    camera.given(ATTACHED).when(early_end).then(ended)
    camera.given(ATTACHED, ended).when(LOST).then_nothing()
    again = told(LOSS, OFFLINE, 60)
    camera.given(ATTACHED, ended).when(again).then(learnt(again, OFFLINE, 1))


def test_a_gateway_ends_only_what_the_device_cannot_end_itself() -> None:
    single = told(SINGLE, OFFLINE, 0, is_lasting=False)
    camera.given(ATTACHED, WAS_LOST).when(health(ONLINE)).then_nothing()
    camera.given(ATTACHED, learnt(single, OFFLINE, 1)).when(health(ONLINE)).then(changed(ONLINE, GATEWAY, ONLINE, 2))


def test_a_person_who_sees_the_picture_ends_what_the_device_said_by_then() -> None:
    repaired = changed(ONLINE, MAINTAINER, ONLINE, 2)
    camera.given(ATTACHED, WAS_LOST).when(health(ONLINE, MAINTAINER)).then(repaired)
    camera.given(ATTACHED, WAS_LOST, repaired).when(health(ONLINE, MAINTAINER)).then_nothing()
    next_word = told(LOSS, OFFLINE, 90)
    camera.given(ATTACHED, WAS_LOST, repaired).when(next_word).then(learnt(next_word, OFFLINE, 3))


def test_alarms_are_off_while_a_schedule_or_a_person_says_so() -> None:
    off = CameraArmingChanged(armed=False, source=GATEWAY, cause=ArmingCause.SCHEDULE, effective=False, number=1)
    camera.given(ATTACHED).when(arming(armed=False)).then(off)
    by_hand = arming(armed=False, cause=ArmingCause.PERSON)
    (also,) = camera.decide(by_hand, [ATTACHED, off])
    assert (also.effective, also.number) == (False, 1), "it was off already"
    (scheduled,) = camera.decide(arming(armed=True), [ATTACHED, off, also])
    assert (scheduled.effective, scheduled.number) == (False, 1)
    (on,) = camera.decide(arming(armed=True, cause=ArmingCause.PERSON), [ATTACHED, off, also, scheduled])
    assert (on.effective, on.number) == (True, 2)


def test_only_a_camera_in_use_has_a_state() -> None:
    camera.given().when(health(OFFLINE)).then_refused("camera.unknown")
    camera.given(ATTACHED, CameraDetached(reason="over")).when(health(OFFLINE)).then_refused("camera.unknown")


def test_an_attachment_expires_once_by_how_much_and_can_be_made_anew() -> None:
    late = ask.ExpireCamera(noticed_at=AT + timedelta(days=30, seconds=7))
    assert ATTACHED.expires_at is not None
    expired = CameraExpired(due_at=ATTACHED.expires_at, late_s=7)
    camera.given(ATTACHED).when(late).then(expired)
    camera.given(ATTACHED).when(ask.ExpireCamera(noticed_at=AT)).then_nothing()
    camera.given(ATTACHED, expired).when(late).then_nothing()
    camera.given(ATTACHED, CameraDetached(reason="over")).when(late).then_nothing()
    renewed = ATTACHED.model_copy(update={"expires_at": AT + timedelta(days=90)})
    camera.given(ATTACHED, renewed).when(late).then_nothing()
    camera.given(ATTACHED, expired).when(ask.AttachCamera(camera=ATTACHED)).then(ATTACHED)


def test_another_attachment_does_not_repair_a_camera() -> None:
    state = camera.state((ATTACHED, WENT, CameraDetached(reason="over"), ATTACHED))
    assert state.condition.health is OFFLINE


@given(st.lists(st.tuples(st.sampled_from(list(CameraHealth)), st.sampled_from(list(ConditionSource))), max_size=30))
def test_the_number_counts_what_changes_and_nothing_else(said: list[tuple[CameraHealth, ConditionSource]]) -> None:
    facts: list[CameraAttached | CameraHealthChanged] = [ATTACHED]
    effective, changes = ONLINE, 0
    for each, source in said:
        for event in camera.decide(health(each, source), facts):
            changes += event.effective is not effective
            effective = event.effective
            assert event.number == changes
            facts.append(event)
    assert camera.state(facts).condition.health is effective


PROMISED = GatewayPromised(city="cd", gateway="g", silent_after_s=180)
SILENCE = RecordSilence(last_heard_at=AT, due_at=AT + timedelta(seconds=180), noticed_at=AT + timedelta(seconds=200))
FELL = GatewayFellSilent(last_heard_at=AT, due_at=AT + timedelta(seconds=180), late_s=20, number=1)


def test_a_silence_is_recorded_once_and_ends_once() -> None:
    gateway.given(PROMISED).when(SILENCE).then(FELL)
    gateway.given(PROMISED, FELL).when(SILENCE).then_nothing()
    heard = RecordHeard(heard_at=AT + timedelta(seconds=500))
    again = GatewayHeardAgain(heard_at=AT + timedelta(seconds=500), silent_s=500, number=1)
    gateway.given(PROMISED, FELL).when(heard).then(again)
    gateway.given(PROMISED, FELL, again).when(heard).then_nothing()
    gateway.given(PROMISED, FELL).when(RecordHeard(heard_at=AT)).then_nothing()
    (second,) = gateway.decide(SILENCE, [PROMISED, FELL, again])
    assert second.number == 2


@pytest.mark.parametrize("facts", [(), (PROMISED, GatewayPromiseWithdrawn(reason="gone"))])
def test_who_promises_nothing_is_never_silent(facts: tuple[GatewayPromised, ...]) -> None:
    gateway.given(*facts).when(SILENCE).then_nothing()


def test_a_promise_is_made_once_and_withdrawn_with_the_silence_it_ends() -> None:
    gateway.given(PROMISED).when(PromiseSigns(promise=PROMISED)).then_nothing()
    withdraw = WithdrawPromise(reason="gone")
    gateway.given(PROMISED, FELL).when(withdraw).then(GatewayPromiseWithdrawn(reason="gone", number=1))
    gateway.given().when(withdraw).then_nothing()
