"""Notes are added freely, struck once, and never deleted."""

from __future__ import annotations

from uuid import UUID

from domain.incident import commands as ask
from domain.incident import events as fact
from domain.incident.companion import INITIAL, decide, evolve
from tests.domain.deciding import Decider

companion = Decider(decide, evolve, INITIAL)

INCIDENT, NOTE, OTHER_NOTE = UUID(int=1), UUID(int=2), UUID(int=3)
ADDED = fact.NoteAdded(incident_id=INCIDENT, note_id=NOTE, text="two lanes blocked")
STRIKE = ask.StrikeNote(incident_id=INCIDENT, note_id=NOTE, reason="other street")
STRUCK = fact.NoteStruck(incident_id=INCIDENT, note_id=NOTE, reason="other street")


def test_a_note_is_added():
    companion.given().when(ask.AddNote(incident_id=INCIDENT, note_id=NOTE, text="two lanes blocked")).then(ADDED)


def test_the_same_note_again_says_nothing():
    companion.given(ADDED).when(
        ask.AddNote(incident_id=INCIDENT, note_id=NOTE, text="two lanes blocked")
    ).then_nothing()


def test_a_wrong_note_is_struck_with_the_reason():
    companion.given(ADDED).when(STRIKE).then(STRUCK)


def test_a_note_is_struck_once():
    companion.given(ADDED, STRUCK).when(STRIKE).then_refused("note.already_struck", note_id=str(NOTE))


def test_only_a_note_that_exists_is_struck():
    companion.given(ADDED).when(STRIKE.model_copy(update={"note_id": OTHER_NOTE})).then_refused("note.unknown")
