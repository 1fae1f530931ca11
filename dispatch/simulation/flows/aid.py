"""Mutual aid: asked, read, promised, units named and let go; and answers that do not come in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import ClassVar, TypeAlias
from uuid import UUID, uuid5

from dispatch.handling.scribe import Outcome, Request
from dispatch.simulation.flows.flow import ASTRAY, Acts, Flow
from dispatch.simulation.people import Row
from dispatch.simulation.serving import ApiProcess
from domain.aid import commands as ask
from domain.aid.decider import AidPhase
from domain.aid.events import AidRequested, LentUnit, WantedUnits
from domain.vocabulary import UnitKind

LENDERS = ("d-west", "dept-traffic-police", "dept-traffic-police", "dept-traffic-police")
"""Whoever is asked: centers that have units, some the same ones."""
Make: TypeAlias = Callable[[datetime], ask.AidCommand]


class Aid(Flow):
    """Those who ask and those who are asked."""

    async def request(self) -> None:
        """Of a center that has units, mostly of another one."""
        chance = self.chance
        asked_of = self.world.city.centers[chance.one_of(LENDERS)]
        row = self.row("board") if chance.happens(0.3) else None
        aid = AidRequested(
            asker=self.center(),
            asked=asked_of,
            wanted=(WantedUnits(kind=UnitKind.PATROL_CAR, count=2),),
            reason="the road is under water",
            answer_by=self.in_s(2.0, 9.0),
            ends_at=self.in_s(9.0, 90.0),
            incident_id=row["incident_id"] if row is not None else None,
        )

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            command = ask.RequestAid(aid=aid, at=asked.received_at)
            return await api.aid.execute(uuid5(asked.request_id, "aid"), command, asked)

        await self.seat.command("ask for aid", {"of": asked_of.center_id, "by": aid.answer_by}, run)

    async def go_on(self) -> None:
        """What its phase admits, mostly."""
        row = self.row("aid", lambda row: row["phase"] in self._STEPS) or self.row("aid")
        if row is None:
            return await self.request()
        admitted = self._STEPS.get(row["phase"], self._ANY)
        if self.chance.happens(ASTRAY):
            admitted = self._ANY
        step = self.chance.weighted(admitted)
        await self._take(step, row, self.stated(row))
        if step is Aid._accept and self.chance.happens(0.8):
            await self._take(Aid._commit, row, None)
        return None

    async def _take(self, step: Callable[[Aid, Row], Make], row: Row, version: int | None) -> None:
        make = step(self, row)
        aid_id: UUID = row["aid_id"]

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            return await api.aid.execute(aid_id, make(asked.received_at), asked)

        name = step.__name__.removeprefix("_")
        await self.seat.command(f"aid {name}", {"aid": aid_id, "step": name}, run, expected_version=version)

    acts: ClassVar[Acts] = {request: 2, go_on: 9}

    def _acknowledge(self, _row: Row) -> Make:
        return lambda _: ask.AcknowledgeAid()

    def _accept(self, _row: Row) -> Make:
        return lambda at: ask.AcceptAid(at=at)

    def _decline(self, _row: Row) -> Make:
        return lambda at: ask.DeclineAid(reason="none to spare", at=at)

    def _withdraw(self, _row: Row) -> Make:
        return lambda at: ask.WithdrawAid(reason="it has stopped raining", at=at)

    def _commit(self, row: Row) -> Make:
        """Units of the asked center or below it: two of few, so that they are promised to others too."""
        city = self.world.city
        own = [
            LentUnit(unit_id=unit_id, call_sign=call_sign)
            for call_sign, unit_id in city.units.items()
            if row["asked_center_id"] in city.bases[unit_id].path
        ]
        named = self.some(own, 3)
        return lambda at: ask.CommitUnits(units=named, at=at)

    def _release(self, row: Row) -> Make:
        lent = [UUID(each["unit_id"]) for each in row["units"] if each["released_at"] is None]
        unit_ids = () if self.chance.happens(0.5) or not lent else (self.chance.one_of(lent),)
        center_id = self.chance.one_of((row["asker_center_id"], row["asked_center_id"]))
        return lambda _: ask.ReleaseUnits(center_id=center_id, unit_ids=unit_ids)

    _ANY: ClassVar[Mapping[Callable[[Aid, Row], Make], int]] = {
        _acknowledge: 1,
        _accept: 1,
        _decline: 1,
        _withdraw: 1,
        _commit: 1,
        _release: 1,
    }
    _STEPS: Mapping[str, Mapping[Callable[[Aid, Row], Make], int]] = {
        AidPhase.REQUESTED: {_acknowledge: 3, _accept: 9, _decline: 1, _withdraw: 1},
        AidPhase.ACKNOWLEDGED: {_accept: 6, _decline: 2, _withdraw: 1},
        AidPhase.ACCEPTED: {_commit: 12, _withdraw: 1},
        AidPhase.COMMITTED: {_commit: 2, _release: 2},
    }
