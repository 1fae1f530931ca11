"""Shifts: begun and ended; what is open at a center is handed over, by a list that somebody signs for, or does not."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID, uuid5

from dispatch.handling.scribe import Outcome, Request
from dispatch.simulation.flows.flow import ASTRAY, Acts, Flow
from dispatch.simulation.people import Row
from dispatch.simulation.serving import ApiProcess
from domain.handover import commands as ask
from domain.handover.events import OpenCase, OpenIncident, WaitingOrder
from domain.operator.commands import EndShift, OperatorCommand, StartShift
from domain.ownership import Ownership
from domain.vocabulary import ClaimsOnSigning
from projections.queries import handovers as queries
from projections.queries.sight import EVERYTHING


class Shifts(Flow):
    """Givers and takers, of the centers that have something open."""

    async def begin(self) -> None:
        """Somebody comes to work, seldom at another center than the own one."""
        center = self._busy_center()
        operator_id = self.operator(center.center_id)
        where = self.center().center_id if self.chance.happens(ASTRAY) else center.center_id
        await self._shift(operator_id, StartShift(center_id=where))

    async def end(self) -> None:
        """Somebody goes home."""
        await self._shift(self.operator(self._busy_center().center_id), EndShift())

    async def _shift(self, operator_id: UUID, command: OperatorCommand) -> None:
        meaning = {"operator": operator_id, "command": command.model_dump(mode="json")}

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            return await api.operators.execute(operator_id, command, asked)

        await self.seat.command(type(command).__name__, meaning, run)

    async def offer(self) -> None:
        """Hand over to the other one of the center: all that is open there by now."""
        center = self._busy_center()
        one, other = self.world.city.staff[center.center_id]
        giver_id, taker_id = (one, other) if self.chance.happens(0.5) else (other, one)
        if self.chance.happens(ASTRAY):
            taker_id = self.chance.one_of((giver_id, self.operator(self.center().center_id)))

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            taker = api.base.directory.operator(taker_id)
            command = ask.OfferHandover(
                center=center,
                giver_id=giver_id,
                giver_on_shift_at=await api.operators.on_shift_at(giver_id),
                taker_id=taker_id,
                taker_center_id=taker.center_id if taker is not None else None,
                items=await open_items(api, center.center_id),
            )
            return await api.handovers.execute(uuid5(asked.request_id, "handover"), command, asked)

        for operator_id in (one, other):
            if self.chance.happens(0.7):
                await self._shift(operator_id, StartShift(center_id=center.center_id))
        await self.seat.command("offer a hand-over", {"from": giver_id, "to": taker_id}, run)

    async def sign(self) -> None:
        """By the one who is named; or by another, who may not."""
        row = self._offered()
        if row is None:
            return await self.offer()
        center_id, giver_id = row["center_id"], row["giver_id"]
        operator_id = self._answering(row)
        claims = self.chance.one_of(tuple(ClaimsOnSigning))

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            _, (claimed,) = await api.rows(queries.claimed(center_id, giver_id))
            command = ask.SignHandover(
                operator_id=operator_id, on_shift_at=await api.operators.on_shift_at(operator_id), claims=claims
            )
            ids = [each["incident_id"] for each in claimed]
            return await api.handovers.sign(row["handover_id"], command, asked, claimed=ids)

        meaning = {"handover": row["handover_id"], "by": operator_id, "claims": claims}
        return await self.seat.command("sign a hand-over", meaning, run, expected_version=self.stated(row))

    async def decline(self) -> None:
        """By the one who is named, or by a supervisor."""
        row = self._offered()
        if row is None:
            return await self.begin()
        operator_id, is_supervisor = self._answering(row), self.chance.happens(0.3)
        command = ask.DeclineHandover(operator_id=operator_id, is_supervisor=is_supervisor, reason="it is not so")

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            return await api.handovers.execute(row["handover_id"], command, asked)

        meaning = {"handover": row["handover_id"], "command": command.model_dump(mode="json")}
        return await self.seat.command("decline a hand-over", meaning, run, expected_version=self.stated(row))

    acts: ClassVar[Acts] = {begin: 2, end: 2, offer: 4, sign: 5, decline: 1}

    def _busy_center(self) -> Ownership:
        """One with people of its own that owns something on the board: few, so that several hand over there."""
        staff = self.world.city.staff
        row = self.row("board", lambda row: bool(row["is_on_board"]) and row["owner_center_id"] in staff)
        if row is None:
            return self.center()
        return Ownership(center_id=row["owner_center_id"], path=tuple(row["owner_path"]))

    def _offered(self) -> Row | None:
        answered = self.chance.happens(ASTRAY)
        return self.row("handovers", lambda row: answered or row["state"] == "offered")

    def _answering(self, row: Row) -> UUID:
        if self.chance.happens(ASTRAY):
            return self.operator(self.center().center_id)
        taker: UUID = row["taker_id"]
        return taker


async def open_items(api: ApiProcess, center_id: UUID) -> ask.OpenItems:
    """Everything recorded by now that is open there, as the route of hand-overs lists it."""
    tip = (await api.base.log.tip()).position
    statements = (
        queries.open_incidents(center_id, sight=EVERYTHING),
        queries.waiting_orders(center_id, sight=EVERYTHING),
        queries.open_cases(center_id, sight=EVERYTHING),
    )
    position, (incidents, orders, cases) = await api.rows(*statements, min_position=tip)
    return ask.OpenItems(
        incidents=tuple(OpenIncident(**_fields(OpenIncident, row)) for row in incidents),
        incidents_position=position,
        orders=tuple(WaitingOrder(**_fields(WaitingOrder, row)) for row in orders),
        orders_position=position,
        cases=tuple(OpenCase(**_fields(OpenCase, row)) for row in cases),
        cases_position=position,
    )


def _fields(kind: type[OpenIncident | WaitingOrder | OpenCase], row: Row) -> dict[str, Any]:
    return {name: row[name] for name in kind.model_fields if name != "note"}
