"""An alert's stream holds every distinct thing that was said under one identity, once."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from domain.alert.commands import ReceiveAlert
from domain.alert.decider import INITIAL, REVISIONS_MAX, State, decide, evolve
from domain.alert.events import AlertContent, AlertReceived, AlertRevised, MessageSetAside
from domain.event import Event
from domain.refusals import Refusal
from domain.vocabulary import AlertKind, Severity


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
