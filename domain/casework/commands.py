"""What may be asked of a case. An instant in a command is when that happens; a center is who asks."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.casework.events import CaseTerms, Department
from domain.event import Frozen, MediaReference
from domain.ownership import Ownership
from domain.vocabulary import Lamp, RoutingClass, Severity

Words = Annotated[str, Field(min_length=1, max_length=2_000)]
Note = Annotated[str | None, Field(max_length=2_000)]


class FileCase(Frozen):
    """Make a case of an incident, of this class and on these terms."""

    incident_id: UUID
    incident_number: str
    city: str
    occasion: int = 0
    class_code: str
    category: str
    kind: RoutingClass
    major_code: str
    minor_code: str
    severity: Severity
    supervision: Ownership
    arbiter: Ownership
    terms: CaseTerms
    filed_at: AwareDatetime
    incident_reopenings: int = 0
    note: Note = None


class AssignCase(Frozen):
    """Give it to a department."""

    department: Department
    assigned_at: AwareDatetime
    note: Note = None


class ReturnCase(Frozen):
    """The department gives it back."""

    reason: Words
    returned_at: AwareDatetime


class ArbitrateCase(Frozen):
    """The arbiter says whose it is."""

    department: Department
    arbitrated_at: AwareDatetime
    reason: Words


class HandleCase(Frozen):
    """The department says: done."""

    outcome: Words
    evidence: tuple[MediaReference, ...] = ()
    handled_at: AwareDatetime


class CheckCase(Frozen):
    """The supervision center looked."""

    passed: bool
    evidence: tuple[MediaReference, ...] = ()
    checked_at: AwareDatetime
    note: Note = None


class PauseCase(Frozen):
    """Stop the department's time, with a supervisor's approval."""

    reason: Words
    approved_by: UUID
    paused_at: AwareDatetime


class ResumeCase(Frozen):
    """Let it run again."""

    resumed_at: AwareDatetime


class RequestExtension(Frozen):
    """Ask for more time."""

    extra_s: int = Field(ge=1)
    reason: Words
    requested_at: AwareDatetime


class GrantExtension(Frozen):
    """Give what was asked for."""

    approved_by: UUID
    granted_at: AwareDatetime


class RefuseExtension(Frozen):
    """Give nothing."""

    reason: Words
    refused_by: UUID


class VoidCase(Frozen):
    """It should not have been a case."""

    reason: Words
    voided_at: AwareDatetime


class SuperviseCase(Frozen):
    """A leader presses."""

    demand: Words
    supervised_by: UUID


class TurnLamp(Frozen):
    """The timers: a share of limit `limit_number` has passed."""

    limit_number: int
    lamp: Lamp
    noticed_at: AwareDatetime


class CloseCase(Frozen):
    """Close the file."""

    closed_at: AwareDatetime
    note: Note = None


CaseCommand: TypeAlias = (
    AssignCase
    | ReturnCase
    | ArbitrateCase
    | HandleCase
    | CheckCase
    | PauseCase
    | ResumeCase
    | RequestExtension
    | GrantExtension
    | RefuseExtension
    | VoidCase
    | SuperviseCase
    | TurnLamp
    | CloseCase
)
AnyCaseCommand: TypeAlias = FileCase | CaseCommand
