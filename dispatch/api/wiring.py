"""What the routes are given: everything that `bootstrap` wired, in one place, and nothing they reach for themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from dispatch.api.access.authentication import Authenticator
from dispatch.api.http.cursors import Cursors
from dispatch.api.http.read_your_writes import ReadYourWrites
from dispatch.api.live.hub import Hub
from dispatch.api.live.response import Beginnings
from dispatch.api.long_work import Operations
from dispatch.config import Settings
from dispatch.directory import Directory
from dispatch.handling.assignments import AssignmentDesk
from dispatch.handling.cases import CaseDesk
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.orders import OrderDesk
from dispatch.handling.reports import ReportDesk
from dispatch.handling.scribe import Scribe
from dispatch.ports import BoardBaselines, Clock, EventLog, Ids, UnitPosition, UnitPositions
from dispatch.reading.database import Database


@dataclass(frozen=True, slots=True)
class Health:
    """One dependency as /readyz shows it."""

    ok: bool
    reason: str


class Positions(UnitPositions, Protocol):
    """Positions of units, to read and to write."""

    async def put(self, position: UnitPosition, *, received_at: datetime) -> None:
        """Remember a report unless a newer one is known. Raises `Unavailable`."""


Check = Callable[[], Awaitable[Health]]
"""Looks at one dependency; must answer within its own time limit and never raise."""


@dataclass(slots=True)
class Services:
    """Wired once a process. `desks` by noun: incidents, reports, assignments, alerts and what else has routes."""

    settings: Settings
    log: EventLog
    scribe: Scribe
    directory: Directory
    clock: Clock
    ids: Ids
    database: Database
    authenticator: Authenticator
    cursor_secret: bytes
    incidents: IncidentDesk
    reports: ReportDesk
    assignments: AssignmentDesk
    positions: Positions
    alerts: Any = None
    board_baselines: BoardBaselines | None = None
    checks: Mapping[str, Check] = field(default_factory=dict)
    before_metrics: Sequence[Callable[[], Awaitable[None]]] = ()
    """What other processes did, taken into the metrics when they are asked for."""
    cursors: Cursors = field(init=False)
    freshness: ReadYourWrites = field(init=False)
    hub: Hub = field(init=False)
    beginnings: Beginnings = field(init=False)
    operations: Operations = field(init=False)
    orders: OrderDesk = field(init=False)
    cases: CaseDesk = field(init=False)

    def __post_init__(self) -> None:
        """Make what the API itself keeps in memory."""
        self.cursors = Cursors(self.cursor_secret)
        self.freshness = ReadYourWrites(self.database, wait_s_max=self.settings.min_position_wait_s)
        self.hub = Hub(self.database, clients_max=self.settings.sse_clients_max)
        self.beginnings = Beginnings(self.hub, self.database)
        self.operations = Operations(self.clock, self.ids)
        self.orders = OrderDesk(self.scribe, self.directory)
        self.cases = CaseDesk(self.scribe, self.directory)


def services_of(request: Request) -> Services:
    """The services of this application."""
    found: Services = request.app.state.services
    return found


async def _services(request: Request) -> Services:
    # A plain function as a dependency would cost every request a turn of the thread pool.
    return services_of(request)


ServicesOf = Annotated[Services, Depends(_services)]
"""Write `services: ServicesOf` in a route."""
