"""Dispatchers and those who call them: they look at a screen that may be old and decide, at once with each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

from dispatch.handling.reports import ReportDraft
from dispatch.handling.scribe import Outcome, Request
from dispatch.simulation.chance import Chance
from dispatch.simulation.city import SPOTS
from dispatch.simulation.history import Acknowledged, Asked
from dispatch.simulation.serving import ApiProcess, Caller, request_id
from dispatch.simulation.world import World
from domain.assignment import commands as unit
from domain.event import Actor, Place
from domain.incident import commands as incident
from domain.refusals import Conflict, Refused
from domain.rulebook.commands import ActivateRulebook, RulebookCommand, ScheduleRulebook, UnscheduleRulebook
from domain.vocabulary import ActorKind, DismissReason, Disposition, IncidentPhase, Severity

Row: TypeAlias = Mapping[str, Any]
Run: TypeAlias = Callable[[ApiProcess, Request], Awaitable[Outcome]]
LIVE = {IncidentPhase.OPEN, IncidentPhase.VERIFIED, IncidentPhase.ACCEPTED}
TWICE = 0.08
"""How often a request is sent a second time although the first is still on its way."""
TOGETHER, TOGETHER_EVERY_S = 0.3, 4.0
"""How often a seat acts at a moment at which others do too: on what just appeared on all screens."""
STATED = 0.4
"""How often a decision names the version it was made on."""
CATEGORIES = ("crime.suspected", "fire.alarm", "traffic.accident", "urban.facility_damage", "order.disturbance")


class Person(Caller):
    """Somebody with a login: every command has a key, and is repeated with it until there is an answer."""

    def __init__(self, world: World, name: str, servers: dict[str, ApiProcess]) -> None:
        super().__init__(world, name, Chance(world.seed, name), servers)
        self._actor = Actor(kind=ActorKind.OPERATOR, id=f"operator:{name}")
        self._count = 0

    async def command(
        self, what: str, meaning: Mapping[str, Any], run: Run, *, expected_version: int | None = None
    ) -> None:
        """Ask for it. A yes is remembered, a no is not."""
        self._count += 1
        key = f"{self.name}-{self._count}"
        asked = Asked(self._actor, key, request_id(self._actor, key), what)
        self.world.history.asked[asked.request_id] = asked

        async def ask(api: ApiProcess) -> Outcome:
            return await run(api, api.request(self._actor, key, meaning, expected_version))

        async def once() -> Outcome | None:
            try:
                return await self.insist(f"{what} {key}", ask)
            except (Refused, Conflict):
                return None

        times = 2 if self.chance.happens(TWICE) else 1
        outcomes = [outcome for outcome in await asyncio.gather(*(once() for _ in range(times))) if outcome is not None]
        for outcome in outcomes:
            self.world.history.acknowledged.append(
                Acknowledged(asked, outcome.position, outcome.changed, dict(outcome.answer))
            )


class Dispatcher(Person):
    """One seat."""

    async def work(self, actions: int) -> None:
        """Do so many things."""
        for _ in range(actions):
            self._remember_screen()
            if self.chance.happens(TOGETHER):
                await asyncio.sleep(TOGETHER_EVERY_S - self.world.loop.time() % TOGETHER_EVERY_S)
                await self.chance.weighted(self._TOGETHER)(self)
            else:
                await asyncio.sleep(self.chance.between(0.2, 4.0))
                await self.chance.weighted(self._ACTIONS)(self)

    def _remember_screen(self) -> None:
        """What is on the board now; later it is asked again, as of then."""
        screens = self.world.screens
        if self.chance.happens(0.12):
            rows = {row["incident_id"]: row for row in screens.rows["board"].values() if row["is_on_board"]}
            self.world.history.screens.append((screens.position, rows))

    def _row(self, *phases: IncidentPhase) -> Row | None:
        """An incident on the screen; the same few are everybody's."""
        rows = [row for row in self.world.screens.rows["board"].values() if not phases or row["phase"] in phases]
        return self.chance.one_of(rows[-6:]) if rows else None

    async def _decide(self, row: Row, command: incident.IncidentCommand) -> None:
        incident_id = row["incident_id"]
        version = row["decision_version"] if self.chance.happens(STATED) else None
        meaning = {"incident": incident_id, "command": command.model_dump(mode="json")}
        name = type(command).__name__
        await self.command(
            name,
            meaning,
            lambda api, asked: api.incidents.execute(incident_id, command, asked),
            expected_version=version,
        )

    async def _accept(self) -> None:
        row = self._row(IncidentPhase.OPEN, IncidentPhase.VERIFIED)
        if row is not None:
            await self._decide(row, incident.AcceptIncident(center_id=row["owner_center_id"]))

    async def _look(self) -> None:
        """Verify, claim, let go."""
        row = self._row()
        if row is None:
            return
        city = self.world.city
        # A headquarters has nobody of its own: its people are others'.
        own = city.staff.get(row["owner_center_id"], city.operators)
        operator = self.chance.one_of(own if self.chance.happens(0.6) else city.operators)
        commands: Sequence[incident.IncidentCommand] = (
            incident.VerifyIncident(),
            incident.ClaimIncident(operator_id=operator),
            incident.ReleaseClaim(operator_id=row["claimed_by"] or operator),
        )
        await self._decide(row, self.chance.one_of(commands))

    async def _correct(self) -> None:
        """Classify or relocate."""
        row = self._row()
        if row is None:
            return
        if self.chance.happens(0.5):
            place = Place(point=self.chance.one_of(SPOTS))
            await self._decide(row, incident.RelocateIncident(place=place))
            return
        severity = Severity(self.chance.whole(0, 4))
        category = self.chance.one_of((row["category"], self.chance.one_of(CATEGORIES)))
        await self._decide(
            row, incident.ClassifyIncident(category=category, severity=severity, priority=self.chance.whole(0, 10))
        )

    async def _end(self) -> None:
        """Resolve, close, dismiss, reopen: whatever the phase asks for."""
        row = (self._row(IncidentPhase.RESOLVED) if self.chance.happens(0.4) else None) or self._row()
        if row is None:
            return
        match row["phase"]:
            case IncidentPhase.ACCEPTED:
                command: incident.IncidentCommand = incident.ResolveIncident(disposition=Disposition.HANDLED)
            case IncidentPhase.RESOLVED:
                command = incident.ReopenIncident(reason="it is not over")
                if self.chance.happens(0.6):
                    command = incident.CloseIncident()
            case IncidentPhase.CLOSED | IncidentPhase.DISMISSED:
                command = incident.ReopenIncident(reason="it came back")
            case _:
                command = incident.DismissIncident(reason=self.chance.one_of(tuple(DismissReason)))
        await self._decide(row, command)

    async def _offer(self) -> None:
        row = self._row(*LIVE)
        if row is None:
            return
        to = self.chance.one_of(tuple(self.world.city.centers.values())).center_id
        incident_id = row["incident_id"]
        await self.command(
            "offer",
            {"incident": incident_id, "to": to},
            lambda api, asked: api.incidents.offer_transfer(
                incident_id, to_center_id=to, reason="nearer", request=asked
            ),
        )

    async def _answer_offer(self) -> None:
        """Take an offered incident, or not; doing nothing lets it time out."""
        offered = [row for row in self.world.screens.rows["board"].values() if row["transfer"] is not None]
        if not offered:
            return
        row = self.chance.one_of(offered)
        given = {
            "transfer_id": UUID(row["transfer"]["transfer_id"]),
            "center_id": UUID(row["transfer"]["to_center_id"]),
        }
        if self.chance.happens(0.65):
            await self._decide(row, incident.AcceptTransfer(**given))
        else:
            await self._decide(row, incident.DeclineTransfer(**given, reason="not ours"))

    async def _merge(self) -> None:
        one, other = self._row(*LIVE, IncidentPhase.RESOLVED), self._row()
        if one is None or other is None:
            return
        incident_id, into_id = one["incident_id"], other["incident_id"]
        meaning = {"merge": incident_id, "into": into_id}
        await self.command("merge", meaning, lambda api, asked: api.incidents.merge(incident_id, into_id, asked))

    async def _unmerge(self) -> None:
        row = self._row(IncidentPhase.MERGED)
        if row is not None:
            incident_id = row["incident_id"]
            await self.command(
                "unmerge", {"unmerge": incident_id}, lambda api, asked: api.incidents.unmerge(incident_id, asked)
            )

    async def _assign(self) -> None:
        """A unit that looks free, mostly; several seats see the same one."""
        row = self._row(*LIVE)
        if row is None:
            return
        busy = {entry["unit_id"] for _, _, entry in going(self.world.screens.rows["board"].values())}
        units = list(self.world.city.units.values())
        free = [each for each in units if str(each) not in busy] or units
        unit_id, incident_id = self.chance.one_of(free[:2]), row["incident_id"]
        stacked = self.chance.happens(0.1)
        await self.command(
            "assign",
            {"unit": unit_id, "incident": incident_id, "stacked": stacked},
            lambda api, asked: api.assignments.assign(unit_id, incident_id, asked, stacked=stacked),
        )

    async def _crew(self) -> None:
        """A crew speaks, over the radio of this seat."""
        sent = going(self.world.screens.rows["board"].values())
        if not sent:
            return
        _, assignment_id, entry = self.chance.one_of(sent)
        unit_id = UUID(entry["unit_id"])
        step = self.chance.one_of(_steps(assignment_id))
        meaning = {"unit": unit_id, "step": type(step).__name__, "assignment": assignment_id}
        await self.command(
            type(step).__name__, meaning, lambda api, asked: api.assignments.progress(unit_id, step, asked)
        )

    async def _duty(self) -> None:
        """Off duty, and on again."""
        off = [row["unit_id"] for row in self.world.screens.rows["units"].values() if not row["is_on_duty"]]
        unit_id = self.chance.one_of(off or tuple(self.world.city.units.values()))
        command: unit.UnitCommand = unit.GoOnDuty() if off else unit.GoOffDuty()
        meaning = {"unit": unit_id, "duty": type(command).__name__}
        await self.command("duty", meaning, lambda api, asked: api.assignments.execute(unit_id, command, asked))

    async def _write(self) -> None:
        row = self._row()
        if row is not None:
            incident_id = row["incident_id"]
            await self.command(
                "note", {"note on": incident_id}, lambda api, asked: api.incidents.add_note(incident_id, "seen", asked)
            )

    async def _report(self) -> None:
        """Somebody calls: something new, or what is on the board already."""
        row = self._row() if self.chance.happens(0.4) else None
        severity = Severity(self.chance.whole(0, 4))
        told = ReportDraft(
            channel="hotline_110",
            category=self.chance.one_of(CATEGORIES),
            text="somebody called",
            center_id=self.chance.one_of(tuple(self.world.city.centers.values())).center_id,
            severity=severity,
            place=Place(point=self.chance.one_of(SPOTS)) if self.chance.happens(0.8) else Place(address="the bridge"),
            caller="Li Lei" if self.chance.happens(0.5) else None,
        )
        duplicate_of = row["incident_id"] if row is not None else None
        meaning = {"report": told.category, "severity": severity, "duplicate_of": duplicate_of}
        await self.command(
            "report", meaning, lambda api, asked: api.reports.file_report(told, asked, duplicate_of=duplicate_of)
        )

    async def _rules(self) -> None:
        """Another version of the rules decides from here on, or from an instant ahead, or does not after all."""
        version, now = self.chance.whole(1, 2), self.world.clock.now()
        ahead_at = now + timedelta(seconds=self.chance.between(1.0, 12.0))
        schedule = ScheduleRulebook(version=version, effective_at=ahead_at, asked_at=now)
        options: Mapping[RulebookCommand, int] = {
            ActivateRulebook(version=version, effective_at=now): 2,
            schedule: 3,
            UnscheduleRulebook(version=version, reason="not yet"): 1,
        }
        command = self.chance.weighted(options)

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            if isinstance(command, ScheduleRulebook):
                return await api.rulebook.handle(command.model_copy(update={"asked_at": asked.received_at}), asked)
            return await api.rulebook.handle(command, asked)

        await self.command("rules", {"command": type(command).__name__, "version": version}, run)

    _ACTIONS: Mapping[Callable[[Dispatcher], Awaitable[None]], int] = {
        _accept: 5,
        _assign: 8,
        _crew: 7,
        _answer_offer: 4,
        _offer: 4,
        _look: 3,
        _correct: 3,
        _end: 5,
        _merge: 3,
        _unmerge: 2,
        _report: 4,
        _write: 1,
        _duty: 1,
        _rules: 2,
    }
    _TOGETHER: Mapping[Callable[[Dispatcher], Awaitable[None]], int] = {
        _assign: 5,
        _accept: 1,
        _answer_offer: 1,
        _merge: 1,
        _crew: 1,
        _end: 1,
    }


def going(rows: Iterable[Row]) -> list[tuple[Row, UUID, Row]]:
    """Of rows of the board: the row, the assignment, and what the row says of it, for each that is open."""
    return [
        (row, UUID(key), entry)
        for row in rows
        for key, entry in row["assignments"].items()
        if entry["phase"] not in ("cleared", "declined", "cancelled")
    ]


def _steps(assignment_id: UUID) -> tuple[unit.ProgressCommand, ...]:
    return (
        unit.AcknowledgeAssignment(assignment_id=assignment_id),
        unit.ReportEnRoute(assignment_id=assignment_id),
        unit.ReportOnScene(assignment_id=assignment_id),
        unit.ClearAssignment(assignment_id=assignment_id),
        unit.ClearAssignment(assignment_id=assignment_id),
        unit.CancelAssignment(assignment_id=assignment_id, reason="needed elsewhere"),
        unit.DeclineAssignment(assignment_id=assignment_id, reason="engine"),
    )
