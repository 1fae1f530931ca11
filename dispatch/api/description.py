"""The OpenAPI 3.1 description: what FastAPI derives, with our problems, our security and our limits said in it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from dispatch.api.access.matrix import MATRIX
from dispatch.api.http.cursors import LIMIT_MAX
from dispatch.api.http.patience import BODY_S
from dispatch.api.open311.describing import KEY_SCHEME, describe_georeport
from dispatch.api.open311.door import PREFIX as GEOREPORT
from dispatch.api.problems.problem import MEDIA_TYPE, ProblemDocument
from dispatch.api.problems.problem_types import BY_STATUS, problem_type
from dispatch.config import Settings

VERSION = "1"
SCHEME = "bearer"
BODY_STATUSES = ("408", "413")
"""What any operation with a body may answer, before it is asked."""
TAGS = (
    ("centers", "Centers and agencies, their boards, inboxes and queues, and both live."),
    ("incidents", "Lists, cards, timelines, search."),
    ("decisions", "What people decide about incidents, notes and evidence."),
    ("units", "Units, assignments, progress, positions."),
    ("cases", "Urban-management casework: file, assign, handle, check, close, and what comes between."),
    ("reports", "What people tell us."),
    ("orders", "Headquarters' orders: issued, acknowledged, amended, lifted; in force at any instant; as CAP 1.2."),
    ("warnings", "Public warnings with their updates and cancellations."),
    ("ingest", "What machines tell us."),
    ("cameras", "The camera directory."),
    ("open311", "Citizens' front ends: Open311 GeoReport v2, as JSON (`.json`) and XML (`.xml`)."),
    ("city", "The caller, the rules, response times, long work."),
    ("audit", "The record: as it was known, and why."),
    ("health", "Is it alive, is it ready, its numbers."),
)


def overview(settings: Settings) -> str:
    """The text at the head of the description: the rules that hold everywhere, with their numbers."""
    return f"""Event-sourced incident dispatch for a city.

**Failures** are `application/problem+json` (RFC 9457); `type` leads to a page of this server.
**Repeats**: every POST that creates or dispatches needs `Idempotency-Key`; a repeat gets the stored answer with
`Idempotent-Replayed: true`, for {settings.idempotency_kept_days} days; after that the same key is a new request.
**Versions**: a decision needs `If-Match` with the card's `ETag`; a stale one is 412 with the events since.
**Read your writes**: a write answers `Dispatch-Position`; a read with `?min_position=` waits for it, at most
{settings.min_position_wait_s:g} s, or is 503 and names what lags.
**Lists** give a `Link` with `rel=next`; cursors are opaque.
**Live**: `text/event-stream`; the id of a `page` event is where to resume with `Last-Event-ID`.
**Places** are GeoJSON, longitude first, WGS 84; `crs: gcj02` says otherwise and is converted.

| limit | value |
|---|---|
| body | {settings.body_bytes_max:,} bytes, within {BODY_S:g} s |
| alerts in a batch | {settings.batch_alerts_max} |
| page of a list | {LIMIT_MAX} rows |
| query | {settings.database_timeout_s:g} s |
| live streams in one process | {settings.sse_clients_max:,} |
| requests of one caller | {settings.caller_requests_per_s} a second (a gateway five times that) |
"""


PARTNERS = "_by_partner"
"""Behind an operation's name: what a partner is answered, where that is something else."""


@cache
def examples_of_answers() -> dict[str, Any]:
    """Real answers by operation id, cut to an entry or two. The tests hold every answer they get against them."""
    found: dict[str, Any] = json.loads((files("dispatch.api") / "assets" / "answers.json").read_text(encoding="utf-8"))
    return found


def describe(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """The description, made once."""
    document = get_openapi(
        title="City Dispatch",
        version=VERSION,
        openapi_version="3.1.0",
        description=overview(settings),
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS],
        servers=[{"url": "/", "description": "This server"}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _add_problem_schema(schemas)
    components["securitySchemes"] = {
        SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "`dispatch token` makes one.",
        },
        KEY_SCHEME: {
            "type": "apiKey",
            "in": "query",
            "name": "api_key",
            "description": "Open311 only: the same token.",
        },
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in {"post", "put"}:
                for status in BODY_STATUSES:
                    operation["responses"].setdefault(status, {})
            if path.startswith(GEOREPORT):
                describe_georeport(operation, SCHEME)
            else:
                _finish(operation, secured=path.startswith("/v1"))
    return document


def _add_problem_schema(schemas: dict[str, Any]) -> None:
    schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, nested in schema.pop("$defs", {}).items():
        schemas.setdefault(name, nested)
    schemas["ProblemDocument"] = schema


def _finish(operation: dict[str, Any], *, secured: bool) -> None:
    responses = operation["responses"]
    for status, response in responses.items():
        if status.isdigit() and int(status) >= 400:
            kind = problem_type(BY_STATUS.get(int(status), "bad_request"))
            response["description"] = kind.title
            response["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    if not secured:
        responses.pop("422", None)
        return
    operation["security"] = [{SCHEME: []}]
    _exemplify(operation)
    rule = MATRIX.get(operation["operationId"])
    if rule is not None:
        roles = ", ".join(sorted(role.value for role in rule.roles))
        text = operation.get("description", "")
        operation["description"] = f"{text}\n\nRoles: {roles}. Scope: {rule.scope.value}.".strip()


def _exemplify(operation: dict[str, Any]) -> None:
    """Show what a success looks like, where a schema says no more than "an object"."""
    name, known = operation["operationId"], examples_of_answers()
    if name not in known:
        return
    success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
    shown = success["content"]["application/json"]
    shown.pop("example", None)
    shown["examples"] = {"answer": {"summary": "An answer", "value": known[name]}}
    if name + PARTNERS in known:
        shown["examples"]["partner"] = {"summary": "To a partner agency", "value": known[name + PARTNERS]}
