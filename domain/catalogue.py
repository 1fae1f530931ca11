"""Every event there is, by its permanent name. An unlisted name cannot be written; an unknown one pauses readers."""

from __future__ import annotations

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

EVENTS: dict[str, type[Event]] = {
    event.name: event
    for module in (
        aid,
        alert,
        assignment,
        camera,
        campaign,
        casework,
        center,
        checklist,
        cover,
        evidence,
        gateway,
        handover,
        headquarters,
        incident,
        operation,
        operator,
        order,
        outcome,
        policies,
        report,
        rulebook,
        watch,
    )
    for event in module.EVENTS
}
