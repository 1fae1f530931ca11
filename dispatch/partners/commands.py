"""What partners answer us, over NATS request/reply.

Who asks is the agency in the subject: no other account can publish there (decision record 0010). The reply is sent
after the database's commit and nothing else acknowledges; a partner that hears nothing sends the same message, with
the same `ce-id`, again, and gets the answer of the first time.

Loops end here. A message we send names what caused it; a partner that answers automatically repeats that name as
`ce-causationid`. If it names a message that this partner's own command caused, two machines are answering each other,
and the command is refused.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from dispatch.api.problems.problem_types import problem_type
from dispatch.directory import Directory
from dispatch.handling.assignments import AssignmentDesk
from dispatch.handling.incidents import IncidentDesk
from dispatch.handling.orders import OrderDesk
from dispatch.handling.scribe import IdempotencyKey, Outcome, Request
from dispatch.partners import verbs
from dispatch.partners.cloudevents import attributes_of
from dispatch.partners.contracts import MESSAGE_BYTES_MAX
from dispatch.partners.verbs import VERBS, ProblemReply, Recorded, Verb
from dispatch.ports import Clock, UnitPosition
from dispatch.telemetry import counter
from domain.assignment import commands as unit
from domain.event import Actor, GeoPoint
from domain.identifiers import named
from domain.incident import commands as incident
from domain.incident.admission import unknown_incident
from domain.incident.state import IncidentState
from domain.order.commands import AcknowledgeOrder, DeclineOrder, OrderAnswerCommand
from domain.order.decider import unknown_order
from domain.refusals import DispatchError, Refused, Unavailable
from domain.vocabulary import ActorKind, AgencyRole, MessageStatus

CLOCK_AHEAD_S_MAX = 60.0
"""A partner's `ce-time` further in the future is replaced by the time of receipt."""
CLOCK_BEHIND_DAYS_MAX = 30
"""So is an older one: a line may be broken for days, but a clock that lost its battery says 1970 or the year 1."""

IS_ECHO = "SELECT from_partner FROM feed.entries WHERE agency = $1 AND message_id = $2"

_log = logging.getLogger(__name__)
_HANDLED = counter("partner_commands_total", "Commands of partners.", ("agency", "result"))


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: JSON and headers."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Command:
    agency: str
    verb: Verb
    request: Request


class PositionReports(Protocol):
    """Takes in where units are."""

    async def put(self, position: UnitPosition, *, received_at: datetime) -> None:
        """Remember a report unless a newer one is known. Raises `Unavailable`."""


class PartnerDesk:
    """Turns a partner's message into a decision and the decision into a reply. Never raises for a partner's fault."""

    def __init__(
        self,
        *,
        incidents: IncidentDesk,
        assignments: AssignmentDesk,
        orders: OrderDesk,
        directory: Directory,
        positions: PositionReports,
        pool: asyncpg.Pool,
        clock: Clock,
    ) -> None:
        self._incidents = incidents
        self._assignments = assignments
        self._orders = orders
        self._directory = directory
        self._positions = positions
        self._pool = pool
        self._clock = clock

    async def answer(self, subject: str, headers: Mapping[str, str] | None, body: bytes) -> Reply:
        """The reply to one message. `subject` is `city.<city>.<agency>.command.<verb>`."""
        _, _, agency, _, verb = subject.split(".")
        try:
            command = await self._understood(agency, verb, attributes_of(headers), body)
            outcome = await self._execute(command)
        except DispatchError as error:
            reply = _problem(error)
            _HANDLED.labels(agency, "refused").inc()
            return reply
        _HANDLED.labels(agency, "repeated" if outcome.repeated else "recorded").inc()
        return _recorded(outcome)

    async def _understood(self, agency: str, verb: str, attributes: Mapping[str, str], body: bytes) -> _Command:
        await self._check_agency(agency)
        shape = VERBS.get(verb)
        if shape is None:
            raise Refused("partner.unknown_verb", f"There is no command {verb}. Use one of {', '.join(VERBS)}.")
        if len(body) > MESSAGE_BYTES_MAX:
            raise Refused("body_too_large", f"A command has at most {MESSAGE_BYTES_MAX} bytes; this one {len(body)}.")
        try:
            parsed = shape.model_validate_json(body)
        except ValidationError as error:
            raise Refused("partner.invalid", _explained(error)) from None
        message_id = _uuid(attributes.get("id"), "ce-id")
        causation_id = _uuid(attributes["causationid"], "ce-causationid") if "causationid" in attributes else None
        if causation_id is not None and await self._pool.fetchval(IS_ECHO, agency, causation_id):
            raise Refused(
                "partner.command_loop",
                f"Message {causation_id} was caused by your own command. Do not answer it automatically.",
            )
        return _Command(agency, parsed, self._request(agency, parsed, message_id, attributes.get("time")))

    async def _check_agency(self, agency: str) -> None:
        found = self._directory.agency(agency)
        if found is None:
            await self._directory.catch_up()
            found = self._directory.agency(agency)
        if found is None or not found.has_feed:
            raise Refused("partner.unknown", f"{agency} is no partner agency of this city.")

    def _request(self, agency: str, verb: Verb, message_id: UUID, said_at: str | None) -> Request:
        now = self._clock.now()
        meaning = {"verb": verb.verb, "body": verb.model_dump(mode="json")}
        return Request(
            actor=Actor(kind=ActorKind.PARTNER, id=f"partner:{agency}", agency=agency),
            received_at=now,
            # Two agencies may choose the same id; what follows from it must differ.
            request_id=named("partner-command", agency, str(message_id)),
            occurred_at=_believable(said_at, now),
            idempotency=IdempotencyKey.of(f"partner:{agency}", str(message_id), meaning),
            causation_id=message_id,
        )

    async def _execute(self, command: _Command) -> Outcome:
        match command.verb:
            case verbs.OnIncident():
                return await self._on_incident(command.agency, command.verb, command.request)
            case verbs.OnOrder():
                return await self._on_order(command.agency, command.verb, command.request)
            case verbs.Position():
                return await self._position(command.agency, command.verb, command.request)
            case verbs.OnAssignment():
                await self._check_unit(command.agency, command.verb.unit_id)
                step = _step(command.verb)
                return await self._assignments.progress(command.verb.unit_id, step, command.request)
            case _:
                raise AssertionError(f"{type(command.verb).__name__} has no handling")

    async def _on_incident(self, agency: str, verb: verbs.OnIncident, request: Request) -> Outcome:
        state = (await self._incidents.state(verb.incident_id)).state
        knows = agency in state.agencies and await self._may_know(agency, verb.incident_id, state)
        if not knows or state.status is not MessageStatus.ACTUAL:
            # The same "no" as for an incident that does not exist: an id must not be a way to ask what there is.
            raise Refused.by(unknown_incident())
        match verb:
            case verbs.Note():
                return await self._incidents.add_note(verb.incident_id, verb.text, request)
            case verbs.Accept():
                decision: incident.IncidentCommand = incident.AcceptForAgency(agency=agency, reference=verb.reference)
            case verbs.Decline():
                decision = incident.DeclineForAgency(agency=agency, reason=verb.reason)
            case verbs.Resolve():
                _check_responsible(agency, state)
                decision = incident.ResolveIncident(disposition=verb.disposition, note=verb.note)
            case verbs.Close():
                _check_responsible(agency, state)
                decision = incident.CloseIncident(note=verb.note)
            case _:
                raise AssertionError(f"{type(verb).__name__} has no handling")
        return await self._incidents.execute(verb.incident_id, decision, request)

    async def _may_know(self, agency: str, incident_id: UUID, state: IncidentState) -> bool:
        """Of a restricted incident: its own center knows of it, or it has a crew on it, by the log up to now."""
        if state.restriction is None or agency in state.restriction.agencies:
            return True
        return any(one.unit.agency == agency for one in await self._incidents.commitments.of([incident_id]))

    async def _on_order(self, agency: str, verb: verbs.OnOrder, request: Request) -> Outcome:
        order = (await self._orders.state(verb.order_id)).state.order
        assert order is not None, "the desk refuses what was never issued"
        own = tuple(one.center_id for one in order.addressees if one.agency == agency)
        if not own or order.status is not MessageStatus.ACTUAL:
            raise Refused.by(unknown_order())
        said = {"center_ids": own, "edition": verb.edition, "answered_at": request.occurred_at or request.received_at}
        match verb:
            case verbs.AcknowledgeOrder(reference=reference):
                answer: OrderAnswerCommand = AcknowledgeOrder(**said, reference=reference)
            case verbs.DeclineOrder(reason=reason):
                answer = DeclineOrder(**said, reason=reason)
            case _:
                raise AssertionError(f"{type(verb).__name__} has no handling")
        return await self._orders.decide(verb.order_id, answer, request)

    async def _position(self, agency: str, verb: verbs.Position, request: Request) -> Outcome:
        await self._check_unit(agency, verb.unit_id)
        point = GeoPoint(lon=verb.lon, lat=verb.lat)
        reported_at = min(verb.reported_at, request.received_at)
        position = UnitPosition(verb.unit_id, point, reported_at, f"partner:{agency}")
        await self._positions.put(position, received_at=request.received_at)
        return Outcome(self._directory.position, {"unit_id": str(verb.unit_id)})

    async def _check_unit(self, agency: str, unit_id: UUID) -> None:
        found = self._directory.unit(unit_id)
        if found is None:
            await self._directory.catch_up()
            found = self._directory.unit(unit_id)
        if found is None or found.agency != agency:
            raise Refused("unit.unknown", "There is no such unit of your agency. Use a unit_id from your feed.")


def _step(verb: verbs.OnAssignment) -> unit.ProgressCommand:
    match verb:
        case verbs.Acknowledge():
            return unit.AcknowledgeAssignment(assignment_id=verb.assignment_id)
        case verbs.EnRoute():
            return unit.ReportEnRoute(assignment_id=verb.assignment_id)
        case verbs.OnScene():
            return unit.ReportOnScene(assignment_id=verb.assignment_id)
        case verbs.Clear():
            return unit.ClearAssignment(assignment_id=verb.assignment_id, outcome=verb.outcome)
        case verbs.DeclineAssignment():
            return unit.DeclineAssignment(assignment_id=verb.assignment_id, reason=verb.reason)
        case _:
            raise AssertionError(f"{type(verb).__name__} has no handling")


def _check_responsible(agency: str, state: IncidentState) -> None:
    for recipient in state.recipients:
        if recipient.agency == agency and recipient.role is AgencyRole.RESPONSIBLE:
            return
    raise Refused(
        "partner.not_responsible",
        f"{agency} is not the responsible agency of {state.number}. Report your units clear, or send a note.",
    )


def _uuid(text: str | None, header: str) -> UUID:
    if text is None:
        raise Refused("partner.message_id_missing", f"Set the header {header}: a UUID, the same at every repeat.")
    try:
        return UUID(text)
    except ValueError:
        raise Refused("partner.invalid", f"{header} is no UUID.") from None


def _believable(said_at: str | None, now: datetime) -> datetime:
    try:
        said = datetime.fromisoformat(said_at) if said_at else now
    except ValueError:
        return now
    if said.tzinfo is None:
        return now
    earliest, latest = now - timedelta(days=CLOCK_BEHIND_DAYS_MAX), now + timedelta(seconds=CLOCK_AHEAD_S_MAX)
    return said if earliest <= said <= latest else now


def _explained(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"/{'/'.join(map(str, each['loc']))}: {each['msg']}" for each in problems[:10])


def _recorded(outcome: Outcome) -> Reply:
    reply = Recorded(
        position=outcome.position,
        changed=outcome.changed,
        repeated=outcome.repeated,
        answer={key: str(value) for key, value in outcome.answer.items()},
    )
    headers = {"Dispatch-Position": str(outcome.position), "Content-Type": "application/json"}
    if outcome.repeated:
        headers["Idempotent-Replayed"] = "true"
    return Reply(reply.model_dump_json().encode(), headers)


def _problem(error: DispatchError) -> Reply:
    code = "unavailable" if isinstance(error, Unavailable) else error.code
    return problem_reply(code, error.detail, error.values)


def problem_reply(code: str, detail: str, values: Mapping[str, Any] | None = None) -> Reply:
    """A "no" as a message; the code's page says its status and title."""
    kind = problem_type(code)
    problem = ProblemReply(
        type=kind.uri,
        title=kind.title,
        status=kind.status,
        detail=detail,
        code=code,
        values=dict(values or {}),
    )
    body = json.dumps(problem.model_dump(mode="json"), ensure_ascii=False).encode()
    return Reply(body, {"Content-Type": "application/problem+json", "Dispatch-Status": str(kind.status)})
