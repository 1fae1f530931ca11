"""Response plans in use: the alarm level of an incident, and all units of its plan sent by one decision.

The alarm level is the incident's own fact. The units are each their own stream's: the ones that can go are recorded
together, in one command with the version of each, and every unit has its verdict. So nobody is booked twice, and four
engines do not wait because the fifth was taken a moment ago (decision record 0030).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.assignments import assignment
from dispatch.handling.commitments import Commitments
from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe, check_version
from dispatch.handling.units import UnitMemory
from dispatch.ports import UnitPositions
from domain.assignment import decider as unit_decider
from domain.assignment.commands import AssignUnit
from domain.assignment.state import UnitState
from domain.incident.admission import dispatch_refusal, unknown_incident
from domain.incident.commands import LowerAlarm, RaiseAlarm
from domain.incident.decider import INITIAL, IncidentState, decide, evolve
from domain.incident.wanted import Sent, there
from domain.policies.plans import highest_level, plan_of, response_of, wanted_units
from domain.refusals import Refusal
from domain.rulebook.content import Rulebook

UNITS_MAX = 100
"""Units sent by one decision: the third alarm of a large fire has some forty."""
OF_OTHERS = Refusal("unit.of_others", "The unit is another office's to send. Ask it, or ask for mutual aid.")
Attempt: TypeAlias = tuple[Sequence[Change], Mapping[str, Any]] | Refusal


Told: TypeAlias = Callable[[UUID, Refusal], Awaitable[Refusal]]


async def _as_it_is(_unit_id: UUID, refusal: Refusal) -> Refusal:
    return refusal


@dataclass(frozen=True, slots=True)
class PlanDesk:
    """Raises `Refused`, `Conflict`, `Unavailable`."""

    scribe: Scribe
    directory: Directory
    positions: UnitPositions
    commitments: Commitments

    async def set_alarm(self, incident_id: UUID, level: int, request: Request, *, reason: str, raises: bool) -> Outcome:
        """Raise or lower the alarm level. Refused `incident.no_such_alarm_level` beyond the plan's highest.

        The stated version is of the incident. The answer names level and plan.
        """
        rulebook = self.directory.rulebook()

        async def attempt() -> Attempt:
            loaded = await self.scribe.load(incident_id, INITIAL, evolve)
            check_version(loaded, request)
            command = _alarm(loaded.state, rulebook, level, reason, raises=raises)
            if isinstance(command, Refusal):
                return command
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            answer = {"incident_id": str(incident_id), "alarm_level": level, "plan": command.plan}
            version = rulebook.version
            return [
                Change(incident_id, loaded.version, decided, correlation_id=incident_id, rule_version=version)
            ], answer

        return await self.scribe.decide(attempt, request)

    async def assign(
        self,
        incident_id: UUID,
        unit_ids: Sequence[UUID],
        request: Request,
        *,
        of_others: Collection[UUID] = (),
        told: Told = _as_it_is,
    ) -> Outcome:
        """Send these units, as far as each can go and the plan still lacks it, in the order in which they are named.

        The answer has a verdict for each: `assigned` with the assignment's id, else the code of why not; those
        `of_others` are another office's to send (`unit.of_others`). Refused `assignment.nobody_can_go`
        if none is left. `told` is how a refusal is told to whoever asked.
        """
        rulebook, units = self.directory.rulebook(), UnitMemory(self.scribe.baselines)
        wanted = list(dict.fromkeys(unit_ids))
        places = await self.positions.get(wanted)
        is_first = True

        async def attempt() -> Attempt:
            nonlocal is_first
            again, is_first = not is_first, False
            if not wanted:
                detail = "The latest recommendation for this incident names no unit. Name the units yourself."
                return Refusal("assignment.nothing_recommended", detail)
            state = (await self.scribe.load(incident_id, INITIAL, evolve)).state
            if (refusal := dispatch_refusal(state)) is not None:
                return refusal
            sent = [_sent(each.unit) for each in await self.commitments.of([incident_id])]
            if again:
                # Somebody was first, or what we remember is not what the log says: read it all.
                for unit_id in wanted:
                    units.forget(unit_id)
            changes, verdicts = [], []
            for unit_id in wanted:
                unit = await units.load(unit_id)
                command = assignment(unit, incident_id, state, rulebook, places.get(unit_id), request)
                decided = OF_OTHERS if unit_id in of_others else _decided(command, unit.state, state, rulebook, sent)
                if isinstance(decided, Refusal):
                    verdicts.append(_verdict(unit, decided.code, detail=(await told(unit_id, decided)).detail))
                    continue
                sent.append(_sent(unit.state))
                changes.append(Change(unit_id, unit.version, decided, None, None, incident_id, rulebook.version))
                verdicts.append(_verdict(unit, "assigned", assignment_id=str(command.assignment_id)))
            if not changes:
                return _nobody(state, verdicts)
            return changes, {"incident_id": str(incident_id), "units": verdicts}

        return await self.scribe.decide(attempt, replace(request, expected_version=None))


def _alarm(
    state: IncidentState, rulebook: Rulebook, level: int, reason: str, *, raises: bool
) -> RaiseAlarm | LowerAlarm | Refusal:
    if state.phase is None:
        return unknown_incident()
    highest = highest_level(rulebook, state.category, state.severity)
    plan = plan_of(rulebook, state.category, state.severity)
    if level > highest:
        detail = f"The plan for incident {state.number} has {highest} alarm levels. Choose one of them."
        return Refusal("incident.no_such_alarm_level", detail, {"number": state.number, "highest": str(highest)})
    wanted = wanted_units(response_of(rulebook, state.category, state.severity, level))
    code = None if plan is None else plan.code
    if not raises:
        return LowerAlarm(level=level, plan=code, wanted=wanted, reason=reason)
    return RaiseAlarm(level=level, plan=code or "", wanted=wanted, reason=reason)


def _sent(unit: UnitState) -> Sent:
    registered = unit.registration
    assert registered is not None, "only a registered unit is assigned"
    return Sent(registered.agency, registered.kind, registered.skills)


def _decided(
    command: AssignUnit, unit: UnitState, state: IncidentState, rulebook: Rulebook, sent: Sequence[Sent]
) -> unit_decider.Decision:
    """The assignment, if the unit can go and fills something that none of those sent does."""
    decided = unit_decider.decide(command.model_copy(update={"recommended": True}), unit)
    if isinstance(decided, Refusal):
        return decided
    rules = response_of(rulebook, state.category, state.severity, state.alarm_level)
    if sum(there(rules, [*sent, _sent(unit)])) > sum(there(rules, sent)):
        return decided
    detail = f"Nothing that the plan asks for is missing that {unit.call_sign} could be. Assign it by itself."
    return Refusal("assignment.not_asked_for", detail, {"call_sign": unit.call_sign})


def _verdict(unit: Loaded[UnitState], verdict: str, **more: str) -> dict[str, str]:
    return {"unit_id": str(unit.stream_id), "call_sign": unit.state.call_sign, "verdict": verdict, **more}


def _nobody(state: IncidentState, verdicts: Sequence[Mapping[str, str]]) -> Refusal:
    said = "; ".join(f"{each['call_sign']}: {each['verdict']}" for each in verdicts)
    detail = f"None of the units can be sent to incident {state.number} by its plan ({said})."
    return Refusal("assignment.nobody_can_go", detail, {"number": state.number, "verdicts": said})
