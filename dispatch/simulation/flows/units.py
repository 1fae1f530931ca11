"""Units: diverted, kept for something, sent although they are; and what waits for them, put in order and taken from."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar
from uuid import UUID, uuid5

from dispatch.handling.assignments import Diversion
from dispatch.handling.scribe import Outcome, Request
from dispatch.simulation.flows.flow import ASTRAY, HOT, Acts, Flow
from dispatch.simulation.people import LIVE, Row, going
from dispatch.simulation.serving import ApiProcess
from domain.assignment import commands as ask
from domain.assignment.events import UnitReserved

KEPT = 4
"""Of so many units, some are kept for something."""
OVERRIDDEN = 0.4
"""How often a supervisor says why, although something speaks against it."""


class Units(Flow):
    """Whoever decides where units are needed."""

    async def divert(self) -> None:
        """One of those that were sent last goes elsewhere."""
        sent = going(self.rows("board"))
        target = self._target()
        if not sent or target is None:
            return
        row, assignment_id, entry = self.chance.one_of(sent[-HOT:])
        unit_id = UUID(entry["unit_id"])
        wanted = Diversion(
            assignment_id=assignment_id,
            to_incident_id=target["incident_id"],
            reason="somebody is trapped there",
            override=self._word(),
            from_version=self.stated(row, "decision_version"),
            to_version=self.stated(target, "decision_version"),
        )
        meaning = {"divert": assignment_id, "to": wanted.to_incident_id, "although": wanted.override}
        await self.seat.command("divert", meaning, lambda api, asked: api.assignments.divert(unit_id, wanted, asked))

    async def reserve(self) -> None:
        """One of few, so that reservations meet; from now on, from soon on, or for a time that is over."""
        unit_id = self.chance.one_of(tuple(self.world.city.units.values())[:KEPT])
        begins_at = self.in_s(-6.0, 12.0)
        ends_at = begins_at + timedelta(seconds=round(self.chance.between(4.0, 25.0), 3))
        center = self.center()

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            reservation = UnitReserved(
                reservation_id=uuid5(asked.request_id, "reservation"),
                purpose="a match",
                center=center,
                begins_at=begins_at,
                ends_at=ends_at,
            )
            return await api.assignments.execute(
                unit_id, ask.ReserveUnit(reservation=reservation, at=asked.received_at), asked
            )

        meaning = {"reserve": unit_id, "for": center.center_id, "from": begins_at, "until": ends_at}
        await self.seat.command("reserve", meaning, run)

    async def release(self) -> None:
        """It is not needed after all."""
        row = self.row("units", lambda row: bool(row["reservations"]))
        if row is not None:
            shown = self.chance.one_of(row["reservations"])
            await self._execute(
                row, ask.ReleaseReservation(reservation_id=UUID(shown["reservation_id"]), reason="rain")
            )

    async def insist(self) -> None:
        """Send one that is kept for something, with a word why, or without one."""
        row, target = self.row("units", lambda row: bool(row["reservations"])), self._target()
        if row is not None and target is not None:
            await self._send(row, target, stacked=False)

    async def stack(self) -> None:
        """Let something wait for a unit that is on another one."""
        row, target = self.row("units", lambda row: bool(row["assignments"])), self._target()
        if row is not None and target is not None:
            await self._send(row, target, stacked=True)

    async def put_in_order(self) -> None:
        """What waits for a unit, by its screen, the other way round; now and then less than all of it."""
        row = self.row("units", lambda row: len(_waiting(row)) > 1) or self.row(
            "units", lambda row: bool(_waiting(row))
        )
        if row is not None:
            keys = _waiting(row)[::-1]
            wanted = keys[1:] if self.chance.happens(ASTRAY) else keys
            await self._execute(row, ask.OrderStack(assignment_ids=tuple(wanted)))

    async def take(self) -> None:
        """What waits for a unit is more urgent than what it is on."""
        row = self.row("units", lambda row: bool(_waiting(row)))
        if row is not None:
            command = ask.TakeFromStack(assignment_id=self.chance.one_of(_waiting(row)), reason="it burns there")
            unit_id = row["unit_id"]
            await self.seat.command(
                "take from the stack",
                {"unit": unit_id, "take": command.assignment_id},
                lambda api, asked: api.assignments.progress(unit_id, command, asked),
                expected_version=self.stated(row),
            )

    async def _send(self, row: Row, target: Row, *, stacked: bool) -> None:
        unit_id, incident_id, override = row["unit_id"], target["incident_id"], self._word()
        await self.seat.command(
            "send",
            {"unit": unit_id, "incident": incident_id, "stacked": stacked, "although": override},
            lambda api, asked: api.assignments.assign(unit_id, incident_id, asked, stacked=stacked, override=override),
            expected_version=self.stated(row),
        )

    async def _execute(self, row: Row, command: ask.UnitCommand) -> None:
        unit_id = row["unit_id"]
        await self.seat.command(
            type(command).__name__,
            {"unit": unit_id, "command": command.model_dump(mode="json")},
            lambda api, asked: api.assignments.execute(unit_id, command, asked),
            expected_version=self.stated(row),
        )

    def _target(self) -> Row | None:
        return self.row("board", lambda row: row["phase"] in LIVE)

    def _word(self) -> str | None:
        return "it can wait here" if self.chance.happens(OVERRIDDEN) else None

    acts: ClassVar[Acts] = {divert: 6, reserve: 4, release: 1, insist: 2, stack: 5, put_in_order: 2, take: 2}


def _waiting(row: Row) -> list[UUID]:
    """What waits for a unit as its row shows it, the next one first."""
    waiting = [entry for entry in row["assignments"] if entry["waits"] is not None]
    return [UUID(entry["assignment_id"]) for entry in sorted(waiting, key=lambda entry: int(entry["waits"]))]
