"""Filing a report: the report, the incident it opens or is a duplicate of, and the number, in one command.

Every reporter shows on the incident's card through `incident.report_attached` on the companion stream. A duplicate
writes nothing else on the incident, unless it says the matter is worse: then the rise is a decision of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, TypeAlias
from uuid import UUID, uuid5

from dispatch.directory import Directory
from dispatch.directory_entries import CenterEntry
from dispatch.handling.labels import labelled
from dispatch.handling.opening import (
    Numbering,
    Opening,
    counted_from,
    first_owner,
    numbers_used,
    open_incident_changes,
)
from dispatch.handling.scribe import AnyOf, Change, Decided, Loaded, Outcome, Request, Scribe, as_fact
from domain.event import MediaReference, Personal, Place
from domain.identifiers import companion_of, incident_id_for, timed
from domain.incident import decider as incident
from domain.incident.admission import LIVE, phase_refusal, unknown_incident
from domain.incident.commands import RaiseSeverity, VerifyIncident
from domain.incident.events import Cause, ReportAttached
from domain.ownership import Ownership
from domain.refusals import Conflict, Refusal, Refused
from domain.report.commands import Channel, FileReport, LinkReport, ReadPersonalFields
from domain.report.decider import INITIAL, ReportState, decide, evolve
from domain.report.events import ReportFiled
from domain.rulebook.content import Rulebook
from domain.vocabulary import CenterKind, IncidentPhase, Severity

HEADLINE_LENGTH_MAX = 120
"""Characters of a report's text that become the incident's headline."""

RACES_LOST_MAX = 2
"""Whoever lost so many races for a number asks for any of the next."""
NUMBERS_ASKED = 64
"""In a flood the correlator takes some twenty while such a request is on its way, hundreds as it begins. Whoever loses
again asks for twice as many."""
NUMBERS_ASKED_MAX = 256
"""While they are tried nobody else records."""

Attempt: TypeAlias = Decided | AnyOf | Refusal

Relation: TypeAlias = Literal["opened", "duplicate"]


@dataclass(frozen=True, slots=True)
class ReportDraft:
    """A report as told, persons in plain text. They are sealed under keys of this report before anything is stored."""

    channel: Channel
    category: str
    text: str
    center_id: UUID
    severity: Severity = Severity.UNKNOWN
    place: Place = field(default_factory=Place)
    camera_id: UUID | None = None
    media: tuple[MediaReference, ...] = ()
    caller: str | None = None
    caller_phone: str | None = None
    persons: tuple[str, ...] = ()


class NumberRace:
    """What one request has heard of numbers while others took them first.

    In a flood the correlator takes numbers with every page, and whoever reads how many there are, or hears it from the
    race that was lost, has lost again before it writes: a caller's report waited for seconds. So whoever lost twice
    asks for any of the next numbers. Each excludes the others, and there is still no gap.
    """

    def __init__(self) -> None:
        self.told: dict[UUID, int] = {}
        """Stream of numbers → numbers used, as the last race lost said."""
        self._lost = 0

    @property
    def numbers_asked(self) -> int:
        """How many of the next numbers would do."""
        beyond = self._lost - RACES_LOST_MAX
        return 1 if beyond < 0 else min(NUMBERS_ASKED << beyond, NUMBERS_ASKED_MAX)

    def lost(self, conflict: Conflict) -> None:
        """Somebody was first on a stream."""
        self._lost += 1
        self.told[UUID(conflict.values["stream_id"])] = int(conflict.values["actual_version"])


class ReportDesk:
    """Files reports and opens their sealed fields. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe, directory: Directory) -> None:
        self._scribe = scribe
        self._directory = directory
        # Two reports filed at once count from the same number, and the second must decide again. Within a process
        # they take turns instead, so that a rush of calls does not use up the attempts of the unlucky.
        self._turn = asyncio.Lock()

    async def state(self, report_id: UUID) -> Loaded[ReportState]:
        """The report as decided so far. Refused `report.unknown`."""
        loaded = await self._scribe.load(report_id, INITIAL, evolve)
        if not loaded.state.filed:
            raise Refused("report.unknown", "There is no report with this id. Check the id.")
        return loaded

    async def file_report(self, draft: ReportDraft, request: Request, *, duplicate_of: UUID | None = None) -> Outcome:
        """File it; open its incident, or attach it to the live incident `duplicate_of`.

        The answer names `report_id`, `incident_id`, `number` and `relation` (`opened` or `duplicate`).
        """
        report_id = timed(request.received_at, "report", str(request.request_id))
        race = NumberRace()

        async def attempt() -> Attempt:
            rulebook = self._directory.rulebook()
            command = self._command(draft, report_id, rulebook)
            # The id is this request's own: that there is no such report yet is for the append to say.
            filed = decide(command, INITIAL)
            if isinstance(filed, Refusal):
                return filed
            if duplicate_of is not None:
                return await self._attach(command, report_id, duplicate_of, rulebook)
            return await self._open(command, report_id, request, rulebook, race)

        async with self._turn:
            return await self._scribe.decide(attempt, request, lost=race.lost)

    async def read_personal(
        self, report_id: UUID, fields: Sequence[str], *, purpose: str, request: Request
    ) -> dict[str, str | list[str | None] | None]:
        """Open sealed fields (`caller`, `caller_phone`, `persons`); that somebody did, and what for, is recorded first.

        A field whose key was destroyed is None.
        """
        command = ReadPersonalFields(purpose=purpose, fields=tuple(fields))

        async def attempt() -> Attempt:
            loaded = await self.state(report_id)
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            # Reading decides nothing about the report, so two readers do not get in each other's way.
            return [Change(report_id, None, decided, correlation_id=loaded.state.incident_id)], {}

        await self._scribe.decide(attempt, request)
        filed = as_fact((await self._scribe.log.read_stream(report_id, limit=1))[0]).event
        assert isinstance(filed, ReportFiled), "a report's first fact is that it was filed"
        opened: dict[str, str | list[str | None] | None] = {}
        for name in command.fields:
            value: Personal | tuple[Personal, ...] = getattr(filed, name)
            if isinstance(value, Personal):
                opened[name] = await self._unsealed(value)
            else:
                opened[name] = [await self._unsealed(person) for person in value]
        return opened

    async def _unsealed(self, field: Personal) -> str | None:
        assert field.sealed is not None, "nothing in the log is plain"
        return await self._scribe.sealer.open(field.subject_id, field.sealed)

    def _command(self, draft: ReportDraft, report_id: UUID, rulebook: Rulebook) -> FileReport:
        if draft.category not in {rule.code for rule in rulebook.categories}:
            detail = f"The rulebook has no category {draft.category}. Choose one of its categories."
            raise Refused("report.unknown_category", detail, category=draft.category)
        place = draft.place
        if draft.camera_id is not None:
            camera = self._directory.camera_by_id(draft.camera_id)
            if camera is None:
                raise Refused("camera.unknown", "There is no camera with this id.", camera_id=str(draft.camera_id))
            if place.point is None:
                place = place.model_copy(update={"point": camera.location})
        if self._directory.center(draft.center_id) is None:
            raise Refused("center.unknown", "There is no center with this id.", center_id=str(draft.center_id))
        if place.point is not None and not self._directory.locate(place.point):
            place = place.model_copy(update={"outside_city": True})
        caller = uuid5(report_id, "caller")
        return FileReport(
            channel=draft.channel,
            category=draft.category,
            severity=draft.severity,
            place=place,
            text=draft.text,
            camera_id=draft.camera_id,
            media=draft.media,
            center_id=draft.center_id,
            caller=Personal(subject_id=caller, text=draft.caller) if draft.caller else None,
            caller_phone=Personal(subject_id=caller, text=draft.caller_phone) if draft.caller_phone else None,
            persons=tuple(
                Personal(subject_id=uuid5(report_id, f"person\x1f{index}"), text=person)
                for index, person in enumerate(draft.persons)
            ),
        )

    def _filed_at(self, center: CenterEntry | None) -> Ownership | None:
        """Who owns what has no place: the center that filed it. A headquarters owns what it took over, no more."""
        if center is not None and center.kind is CenterKind.HEADQUARTERS:
            center = self._directory.root()
        return center.ownership if center is not None else None

    async def _open(
        self, command: FileReport, report_id: UUID, request: Request, rulebook: Rulebook, race: NumberRace
    ) -> Attempt:
        incident_id = incident_id_for(report_id)
        center = self._directory.center(command.center_id)
        opening = Opening(
            incident_id=incident_id,
            opened_at=request.received_at,
            cause=Cause(report_id=report_id),
            category=command.category,
            severity=command.severity,
            priority=rulebook.priority_of(command.category, command.severity),
            place=command.place,
            camera_id=command.camera_id,
            owner=first_owner(self._directory, command.category, command.place, without_point=self._filed_at(center)),
            headline=headline(command.text),
            causation_id=report_id,
        )
        numbering = Numbering.of(rulebook)
        used = await self._numbers_used(numbering, opening.opened_at, race)
        opened = open_incident_changes([opening], numbering=numbering, used=used, rule_version=rulebook.version)
        happened_at = request.occurred_at or request.received_at
        opened = await labelled(opened, self._directory, log=self._scribe.log, now=happened_at)
        day = numbering.day(opening.opened_at)
        first, *rest = _report_changes(command, report_id, incident_id, "opened")
        counts = range(used[day], used[day] + race.numbers_asked)
        decisions = [
            (
                [first, *counted_from(opened, numbering, day, count), *rest],
                _answer(report_id, incident_id, numbering.number(day, count + 1), "opened"),
            )
            for count in counts
        ]
        return decisions[0] if len(decisions) == 1 else AnyOf(decisions)

    async def _numbers_used(self, numbering: Numbering, instant: datetime, race: NumberRace) -> dict[date, int]:
        day = numbering.day(instant)
        version = race.told.pop(numbering.stream(day), None)
        return await numbers_used(self._scribe.log, numbering, [instant]) if version is None else {day: version}

    async def _attach(self, command: FileReport, report_id: UUID, incident_id: UUID, rulebook: Rulebook) -> Attempt:
        """No version of the incident is demanded: a reporter may be late by a moment, and still shows on the card."""
        target = await self._scribe.load(incident_id, incident.INITIAL, incident.evolve)
        if target.state.phase is None:
            return unknown_incident()
        if target.state.phase not in LIVE | {IncidentPhase.RESOLVED}:
            return phase_refusal(VerifyIncident(), target.state)
        changes = _report_changes(command, report_id, incident_id, "duplicate")
        raised = incident.decide(
            RaiseSeverity(
                severity=command.severity,
                priority=rulebook.priority_of(target.state.category, command.severity),
                report_id=report_id,
            ),
            target.state,
        )
        if isinstance(raised, Refusal):
            return raised
        if raised:
            changes.append(
                Change(incident_id, target.version, raised, correlation_id=incident_id, rule_version=rulebook.version)
            )
        return changes, _answer(report_id, incident_id, target.state.number, "duplicate")


def headline(text: str) -> str:
    """The first line of what was said, cut to what a board shows."""
    first = text.strip().splitlines()[0].strip() if text.strip() else ""
    return first if len(first) <= HEADLINE_LENGTH_MAX else first[: HEADLINE_LENGTH_MAX - 1] + "…"


def _report_changes(command: FileReport, report_id: UUID, incident_id: UUID, relation: Relation) -> list[Change]:
    """The report's own stream, then the incident's companion."""
    filed = decide(command, INITIAL)
    assert not isinstance(filed, Refusal), "decided before"
    linked = decide(LinkReport(incident_id=incident_id, relation=relation), ReportState(filed=True))
    assert not isinstance(linked, Refusal), "a report that was just filed has no link"
    attached = ReportAttached(
        incident_id=incident_id,
        report_id=report_id,
        relation=relation,
        channel=command.channel,
        center_id=command.center_id,
        text=command.text,
        severity=command.severity,
        place=command.place,
        camera_id=command.camera_id,
        media=command.media,
        has_caller=command.caller is not None or command.caller_phone is not None,
    )
    return [
        Change(report_id, 0, (*filed, *linked), correlation_id=incident_id),
        Change(companion_of(incident_id), None, (attached,), causation_id=report_id, correlation_id=incident_id),
    ]


def _answer(report_id: UUID, incident_id: UUID, number: str, relation: str) -> dict[str, str]:
    return {
        "report_id": str(report_id),
        "incident_id": str(incident_id),
        "number": number,
        "relation": relation,
    }
