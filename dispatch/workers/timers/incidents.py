"""Deadlines of incidents and of their crews: what is missed climbs from level to level (decision record 0008).

An incident that is merged answers as its head says, and a crew's own stream says whether it has answered: the streams
of both are read beside the incident's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.folding import folded
from dispatch.handling.scribe import Change, Scribe
from dispatch.ports import AppendCommand, EventLog, RecordedEvent
from dispatch.workers.timers.mechanism import NAME, last_position, record, request
from domain.assignment import state as unit
from domain.codec import Undecodable
from domain.incident.decider import INITIAL, IncidentState, decide, evolve
from domain.policies.escalation import TOPICS, Due, DueList, answer, head_of
from domain.refusals import Refusal
from domain.vocabulary import AssignmentPhase

logger = logging.getLogger(__name__)


class IncidentPart:
    """Acceptances, acknowledgements, transfers."""

    topics = TOPICS

    def __init__(self, log: EventLog, scribe: Scribe, directory: Directory) -> None:
        self._log = log
        self._scribe = scribe
        self._directory = directory
        self.dues = DueList()

    def forget(self) -> None:
        """Know nothing: the log is read again."""
        self.dues = DueList()

    async def answer(self, now: datetime, known_up_to: int, limit: int) -> int:
        """Record what has passed, one fact an incident at a look; how many."""
        passed = self.dues.until(now, limit)
        if not passed:
            return 0
        incidents = {due.incident_id for due in passed}
        units = {due.unit_id for due in passed if due.unit_id is not None}
        streams = await self._log.read_streams([*incidents, *units])
        states = await self._states(incidents, streams)
        commands: dict[UUID, tuple[Due, AppendCommand]] = {}
        for due in passed:
            if due.incident_id in commands:
                continue  # its next look is at the version that this answer leaves
            change = self._change(due, streams, states, now)
            if change is None:
                # On facts that are not folded yet (another owner's escalation, say) this look decides nothing: resting,
                # the deadline would not take the next step from the fact that sets it. The next look has folded it.
                if last_position(streams) <= known_up_to:
                    self.dues.rest(due.key)
            else:
                commands[due.incident_id] = due, await self._scribe.command([change], request(NAME, _seed(due), now))
        return await record(self._log, list(commands.values()))

    async def _states(
        self, incidents: set[UUID], streams: dict[UUID, list[RecordedEvent]]
    ) -> dict[UUID, IncidentState]:
        """These incidents and those their merges lead to, whose streams are read too. The unreadable are left out."""
        states: dict[UUID, IncidentState] = {}
        beyond = set(incidents)
        while beyond:
            streams |= await self._log.read_streams(sorted(beyond - streams.keys()))
            for incident_id in beyond:
                try:
                    states[incident_id] = folded(streams[incident_id], INITIAL, evolve)
                except Undecodable:
                    extra = {"incident_id": str(incident_id)}
                    logger.exception("deadlines given up: the facts of an incident are unreadable", extra=extra)
            merges = [state.merge for state in states.values() if state.merge is not None]
            beyond = {merge.into_incident_id for merge in merges} - streams.keys()
        return states

    def _change(
        self,
        due: Due,
        streams: Mapping[UUID, Sequence[RecordedEvent]],
        states: Mapping[UUID, IncidentState],
        now: datetime,
    ) -> Change | None:
        """What the missed deadline adds to its incident; None if there is nothing left to say."""
        state, rows = states.get(due.incident_id), streams[due.incident_id]
        try:
            if state is None or (due.unit_id is not None and not _is_owed(due, streams[due.unit_id])):
                return None
        except Undecodable:
            logger.exception("deadline given up: its facts are unreadable", extra={"incident_id": str(due.incident_id)})
            return None
        rulebook = self._directory.rulebook()
        command = answer(due, state, rulebook, now, head=head_of(due.incident_id, states))
        decided = decide(command, state) if command is not None else ()
        if isinstance(decided, Refusal):
            logger.warning("deadline refused", extra={"incident_id": str(due.incident_id), "code": decided.code})
            return None
        if not decided:
            return None
        return Change(
            due.incident_id,
            rows[-1].version if rows else 0,
            decided,
            occurred_at=now,
            correlation_id=due.incident_id,
            rule_version=rulebook.version,
        )


def _is_owed(due: Due, rows: Sequence[RecordedEvent]) -> bool:
    """Whether the crew has said nothing about the assignment yet, or said it too late."""
    if due.answered_at is not None:
        return True
    found = folded(rows, unit.INITIAL, unit.evolve).assignments.get(due.key[1])
    return found is not None and found.phase is AssignmentPhase.MADE


def _seed(due: Due) -> str:
    """The same deadline and level make the same event ids, whoever notices it."""
    return f"{due.kind}\x1f{due.key[1]}\x1f{due.level}\x1f{due.due_at}"
