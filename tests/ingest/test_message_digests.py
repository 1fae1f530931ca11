"""A digest of a message's meaning is the same in every release."""

from __future__ import annotations

from dispatch.ingest.adapters import ADAPTERS
from tests.ingest.stage import draft_of, fixture

FIELD = fixture("hikvision_field_detection.xml")
FLOOD = fixture("cap_flood.xml").decode()


def test_digests_of_old_messages_stay_what_they_were():
    """A digest that changes with a release would turn every repeat from before it into a revision."""
    bodies = {
        "native": b'{"id":"1","kind":"motion","severity":"severe","location":{"coordinates":[104.05,30.65]}}',
        "hikvision": FIELD,
        "frigate": fixture("frigate_update.json"),
        "gb28181": fixture("gb28181_alarm.xml"),
        "cap": FLOOD.encode(),
        "sensorthings": fixture("sensorthings_observation.json"),
        "dahua": fixture("dahua_crossline.txt"),
        "onvif": fixture("onvif_notify.xml"),
        "datex2": fixture("datex2_version2.xml"),
        "wzdx": ADAPTERS["wzdx"].example[1].encode(),
    }
    digests = {adapter: draft_of(adapter, body).content.content_sha256[:16] for adapter, body in bodies.items()}
    assert digests == {
        "native": "3971ce459bf5071b",
        "hikvision": "ca9a75ffa1f38bc7",
        "frigate": "9fb519429c1537a6",
        "gb28181": "2ac7fe29dc1fe77a",
        "cap": "2fabe144e5f6042c",
        "sensorthings": "f3912e9808d1cfff",
        "dahua": "4b92dfec6ce21822",
        "onvif": "924a154beabc4eec",
        "datex2": "d885c61123796619",
        "wzdx": "dc99a413808b5cc3",
    }
