"""Headquarters for a time: formed, prolonged, changed; what they take and give back; stood down, or expired."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from datetime import timedelta
from typing import ClassVar

from dispatch.directory_entries import HeadquartersEntry
from dispatch.handling.headquarters import HeadquartersDraft
from dispatch.handling.scribe import Outcome, Request
from dispatch.simulation.flows.flow import ASTRAY, Acts, Flow
from dispatch.simulation.people import Row
from dispatch.simulation.serving import ApiProcess
from domain.headquarters.commands import ChangeHeadquarters, ExtendHeadquarters
from domain.headquarters.events import Scope

READ_S = 3.0
"""Within which all processes know of one, mostly."""
CODES = ("flood", "match", "fair")
"""Few, so that two form the same one; none is formed again."""
SCOPES = (("d-west",), ("d-west", "dept-flood-control"), ("b-east",), ("s-mid", "s-east", "dept-fire"))


class Headquarters(Flow):
    """The city and those who command for it."""

    async def form(self) -> None:
        """One of few."""
        code = self.chance.one_of(CODES)
        draft = HeadquartersDraft(
            code=code,
            name_zh=code,
            name_en=code,
            purpose="the river",
            scope=self._scope(),
            commander_id=self.operator(self.world.city.centers["city"].center_id),
            deputy_ids=(),
            ends_at=self.in_s(9.0, 60.0),
        )
        meaning = {"form": code, "until": draft.ends_at, "by": draft.commander_id, "over": draft.scope.centers}
        await self.seat.command("form", meaning, lambda api, asked: api.headquarters.open(draft, asked))

    async def take(self) -> None:
        """An incident, mostly of a center that it commands."""
        found = await self._one()
        astray, commanded = self.chance.happens(ASTRAY), {str(each) for each in found.centers}
        row = self.row(
            "board",
            lambda row: astray or (row["owner_center_id"] != found.center_id and _is_below(row, commanded)),
        )
        if row is not None:
            incident_id = row["incident_id"]
            await self.seat.command(
                "take over",
                {"headquarters": found.code, "incident": incident_id},
                lambda api, asked: api.headquarters.take(found.id, incident_id, "two districts", asked),
            )

    async def give_back(self) -> None:
        """To who had it, or to somebody by name."""
        found = await self._one()
        row = self.row("board", lambda row: row["owner_center_id"] == found.center_id)
        if row is None or self.chance.happens(ASTRAY):
            row = self.row("board")
        if row is None:
            return
        incident_id = row["incident_id"]
        to = self.center().center_id if self.chance.happens(0.4) else None

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            entry = None if to is None else api.base.directory.center(to)
            return await api.headquarters.give_back(found.id, incident_id, entry, "it is small", asked)

        await self.seat.command("give back", {"headquarters": found.code, "incident": incident_id, "to": to}, run)

    async def change(self) -> None:
        """It commands others."""
        found = await self._one()
        scope, commander_id = self._scope(), self.operator(self.world.city.centers["city"].center_id)
        command = ChangeHeadquarters(scope=scope, commander_id=commander_id, reason="it rains there too")
        meaning = {"headquarters": found.code, "command": command.model_dump(mode="json")}
        await self.seat.command(
            "change", meaning, lambda api, asked: api.headquarters.execute(found.id, command, asked)
        )

    async def prolong(self) -> None:
        """It lasts longer; now and then less long, which is refused."""
        found = await self._one()
        ends_at = found.ends_at + timedelta(seconds=round(self.chance.between(-2.0, 25.0), 3))

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            command = ExtendHeadquarters(extended_at=asked.received_at, ends_at=ends_at, reason="a second wave")
            return await api.headquarters.execute(found.id, command, asked)

        await self.seat.command("prolong", {"headquarters": found.code, "until": ends_at}, run)

    async def stand_down(self) -> None:
        """All that it has goes back, one perhaps to somebody else."""
        found = await self._one()
        mine = self.row("board", lambda row: row["owner_center_id"] == found.center_id)
        row = mine if self.chance.happens(0.4) else None
        to = self.center().center_id

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            entry = api.base.directory.center(to)
            assert entry is not None, "founded"
            elsewhere = {} if row is None else {row["incident_id"]: entry}
            return await api.headquarters.stand_down(found.id, "the water fell", asked, to=elsewhere)

        meaning = {"headquarters": found.code, "to": None if row is None else to}
        await self.seat.command("stand down", meaning, run)

    async def _one(self) -> HeadquartersEntry:
        """One that there is, as far as somebody knows; mostly one that is open. The first is formed for it."""
        while True:
            known = await self.seat.insist("look for headquarters", _known)
            wanted = [one for one in known if not one.is_over] if not self.chance.happens(ASTRAY) else known
            if wanted or len(known) == len(CODES):
                return self.chance.one_of(wanted or known)
            await self.form()
            await asyncio.sleep(READ_S)

    def _scope(self) -> Scope:
        centers = self.world.city.centers
        return Scope(centers=tuple(centers[code].center_id for code in self.chance.one_of(SCOPES)))

    acts: ClassVar[Acts] = {form: 2, take: 8, give_back: 3, change: 1, prolong: 2, stand_down: 1}


async def _known(api: ApiProcess) -> list[HeadquartersEntry]:
    return list(api.directory.headquarters.values())


def _is_below(row: Row, commanded: Container[str]) -> bool:
    return any(str(each) in commanded for each in row["owner_path"])
