"""Nothing that comes in raises anything but a named refusal."""

from __future__ import annotations

import json
import random  # noqa: TID251  # seeded by Hypothesis, which prints the seed of a failure
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.api.problems.refusal_types import REFUSALS
from dispatch.ingest.adapters import ADAPTERS
from dispatch.ingest.answers import status_of_code
from dispatch.ingest.limits import BODY_BYTES_MAX, XML_DEPTH_MAX, XML_ELEMENTS_MAX
from dispatch.ingest.message import Delivery, Draft, NotUnderstood, Parsed, Rejected
from tests.ingest.stage import FIXTURES, SAMPLES, fixture, parse

XML_ADAPTERS = ("hikvision", "gb28181", "cap", "onvif", "datex2")
JSON_ADAPTERS = ("native", "frigate", "hikvision", "sensorthings", "dahua", "wzdx")
SECONDS_MAX = 2.0
SEEDS = {
    "native": [
        b'[{"id":"1","kind":"motion","location":{"coordinates":[104.0,30.6]},"severity":"minor","camera":"c"}]',
    ],
    "hikvision": [fixture(f"hikvision_{name}") for name in ("field_detection.xml", "duration.xml", "end.json")],
    "frigate": [fixture("frigate_update.json"), fixture("frigate_list.json")],
    "gb28181": [fixture("gb28181_alarm.xml")],
    "cap": [fixture("cap_flood.xml")],
    "sensorthings": [fixture(f"sensorthings_{name}.json") for name in ("observation", "datastream", "gauge")],
    "dahua": [fixture(f"dahua_{name}") for name in ("crossline.txt", "stream.txt", "fire.txt", "list.json")],
    "onvif": [fixture(f"onvif_{name}.xml") for name in ("notify", "pull", "axis_stream")],
    "datex2": [fixture(f"datex2_{name}.xml") for name in ("publication", "version2")],
    "wzdx": [fixture("wzdx_feed.geojson")],
}
CONTENT_TYPES = ("", "application/xml", "multipart/form-data; boundary=b", "application/x-ndjson")


def understood_or_refused(adapter: str, body: bytes, content_type: str = "") -> Parsed | NotUnderstood:
    """What the adapter makes of it; anything but a named refusal escapes and fails the test."""
    try:
        parsed = ADAPTERS[adapter].parse(body, Delivery("fuzz", content_type))
    except NotUnderstood as refusal:
        return known(refusal)
    for entry in parsed.entries:
        if isinstance(entry, Draft):
            json.dumps(entry.content.model_dump(mode="json"), ensure_ascii=False).encode()
        else:
            known(entry.refusal)
    return parsed


def known(refusal: NotUnderstood) -> NotUnderstood:
    """The refusal, which has a page that explains it."""
    assert refusal.code in REFUSALS, refusal.code
    return refusal


def refused(adapter: str, body: bytes) -> NotUnderstood:
    found = understood_or_refused(adapter, body)
    assert isinstance(found, NotUnderstood), found
    return found


HOSTILE_XML = {
    "external entity": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "external document type": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/evil.dtd"><a/>',
    "parameter entity": b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x">%p;]><a/>',
    "a billion laughs": (
        b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
        b"<l>&c;&c;&c;&c;&c;&c;&c;&c;</l>"
    ),
    "quadratic blowup": b'<!DOCTYPE l [<!ENTITY a "' + b"a" * 50_000 + b'">]><l>' + b"&a;" * 10_000 + b"</l>",
    "an empty document type": b"<!DOCTYPE alert><alert/>",
    "deep nesting": b"<a>" * 100_000,
    "deep and closed": b"<a>" * (XML_DEPTH_MAX + 1) + b"</a>" * (XML_DEPTH_MAX + 1),
    "too many elements": b"<a>" + b"<b/>" * (XML_ELEMENTS_MAX + 1) + b"</a>",
}
BROKEN_XML = {
    "nothing": b"",
    "spaces": b"   \n",
    "text": b"hello",
    "cut off": b"<Notify><CmdType>Alarm</CmdTy",
    "two roots": b"<a/><b/>",
    "a NUL": b"<a>\x00</a>",
    "a control character": b"<a>&#1;</a>",
    "an undeclared prefix": b"<x:a/>",
    "an unknown entity": b"<a>&nbsp;</a>",
    "an unknown character set": b'<?xml version="1.0" encoding="EBCDIC-CP-US"?><a/>',
    "UTF-7": b'<?xml version="1.0" encoding="UTF-7"?>+ADw-a/+AD4-',
    "odd UTF-16": b"\xff\xfe<\x00a",
    "bytes of no set": b"<a>\xff\xff\xff</a>",
    "attributes beyond measure": b"<a " + b" ".join(b'a%d="1"' % n for n in range(20_000)) + b"/>",
    "one name without end": b"<" + b"a" * 900_000,
}


@pytest.mark.parametrize("adapter", XML_ADAPTERS)
@pytest.mark.parametrize("name", HOSTILE_XML)
def test_hostile_xml_is_refused_as_such_and_quickly(adapter: str, name: str):
    began = time.monotonic()
    assert refused(adapter, HOSTILE_XML[name]).code == "ingest.hostile"
    assert time.monotonic() - began < SECONDS_MAX


@pytest.mark.parametrize("adapter", XML_ADAPTERS)
@pytest.mark.parametrize("name", BROKEN_XML)
def test_broken_xml_is_refused(adapter: str, name: str):
    began = time.monotonic()
    assert refused(adapter, BROKEN_XML[name]).code in {
        "ingest.malformed",
        "ingest.encoding",
        "ingest.wrong_document",
    }
    assert time.monotonic() - began < SECONDS_MAX


HOSTILE_JSON = {
    "nothing": b"",
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "a number without end": b'{"id":' + b"9" * 100_000 + b"}",
    "not a number": b'[{"id":"1","kind":"motion","confidence":NaN}]',
    "a number beyond doubles": b'[{"id":"1","kind":"motion","confidence":1e999}]',
    "half a surrogate": b'[{"id":"\\ud800","kind":"motion"}]',
    "a NUL": b'[{"id":"a\\u0000b","kind":"motion"}]',
    "Latin-1": b'[{"id":"\xe9","kind":"motion"}]',
    "null": b"null",
    "a text": b'"alert"',
    "a comment": b'{"id":"1" /* the id */}',
}


@pytest.mark.parametrize("adapter", JSON_ADAPTERS)
@pytest.mark.parametrize("name", HOSTILE_JSON)
def test_hostile_json_never_becomes_an_alert(adapter: str, name: str):
    began = time.monotonic()
    found = understood_or_refused(adapter, HOSTILE_JSON[name])
    assert isinstance(found, NotUnderstood) or not any(isinstance(entry, Draft) for entry in found.entries)
    assert time.monotonic() - began < SECONDS_MAX


@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_the_largest_body_is_read_or_refused_in_time(adapter: str):
    filler = {"cap": b"<alert>" + b"<info/>" * (BODY_BYTES_MAX // 8)}.get(adapter, b"[1," * (BODY_BYTES_MAX // 3))
    began = time.monotonic()
    understood_or_refused(adapter, filler)
    assert time.monotonic() - began < SECONDS_MAX


@settings(max_examples=300)
@given(st.sampled_from(sorted(ADAPTERS)), st.binary(max_size=400), st.sampled_from(CONTENT_TYPES))
def test_random_bytes_are_refused_by_name(adapter: str, body: bytes, content_type: str):
    understood_or_refused(adapter, body, content_type)


@settings(max_examples=600)
@given(st.sampled_from(sorted(ADAPTERS)), st.integers(min_value=0), st.sampled_from(CONTENT_TYPES))
def test_mutated_messages_are_understood_or_refused_by_name(adapter: str, seed: int, content_type: str):
    chance = random.Random(seed)
    understood_or_refused(adapter, mutated(chance.choice(SEEDS[adapter]), chance), content_type)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=400)
@given(st.sampled_from(JSON_ADAPTERS), st.data())
def test_fields_of_any_type_are_understood_or_refused_by_name(adapter: str, data: st.DataObject):
    message = json.loads(data.draw(st.sampled_from([seed for seed in SEEDS[adapter] if seed[:1] in b"[{"])))
    target = message[0] if isinstance(message, list) else message.get("after", message)
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(JSON_VALUES)
    understood_or_refused(adapter, json.dumps(message).encode())


def mutated(body: bytes, chance: random.Random) -> bytes:
    """A few random edits: a byte, a cut, a doubled or exchanged stretch, something with teeth."""
    found = bytearray(body)
    for _ in range(chance.randint(1, 6)):
        here, there = sorted(chance.randrange(len(found) + 1) for _ in range(2))
        match chance.randrange(5):
            case 0 if found:
                found[min(here, len(found) - 1)] = chance.randrange(256)
            case 1:
                del found[here : min(there, here + 40)]
            case 2:
                found[here:here] = found[here : min(there, here + 60)]
            case 3:
                found = found[here:] + found[:here]
            case _:
                found[here:here] = chance.choice(
                    [b"<!DOCTYPE a>", b"&#0;", b"\x00", b"\xff", b"]]>", b"null", b"-1e999", b"\\ud800", b"--b\r\n"]
                )
    return bytes(found)


@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_every_fixture_is_refused_by_name_or_understood_by_every_adapter(adapter: str):
    for path in sorted(FIXTURES.iterdir()):
        understood_or_refused(adapter, path.read_bytes())


def sample_files() -> list[tuple[str, Path]]:
    """Every file of the formats we read, with its adapter, and every other file with each of them."""
    found = [path for path in sorted(SAMPLES.rglob("*")) if path.is_file()]
    own = [(adapter, path) for path in found if (adapter := format_of(path)) in ADAPTERS]
    return own + [(adapter, path) for path in found if format_of(path) not in ADAPTERS for adapter in ADAPTERS]


def format_of(path: Path) -> str:
    """Its folder's name, or how its own name begins."""
    beginnings = {"datex2_": "datex2", "datex3_": "datex2", "wzdx_scenario": "wzdx"}
    return next((found for said, found in beginnings.items() if path.name.startswith(said)), path.parent.name)


REFUSED_SAMPLES = {
    "mqtt_events_update.jsonc": "ingest.malformed",
    "mqtt_tracked_object_update_description.json": "ingest.not_an_alarm",
    "catalog_dahua_ipc_gb2312.xml": "ingest.not_an_alarm",
    "mobileposition_notify.xml": "ingest.not_an_alarm",
    "videomotion_data_regions.txt": "ingest.malformed",
    "videomotion_start_stop_min.txt": "ingest.wrong_document",
    "axis_fence_guard_init.xml": "ingest.not_an_alarm",
    "axis_io_port_init.xml": "ingest.not_an_alarm",
    "axis_pir_initialized.xml": "ingest.not_an_alarm",
    "CAP-v1.2.xsd": "ingest.wrong_document",
    "cap10.xsd": "ingest.wrong_document",
    "cap11.xsd": "ingest.wrong_document",
    "nws_atom_index_first3.xml": "ingest.wrong_document",
}
"""Of the files in the folders of our formats; all others there are accepted."""


def test_real_messages_are_accepted_as_what_they_are_or_refused_by_name():
    """Runs over whatever real messages are at hand; our own fixtures cover the same cases where none are."""
    for adapter, path in sample_files():
        found = understood_or_refused(adapter, path.read_bytes())
        if format_of(path) != adapter:
            continue
        if path.name in REFUSED_SAMPLES:
            assert isinstance(found, NotUnderstood), path
            assert found.code == REFUSED_SAMPLES[path.name]
        else:
            assert isinstance(found, Parsed), (path, found)
            assert found.entries, path
            assert all(isinstance(entry, Draft) for entry in found.entries), path


def test_a_refusal_has_one_status_alone_and_in_a_batch():
    for code, (status, *_) in REFUSALS.items():
        if code.startswith("ingest."):
            assert status_of_code(code) == status, code


def test_a_parsed_message_is_the_same_every_time():
    for adapter, seeds in SEEDS.items():
        for seed in seeds:
            first, second = parse(adapter, seed).entries, parse(adapter, seed).entries
            assert [told(entry) for entry in first] == [told(entry) for entry in second]


def told(entry: Draft | Rejected) -> object:
    return entry if isinstance(entry, Draft) else (entry.refusal.detail, entry.body)
