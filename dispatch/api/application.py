"""The application: routes, failures, layers. `bootstrap` gives it what it works with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp

from dispatch.api import health
from dispatch.api.cameras import attachments, cameras, conditions, coverage
from dispatch.api.casework import case_decisions, cases
from dispatch.api.centers import aid, centers, handovers, misplaced, watches
from dispatch.api.city import administration, audit, city, service_times, statistics, tree
from dispatch.api.description import describe
from dispatch.api.headquarters import headquarters
from dispatch.api.http.conditions import Running
from dispatch.api.http.gate import BodyLimit, Gate
from dispatch.api.http.patience import Patience
from dispatch.api.http.rates import Rates
from dispatch.api.http.tracing import Tracing
from dispatch.api.incidents import assignments, checklists, decisions, incidents, plans, reports
from dispatch.api.incidents.assignments import Assignments
from dispatch.api.live import streams
from dispatch.api.machines import ingest, kept_messages
from dispatch.api.machines.machine_door import MachineDoor
from dispatch.api.open311 import routes as open311
from dispatch.api.open311.door import GeoReportDoor
from dispatch.api.operations import city_operations, operation_incidents, operation_steps, situation
from dispatch.api.orders import order_reading, orders, warnings
from dispatch.api.outcomes import evidence, outcomes
from dispatch.api.partners import agencies
from dispatch.api.problems import problem
from dispatch.api.units import arrangements, cover, reservations
from dispatch.api.wiring import Services

ROUTERS = (
    ingest.machines,
    centers.router,
    agencies.router,
    streams.router,
    incidents.router,
    decisions.router,
    assignments.router,
    arrangements.router,
    reservations.router,
    cover.router,
    plans.router,
    reports.router,
    outcomes.router,
    city_operations.router,
    operation_steps.router,
    operation_incidents.router,
    situation.router,
    watches.router,
    evidence.router,
    checklists.router,
    statistics.router,
    service_times.router,
    orders.router,
    order_reading.router,
    warnings.router,
    ingest.router,
    kept_messages.router,
    attachments.router,
    conditions.reports,
    conditions.router,
    coverage.router,
    cameras.router,
    cases.router,
    case_decisions.router,
    handovers.router,
    aid.router,
    headquarters.router,
    tree.router,
    misplaced.router,
    city.router,
    administration.router,
    audit.router,
    open311.router,
    health.router,
)


class Application(FastAPI):
    """The framework's application inside our own layers.

    Ours come first, so that a machine's message passes none of the framework's.
    """

    def build_middleware_stack(self) -> ASGIApp:
        """Traced first, then shed, then measured; then the door for machines, and behind it everything else.

        What any of them answers to a client of GeoReport is put into that standard's words, so its door stands before.
        """
        framework = super().build_middleware_stack()
        # Its outermost layer answers what nobody foresaw, as ours does: only one of them may.
        assert isinstance(framework, ServerErrorMiddleware)
        settings = self.state.services.settings
        door = MachineDoor(framework.app, ingest.machines.routes)
        measured = BodyLimit(Patience(door), bytes_max=settings.body_bytes_max)
        gate = Gate(measured, in_flight_max=settings.requests_in_flight_max)
        return Tracing(GeoReportDoor(gate))


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
