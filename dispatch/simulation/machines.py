"""Gateways: batches of alerts on hot spots, with repeats, revisions, rising severity, late ones and public warnings."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

from dispatch.handling.alerts import NO_SAID_TIME, AlertReceipt, Arrival, Sender
from dispatch.ingest.adapters.native import NativeAdapter
from dispatch.ingest.message import Delivery, Draft, draft, said_time
from dispatch.simulation.chance import Chance
from dispatch.simulation.city import GATEWAYS, SPOTS
from dispatch.simulation.history import SentAlert
from dispatch.simulation.limits import LATE_S_MAX
from dispatch.simulation.serving import ApiProcess, Caller
from dispatch.simulation.world import World
from domain.alert.events import WarningDetails
from domain.event import Actor, Place
from domain.identifiers import alert_id
from domain.refusals import Refusal
from domain.vocabulary import ActorKind, AlertKind

SCATTER_DEG = 0.0016
"""About 170 m: some alerts of a spot are within the radius of an incident there, some are not."""
KINDS = {
    "accident": 3, "congestion": 3, "intrusion": 3, "loitering": 3, "crowd": 2, "smoke_fire": 2, "waterlogging": 2,
    "facility_damage": 2, "illegal_stall": 1, "panic_button": 1, "vehicle": 1, "io_alarm": 1,
    "video_loss": 1, "tamper": 1,
}  # fmt: skip
OF_ITSELF = ("video_loss", "tamper")
"""What a camera says of its own seeing."""
SEVERITIES = {"unknown": 4, "minor": 4, "moderate": 3, "severe": 2, "extreme": 1}
STATUSES = {"actual": 22, "exercise": 1, "test": 1}
BATCH_MAX = 4
BURST = 0.2
"""How often a message follows the one before at once."""


class Gateway(Caller):
    """One gateway, which knows what it said and says it again until it is heard."""

    def __init__(self, world: World, number: int, servers: dict[str, ApiProcess]) -> None:
        name = GATEWAYS[number]
        super().__init__(world, name, Chance(world.seed, name), servers)
        self._spots = SPOTS[number * 2 : number * 2 + 2]
        self._cameras = (f"cam_{number * 2}", f"cam_{number * 2 + 1}")
        self._sender = Sender(Actor(kind=ActorKind.GATEWAY, id=f"gateway:{name}"), name)
        self._delivery = Delivery(source=name, content_type="application/json")
        self._said: list[dict[str, Any]] = []
        self._warnings: list[Draft] = []
        self._count = 0

    async def work(self, messages: int) -> None:
        """Send so many messages, some while earlier ones are still unanswered."""
        sending = []
        for _ in range(messages):
            if not self.chance.happens(BURST):
                await asyncio.sleep(self.chance.between(0.0, 6.0))
            drafts = self._message()
            times = 2 if self.chance.happens(0.1) else 1
            sending += [self.world.loop.create_task(self._send(drafts)) for _ in range(times)]
        await asyncio.gather(*sending)

    def _message(self) -> list[Draft]:
        if self.chance.happens(0.06):
            return [self._warning()]
        items = [self._alert() for _ in range(self.chance.whole(1, BATCH_MAX))]
        self._said = [*self._said, *items][-12:]
        parsed = NativeAdapter().parse(json.dumps(items).encode(), self._delivery)
        return [entry for entry in parsed.entries if isinstance(entry, Draft)]

    def _alert(self) -> dict[str, Any]:
        """New, or one said before: the same again, or with something changed."""
        chance = self.chance
        if self._said and chance.happens(0.45):
            again = dict(chance.one_of(self._said))
            if chance.happens(0.6):
                again["severity"] = chance.weighted(SEVERITIES)
            if chance.happens(0.2):
                again["revision"] = str(chance.whole(1, 3))
            if chance.happens(0.2):
                again["phase"] = "end"
            return again
        self._count += 1
        age_s = chance.between(0.0, 4.0) if chance.happens(0.9) else chance.between(4.0, LATE_S_MAX)
        said: dict[str, Any] = {
            "id": f"{self.name}-{self._count}",
            "kind": chance.weighted(KINDS),
            "occurred_at": (self.world.clock.now() - timedelta(seconds=age_s)).isoformat(),
            "severity": chance.weighted(SEVERITIES),
            "status": chance.weighted(STATUSES),
        }
        which = chance.whole(0, 1)
        if said["kind"] in OF_ITSELF:
            said |= {"camera": self._cameras[which], "phase": "start"}
        elif chance.happens(0.3):
            said["camera"] = self._cameras[which]
        elif chance.happens(0.95):
            spot = self._spots[which]
            lon = spot.lon + chance.between(-SCATTER_DEG, SCATTER_DEG)
            said["location"] = {"type": "Point", "coordinates": [round(lon, 6), spot.lat]}
        return said

    def _warning(self) -> Draft:
        """A public warning, or what it becomes: an update, a cancellation."""
        chance = self.chance
        self._count += 1
        identifier = f"{self.name}-w{self._count}"
        reference: tuple[str, ...] = ()
        message_type = "Alert"
        if self._warnings and chance.happens(0.6):
            before = chance.one_of(self._warnings)
            assert before.content.warning is not None, "only warnings are kept here"
            reference = (f"{before.content.warning.sender},{before.content.source_event_id}",)
            message_type = chance.one_of(("Update", "Update", "Cancel"))
        details = WarningDetails(
            sender=self.name,
            message_type=message_type,
            event="Rainstorm",
            urgency="Immediate",
            certainty="Likely",
            references=reference,
        )
        said = draft(
            self._delivery,
            said_time(self.world.clock.now().isoformat(), self._delivery.zone),
            adapter="cap",
            source_event_id=identifier,
            kind=AlertKind.PUBLIC_WARNING,
            severity=chance.whole(1, 4),
            place=Place(point=chance.one_of(self._spots)),
            warning=details,
        )
        self._warnings.append(said)
        return said

    async def _send(self, drafts: list[Draft]) -> None:
        history = self.world.history
        sent = [_sent(each) for each in drafts]
        history.sent_alerts.update(sent)

        async def receive(api: ApiProcess) -> list[AlertReceipt | Refusal]:
            return await api.alerts.receive([Arrival(each, self._sender) for each in drafts])

        receipts = await self.insist(f"{len(drafts)} alerts", receive)
        for alert, receipt in zip(sent, receipts, strict=True):
            if isinstance(receipt, AlertReceipt):
                history.receipts.append((alert, receipt))
            else:
                history.findings.append(f"an alert was refused: {receipt.code}")


def _sent(said: Draft) -> SentAlert:
    content = said.content
    identity = alert_id(
        source=content.source,
        source_event_id=content.source_event_id,
        revision=content.revision,
        said_at=said.said_at or NO_SAID_TIME,
    )
    return SentAlert(identity, content.content_sha256)
