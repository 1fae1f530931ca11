"""The router: an incident that was opened, classified, moved, handed over, reopened or un-merged is routed anew.

So is one whose alarm level changed, or that became worse: its plan may tell others.

What was recorded can be made again from the same facts at any time (`recomputed`), which is how an auditor checks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from dispatch.directory import Directory
from dispatch.ports import EventLog
from dispatch.workers.by_incident import Follows, IncidentReactor, incident_after
from domain.codec import for_fold
from domain.event import Event, Fact
from domain.incident.decider import IncidentState, decide
from domain.incident.events import (
    IncidentClassified,
    IncidentOpened,
    IncidentRelocated,
    IncidentReopened,
    IncidentRouted,
    IncidentUnmerged,
    SeverityRaised,
    TransferAccepted,
)
from domain.incident.plan_events import AlarmLowered, AlarmRaised
from domain.policies.plans import agencies_of
from domain.policies.routing import Ground, Node, RoutingInput, route
from domain.refusals import Refusal
from domain.rulebook.content import Rulebook

INPUTS = (
    IncidentOpened,
    IncidentClassified,
    IncidentRelocated,
    TransferAccepted,
    IncidentReopened,
    IncidentUnmerged,
    AlarmRaised,
    AlarmLowered,
)
"""Facts that change where an incident belongs, or whom it is told to."""
TRIGGERS = (*INPUTS, SeverityRaised)
"""A worse severity may bring another plan, which tells others. Not one of the positions that a decision names: those
recorded before there were plans are made again without it."""


class Router(IncidentReactor):
    """The reactor: one routing for each incident."""

    name = "router"
    topics = frozenset(event.name for event in TRIGGERS)

    def _rule(self, rulebook: Rulebook, now: datetime) -> Follows:
        return partial(routed, directory=self._directory, rulebook=rulebook, decided_at=now)


def routed(
    facts: Sequence[Fact[Event]], directory: Directory, rulebook: Rulebook, decided_at: datetime
) -> tuple[Event, ...]:
    """The routing that follows from an incident's decision stream; nothing if nothing changes."""
    state = incident_after(facts)
    positions = tuple(fact.position for fact in facts if isinstance(fact.gist(), INPUTS))
    ground = ground_of(state, directory, rulebook)
    given = RoutingInput(
        state,
        ground,
        rulebook,
        decided_at,
        positions,
        began_anew=_began_anew(facts),
        known_up_to=directory.position,
    )
    decided = decide(route(given), state)
    # Routing is one of the commands that come too late silently; a refusal here means that we built a bad one.
    assert not isinstance(decided, Refusal), f"{decided}"
    return decided


def _began_anew(facts: Sequence[Fact[Event]]) -> bool:
    """Reopened or un-merged since it was last routed: the time that passed meanwhile was nobody's to answer in."""
    for fact in reversed(facts):
        if isinstance(fact.gist(), IncidentRouted):
            return False
        if isinstance(fact.gist(), IncidentReopened | IncidentUnmerged):
            return True
    return False


def ground_of(state: IncidentState, directory: Directory, rulebook: Rulebook) -> Ground:
    """The tree at the incident's place and the lateral centers of the category's agencies."""
    root = directory.root()
    point = state.place.point
    lateral: dict[str, Node] = {}
    for entry in agencies_of(rulebook, state.category, state.severity, state.alarm_level):
        found = directory.functional_center(entry.agency)
        if found is not None:
            lateral[entry.agency] = directory.node(found)
    return Ground(
        located=tuple(map(directory.node, directory.locate(point))) if point is not None else (),
        lateral=lateral,
        root=directory.node(root),
        catch_all=directory.node(directory.center_by_code(rulebook.catch_all_center_code) or root),
    )


async def recomputed(fact: Fact[IncidentRouted], log: EventLog, directory: Directory) -> tuple[Event, ...]:
    """A recorded routing made again from the facts before it and the rule version it names.

    `directory` is the tree of then: `known_up_to` of the decision says until which position.
    """
    rows = await log.read_stream(fact.stream_id, up_to_position=fact.position - 1)
    rulebook = directory.rulebook(fact.envelope.rule_version)
    return routed([for_fold(row) for row in rows], directory, rulebook, fact.envelope.occurred_at)
