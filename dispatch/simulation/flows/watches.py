"""Watches for people who are lost: opened for a short while, acknowledged, read, seen, prolonged, ended, or run out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar
from uuid import UUID, uuid5

from dispatch.handling.scribe import Outcome, Request
from dispatch.simulation.city import SPOTS
from dispatch.simulation.flows.flow import ASTRAY, Acts, Flow
from dispatch.simulation.people import Row
from dispatch.simulation.serving import ApiProcess
from domain.event import Personal, Place
from domain.vocabulary import WatchOutcome, WatchSubject
from domain.watch import commands as ask
from domain.watch.events import WatchOpened

WHO = "Li Lei, in a blue coat"


class Watches(Flow):
    """Who looks for somebody, and who is asked to."""

    async def start(self) -> None:
        """Because of an incident; some until the day after the day after, most for seconds."""
        row = self.row("board")
        if row is None:
            return
        centers = [center.center_id for center in self.world.city.centers.values()]
        center = self.center()
        expires_at = self.in_s(800_000.0, 900_000.0) if self.chance.happens(ASTRAY) else self.in_s(4.0, 30.0)
        center_ids = self.some(centers, 4) if self.chance.happens(0.7) else ()
        subject = self.chance.one_of(tuple(WatchSubject))
        incident_id = row["incident_id"]

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            watch = WatchOpened(
                incident_id=incident_id,
                subject=subject,
                description=Personal(subject_id=uuid5(asked.request_id, "watched"), text=WHO),
                purpose="lost at the market",
                center_id=center.center_id,
                path=center.path,
                center_ids=center_ids,
                last_seen=Place(point=SPOTS[0]),
                expires_at=expires_at,
            )
            command = ask.OpenWatch(watch=watch, at=asked.received_at)
            return await api.watches.execute(uuid5(asked.request_id, "watch"), command, asked)

        await self.seat.command("open a watch", {"watch for": incident_id, "until": expires_at}, run)

    async def acknowledge(self) -> None:
        """By a center that is asked."""
        await self._ask("acknowledge", lambda row, at: ask.AcknowledgeWatch(center_id=self._asked(row), at=at))

    async def read(self) -> None:
        """Look whom it is about."""
        await self._ask(
            "read", lambda row, at: ask.ReadWatch(center_id=self._asked(row), purpose="to tell the crew", at=at)
        )

    async def sight(self) -> None:
        """Perhaps seen."""
        spot, count = self.chance.one_of(SPOTS), self.chance.bits(32)
        await self._ask(
            "sighting",
            lambda row, at: ask.ReportSighting(
                sighting_id=uuid5(row["watch_id"], str(count)),
                center_id=row["center_id"],
                place=Place(point=spot),
                text="a blue coat",
                at=at,
            ),
        )

    async def extend(self) -> None:
        """A while longer."""
        until = self.in_s(3.0, 30.0)
        await self._ask("extend", lambda _, at: ask.ExtendWatch(expires_at=until, reason="not found", at=at))

    async def end(self) -> None:
        """Found, or called off."""
        outcome = self.chance.one_of(tuple(WatchOutcome))
        await self._ask("end", lambda *_: ask.EndWatch(outcome=outcome))

    acts: ClassVar[Acts] = {start: 3, acknowledge: 3, read: 3, sight: 2, extend: 2, end: 1}

    def _asked(self, row: Row) -> UUID:
        named = row["center_ids"] or [row["center_id"]]
        first: UUID = named[row["version"] % len(named)]
        return first

    async def _ask(self, what: str, make: Callable[[Row, datetime], ask.WatchCommand]) -> None:
        row = self.row("watches", lambda row: row["ended_at"] is None) or self.row("watches")
        if row is None:
            return await self.start()

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            return await api.watches.execute(row["watch_id"], make(row, asked.received_at), asked)

        await self.seat.command(f"watch {what}", {"watch": row["watch_id"], "step": what}, run)
        return None
