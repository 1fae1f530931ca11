"""Cases: one holder at every moment, one open case an incident, time that is neither lost nor won, each lamp once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from dispatch.simulation.oracles.clocks import ROUNDING_S, counted_s, wrong_lateness
from dispatch.simulation.reading import Story
from domain.casework import events as case
from domain.casework.limits import Limit
from domain.event import Event, Fact
from domain.vocabulary import CaseStage, Lamp

AT_WORK = frozenset({"assigned"})
OPEN = frozenset({"filed", "assigned", "returned", "arbitration", "paused", "handled", "passed"})
STEPS: Mapping[str, tuple[frozenset[str], str | None]] = {
    "case.assigned": (frozenset({"filed", "returned"}), "assigned"),
    "case.returned": (AT_WORK, "returned"),
    "case.sent_to_arbiter": (frozenset({"returned"}), "arbitration"),
    "case.arbitrated": (frozenset({"arbitration"}), "assigned"),
    "case.handled": (AT_WORK, "handled"),
    "case.paused": (AT_WORK, "paused"),
    "case.resumed": (frozenset({"paused"}), "assigned"),
    "case.extension_requested": (AT_WORK, None),
    "case.extension_granted": (AT_WORK, None),
    "case.extension_refused": (frozenset({"assigned", "paused"}), None),
    "case.voided": (OPEN - {"passed"}, "voided"),
    "case.supervised": (OPEN, None),
    "case.closed": (frozenset({"passed"}), "closed"),
}
"""Name of a fact → the phases in which it may come, and the one after it. A check goes two ways, a lamp any."""
STOPS = {
    "case.returned": "returned_at", "case.handled": "handled_at", "case.checked": "checked_at",
    "case.paused": "paused_at", "case.extension_granted": "granted_at", "case.voided": "voided_at",
}  # fmt: skip
"""Facts that stop the time that runs, and where they say when."""
SHARE_USED_AT_AMBER = 0.8


@dataclass(slots=True)
class Spell:
    """A time that ran: where it began, and when and by which fact it was stopped."""

    limit: Limit
    stopped_at: datetime | None = None
    stopped_position: int = 0


@dataclass(slots=True)
class File:
    """A case as its facts tell it."""

    filed: case.CaseFiled
    phase: str = "filed"
    department: case.Department | None = None
    returns: int = 0
    is_binding: bool = False
    asked_s: int | None = None
    granted_s: int = 0
    left_s: float = 0.0
    spells: list[Spell] = field(default_factory=list)
    lamps: dict[tuple[int, Lamp], int] = field(default_factory=dict)
    """Position of each lamp that turned."""

    @property
    def holder(self) -> UUID | None:
        """Whose word is next; nobody's once it has ended."""
        match self.phase:
            case "assigned" | "paused":
                return self.department.center.center_id if self.department is not None else None
            case "arbitration":
                return self.filed.arbiter.center_id
            case "closed" | "voided":
                return None
            case _:
                return self.filed.supervision.center_id

    @property
    def allowed_s(self) -> float:
        """What a department may take, with what it was granted."""
        return self.filed.terms.handle_within_s + self.granted_s


def broken_cases(story: Story, rows: Mapping[tuple[Any, ...], Mapping[str, Any]], now: datetime) -> Iterator[str]:
    """What does not hold of any case. `rows`: the screen of cases."""
    files: dict[UUID, File] = {}
    reopened: Counter[UUID] = Counter()
    last: dict[UUID, File] = {}
    for fact in story.facts:
        if fact.event.name == "incident.reopened":
            reopened[fact.stream_id] += 1
        if not fact.event.name.startswith("case."):
            continue
        if isinstance(fact.event, case.CaseFiled):
            yield from _filed(fact, fact.event, last.get(fact.event.incident_id), reopened)
            files[fact.stream_id] = last[fact.event.incident_id] = File(fact.event)
        elif fact.stream_id not in files:
            yield f"case: {fact.event.name} at {fact.position} is of no case"
        else:
            yield from _step(files[fact.stream_id], fact)
    for case_id, file in files.items():
        yield from _lamps(case_id, file, now)
        yield from _shown(case_id, file, rows.get((case_id,)))


def _filed(
    fact: Fact[Event], event: case.CaseFiled, before: File | None, reopened: Mapping[UUID, int]
) -> Iterator[str]:
    if fact.version != 1:
        yield f"case: filed at {fact.position} as version {fact.version}"
    if before is None:
        return
    if before.phase in OPEN:
        yield f"case: at {fact.position} a second one of {event.incident_number} is filed beside an open one"
    known = before.filed.incident_reopenings
    if before.phase == "closed" and not known < event.incident_reopenings <= reopened[event.incident_id]:
        yield f"case: at {fact.position} {event.incident_number} has another one, and was not reopened"


def _step(file: File, fact: Fact[Event]) -> Iterator[str]:
    event, at = fact.event, f"{fact.event.name} at {fact.position}"
    if isinstance(event, case.LampTurned):
        yield from _turned(file, fact, event)
        return
    before = file.phase
    if isinstance(event, case.CaseChecked):
        admitted, after = frozenset({"handled"}), "passed" if event.passed else "assigned"
    else:
        admitted, to = STEPS[event.name]
        after = to or before
    if before not in admitted:
        yield f"case: {at} comes to a case that is {before}"
    file.phase = after
    yield from _held(file, fact)
    yield from _time(file, fact)
    if after in OPEN and file.holder is None:
        yield f"case: after {at} nobody holds it"


def _held(file: File, fact: Fact[Event]) -> Iterator[str]:
    """Who has it: one department at most, and the next only after a return."""
    event, at = fact.event, f"{fact.event.name} at {fact.position}"
    match event:
        case case.CaseAssigned(department=department) | case.CaseArbitrated(department=department):
            if file.department is not None:
                yield f"case: {at} gives away what {file.department.agency} has"
            file.department, file.granted_s, file.asked_s = department, 0, None
            file.is_binding = isinstance(event, case.CaseArbitrated)
        case case.CaseReturned(department=department, returns=returns):
            if department != file.department:
                yield f"case: {at} is by {department.agency}, which does not have it"
            if file.is_binding or returns != file.returns + 1 or returns > file.filed.terms.returns_max:
                yield f"case: {at} is return {returns} of {file.filed.terms.returns_max}, binding {file.is_binding}"
            file.department, file.returns, file.asked_s = None, returns, None
        case case.CaseSentToArbiter() if file.returns != file.filed.terms.returns_max:
            yield f"case: {at} comes after {file.returns} returns"
        case case.CaseVoided() | case.CaseHandled():
            file.asked_s = None
        case case.ExtensionRequested(extra_s=extra_s):
            if file.asked_s is not None or file.granted_s + extra_s > file.filed.terms.extension_s_max:
                yield f"case: {at} asks for {extra_s} s beside {file.asked_s} s, with {file.granted_s} s granted"
            file.asked_s = extra_s
        case case.ExtensionGranted(extra_s=extra_s) | case.ExtensionRefused(extra_s=extra_s):
            if extra_s != file.asked_s:
                yield f"case: {at} answers {extra_s} s, asked were {file.asked_s}"
            file.asked_s = None
            file.granted_s += extra_s if isinstance(event, case.ExtensionGranted) else 0
        case _:
            pass


def _time(file: File, fact: Fact[Event]) -> Iterator[str]:
    """What runs, what is left of it, and when it is used up."""
    event, at = fact.event, f"{fact.event.name} at {fact.position}"
    running = file.spells[-1] if file.spells and file.spells[-1].stopped_at is None else None
    left_s = file.left_s
    if event.name in STOPS and running is not None:
        running.stopped_at, running.stopped_position = getattr(event, STOPS[event.name]), fact.position
        limit = running.limit
        left_s = limit.left_s - counted_s(limit.counting, limit.since_at, running.stopped_at)
        if limit.stage is CaseStage.HANDLE:
            file.left_s = left_s
    said_s = getattr(event, "left_s", None)
    if said_s is not None and abs(said_s - left_s) > ROUNDING_S:
        yield f"case: {at} says that {said_s} s are left, it is {left_s}"
    begun: Limit | None = getattr(event, "limit", None)
    if begun is None:
        return
    if running is not None and running.stopped_at is None:
        yield f"case: {at} begins a time while another one runs"
    file.spells.append(Spell(begun))
    expected_s: float = file.left_s
    allowed_s: float = file.allowed_s
    match event:
        case case.CaseHandled():
            expected_s, allowed_s = file.filed.terms.check_within_s, file.filed.terms.check_within_s
        case case.CaseAssigned() | case.CaseArbitrated():
            expected_s, allowed_s = file.filed.terms.handle_within_s, file.filed.terms.handle_within_s
        case case.ExtensionGranted(extra_s=extra_s):
            expected_s += extra_s
        case _:
            pass
    if abs(begun.left_s - expected_s) > ROUNDING_S or abs(begun.allowed_s - allowed_s) > ROUNDING_S:
        yield f"case: {at} leaves {begun.left_s} of {begun.allowed_s} s, it is {expected_s} of {allowed_s}"
    yield from _instants(begun, at)


def _instants(limit: Limit, at: str) -> Iterator[str]:
    """Amber when four fifths are used, red when all is; neither where that was so before."""
    to_amber_s = limit.left_s - (1 - SHARE_USED_AT_AMBER) * limit.allowed_s
    for lamp, due_at, to_s in ((Lamp.AMBER, limit.amber_at, to_amber_s), (Lamp.RED, limit.red_at, limit.left_s)):
        if due_at is None:
            if to_s > ROUNDING_S:
                yield f"case: {at} sets no {lamp} lamp, {to_s} s ahead"
        elif abs(counted_s(limit.counting, limit.since_at, due_at) - to_s) > ROUNDING_S:
            yield f"case: {at} sets the {lamp} lamp to {due_at}, it is due after {to_s} s"


def _turned(file: File, fact: Fact[Event], event: case.LampTurned) -> Iterator[str]:
    key = event.limit_number, event.lamp
    if key in file.lamps:
        yield f"deadline: the {event.lamp} lamp of time {event.limit_number} turned twice, at {fact.position} again"
    file.lamps[key] = fact.position
    yield from wrong_lateness(fact, event.due_at, event.late_s)


def _lamps(case_id: UUID, file: File, now: datetime) -> Iterator[str]:
    """Each time that ran until a lamp's instant has turned it, once; none that was stopped before has."""
    for number, spell in enumerate(file.spells):
        if spell.limit.number != number:
            yield f"case: time {number} of {case_id} has the number {spell.limit.number}"
        for lamp, due_at in ((Lamp.AMBER, spell.limit.amber_at), (Lamp.RED, spell.limit.red_at)):
            turned = file.lamps.pop((number, lamp), None)
            was_due = due_at is not None and due_at < (spell.stopped_at or now)
            if was_due and turned is None:
                yield f"deadline: the {lamp} lamp of time {number} of {case_id}, due {due_at}, never turned"
            # A timer whose clock is ahead may be first; then the stop came after the lamp.
            if turned is not None and not was_due and not turned < spell.stopped_position:
                yield f"deadline: the {lamp} lamp of time {number} of {case_id} turned at {turned}, and was not due"
    for number, lamp in file.lamps:
        yield f"deadline: a {lamp} lamp of time {number} of {case_id} turned, which never ran"


def _shown(case_id: UUID, file: File, row: Mapping[str, Any] | None) -> Iterator[str]:
    """The screen says who holds it, and that one sees it."""
    if row is None:
        yield f"case: {case_id} is on no screen"
        return
    department = file.department.center.center_id if file.department is not None else None
    shown = row["phase"], row["is_open"], row["department_center_id"], row["returns"]
    if shown != (file.phase, file.phase in OPEN, department, file.returns):
        yield f"case: {case_id} is shown as {shown}, it is {file.phase}, {department}, {file.returns}"
    if file.holder is not None and file.holder not in row["visible_center_ids"]:
        yield f"case: {file.holder} holds {case_id} and does not see it"
