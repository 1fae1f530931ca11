"""An alert's stream holds every distinct thing that was said under one identity, once."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alert.commands import ReceiveAlert
from domain.alert.decider import INITIAL, REVISIONS_MAX, State, decide, evolve
from domain.alert.events import AlertContent, AlertReceived, AlertRevised, CameraHealthTold, MessageSetAside
from domain.event import Event
from domain.identifiers import camera_id
from domain.refusals import Refusal
from domain.vocabulary import AlertKind, AlertPhase, CameraHealth, ClockQuality, MessageStatus, Severity


def said(text: str, severity: Severity = Severity.MINOR) -> AlertContent:
    return AlertContent(
        source="gw",
        adapter="native",
        source_event_id="1",
        kind=AlertKind.MOTION,
        text=text,
        severity=severity,
        content_sha256=sha256(f"{text}{severity}".encode()).hexdigest(),
    )


def given_said(*contents: AlertContent) -> State:
    return after(decide_all(contents))


def after(events: Sequence[Event]) -> State:
    state = INITIAL
    for event in events:
        state = evolve(state, event)
    return state


def decide_all(contents: Sequence[AlertContent]) -> list[Event]:
    state, events = INITIAL, []
    for content in contents:
        decided = decide(ReceiveAlert(content=content), state)
        assert not isinstance(decided, Refusal)
        for event in decided:
            state = evolve(state, event)
            events.append(event)
    return events


def test_the_first_message_is_received():
    assert decide(ReceiveAlert(content=said("a")), INITIAL) == (AlertReceived(content=said("a")),)


def test_a_repeat_of_anything_said_before_changes_nothing():
    state = given_said(said("a"), said("b"))
    assert decide(ReceiveAlert(content=said("a")), state) == ()
    assert decide(ReceiveAlert(content=said("b")), state) == ()


def test_anything_else_is_a_revision():
    assert decide(ReceiveAlert(content=said("b")), given_said(said("a"))) == (AlertRevised(content=said("b")),)


def test_a_rise_in_severity_is_a_revision_even_beyond_the_limit():
    state = given_said(*(said(str(n)) for n in range(REVISIONS_MAX)))
    refused = decide(ReceiveAlert(content=said("one more")), state)
    assert isinstance(refused, Refusal)
    assert refused.code == "ingest.too_many_revisions"
    worse = said("one more", Severity.SEVERE)
    assert decide(ReceiveAlert(content=worse), state) == (AlertRevised(content=worse),)


def test_other_facts_on_the_stream_are_ignored():
    fact = MessageSetAside(adapter="a", source="s", sha256="0" * 64, reason="r", detail="d", size_bytes=1)
    state = evolve(given_said(said("a")), fact)
    assert (state.versions, state.last_version) == ({said("a").content_sha256: 1}, 2)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(Severity)), max_size=30))
def test_each_distinct_content_is_recorded_once_and_the_worst_is_never_hidden(story: list[tuple[str, Severity]]):
    contents = [said(text, severity) for text, severity in story]
    events = decide_all(contents)
    recorded = [event.content for event in events if isinstance(event, (AlertReceived, AlertRevised))]
    assert recorded == list(dict.fromkeys(contents))
    assert max((content.severity for content in recorded), default=None) == max(
        (severity for _, severity in story), default=None
    )
    assert [type(event) for event in events[:1]] == [AlertReceived] * bool(events)


CAMERA = camera_id("chengdu", "51010700001320000042")
LOSS = {"adapter": "dahua", "kind": AlertKind.VIDEO_LOSS, "vendor_type": "VideoLoss", "phase": AlertPhase.START}


def loss(**given: object) -> AlertContent:
    return said("a").model_copy(update={**LOSS, "camera_id": CAMERA, **given})


def test_what_a_known_camera_says_of_its_seeing_is_learnt_with_the_alert():
    learnt = CameraHealthTold(camera_id=CAMERA, health=CameraHealth.OFFLINE, word="dahua:videoloss", is_lasting=True)
    command = ReceiveAlert(content=loss(), camera_health=CameraHealth.OFFLINE)
    assert decide(command, INITIAL) == (AlertReceived(content=loss()), learnt)
    assert decide(command, after([AlertReceived(content=loss()), learnt])) == ()
    single = ReceiveAlert(content=loss(phase=AlertPhase.SINGLE), camera_health=CameraHealth.OFFLINE)
    assert decide(single, INITIAL)[1:] == (learnt.model_copy(update={"is_lasting": False}),)


@pytest.mark.parametrize(
    ("content", "health"),
    [
        (loss(), None),
        (loss(camera_id=None), CameraHealth.OFFLINE),
        (loss(status=MessageStatus.EXERCISE), CameraHealth.OFFLINE),
        (loss(clock=ClockQuality.LATE), CameraHealth.OFFLINE),
    ],
    ids=["says nothing of it", "unknown camera", "exercise", "of the day before"],
)
def test_an_alert_that_tells_nothing_of_how_a_camera_is_now_is_received_alone(content, health):
    assert decide(ReceiveAlert(content=content, camera_health=health), INITIAL) == (AlertReceived(content=content),)


def test_a_revision_counts_from_where_it_stands_behind_what_was_learnt():
    first = decide(ReceiveAlert(content=loss(), camera_health=CameraHealth.OFFLINE), INITIAL)
    second = loss(severity=Severity.SEVERE, content_sha256="1" * 64)
    state = after([*first, AlertRevised(content=second)])
    assert (state.versions[loss().content_sha256], state.versions["1" * 64]) == (1, 3)
