"""Every event there is, by its permanent name. An unlisted name cannot be written; an unknown one pauses readers."""

from __future__ import annotations

from domain.alert import events as alert
from domain.assignment import events as assignment
from domain.camera import events as camera
from domain.center import events as center
from domain.event import Event
from domain.incident import events as incident
from domain.operator import events as operator
from domain.policies import events as policies
from domain.report import events as report
from domain.rulebook import events as rulebook

EVENTS: dict[str, type[Event]] = {
    event.name: event
    for module in (alert, assignment, camera, center, incident, operator, policies, report, rulebook)
    for event in module.EVENTS
}
