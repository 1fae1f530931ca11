"""What may become of a report: filed once, linked once, and every reading of its sealed fields remembered. Total."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never
from uuid import UUID

from domain.event import Event
from domain.refusals import Refusal
from domain.report.commands import FileReport, LinkReport, ReadPersonalFields, ReportCommand
from domain.report.events import PersonalFieldsRead, ReportFiled, ReportLinked

Decision: TypeAlias = tuple[Event, ...] | Refusal


@dataclass(frozen=True, slots=True)
class ReportState:
    """`sealed_fields` are the personal fields that the report has."""

    filed: bool = False
    incident_id: UUID | None = None
    sealed_fields: frozenset[str] = frozenset()


INITIAL = ReportState()


def evolve(state: ReportState, event: Event) -> ReportState:
    """The state after a fact. Never raises; unknown facts change nothing."""
    match event:
        case ReportFiled():
            present = {"caller": event.caller, "caller_phone": event.caller_phone, "persons": event.persons}
            return replace(state, filed=True, sealed_fields=frozenset(name for name, value in present.items() if value))
        case ReportLinked(incident_id=incident_id):
            return replace(state, incident_id=incident_id)
        case _:
            return state


def decide(command: ReportCommand, state: ReportState) -> Decision:
    """Facts (possibly none) or a refusal."""
    if isinstance(command, FileReport):
        return _file(command, state)
    if not state.filed:
        return Refusal("report.unknown", "There is no report with this id. Check the id.")
    match command:
        case LinkReport():
            return _link(command, state)
        case ReadPersonalFields():
            return _read_personal_fields(command, state)
        case _:
            assert_never(command)


def _file(command: FileReport, state: ReportState) -> Decision:
    if state.filed:
        return Refusal("report.already_filed", "This report was filed before. File a new one under a new id.")
    if command.place.point is None and not (command.place.address or "").strip() and command.camera_id is None:
        return Refusal(
            "report.no_place", "Say where: a point, an address or landmark, or the camera. Somebody must find it."
        )
    return (ReportFiled(**{name: getattr(command, name) for name in FileReport.model_fields}),)


def _link(command: LinkReport, state: ReportState) -> Decision:
    if state.incident_id == command.incident_id:
        return ()
    if state.incident_id is not None:
        return Refusal(
            "report.already_linked",
            f"The report is about incident {state.incident_id}. Merge the two incidents instead.",
            {"incident_id": str(state.incident_id)},
        )
    return (ReportLinked(incident_id=command.incident_id, relation=command.relation),)


def _read_personal_fields(command: ReadPersonalFields, state: ReportState) -> Decision:
    if not command.purpose.strip():
        return Refusal("report.no_purpose", "Say what the personal fields are needed for.")
    missing = [name for name in command.fields if name not in state.sealed_fields]
    if missing or not command.fields:
        named = ", ".join(missing) or "nothing"
        held = ", ".join(sorted(state.sealed_fields)) or "none"
        detail = f"Asked for {named}; this report has: {held}."
        return Refusal("report.no_such_field", detail, {"fields": named})
    return (PersonalFieldsRead(purpose=command.purpose, fields=command.fields),)
