"""Which flows a campaign played, by the facts that were recorded: a flow that nobody gets through is seen here.

Every kind of fact of the catalogue is in one flow, or is said here to be made by nobody in a simulated town.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from dispatch.ports import RecordedEvent
from domain.aid import events as aid
from domain.alert import events as alert
from domain.assignment import events as assignment
from domain.camera import events as camera
from domain.campaign import events as campaign
from domain.casework import events as casework
from domain.center import events as center
from domain.checklist import events as checklist
from domain.cover import events as cover
from domain.event import Event
from domain.evidence import events as evidence
from domain.gateway import events as gateway
from domain.handover import events as handover
from domain.headquarters import events as headquarters
from domain.incident import events as incident
from domain.operation import events as operation
from domain.operator import events as operator
from domain.order import events as order
from domain.outcome import events as outcome
from domain.policies import events as policies
from domain.report import events as report
from domain.rulebook import events as rulebook
from domain.watch import events as watch

NEVER: frozenset[type[Event]] = frozenset(
    {
        incident.NoteStruck,
        incident.EvidenceAttached,
        report.PersonalFieldsRead,
        assignment.UnitRegistered,
        rulebook.RulebookPublished,
        operator.OperatorEnrolled,
        center.AgencyRegistered,
        *(camera.SiteBuilt, camera.CameraInstalled),
        *(alert.MessageSetAside, alert.MessageRedriven),
        *policies.EVENTS,
    }
)
"""Facts that nobody in a simulated town makes: loaders' and readers', the machine door's, and what is a finding."""
NOT_YET: frozenset[type[Event]] = frozenset(
    {
        *gateway.EVENTS,
        *(camera.CameraAttached, camera.CameraDetached, camera.CameraExpired),
        camera.CameraArmingChanged,
    }
)
"""Facts of decisions that no seat of a simulated town takes so far: proven by their own property tests only."""


def _names(*events: type[Event]) -> tuple[str, ...]:
    return tuple(event.name for event in events if event not in NEVER | NOT_YET)


FLOWS: Mapping[str, tuple[str, ...]] = {
    "alerts": _names(*alert.EVENTS),
    "cameras": _names(*camera.EVENTS),
    "reports": _names(*report.EVENTS),
    "incidents": _names(*incident.EVENTS),
    "units": _names(*assignment.EVENTS),
    "rules": _names(*rulebook.EVENTS),
    "casework": _names(*casework.EVENTS),
    "orders": _names(*order.EVENTS),
    "operations": _names(*operation.EVENTS),
    "shifts": _names(*operator.EVENTS, *handover.EVENTS),
    "aid": _names(*aid.EVENTS),
    "watches": _names(*watch.EVENTS),
    "checklists": _names(*checklist.EVENTS),
    "outcomes": _names(*outcome.EVENTS, *campaign.EVENTS),
    "recordings": _names(*evidence.EVENTS),
    "cover": _names(*cover.EVENTS),
    "headquarters": _names(*headquarters.EVENTS),
    "tree": _names(*center.EVENTS),
}
"""Each flow, and the kinds of facts that its decisions leave."""


def decisions(recorded: Sequence[RecordedEvent]) -> Counter[str]:
    """How many facts of each kind."""
    return Counter(row.topic for row in recorded)


def by_flow(counted: Mapping[str, int]) -> dict[str, int]:
    """How many facts of each flow."""
    return {flow: sum(counted.get(name, 0) for name in names) for flow, names in FLOWS.items()}


def never_played(counted: Mapping[str, int]) -> list[str]:
    """Kinds of facts that belong to a flow and were never recorded."""
    return [name for names in FLOWS.values() for name in names if not counted.get(name)]
