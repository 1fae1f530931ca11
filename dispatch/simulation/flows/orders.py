"""Headquarters' orders: issued with short times, answered by those who are addressed and by others, changed, lifted."""

from __future__ import annotations

from typing import ClassVar

from dispatch.handling.orders import OrderDraft
from dispatch.handling.scribe import Outcome, Request
from dispatch.simulation.flows.flow import ASTRAY, Acts, Flow
from dispatch.simulation.people import Row
from dispatch.simulation.serving import ApiProcess
from domain.order import commands as ask
from domain.order.events import Circle, OrderArea
from domain.vocabulary import MessageStatus, OrderKind, OrderPhase

ISSUERS = ("city", "city", "d-west", "dept-flood-control", "dept-traffic-police", "s-mid")
"""The last one may issue none."""
AREA = OrderArea(circles=(Circle(lon=104.05, lat=30.68, radius_m=900),), description="the bridge")


class Orders(Flow):
    """Who commands and who obeys."""

    async def issue(self) -> None:
        """To one or several centers, some of them departments of a partner; some begin later, some never arrive."""
        chance = self.chance
        issuer = self.world.city.centers[chance.one_of(ISSUERS)]
        centers = [center.center_id for center in self.world.city.centers.values()]
        row = self.row("board") if chance.happens(0.3) else None
        acknowledge_by, expires_at = self.in_s(2.0, 9.0), self.in_s(9.0, 40.0)
        draft = OrderDraft(
            kind=chance.one_of(tuple(OrderKind)),
            status=MessageStatus.EXERCISE if chance.happens(0.15) else MessageStatus.ACTUAL,
            text="close it",
            area=AREA,
            expires_at=expires_at,
            acknowledge_by=acknowledge_by,
            addressees=[(center_id, None) for center_id in self.some(centers, 4)],
            effective_at=self.in_s(1.0, 12.0) if chance.happens(0.3) else None,
            incident_id=row["incident_id"] if row is not None else None,
            issued_by=self.operator(issuer.center_id),
        )

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            entry = api.base.directory.center(issuer.center_id)
            assert entry is not None, "founded"
            return await api.orders.issue(entry, draft, asked)

        await self.seat.command("issue an order", {"order": draft.kind, "until": expires_at}, run)

    async def answer(self) -> None:
        """For a center that is waited for; or for another, or for an edition that was replaced."""
        row = self._open()
        if row is None:
            return
        named = row["waiting_center_ids"] or row["addressed_center_ids"]
        center_ids = self.some(named, 2)
        edition = row["edition"]
        if self.chance.happens(ASTRAY):
            center_ids = (self.center().center_id,)
        elif self.chance.happens(ASTRAY):
            edition += self.chance.one_of((1, -1)) if edition > 1 else 1
        declines = self.chance.happens(0.2)

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            at = asked.received_at
            command: ask.OrderAnswerCommand
            if declines:
                command = ask.DeclineOrder(center_ids=center_ids, edition=edition, answered_at=at, reason="no car")
            else:
                command = ask.AcknowledgeOrder(center_ids=center_ids, edition=edition, answered_at=at)
            return await api.orders.decide(row["order_id"], command, asked)

        meaning = {"order": row["order_id"], "for": center_ids, "edition": edition, "declines": declines}
        await self.seat.command("answer an order", meaning, run)

    async def change(self) -> None:
        """Amend, extend or lift it, by who may or by another."""
        row = self._open()
        if row is None:
            return
        center_id = self.center().center_id if self.chance.happens(ASTRAY) else row["issuer_center_id"]
        how = self.chance.weighted({"amend": 3, "extend": 3, "lift": 2})
        later, by, effective_at = self.in_s(6.0, 45.0), self.in_s(2.0, 6.0), None
        if how == "amend" and self.chance.happens(0.2):
            effective_at = self.in_s(1.0, 8.0)
        moves = self.chance.happens(0.5)

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            at = asked.received_at
            command: ask.OrderDecision
            if how == "amend":
                command = ask.AmendOrder(
                    center_id=center_id,
                    amended_at=at,
                    reason="the water rises",
                    acknowledge_by=by,
                    text=f"close it, edition {row['edition'] + 1}",
                    effective_at=effective_at,
                    expires_at=later if moves else None,
                )
            elif how == "extend":
                command = ask.ExtendOrder(center_id=center_id, extended_at=at, expires_at=later, reason="not over")
            else:
                command = ask.LiftOrder(center_id=center_id, lifted_at=at, reason="it is over")
            return await api.orders.decide(row["order_id"], command, asked)

        await self.seat.command(
            f"{how} an order",
            {"order": row["order_id"], "how": how, "by": by},
            run,
            expected_version=self.stated(row, "decided_version"),
        )

    acts: ClassVar[Acts] = {issue: 3, answer: 5, change: 3}

    def _open(self) -> Row | None:
        """Mostly one that was not ended."""
        if self.chance.happens(ASTRAY):
            return self.row("orders")
        return self.row("orders", lambda row: row["phase"] == OrderPhase.ISSUED)
