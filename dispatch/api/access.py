"""Who may do what: one matrix, role × operation, and the scope in which it holds.

Every route has a line here, named by its operation id; `permit` runs before every route under /v1 and refuses one
without a line, so a forgotten route is closed, not open. The role is decided here; whether *this* center, incident or
queue is the caller's is decided by the scope's check, which the route calls with what it loaded. A foreign object is
answered like a missing one (404), so that ids cannot be probed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Depends, Request

from dispatch.api.problem import Problem, not_found
from domain.event import Actor
from domain.vocabulary import ActorKind, Role


class Scope(StrEnum):
    """Within what the role holds."""

    CITY = "city"
    """City-wide, the same for every caller of the role: the directory, the rulebook."""
    CENTER = "center"
    """The caller's center and what lies below it."""
    INCIDENT = "incident"
    """Incidents that a center in the caller's subtree owns or has received, or the caller's agency has."""
    AGENCY = "agency"
    """The caller's own agency."""
    UNIT = "unit"
    """Units based in the caller's subtree, or of the caller's agency."""
    GATEWAY = "gateway"
    """What the caller's own cameras said."""
    OWN = "own"
    """About the caller and what the caller started."""


D, S, U, A, G, P = (
    Role.DISPATCHER,
    Role.SUPERVISOR,
    Role.AUDITOR,
    Role.ADMINISTRATOR,
    Role.GATEWAY,
    Role.PARTNER,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the matrix."""

    roles: frozenset[Role]
    scope: Scope


def _lines(scope: Scope, roles: Collection[Role], *operations: str) -> dict[str, Rule]:
    rule = Rule(frozenset(roles), scope)
    return dict.fromkeys(operations, rule)


EVERYONE = frozenset(Role)
PEOPLE = frozenset({D, S, U, A})
DECIDERS = frozenset({D, S})

MATRIX: dict[str, Rule] = {
    **_lines(Scope.OWN, EVERYONE, "me_get"),
    **_lines(Scope.OWN, {S, U, A}, "operations_get"),
    **_lines(Scope.OWN, DECIDERS, "shifts_start", "shifts_end"),
    # The city as it is: who is who and where.
    **_lines(Scope.CITY, {*PEOPLE, P}, "centers_list", "centers_get", "agencies_list"),
    **_lines(Scope.CITY, PEOPLE, "cameras_list", "sites_list", "cameras_get"),
    **_lines(Scope.CITY, PEOPLE, "rulebook_get", "rulebook_versions", "rulebook_version_get"),
    **_lines(Scope.CITY, {A}, "rulebook_publish", "rulebook_activate"),
    # Boards, queues and the live streams.
    **_lines(Scope.CENTER, PEOPLE, "centers_board", "centers_inbox", "centers_stream"),
    **_lines(Scope.AGENCY, {P, D, S, U, A}, "agencies_queue"),
    # A partner hears of changes through its feed on NATS; these rows hold what no feed tells.
    **_lines(Scope.AGENCY, PEOPLE, "agencies_stream"),
    **_lines(Scope.CENTER, {S, U, A}, "statistics_response_times"),
    # Incidents: reading.
    **_lines(Scope.INCIDENT, {*PEOPLE, P}, "incidents_get"),
    **_lines(Scope.INCIDENT, PEOPLE, "incidents_timeline", "incidents_list", "search", "incidents_cameras"),
    # Incidents: deciding.
    **_lines(
        Scope.INCIDENT,
        DECIDERS,
        "incidents_verify",
        "incidents_dismiss",
        "incidents_classify",
        "incidents_relocate",
        "incidents_accept",
        "incidents_claim",
        "incidents_release_claim",
        "incidents_offer_transfer",
        "incidents_accept_transfer",
        "incidents_decline_transfer",
        "incidents_resolve",
        "incidents_close",
        "incidents_add_note",
        "incidents_strike_note",
        "incidents_attach_evidence",
        "incidents_assign",
    ),
    **_lines(Scope.INCIDENT, {S}, "incidents_reopen", "incidents_merge", "incidents_unmerge"),
    **_lines(Scope.AGENCY, {P, D, S}, "agencies_accept", "agencies_decline"),
    # Units and their progress; a partner speaks for its own units.
    **_lines(
        Scope.UNIT,
        {D, S, P},
        "assignments_acknowledge",
        "assignments_decline",
        "assignments_en_route",
        "assignments_on_scene",
        "assignments_clear",
        "units_set_position",
        "units_on_duty",
        "units_off_duty",
    ),
    **_lines(Scope.UNIT, DECIDERS, "assignments_cancel"),
    **_lines(Scope.UNIT, {*PEOPLE, P}, "units_list", "units_get"),
    # Reports; opening personal fields needs a purpose and is itself recorded.
    **_lines(Scope.CENTER, DECIDERS, "reports_file"),
    **_lines(Scope.CENTER, PEOPLE, "reports_get"),
    **_lines(Scope.CENTER, {S, U}, "reports_read_personal_fields"),
    # Machines.
    **_lines(
        Scope.GATEWAY,
        {G, A},
        "alerts_ingest",
        "alerts_ingest_batch",
        "alerts_ingest_hikvision",
        "alerts_ingest_frigate",
        "alerts_ingest_gb28181",
        "alerts_ingest_cap",
    ),
    **_lines(Scope.INCIDENT, PEOPLE, "alerts_get"),
    **_lines(Scope.CITY, {A, U}, "quarantine_list", "quarantine_get"),
    **_lines(Scope.CITY, {A}, "quarantine_redrive", "quarantine_redrive_all"),
    # The record.
    **_lines(Scope.CITY, {U, A}, "audit_board", "audit_incident", "audit_decision", "audit_events", "audit_verify"),
}
"""Operation id → who. The tests walk every route of the application against it."""


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

    @property
    def sees_everything(self) -> bool:
        """Auditors and administrators are bound to no center."""
        return self.is_any(Role.AUDITOR, Role.ADMINISTRATOR)

    @property
    def is_partner(self) -> bool:
        """Somebody else's system: it is shown what its agency's feed tells (`dispatch.api.partner_view`)."""
        return Role.PARTNER in self.roles and self.roles.isdisjoint(PEOPLE)

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
    caller: Caller = await request.app.state.authenticator.caller(request.headers.get("authorization"))
    request.state.caller = caller
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
    """Whether a center with this path (root first, itself last) is the caller's or below it."""
    return caller.sees_everything or (caller.center_id is not None and caller.center_id in set(path))


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
    if caller.center_id is not None and Role.PARTNER not in caller.roles and caller.center_id in set(centers):
        return True
    return _speaks_for(caller, agencies)


def _speaks_for(caller: Caller, agencies: Iterable[str]) -> bool:
    return caller.speaks_for_agency and caller.agency is not None and caller.agency in set(agencies)


def require_incident(caller: Caller, *, centers: Iterable[UUID], agencies: Iterable[str]) -> None:
    """404 unless the incident is visible to the caller."""
    if not sees_incident(caller, centers=centers, agencies=agencies):
        raise not_found("This incident")


def require_unit(caller: Caller, *, agency: str, path: Iterable[UUID]) -> None:
    """404 unless the unit is based in the caller's subtree or of the caller's agency."""
    if not (covers(caller, path) or _speaks_for(caller, (agency,))):
        raise not_found("This unit")


def may_speak_for(caller: Caller, camera: Any) -> bool:
    """Whether a gateway's credential covers a camera (`CameraEntry`). Administrators may re-drive for anyone."""
    if caller.is_any(Role.ADMINISTRATOR):
        return True
    return caller.gateway is not None and camera.gateway == caller.gateway
