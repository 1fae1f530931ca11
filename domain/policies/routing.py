"""Who must know and act: the owner, the agencies with a role each, and by when the owner must accept.

GB/T 30428: an *event* (litter, a brawl) goes to its locality first, then to its owner; a *component* (a manhole cover)
to its owner first, then to its locality. Here the locality is the tree at the place (station, district or branch,
city), the owner the lateral center of the responsible agency. The rulebook's owner rule says where to start; what
does not exist there (no lateral center, nobody's ground) falls through to the next, at last to the catch-all.

Abnormal traffic (flow F14) is a rule, not code: `traffic_police` is responsible and so the dispatcher of record, and
`also_level_two` makes the branch or district command room a recipient at the same moment, for information.

An exercise is routed like the real thing, but everybody is `informed` and nothing falls due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from domain.event import Candidate, Explanation, Reason
from domain.incident.commands import RouteIncident
from domain.incident.events import Recipient
from domain.incident.state import IncidentState
from domain.ownership import Ownership
from domain.policies.plans import ROLE_RANK, agencies_of
from domain.rulebook.content import CategoryRule, Rulebook
from domain.vocabulary import AgencyRole, IncidentPhase, MessageStatus, OwnerRule, RoutingClass

POLICY = "routing"
PARTS_KEPT_MAX = 10_000
"""Recipients and candidates, a few for each center: every incident names some of the same."""
LEVEL_WANTED = {OwnerRule.STATION: 3, OwnerRule.DISTRICT: 2, OwnerRule.CITY: 1}


@dataclass(frozen=True, slots=True)
class Node:
    """A center, as far as routing reads it. `level`: 1 city, 2, 3; 0 lateral."""

    center_id: UUID
    level: int
    path: tuple[UUID, ...]
    agency: str | None = None
    ownership: Ownership = field(init=False, repr=False, compare=False)
    """This center as an owner."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ownership", Ownership(center_id=self.center_id, path=self.path))


@dataclass(frozen=True, slots=True)
class Ground:
    """Where it is and who could act there: `located` root first, empty outside the city."""

    located: tuple[Node, ...]
    lateral: Mapping[str, Node]
    root: Node
    catch_all: Node


@dataclass(frozen=True, slots=True)
class RoutingInput:
    """All that a routing decision reads. `positions` are those of the facts behind `state`; the tree and the rules are
    as the log had them at `known_up_to`.

    `began_anew`: it was reopened or un-merged since the last routing, so an earlier deadline is void.
    """

    state: IncidentState
    ground: Ground
    rulebook: Rulebook
    decided_at: datetime
    positions: tuple[int, ...] = ()
    began_anew: bool = False
    known_up_to: int = 0


@dataclass(frozen=True, slots=True)
class Option:
    """A center that could own the incident."""

    node: Node
    why: str


def route(given: RoutingInput) -> RouteIncident:
    """The routing of an incident; the same input gives the same answer, for ever."""
    state, rule = given.state, given.rulebook.category(given.state.category)
    options = _options(rule, given.ground)
    kept = state.owner if state.owner is not None and (state.settled or state.offer is not None) else None
    owner = kept or _addressed(state, given) or options[0].node.ownership
    recipients = _recipients(rule, given, owner)
    return RouteIncident(
        owner=owner,
        recipients=recipients,
        accept_by=_accept_by(rule, given, owner),
        explanation=_explained(rule, given, options, owner, kept=kept is not None),
    )


def _addressed(state: IncidentState, given: RoutingInput) -> Ownership | None:
    """A place that is only an address says nothing of ground: who has it keeps it until somebody sets the point."""
    return state.owner if state.place.point is None and not given.ground.located else None


def _options(rule: CategoryRule, ground: Ground) -> list[Option]:
    """Centers in the order in which they would own it; never empty."""
    wanted = LEVEL_WANTED.get(rule.owner, 3)
    locality = [
        Option(node, "routing.center_of_the_place" if node.level == wanted else "routing.next_level_up")
        for node in reversed(ground.located)
        if node.level <= wanted
    ]
    responsible = ground.lateral.get(responsible_agency(rule))
    agency = [Option(responsible, "routing.center_of_the_agency")] if responsible is not None else []
    agency_first = rule.owner is OwnerRule.AGENCY or rule.routing_class is RoutingClass.COMPONENT
    catch_all = [Option(ground.catch_all, "routing.catch_all")]
    return [*agency, *locality, *catch_all] if agency_first else [*locality, *catch_all, *agency]


def responsible_agency(rule: CategoryRule) -> str:
    """The agency that is the dispatcher of record; a category has exactly one."""
    return next(entry.agency for entry in rule.agencies if entry.role is AgencyRole.RESPONSIBLE)


def _recipients(rule: CategoryRule, given: RoutingInput, owner: Ownership) -> tuple[Recipient, ...]:
    """Agencies and the second level, strongest role first; within a role, by GB/T 30428's order."""
    ground, territorial, state = given.ground, given.rulebook.territorial_agency, given.state
    found: dict[tuple[str, UUID], Recipient] = {}
    for entry in agencies_of(given.rulebook, state.category, state.severity, state.alarm_level):
        seat, why = _seat_of(entry.agency, given, owner)
        _add(found, _recipient(entry.agency, seat.center_id, seat.path, entry.role, why, entry.agency))
    if rule.also_level_two is not None:
        for node in ground.located:
            if node.level == 2:
                told, why = node.agency or territorial, "routing.second_level_at_once"
                _add(found, _recipient(told, node.center_id, node.path, rule.also_level_two, why, None))
    recipients = list(found.values())
    if state.status is not MessageStatus.ACTUAL:
        recipients = [recipient.model_copy(update={"role": AgencyRole.INFORMED}) for recipient in recipients]
    lateral_first = rule.routing_class is RoutingClass.COMPONENT
    return tuple(
        sorted(recipients, key=lambda each: (ROLE_RANK[each.role], (each.agency == territorial) is lateral_first))
    )


def _seat_of(agency: str, given: RoutingInput, owner: Ownership) -> tuple[Ownership, str]:
    """The center whose board shows an agency's part, and the code of why."""
    ground = given.ground
    if agency == given.rulebook.territorial_agency:
        if all(node.center_id != owner.center_id for node in ground.lateral.values()):
            return owner, "routing.owner_plays_the_part"
        seat = ground.located[-1] if ground.located else ground.catch_all
        return seat.ownership, "routing.center_of_the_place"
    lateral = ground.lateral.get(agency)
    if lateral is not None:
        return lateral.ownership, "routing.center_of_the_agency"
    return ground.root.ownership, "routing.agency_without_center"


@lru_cache(PARTS_KEPT_MAX)
def _recipient(
    agency: str, center_id: UUID, path: tuple[UUID, ...], role: AgencyRole, why: str, about: str | None
) -> Recipient:
    """`about` is the agency that the reason names."""
    reason = Reason(code=why, values={"agency": about} if about is not None else {})
    return Recipient(agency=agency, center_id=center_id, path=path, role=role, reason=reason)


@lru_cache(PARTS_KEPT_MAX)
def _candidate(center_id: UUID, why: str, chosen: bool) -> Candidate:
    return Candidate(id=str(center_id), chosen=chosen, reasons=(Reason(code=why),))


def _add(found: dict[tuple[str, UUID], Recipient], recipient: Recipient) -> None:
    """One line for each agency at a center: the stronger role."""
    key = (recipient.agency, recipient.center_id)
    before = found.get(key)
    if before is None or ROLE_RANK[recipient.role] < ROLE_RANK[before.role]:
        found[key] = recipient


def _accept_by(rule: CategoryRule, given: RoutingInput, owner: Ownership) -> datetime | None:
    """When the owner must have accepted. A new routing to the same owner never gives more time."""
    state = given.state
    if state.status is not MessageStatus.ACTUAL or state.phase not in (IncidentPhase.OPEN, IncidentPhase.VERIFIED):
        return None
    due_at = given.decided_at + timedelta(seconds=rule.deadlines.accept_within_s)
    if state.accept_by is None or state.owner != owner or given.began_anew:
        return due_at
    return min(due_at, state.accept_by)


def _explained(
    rule: CategoryRule, given: RoutingInput, options: Sequence[Option], owner: Ownership, *, kept: bool
) -> Explanation:
    reasons = [
        Reason(
            code="routing.owner_kept" if kept else "routing.owner_by_rule",
            values={
                "category": rule.code,
                "asked_category": given.state.category,
                "owner_rule": rule.owner.value,
                "routing_class": rule.routing_class.value,
                "known_up_to": str(given.known_up_to),
            },
        )
    ]
    if not given.ground.located:
        known = given.state.place.point is not None
        reasons.append(Reason(code="routing.outside_every_center" if known else "routing.no_point"))
    if given.state.status is not MessageStatus.ACTUAL:
        reasons.append(Reason(code="routing.not_actual", values={"status": given.state.status.value}))
    seen: dict[UUID, Option] = {}
    for option in options:
        seen.setdefault(option.node.center_id, option)
    candidates = tuple(
        _candidate(center_id, option.why, center_id == owner.center_id) for center_id, option in seen.items()
    )
    return Explanation(policy=POLICY, input_positions=given.positions, candidates=candidates, reasons=tuple(reasons))
