"""Events of Frigate are understood."""

from __future__ import annotations

import json

from dispatch.ingest.message import Draft, Rejected
from domain.vocabulary import (
    AlertKind,
    AlertPhase,
)
from tests.ingest.stage import draft_of, fixture, parse, refusal_of


class TestFrigate:
    def test_names_faces_and_plates_are_dropped(self):
        said = draft_of("frigate", fixture("frigate_update.json")).content.model_dump_json()
        assert not any(secret in said for secret in ("Zhang", "川A", "face", "aGFsbG8"))

    def test_an_update_is_known_by_its_frame(self):
        content = draft_of("frigate", fixture("frigate_update.json")).content
        assert (content.source_event_id, content.revision) == ("1785590045.4-abc", "update 1785590047.25")
        assert (content.kind, content.phase, content.confidence) == (AlertKind.VEHICLE, AlertPhase.UPDATE, 0.9375)
        assert content.text == "car in bridge, lane 2"
        assert content.media[0].uri == "frigate:/api/events/1785590045.4-abc/snapshot.jpg"

    def test_the_end_as_pushed_and_as_listed_is_one_identity(self):
        listed = parse("frigate", fixture("frigate_list.json")).entries[0]
        assert isinstance(listed, Draft)
        after = {"id": "1785590045.4-abc", "camera": "cam_00042", "label": "person", "end_time": 1785590060.0}
        pushed = draft_of("frigate", json.dumps({"type": "end", "before": {}, "after": after}))
        assert (listed.content.source_event_id, listed.content.revision, listed.said_at) == (
            pushed.content.source_event_id,
            pushed.content.revision,
            pushed.said_at,
        )

    def test_a_list_holds_each_event_and_refuses_the_wrong_ones_without_their_secrets(self):
        ended, running, wrong = parse("frigate", fixture("frigate_list.json")).entries
        assert isinstance(ended, Draft)
        assert isinstance(running, Draft)
        assert (ended.content.phase, running.content.phase) == (AlertPhase.END, AlertPhase.START)
        assert running.content.kind is AlertKind.SMOKE_FIRE
        assert isinstance(wrong, Rejected)
        assert wrong.refusal.pointer == "/camera"
        assert "川A".encode() not in wrong.body
        assert "plate" not in wrong.body.decode()

    def test_comments_are_not_json(self):
        assert "comment" in refusal_of("frigate", '{"type": "new", // new, update, end\n"after": {}}').detail

    def test_a_description_of_an_event_is_no_alarm(self):
        refusal = refusal_of("frigate", '{"type":"description","id":"1-a","description":"a red car"}')
        assert (refusal.code, refusal.kept) == ("ingest.not_an_alarm", False)

    def test_a_false_positive_is_no_alarm(self):
        event = {"id": "1", "camera": "c", "label": "person", "start_time": 1.0, "false_positive": True}
        assert refusal_of("frigate", json.dumps(event)).code == "ingest.not_an_alarm"
