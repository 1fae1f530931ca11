"""What keeps the server upright: a limit on every body, and shedding by urgency before anything is started.

Shedding is by requests in flight. Each class of request may fill only its share, so what is less urgent is refused
first and early; health checks are never refused, and a request that was let in is never thrown out. Machines' messages
are urgent and many: they may fill half, so that a flood of them leaves room for people's decisions and boards.
"""

from __future__ import annotations

from enum import IntEnum

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dispatch.api.problems.problem import Problem, problem_response
from dispatch.telemetry import counter, gauge

IN_FLIGHT = gauge("http_requests_in_flight", "Requests being worked on.")
SHED = counter("http_requests_shed_total", "Requests refused to keep room for more urgent ones.", ("urgency",))

RETRY_AFTER_S = 2


class Urgency(IntEnum):
    """Who gives way first: the largest number."""

    HEALTH = 0
    LIFE_SAFETY = 1
    """Alerts from machines, and what dispatchers decide."""
    WORK = 2
    """What dispatchers look at."""
    PARTNER = 3
    HISTORY = 4


SHARE = {
    Urgency.LIFE_SAFETY: 1.0,
    Urgency.WORK: 0.85,
    Urgency.PARTNER: 0.7,
    Urgency.HISTORY: 0.5,
}
"""Of the limit on requests in flight, how much a class (and all more urgent ones) may fill."""

ALERTS_SHARE = 0.5
"""Of the limit, what machines' messages alone may fill: however many cameras talk at once, people get through."""

_MACHINES = ("/v1/alerts", "/v1/ingest/", "/v1/cameras/states")
_HEALTH = ("/livez", "/readyz", "/metrics")
_CITIZENS = "/open311/"
"""What front ends of citizens file, too: a report, but nobody's decision and no machine's alarm."""
_PARTNERS = ("/v1/agencies", _CITIZENS)
_HISTORY = ("/v1/audit", "/v1/statistics", "/v1/search", "/v1/operations", "/docs", "/openapi.json")


def urgency_of(method: str, path: str) -> Urgency:
    """How urgent a request is, from its first line alone: judging must cost nothing."""
    if path in _HEALTH:
        return Urgency.HEALTH
    if path.startswith(_HISTORY):
        return Urgency.HISTORY
    if method in {"POST", "PUT"} and not path.startswith(_CITIZENS):
        return Urgency.LIFE_SAFETY
    return Urgency.PARTNER if path.startswith(_PARTNERS) else Urgency.WORK


def is_from_a_machine(method: str, path: str) -> bool:
    """Whether a request brings alerts."""
    return method == "POST" and path.startswith(_MACHINES)


class Gate:
    """Sheds by urgency. Live streams count until their head is out: they have a limit of their own."""

    def __init__(self, app: ASGIApp, *, in_flight_max: int) -> None:
        self._app = app
        self._in_flight_max = in_flight_max
        self.in_flight = 0
        self.alerts_in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer 503 at once."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        urgency = urgency_of(scope["method"], scope["path"])
        is_alert = is_from_a_machine(scope["method"], scope["path"])
        is_full = urgency is not Urgency.HEALTH and self.in_flight >= self._in_flight_max * SHARE[urgency]
        if is_full or (is_alert and self.alerts_in_flight >= self._in_flight_max * ALERTS_SHARE):
            SHED.labels(urgency.name.lower()).inc()
            busy = Problem(
                "overloaded",
                f"{self.in_flight} requests are being worked on and yours can wait. Repeat it in {RETRY_AFTER_S} s.",
                headers={"Retry-After": str(RETRY_AFTER_S)},
                urgency=urgency.name.lower(),
            )
            await problem_response(busy)(Request(scope).scope, receive, send)
            return
        self.alerts_in_flight += is_alert
        try:
            await self._serve(scope, receive, send)
        finally:
            self.alerts_in_flight -= is_alert

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        counted = True
        self.in_flight += 1
        IN_FLIGHT.set(self.in_flight)

        def leave() -> None:
            nonlocal counted
            if counted:
                counted = False
                self.in_flight -= 1
                IN_FLIGHT.set(self.in_flight)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_stream(message):
                leave()
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            leave()


def _is_stream(message: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in message["headers"])


class BodyLimit:
    """Refuses a body over the limit: by its stated length before a byte is read, else as soon as it is exceeded."""

    def __init__(self, app: ASGIApp, *, bytes_max: int) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if stated.isdigit() and int(stated) > self._bytes_max:
            await problem_response(self._too_large())(Request(scope).scope, receive, send)
            return
        taken = 0

        async def receiving() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > self._bytes_max:
                    # The framework passes its own exception through; any other it would turn into a 400.
                    raise HTTPException(413, self._too_large().detail)
            return message

        await self._app(scope, receiving, send)

    def _too_large(self) -> Problem:
        return Problem(
            "body_too_large",
            f"The body may have {self._bytes_max} bytes. Send a batch in parts, and media by reference.",
            bytes_max=self._bytes_max,
        )
