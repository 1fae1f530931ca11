"""Every failure as one document: RFC 9457, the framework's own failures included, never a stack trace.

`install` makes FastAPI speak it; `declared` puts it into the OpenAPI description of an operation.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dispatch.api.problems.problem_types import BY_STATUS, ProblemType, problem_type
from dispatch.telemetry import trace_id
from domain.refusals import Conflict, DispatchError, Refused, Unavailable

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
UNPARSED = "There was an error parsing the body"
"""What FastAPI says of a body that fails before JSON is even looked at: another character set, endless nesting."""
RETRY_AFTER_S = 1
"""What we ask for after a 503 that names no better time."""
ERRORS_MAX = 50
"""Pointers listed in one problem; a hostile batch must not make a bigger answer than itself."""


class ProblemError(BaseModel):
    """One value that is wrong: where (RFC 6901 pointer into the body, or `header:`/`query:` and a name) and why."""

    pointer: str
    detail: str


class ProblemDocument(BaseModel):
    """What every 4xx and 5xx answer of this API looks like. Some types add members of their own."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": "/docs/problems/invalid",
                "title": "Some values are not acceptable",
                "status": 422,
                "detail": "Correct the values at the pointers in `errors`, then send the request again.",
                "code": "invalid",
                "errors": [{"pointer": "/severity", "detail": "Input should be 0, 1, 2, 3 or 4"}],
                "trace_id": "0190f6a2c4d87d1e9c0b5a7f3e2d1c0b",
            }
        },
    )

    type: str = Field(description="Address of a page that explains this kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What happened here and what to do next.")
    code: str = Field(description="The permanent code, for programs.")
    errors: list[ProblemError] = Field(default_factory=list)
    trace_id: str = Field(description="Quote it when you ask for help; it is in our logs.")


class Problem(Exception):
    """A failure to be answered as it stands. Raise it in a route: `Problem("bad_cursor", "Start again …")`.

    `members` become members of the document; `headers` headers of the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.kind = problem_type(code)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = members


def not_found(what: str = "This address") -> Problem:
    """The one answer for what is not there and for what is not yours."""
    return Problem(
        "not_found", f"{what} names nothing that you may see. Check the id, or ask its owner for a transfer."
    )


def document(
    kind: ProblemType, detail: str, *, errors: Sequence[tuple[str, str]] = (), members: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The members of one problem document."""
    body: dict[str, Any] = {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": kind.code,
        "errors": [{"pointer": pointer, "detail": text} for pointer, text in errors[:ERRORS_MAX]],
        "trace_id": trace_id(),
    }
    for name, value in (members or {}).items():
        body.setdefault(name, value)
    return body


def problem_response(problem: Problem) -> Response:
    """The answer for a problem."""
    headers = dict(problem.headers)
    if problem.kind.status in {429, 503}:
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    if problem.kind.status == 401:
        headers.setdefault("WWW-Authenticate", 'Bearer realm="dispatch"')
    body = document(problem.kind, problem.detail, errors=problem.errors, members=problem.members)
    return JSONResponse(body, status_code=problem.kind.status, headers=headers, media_type=MEDIA_TYPE)


def of_error(error: DispatchError) -> Problem:
    """The problem that an expected failure becomes. Its values are members of the document."""
    match error:
        case Unavailable():
            known = problem_type(error.code)
            code = error.code if known.status == 503 else "unavailable"
            wait_s = error.values.get("retry_after_s")
            headers = {"Retry-After": wait_s} if wait_s is not None else None
            return Problem(code, error.detail, headers=headers, reason=error.code, values=error.values)
        case Conflict() | Refused():
            return Problem(error.code, error.detail, values=error.values)
        case _:
            return Problem(
                "internal_error", "Repeat the request with the same Idempotency-Key and report the trace id."
            )


def of_status(status: int, detail: str, headers: Mapping[str, str] | None) -> Problem:
    """The problem for a status that the framework raised."""
    code = BY_STATUS.get(status, "internal_error" if status >= 500 else "bad_request")
    if status == 404:
        detail = "This address names nothing that you may see. The API description is at /docs."
    if status == 400 and detail == UNPARSED:
        return Problem("malformed_body", "The body is not JSON in UTF-8, or nested too deeply. Check it, then repeat.")
    if status == 405:
        detail = f"This address answers to {(headers or {}).get('allow') or (headers or {}).get('Allow') or 'others'}."
    return Problem(code, detail, headers=headers)


def of_validation(error: RequestValidationError) -> Problem:
    """The problem for a request whose values are wrong (422) or whose body is no JSON at all (400)."""
    found = error.errors()
    errors = [(pointer(item["loc"]), str(item["msg"])) for item in found]
    if any(item["type"] == "json_invalid" for item in found):
        where = next(str(item["loc"][-1]) for item in found if item["type"] == "json_invalid")
        reason = next(str(item.get("ctx", {}).get("error", "")) for item in found if item["type"] == "json_invalid")
        return Problem("malformed_body", f"The body is not JSON near byte {where} ({reason}). Check it, then repeat.")
    return Problem(
        "invalid", "Correct the values at the pointers in `errors`, then send the request again.", errors=errors
    )


def pointer(location: Sequence[Any]) -> str:
    """RFC 6901 into the body; `query:limit`, `header:if-match` and `path:incident_id` for what is outside of it."""
    where, rest = (location[0], location[1:]) if location else ("body", ())
    if where in {"query", "header", "path", "cookie"}:
        return f"{where}:{'/'.join(str(part) for part in rest)}"
    steps = rest if where == "body" else location
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in steps)


def install(app: FastAPI) -> None:
    """Make every failure of this application a problem document."""

    async def on_problem(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return problem_response(error)

    async def on_expected(_request: Request, error: Exception) -> Response:
        assert isinstance(error, DispatchError)
        return problem_response(of_error(error))

    async def on_status(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem_response(of_status(error.status_code, str(error.detail), error.headers))

    async def on_validation(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem_response(of_validation(error))

    async def on_mistake(_request: Request, error: Exception) -> Response:
        log.error("unforeseen failure", exc_info=error)
        return problem_response(
            Problem("internal_error", "Repeat the request with the same Idempotency-Key and report the trace id.")
        )

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(DispatchError, on_expected)
    app.add_exception_handler(HTTPException, on_status)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(ResponseValidationError, on_mistake)


ALWAYS = (400, 401, 403, 422, 429, 500, 503)
"""What any operation behind a token may answer."""


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: the problems it may answer, beside those that any may."""
    return {
        status: {
            "description": problem_type(BY_STATUS[status]).title,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status in sorted({*ALWAYS, *statuses})
    }
