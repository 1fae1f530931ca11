"""Labels at opening: an incident that a restricted operation said would be its own is so in the append that opens it.

Who knows of the operation is read from its own stream, and the append demands the version that was read: a center that
joins in the same moment learns of the incident, whoever was first. An incident whose first owner takes no part opens
without a label, for nobody who must act would know of it (decision record 0036).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.scribe import Change
from dispatch.ports import EventLog, RecordedEvent
from domain.codec import for_fold
from domain.event import Event
from domain.incident import decider as incidents
from domain.incident.commands import RestrictIncident
from domain.incident.events import IncidentOpened
from domain.incident.restriction_events import IncidentRestricted
from domain.operation import decider as operations
from domain.operation.commands import AttachIncident
from domain.operation.decider import OperationState, visible_to
from domain.operation.events import LabelsSet
from domain.policies.labels import explained, reason_for
from domain.refusals import Refusal
from domain.vocabulary import CenterKind

LABELS_MAX = 400
"""Put on in one append, which has a limit of its own; far beyond what one operation's incidents are in a moment."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Labelling:
    """An operation as it stands, and what this append adds to it."""

    operation_id: UUID
    state: OperationState
    version: int
    said_at_position: int
    added: list[Event] = field(default_factory=list)

    @classmethod
    def of(cls, operation_id: UUID, rows: Sequence[RecordedEvent]) -> Labelling:
        """From the facts of its stream."""
        state, said_at = operations.INITIAL, 0
        for row in rows:
            event = for_fold(row).gist()
            state = operations.evolve(state, event)
            said_at = row.position if isinstance(event, LabelsSet) else said_at
        return cls(operation_id, state, rows[-1].version if rows else 0, said_at)

    def label(self, opened: IncidentOpened, at: datetime, directory: Directory) -> IncidentRestricted | None:
        """The label of an incident that happens then; None if it is none of its, or its owner may not know of it."""
        said = self.state.labels
        if said is None:
            return None
        reason = reason_for(said, camera_id=opened.camera_id, point=opened.place.point, at=at)
        if reason is None:
            return None
        command = RestrictIncident(
            operation_id=self.operation_id,
            reason=said.reason,
            explanation=explained(reason, self.said_at_position),
            **known_to(self.state, directory),
        )
        decided = incidents.decide(command, incidents.evolve(incidents.INITIAL, opened))
        if isinstance(decided, Refusal):
            return None
        (restricted,) = decided
        assert isinstance(restricted, IncidentRestricted), "an incident that has just been opened has no label"
        return restricted

    def attach(self, incident_id: UUID) -> bool:
        """Whether it takes one more."""
        decided = operations.decide(AttachIncident(incident_id=incident_id), self.state)
        if isinstance(decided, Refusal):
            logger.warning("an incident opens without a label", extra={"code": decided.code})
            return False
        for event in decided:
            self.state = operations.evolve(self.state, event)
        self.added += decided
        return True


def known_to(operation: OperationState, directory: Directory) -> dict[str, Any]:
    """Centers that know of an operation, and agencies whose own centers are among them.

    A police station among them does not tell the police of the whole city.
    """
    centers = [directory.center(center_id) for center_id in sorted(visible_to(operation))]
    own = {one.agency for one in centers if one is not None and one.kind is CenterKind.FUNCTIONAL and one.agency}
    return {"center_ids": tuple(visible_to(operation)), "agencies": tuple(own)}


async def labelled(changes: Sequence[Change], directory: Directory, *, log: EventLog, now: datetime) -> list[Change]:
    """Changes that open incidents, with the label of each that is an operation's, and the operations' half of it.

    Of several operations the one whose period begins first has it: an incident has one label.
    """
    found = [*changes]
    asked = _asked(found, directory, now)
    streams = await log.read_streams(asked) if asked else {}
    standing = [Labelling.of(one, rows) for one, rows in streams.items()]
    standing.sort(key=lambda each: (each.state.labels.begins_at if each.state.labels else now, each.operation_id))
    count = 0
    for number, change in enumerate(found):
        opened = change.events[0]
        if not isinstance(opened, IncidentOpened) or count == LABELS_MAX:
            continue
        for each in standing:
            restricted = each.label(opened, change.occurred_at or now, directory)
            if restricted is not None and each.attach(change.stream_id):
                found[number] = replace(change, events=(opened, restricted, *change.events[1:]))
                count += 1
                break
    return [*found, *(Change(each.operation_id, each.version, tuple(each.added)) for each in standing if each.added)]


def _asked(changes: Sequence[Change], directory: Directory, now: datetime) -> list[UUID]:
    """Operations that may say something of these openings, as the directory has it: most of the time there is none."""
    return [
        operation_id
        for operation_id, said in directory.labels.items()
        if any(_may_be_of(said, change, now) for change in changes)
    ]


def _may_be_of(said: LabelsSet, change: Change, now: datetime) -> bool:
    opened, at = change.events[0], change.occurred_at or now
    if not isinstance(opened, IncidentOpened):
        return False
    return reason_for(said, camera_id=opened.camera_id, point=opened.place.point, at=at) is not None
