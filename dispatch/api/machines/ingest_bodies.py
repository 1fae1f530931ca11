"""What the addresses for machines read and answer, as the OpenAPI description shows it: schemas and examples."""

from __future__ import annotations

from typing import Any

from dispatch.api.problems.problem import declared
from dispatch.ingest.adapters import ADAPTERS
from dispatch.ingest.adapters.native import NativeAdapter, NativeAlert

NATIVE_EXAMPLE: dict[str, Any] = {
    "id": "evt-20260801-000123",
    "kind": "waterlogging",
    "occurred_at": "2026-08-01T21:14:05+08:00",
    "camera": "51010700001320000042",
    "location": {"type": "Point", "coordinates": [104.0433, 30.6419]},
    "severity": "severe",
    "text": "Water 35 cm deep under the railway bridge",
    "confidence": 0.91,
}
VENDOR_EXAMPLES: dict[str, tuple[str, str]] = {
    name: adapter.example for name, adapter in ADAPTERS.items() if name != NativeAdapter.name
}
"""Each format has an address of its own; ours has two with more to say."""


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A pydantic schema without references: OpenAPI looks for them elsewhere."""
    definitions: dict[str, Any] = schema.get("$defs", {})

    def resolved(part: Any) -> Any:
        if isinstance(part, list):
            return [resolved(item) for item in part]
        if not isinstance(part, dict):
            return part
        reference = part.get("$ref")
        rest = {name: resolved(value) for name, value in part.items() if name not in {"$ref", "$defs"}}
        if reference is None:
            return rest
        return resolved(definitions[str(reference).rpartition("/")[2]]) | rest

    found: dict[str, Any] = resolved(schema)
    return found


ALERT_SCHEMA = inlined(NativeAlert.model_json_schema())
RECEIPT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["status", "alert_id", "position", "duplicate", "revised", "outside_city"],
    "properties": {
        "status": {"type": "integer", "description": "201 recorded, 200 a repeat."},
        "alert_id": {"type": "string", "format": "uuid"},
        "position": {"type": "integer", "description": "Where it stands in the log; of a repeat, where it first was."},
        "duplicate": {"type": "boolean", "description": "This very content is in the log already."},
        "revised": {"type": "boolean", "description": "The identity had said something else before."},
        "camera_id": {"type": ["string", "null"], "format": "uuid", "description": "Null: the camera is unknown."},
        "outside_city": {"type": "boolean"},
    },
}
DECLINED_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["status", "code", "detail"],
    "properties": {
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "The permanent code of a problem."},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
        "quarantine": {"type": "string", "description": "Under this name the entry is kept."},
    },
}
BATCH_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["status", "results"],
    "properties": {
        "status": {"type": "integer"},
        "heartbeat": {"type": "boolean", "description": "The message only says that the device lives."},
        "results": {
            "type": "array",
            "description": "One for each entry, in order.",
            "items": {"anyOf": [RECEIPT_SCHEMA, DECLINED_SCHEMA]},
        },
    },
}
RECEIPT_EXAMPLE: dict[str, Any] = {
    "status": 201,
    "alert_id": "019fbd75-d948-8414-8a78-bc31e89a3bfb",
    "position": 35205,
    "duplicate": False,
    "revised": False,
    "camera_id": "e760bc75-a6a0-5952-a37f-8952b428506e",
    "outside_city": False,
}
DECLINED_EXAMPLE: dict[str, Any] = {
    "status": 400,
    "code": "ingest.malformed",
    "detail": "/kind: Input should be 'motion', 'intrusion' or another kind.",
    "errors": [{"pointer": "/kind", "detail": "Input should be 'motion', 'intrusion' or another kind."}],
    "quarantine": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
}


def bodies(*examples: tuple[str, Any, Any]) -> dict[str, Any]:
    """OpenAPI of a body that is read as bytes: media type, schema, example of each."""
    content = {media: {"schema": schema, "example": example} for media, schema, example in examples}
    return {"requestBody": {"required": True, "content": content}}


def _answer(description: str, schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema, "example": example}}}


ANSWERS: dict[int | str, dict[str, Any]] = {
    200: _answer(
        "A repeat (`duplicate`), a batch all of which is in the log, or a keep-alive.",
        {"anyOf": [RECEIPT_SCHEMA, BATCH_SCHEMA]},
        RECEIPT_EXAMPLE | {"status": 200, "duplicate": True},
    ),
    201: _answer("Recorded. `Dispatch-Position` is where.", RECEIPT_SCHEMA, RECEIPT_EXAMPLE),
    207: _answer(
        "A batch of which some entries are not in the log: see each of `results`.",
        BATCH_SCHEMA,
        {"status": 207, "results": [RECEIPT_EXAMPLE, DECLINED_EXAMPLE]},
    ),
    **declared(403, 409, 413, 415),
}
