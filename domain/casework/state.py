"""What a rule reads of a case, folded from its stream."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from domain.casework.events import (
    CaseArbitrated,
    CaseAssigned,
    CaseChecked,
    CaseClosed,
    CaseFiled,
    CaseHandled,
    CasePaused,
    CaseResumed,
    CaseReturned,
    CaseSentToArbiter,
    CaseTerms,
    CaseVoided,
    Department,
    ExtensionGranted,
    ExtensionRefused,
    ExtensionRequested,
    LampTurned,
    limit_in,
    stopped_at,
)
from domain.casework.limits import Limit
from domain.event import Event
from domain.ownership import Ownership
from domain.vocabulary import CasePhase, Lamp


@dataclass(frozen=True, slots=True)
class Spell:
    """One limit while it ran. `ended_at` None: it still does."""

    limit: Limit
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """An extension that nobody answered yet."""

    extra_s: int
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class CaseState:
    """`phase` is None before it was filed, and never again after.

    `department` has it (assigned, paused) or had it last (handled and later); None before anybody and after a return.
    `left_s` is what the department had left when its time last stopped.
    """

    phase: CasePhase | None = None
    incident_id: UUID | None = None
    number: str = ""
    city: str = ""
    class_code: str = ""
    supervision: Ownership | None = None
    arbiter: Ownership | None = None
    terms: CaseTerms | None = None
    incident_reopenings: int = 0
    department: Department | None = None
    is_binding: bool = False
    returns: int = 0
    extension_s: int = 0
    asked: Asked | None = None
    left_s: float = 0.0
    paused_at: datetime | None = None
    spells: tuple[Spell, ...] = ()
    lamps: frozenset[tuple[int, Lamp]] = field(default_factory=frozenset)
    """Number of the limit and the lamp, of each that was recorded."""

    @property
    def allowed_s(self) -> float:
        """All that a department may take, with what it was granted."""
        return (self.terms.handle_within_s if self.terms is not None else 0) + self.extension_s

    @property
    def is_open(self) -> bool:
        """Filed, and neither closed nor voided."""
        return self.phase is not None and self.phase not in {CasePhase.CLOSED, CasePhase.VOIDED}

    @property
    def running(self) -> Limit | None:
        """The limit that runs."""
        last = self.spells[-1] if self.spells else None
        return last.limit if last is not None and last.ended_at is None else None


INITIAL = CaseState()


def evolve(state: CaseState, event: Event) -> CaseState:
    """The state after a fact. Never raises; facts without a rule change nothing."""
    if isinstance(event, CaseFiled):
        return _filed(event)
    if isinstance(event, LampTurned):
        return replace(state, lamps=state.lamps | {(event.limit_number, event.lamp)})
    return _timed(_moved(state, event), event)


def _filed(event: CaseFiled) -> CaseState:
    return CaseState(
        phase=CasePhase.FILED,
        incident_id=event.incident_id,
        number=event.incident_number,
        city=event.city,
        class_code=event.class_code,
        supervision=event.supervision,
        arbiter=event.arbiter,
        terms=event.terms,
        incident_reopenings=event.incident_reopenings,
    )


def _moved(state: CaseState, event: Event) -> CaseState:  # noqa: C901  # one case a fact, none nested
    match event:
        case CaseAssigned(department=department):
            return _given(state, department, is_binding=False)
        case CaseArbitrated(department=department):
            return _given(state, department, is_binding=True)
        case CaseReturned(returns=returns):
            return replace(state, phase=CasePhase.RETURNED, department=None, asked=None, returns=returns)
        case CaseSentToArbiter():
            return replace(state, phase=CasePhase.ARBITRATION)
        case CaseHandled(left_s=left_s):
            return replace(state, phase=CasePhase.HANDLED, left_s=left_s, asked=None)
        case CaseChecked(passed=passed):
            return replace(state, phase=CasePhase.PASSED if passed else CasePhase.ASSIGNED)
        case CasePaused(left_s=left_s, paused_at=paused_at):
            return replace(state, phase=CasePhase.PAUSED, left_s=left_s, paused_at=paused_at)
        case CaseResumed():
            return replace(state, phase=CasePhase.ASSIGNED, paused_at=None)
        case ExtensionRequested(extra_s=extra_s, requested_at=requested_at):
            return replace(state, asked=Asked(extra_s, requested_at))
        case ExtensionGranted(extra_s=extra_s):
            return replace(state, asked=None, extension_s=state.extension_s + extra_s)
        case ExtensionRefused():
            return replace(state, asked=None)
        case CaseVoided():
            return replace(state, phase=CasePhase.VOIDED, asked=None)
        case CaseClosed():
            return replace(state, phase=CasePhase.CLOSED)
        case _:
            return state


def _given(state: CaseState, department: Department, *, is_binding: bool) -> CaseState:
    """Another department begins with time of its own: what one was granted is not the next one's."""
    return replace(
        state, phase=CasePhase.ASSIGNED, department=department, is_binding=is_binding, asked=None, extension_s=0
    )


def _timed(state: CaseState, event: Event) -> CaseState:
    """Stop the limit that ran, begin the one that the fact brings."""
    at, limit, spells = stopped_at(event), limit_in(event), state.spells
    if at is not None and spells and spells[-1].ended_at is None:
        spells = (*spells[:-1], replace(spells[-1], ended_at=at))
    if limit is not None:
        spells = (*spells, Spell(limit))
    return state if spells is state.spells else replace(state, spells=spells)
