"""The outermost layer: a trace id for each request, one log line, the metrics, and no failure without a document.

Pure ASGI: a middleware that wraps requests and responses would copy every body and break long streams.
"""

from __future__ import annotations

import logging
import os
import re
import time
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dispatch.api.problems.problem import Problem, problem_response
from dispatch.telemetry import counter, latency, traced

log = logging.getLogger("dispatch.api.access")

_TRACEPARENT = re.compile(r"^00-(?P<trace>[0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$")

REQUESTS = counter("http_requests_total", "Requests answered.", ("operation", "status"))
LATENCY = latency("http_request", "Time from the request's head to the answer's head.", ("operation",))
_requests, _latency = cache(REQUESTS.labels), cache(LATENCY.labels)
"""To find them by their labels takes longer than to count."""

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""Incidents are nobody's to cache; a route that knows better says so itself."""


def trace_of(scope: Scope) -> str:
    """The caller's W3C trace id if it sent a well-formed one, else a fresh one."""
    for name, value in scope["headers"]:
        if name == b"traceparent":
            found = _TRACEPARENT.match(value.decode("latin-1"))
            if found and found["trace"] != "0" * 32:
                return found["trace"]
    return os.urandom(16).hex()


class Tracing:
    """See the module."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; websockets and lifespan pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        with traced(trace_of(scope)) as trace:
            await _Exchange(self._app, scope, send, trace).run(receive)


class _Exchange:
    def __init__(self, app: ASGIApp, scope: Scope, send: Send, trace: str) -> None:
        self.app, self.scope, self._send, self.trace = app, scope, send, trace
        self.status = 0
        self.started_at_s = time.perf_counter()
        self.head_s = 0.0

    async def run(self, receive: Receive) -> None:
        try:
            await self.app(self.scope, receive, self.send)
        except Exception as error:
            log.exception("unforeseen failure", extra={"path": self.scope["path"], "error_type": type(error).__name__})
            if self.status:
                raise  # The head is out; all that is left is to cut the connection.
            mistake = Problem("internal_error", "Repeat it with the same Idempotency-Key, and report the trace id.")
            await problem_response(mistake)(Request(self.scope).scope, receive, self.send)
        finally:
            self._note()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            self.head_s = time.perf_counter() - self.started_at_s
            message["headers"] = self._headers(list(message.get("headers", ())))
        await self._send(message)

    def _headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in headers}
        headers += [item for item in SECURITY_HEADERS if item[0] not in present]
        headers.append((b"dispatch-trace-id", self.trace.encode()))
        fields: dict[str, str] = self.scope["state"].get("rate_fields", {})
        headers += [(name.lower().encode(), value.encode()) for name, value in fields.items()]
        return headers

    def _note(self) -> None:
        operation = str(getattr(self.scope.get("route"), "operation_id", None) or "none")
        _requests(operation, self.status).inc()
        _latency(operation).observe(self.head_s)
        if not log.isEnabledFor(logging.INFO):
            return
        caller: Any = self.scope["state"].get("caller")
        log.info(
            "request",
            extra={
                "method": self.scope["method"],
                "path": self.scope["path"],
                "operation": operation,
                "status": self.status,
                "head_ms": round(self.head_s * 1000, 2),
                "caller": caller.subject if caller is not None else None,
            },
        )
