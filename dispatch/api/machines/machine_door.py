"""The door for machines' messages: the short way from the server to the intake.

The framework looks for a route, builds dependencies, and unwinds layers of its own for each message. That is right for
a hundred routes and needless for these few, whose whole address is one fixed path. So they are answered here, by the
functions that their routes call, behind the same layers of ours: traced, shed, limited, authenticated, permitted. The
routes stay in the application: for addresses with a query, and for the description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatch.api.access.permissions import permit
from dispatch.api.machines.ingest import ADAPTER_OF, Answer, delivery_with, take
from dispatch.api.problems.problem import Problem, of_error, of_status, problem_response
from dispatch.api.wiring import services_of
from domain.refusals import DispatchError


class MachineDoor:
    """See the module. `routes` are those of machines; others, and addresses with a query, pass through."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._routes = _by_path(routes)

    @property
    def paths(self) -> set[str]:
        """The addresses that are answered here."""
        return set(self._routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        found = None
        if scope["type"] == "http" and scope["method"] == "POST" and not scope["query_string"]:
            found = self._routes.get(scope["path"])
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["route"], adapter = found
        request = Request(scope, receive)
        try:
            answer = await _taken(request, adapter)
        except (Problem, DispatchError, HTTPException) as error:
            await problem_response(_problem_of(error))(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers()})
        await send({"type": "http.response.body", "body": answer.body})


async def _taken(request: Request, adapter: str) -> Answer:
    caller = await permit(request)
    return await take(request, adapter, delivery_with(request, caller), caller, services_of(request).alerts)


def _problem_of(error: Problem | DispatchError | HTTPException) -> Problem:
    match error:
        case Problem():
            return error
        case DispatchError():
            return of_error(error)
        case HTTPException():
            return of_status(error.status_code, str(error.detail), error.headers)


def _by_path(routes: Sequence[BaseRoute]) -> Mapping[str, tuple[BaseRoute, str]]:
    """Path → route and the format it reads."""
    return {
        getattr(route, "path", ""): (route, ADAPTER_OF[operation])
        for route in routes
        if (operation := getattr(route, "operation_id", None)) in ADAPTER_OF
    }
