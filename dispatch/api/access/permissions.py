"""Who may do what: one matrix, role × operation, and the scope in which it holds.

Every route has a line here, named by its operation id; `permit` runs before every route under /v1 and refuses one
without a line, so a forgotten route is closed, not open. The role is decided here; whether *this* center, incident or
queue is the caller's is decided by the scope's check, which the route calls with what it loaded. A foreign object is
answered like a missing one (404), so that ids cannot be probed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Depends, Request

from dispatch.api.access.matrix import MATRIX, PEOPLE, Rule
from dispatch.api.problems.problem import Problem, not_found
from domain.event import Actor
from domain.vocabulary import ActorKind, Role
from projections.queries.sight import EVERYTHING, Sight


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the token and the log say. Roles, center and agency of an operator come from the log."""

    subject: str
    roles: frozenset[Role]
    operator_id: UUID | None = None
    login: str | None = None
    center_id: UUID | None = None
    agency: str | None = None
    gateway: str | None = None
    expires_at_s: float | None = None
    """When the token ends (seconds since 1970): a stream does not outlive it."""
    speaks_for_agency: bool = False
    """A partner, or an operator of an agency's own functional center: sees the agency's queue city-wide. The police
    officer of a station is of the police too, and sees the station's incidents only."""

    def is_any(self, *roles: Role) -> bool:
        """Whether the caller has one of these roles."""
        return not self.roles.isdisjoint(roles)

    commanded: frozenset[UUID] = frozenset()
    """Centers that the caller stands above by acting for a temporary headquarters, which is among them."""

    @property
    def sees_everything(self) -> bool:
        """Auditors and administrators are bound to no center."""
        return self.is_any(Role.AUDITOR, Role.ADMINISTRATOR)

    @property
    def is_partner(self) -> bool:
        """Somebody else's system: it is shown what its agency's feed tells (`dispatch.api.partners.partner_view`)."""
        return Role.PARTNER in self.roles and self.roles.isdisjoint(PEOPLE)

    @property
    def centers(self) -> tuple[UUID, ...]:
        """The caller's own center and those commanded for a headquarters."""
        own = () if self.center_id is None else (self.center_id,)
        return (*own, *sorted(self.commanded))

    @property
    def sight(self) -> Sight:
        """What of restricted incidents the caller may know: every statement about incidents asks for it."""
        if self.sees_everything:
            return EVERYTHING
        center_id = None if Role.PARTNER in self.roles else self.center_id
        return Sight(center_id, self.agency if self.speaks_for_agency else None)

    def actor(self) -> Actor:
        """How the caller stands in the envelope of what it causes."""
        if self.operator_id is not None:
            return Actor(
                kind=ActorKind.OPERATOR, id=str(self.operator_id), center_id=self.center_id, agency=self.agency
            )
        if self.gateway is not None:
            return Actor(kind=ActorKind.GATEWAY, id=self.gateway)
        if Role.PARTNER in self.roles:
            return Actor(kind=ActorKind.PARTNER, id=self.subject, agency=self.agency)
        return Actor(kind=ActorKind.SYSTEM, id=self.subject)


def operation_of(request: Request) -> str:
    """The operation id of the matched route."""
    return str(getattr(request.scope.get("route"), "operation_id", None) or "")


def permitted(operation: str, caller: Caller) -> Rule:
    """The line that lets this caller in. Raises `Problem` forbidden; a route without a line is our mistake."""
    rule = MATRIX.get(operation)
    assert rule is not None, f"operation {operation!r} has no line in the access matrix"
    if caller.roles.isdisjoint(rule.roles):
        needed = sorted(role.value for role in rule.roles)
        raise Problem(
            "forbidden",
            f"Operation {operation} is for {', '.join(needed)}; your token says "
            f"{', '.join(sorted(role.value for role in caller.roles)) or 'no role'}.",
            roles=needed,
        )
    return rule


async def permit(request: Request) -> Caller:
    """Authenticate, then look the operation up. The dependency of every router under /v1."""
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    # A standard's own key (`dispatch.api.open311`) stands in for the header; who sends both is whom the header says.
    stated = request.headers.get("authorization") or getattr(request.state, "authorization", None)
    caller: Caller = await request.app.state.authenticator.caller(stated)
    request.state.caller = caller
    if caller.gateway is not None:
        # Before anything is refused: whatever it says, and whatever becomes of that, it is not silent.
        request.app.state.services.alerts.hear(caller.gateway)
    request.app.state.rates.spend(caller, request)
    permitted(operation_of(request), caller)
    _require_storable(request.scope["query_string"])
    return caller


def _require_storable(query: bytes) -> None:
    """422 for a NUL in any parameter: no column holds one, so every list it were compared in would fail."""
    if b"%00" in query:
        names = [name for name, value in parse_qsl(query.decode("latin-1")) if "\x00" in name + value]
        raise Problem(
            "invalid",
            "Take the NUL character out of the parameters in `errors`.",
            errors=[(f"query:{name}", "may not contain the NUL character") for name in names],
        )


CallerOf = Annotated[Caller, Depends(permit)]
"""Write `caller: CallerOf` in a route; the check has then run."""


def covers(caller: Caller, path: Iterable[UUID]) -> bool:
    """Whether a center with this path (root first, itself last) is the caller's or below it, or one that the caller
    commands for a headquarters or below it.
    """
    if caller.sees_everything:
        return True
    centers = set(path)
    return caller.center_id in centers or not caller.commanded.isdisjoint(centers)


def require_center(caller: Caller, path: Iterable[UUID]) -> None:
    """404 unless the center is the caller's or below it."""
    if not covers(caller, path):
        raise not_found("This center")


def require_agency(caller: Caller, agency: str) -> None:
    """404 unless it is the caller's agency (partners, functional centers) or the caller sees everything."""
    if not caller.sees_everything and not _speaks_for(caller, (agency,)):
        raise not_found("This queue")


def sees_incident(caller: Caller, *, centers: Iterable[UUID], agencies: Iterable[str]) -> bool:
    """Whether an incident is visible. `centers`: owner and recipients with all their ancestors."""
    if caller.sees_everything:
        return True
    if Role.PARTNER not in caller.roles and covers(caller, centers):
        return True
    return _speaks_for(caller, agencies)


def sees_restricted(caller: Caller, *, centers: Iterable[UUID], agencies: Iterable[str]) -> bool:
    """Whether a restricted incident is visible. `centers` and `agencies`: who may know of it. Nobody knows for standing
    above one that does, nor for commanding it for a headquarters.
    """
    if caller.sees_everything:
        return True
    if Role.PARTNER not in caller.roles and caller.center_id is not None and caller.center_id in set(centers):
        return True
    return _speaks_for(caller, agencies)


def _speaks_for(caller: Caller, agencies: Iterable[str]) -> bool:
    return caller.speaks_for_agency and caller.agency is not None and caller.agency in set(agencies)


def require_incident(caller: Caller, *, centers: Iterable[UUID], agencies: Iterable[str]) -> None:
    """404 unless the incident is visible to the caller."""
    if not sees_incident(caller, centers=centers, agencies=agencies):
        raise not_found("This incident")


def require_unit(caller: Caller, *, agency: str, path: Iterable[UUID]) -> None:
    """404 unless the caller sees the unit."""
    if not sees_unit(caller, agency=agency, path=path):
        raise not_found("This unit")


def sees_unit(caller: Caller, *, agency: str, path: Iterable[UUID]) -> bool:
    """Whether the unit is based in the caller's subtree or of the caller's agency."""
    return covers(caller, path) or _speaks_for(caller, (agency,))


def may_speak_for(caller: Caller, camera: Any) -> bool:
    """Whether a gateway's credential covers a camera (`CameraEntry`). Administrators may re-drive for anyone."""
    if caller.is_any(Role.ADMINISTRATOR):
        return True
    return caller.gateway is not None and camera.gateway == caller.gateway
