"""Facts to bytes and back, for any value of any event."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import codec, upcasters
from domain.catalogue import EVENTS
from domain.codec import NewerSchema, Undecodable, decode, encode
from domain.event import Actor, Envelope, Event, Fact, Personal
from domain.incident.events import IncidentVerified
from domain.report.events import ReportFiled
from domain.vocabulary import ActorKind
from tests.domain.golden_files import file_of
from tests.domain.shapes import ENVELOPE, sample, values

STREAM, RECORDED_AT = UUID(int=1), datetime(2026, 7, 1, tzinfo=UTC)


def read(name: str, state: bytes) -> Fact[Event]:
    return decode(topic=name, state=state, position=5, stream_id=STREAM, version=2, recorded_at=RECORDED_AT)


def opened(name: str, state: bytes) -> Fact[Event]:
    return codec.open_fact(topic=name, state=state, position=5, stream_id=STREAM, version=2, recorded_at=RECORDED_AT)


@pytest.mark.parametrize("name", sorted(EVENTS))
@settings(max_examples=12)
@given(drawing=st.data())
def test_any_fact_comes_back_as_it_was_and_opened_later_it_is_the_same(name, drawing):
    """Both of the same values: to draw them is most of the work."""
    event = drawing.draw(values(EVENTS[name]))
    envelope = drawing.draw(values(Envelope))
    state = encode(event, envelope)
    assert read(name, state) == Fact(5, STREAM, 2, RECORDED_AT, envelope, event)
    fact = opened(name, state)
    assert (fact.occurred_at, fact.actor) == (envelope.occurred_at, envelope.actor)
    assert fact.rule_version == envelope.rule_version
    for field in set(EVENTS[name].model_fields) - {"explanation"}:
        assert getattr(fact.gist(), field) == getattr(event, field)
    assert type(fact.gist()) is EVENTS[name]
    assert (fact.name, fact.plain()) == (name, json.loads(state)["body"])
    assert fact == read(name, state)
    assert fact.plain() == read(name, state).plain()
    if "incident_id" in EVENTS[name].model_fields and event.incident_id is not None:
        assert opened(name, state).about() == event.incident_id == read(name, state).about()


def test_an_explanation_is_the_last_field_and_a_gist_lacks_it_loudly():
    """What is found behind it would be cut off with it."""
    explained = [event for event in EVENTS.values() if "explanation" in event.model_fields]
    assert explained
    for event in explained:
        assert [*event.model_fields][-1] == "explanation"
        full = event.model_validate(sample(event, full=True))
        fact = opened(event.name, encode(full, ENVELOPE))
        with pytest.raises(AttributeError):
            fact.gist().explanation  # noqa: B018
        assert fact.event == full
        assert fact.gist().model_copy(update={"explanation": full.explanation}) == full


@pytest.mark.parametrize("form", ["full", "minimal"])
@pytest.mark.parametrize("name", sorted(EVENTS))
def test_a_stored_form_written_by_other_hands_is_read_the_long_way(name, form):
    """Other spaces, another order: no short way, the same fact."""
    golden = json.loads(file_of(name, EVENTS[name].schema_version, form).read_text(encoding="utf-8"))
    ours = json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode()
    for other in (json.dumps(golden, indent=1), json.dumps(dict(reversed(golden.items())))):
        assert opened(name, other.encode()) == read(name, other.encode()) == read(name, ours)


def test_words_in_the_envelope_that_look_like_the_body_are_words():
    actor = Actor(kind=ActorKind.OPERATOR, id=',"body":{"note":"no"}')
    state = encode(IncidentVerified(note=',"body":{'), ENVELOPE.model_copy(update={"actor": actor}))
    for fact in (read("incident.verified", state), opened("incident.verified", state)):
        assert (fact.envelope.actor, fact.event) == (actor, IncidentVerified(note=',"body":{'))


@pytest.mark.parametrize("name", ['},"rule_version":7', "},", '"', '\\},"', '},"causation_id":"'])
def test_words_in_the_envelope_that_look_like_its_end_are_words(name):
    for envelope in (ENVELOPE, Envelope.model_validate(sample(Envelope, full=True))):
        told = envelope.model_copy(update={"actor": Actor(kind=ActorKind.OPERATOR, id=name)})
        fact = opened("incident.verified", encode(IncidentVerified(), told))
        assert (fact.actor, fact.rule_version) == (told.actor, told.rule_version)


WRONG_BODIES = (b'{"note":1}', b'{"note":"x"},"more":{}', b'{"note":', b'{"by_drone":true}', b"{}]")


@pytest.mark.parametrize("body", WRONG_BODIES)
def test_a_body_that_is_not_what_it_should_be_is_found_out_by_whoever_looks(body):
    head = encode(IncidentVerified(), ENVELOPE)[: -len(b"{}}")]
    state = head + body + (b"" if body.endswith(b"]") else b"}")
    with pytest.raises(Undecodable, match="position 5"):
        read("incident.verified", state)
    with pytest.raises(Undecodable, match="position 5"):
        assert opened("incident.verified", state).event


def test_an_opened_fact_of_an_older_version_is_upcast(moved):
    stored = {"schema_version": 1, **ENVELOPE.model_dump(mode="json"), "body": {"radius_km": 1.5}}
    fact = opened("test.moved", json.dumps(stored, separators=(",", ":")).encode())
    assert fact.event == moved(radius_m=1500.0, reason="unknown")
    assert fact.plain() == {"radius_m": 1500.0, "reason": "unknown"}


def test_an_unsealed_person_is_never_written():
    told = ReportFiled.model_validate(
        {**sample(ReportFiled, full=False), "caller": {"subject_id": STREAM, "text": "王小明"}}
    )
    with pytest.raises(AssertionError, match="unsealed"):
        encode(told, ENVELOPE)


def test_a_person_is_either_plain_or_sealed():
    for fields in ({}, {"text": "王小明", "sealed": "c2VhbGVk"}):
        with pytest.raises(ValueError, match="either plain"):
            Personal(subject_id=STREAM, **fields)


def test_an_event_outside_the_catalogue_is_never_written():
    class Rumour(Event):
        name: ClassVar[str] = "rumour.heard"

    with pytest.raises(AssertionError, match="catalogue"):
        encode(Rumour(), ENVELOPE)


def test_an_event_of_a_newer_release_pauses_the_reader():
    state = json.loads(encode(IncidentVerified(), ENVELOPE))
    state["schema_version"] = IncidentVerified.schema_version + 1
    with pytest.raises(NewerSchema):
        read("incident.verified", json.dumps(state).encode())
    with pytest.raises(NewerSchema):
        read("incident.teleported", json.dumps(state).encode())


def test_a_newer_event_with_fields_we_do_not_know_pauses_too():
    state = json.loads(encode(IncidentVerified(), ENVELOPE))
    state["schema_version"] = IncidentVerified.schema_version + 1
    state["body"]["by_drone"] = True
    with pytest.raises(NewerSchema):
        read("incident.verified", json.dumps(state).encode())


@pytest.mark.parametrize("state", [b"{", b"[]", b"null", b'{"schema_version": 1}', b"\xff\xfe"])
def test_bytes_that_no_shape_explains_are_named_with_their_position(state):
    with pytest.raises(Undecodable, match="position 5"):
        read("incident.verified", state)


# --- a planted old version ---


class Moved(Event):
    """As it is now: a radius in metres."""

    name: ClassVar[str] = "test.moved"
    schema_version: ClassVar[int] = 3
    radius_m: float
    reason: str


def first_to_second(body: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: value for name, value in body.items() if name != "radius_km"},
        "radius_m": body["radius_km"] * 1000,
    }


def second_to_third(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "reason": "unknown"}


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> type[Moved]:
    monkeypatch.setitem(EVENTS, "test.moved", Moved)
    monkeypatch.setitem(upcasters.UPCASTERS, ("test.moved", 1), first_to_second)
    monkeypatch.setitem(upcasters.UPCASTERS, ("test.moved", 2), second_to_third)
    return Moved


@pytest.mark.parametrize(
    ("version", "body"),
    [
        (1, {"radius_km": 1.5}),
        (2, {"radius_m": 1500.0}),
        (3, {"radius_m": 1500.0, "reason": "unknown"}),
    ],
)
def test_every_old_shape_is_read_as_the_present_one(moved, version, body):
    stored = {"schema_version": version, **ENVELOPE.model_dump(mode="json"), "body": body}
    fact = read("test.moved", json.dumps(stored).encode())
    assert fact.event == moved(radius_m=1500.0, reason="unknown")
    assert fact.envelope == ENVELOPE


def test_an_old_version_that_happens_to_fit_the_new_shape_is_upcast_all_the_same(moved):
    stored = {"schema_version": 2, **ENVELOPE.model_dump(mode="json"), "body": {"radius_m": 1.0, "reason": "drift"}}
    assert read("test.moved", json.dumps(stored).encode()).event == moved(radius_m=1.0, reason="unknown")


def test_every_step_from_every_old_version_has_its_upcaster():
    lacking = [
        f"{name} {version} → {version + 1}"
        for name, event in EVENTS.items()
        for version in range(1, event.schema_version)
        if (name, version) not in upcasters.UPCASTERS
    ]
    assert not lacking, f"write these upcasters in domain.upcasters: {lacking}"


def test_no_upcaster_is_for_an_event_or_a_version_that_never_was():
    for name, version in upcasters.UPCASTERS:
        assert version < EVENTS[name].schema_version
