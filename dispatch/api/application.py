"""The application: routes, failures, layers. `bootstrap` gives it what it works with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp

from dispatch.api import (
    administration,
    agencies,
    assignments,
    audit,
    cameras,
    centers,
    city,
    decisions,
    health,
    incidents,
    ingest,
    problem,
    reports,
    streams,
)
from dispatch.api.assignments import Assignments
from dispatch.api.conditions import Running
from dispatch.api.description import describe
from dispatch.api.gate import BodyLimit, Gate
from dispatch.api.machine_door import MachineDoor
from dispatch.api.patience import Patience
from dispatch.api.rates import Rates
from dispatch.api.tracing import Tracing
from dispatch.api.wiring import Services

ROUTERS = (
    ingest.machines,
    centers.router,
    agencies.router,
    streams.router,
    incidents.router,
    decisions.router,
    assignments.router,
    reports.router,
    ingest.router,
    cameras.router,
    city.router,
    administration.router,
    audit.router,
    health.router,
)


class Application(FastAPI):
    """The framework's application inside our own layers.

    Ours come first, so that a machine's message passes none of the framework's.
    """

    def build_middleware_stack(self) -> ASGIApp:
        """Traced first, then shed, then measured; then the door for machines, and behind it everything else."""
        framework = super().build_middleware_stack()
        # Its outermost layer answers what nobody foresaw, as ours does: only one of them may.
        assert isinstance(framework, ServerErrorMiddleware)
        settings = self.state.services.settings
        door = MachineDoor(framework.app, ingest.machines.routes)
        measured = BodyLimit(Patience(door), bytes_max=settings.body_bytes_max)
        return Tracing(Gate(measured, in_flight_max=settings.requests_in_flight_max))


def create_application(services: Services) -> Application:
    """The ASGI application of one process. Its lifespan starts and stops the tail of the change feed."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        services.hub.start()
        try:
            yield
        finally:
            await services.hub.close()
            await services.operations.close()
            await services.freshness.close()

    app = Application(
        title="City Dispatch",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        # Ours is in `tracing`; the framework's looks its settings up anew for every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.services = services
    app.state.authenticator = services.authenticator
    app.state.rates = Rates(services.settings.caller_requests_per_s)
    app.state.running = Running()
    app.state.assignments = Assignments()
    problem.install(app)
    for router in ROUTERS:
        app.include_router(router)
    _describe_once(app, services)
    return app


def _describe_once(app: FastAPI, services: Services) -> None:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app, services.settings)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
