"""From bytes to receipts: understand, record a page at once, keep aside the rest. HTTP and NATS share it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from math import inf

from dispatch.handling.alerts import AlertDesk, AlertReceipt, Arrival, Sender
from dispatch.ingest.adapters import ADAPTERS
from dispatch.ingest.admission import Admission, watch
from dispatch.ingest.gathering import Gathering
from dispatch.ingest.hearing import Hearing
from dispatch.ingest.identifying import masked
from dispatch.ingest.limits import BATCH_ALERTS_MAX
from dispatch.ingest.message import Adapter, Delivery, Draft, Entry, NotUnderstood, Parsed, Rejected
from dispatch.ingest.multipart import without_media
from dispatch.ingest.quarantine import KeptMessage, Quarantine
from dispatch.ingest.turns import Turns
from dispatch.telemetry import counter
from domain.refusals import Refusal, Refused

LARGE_BODY_BYTES = 4_096
"""A dozen alerts: less is no more work than any other request."""
ALERT_BYTES = 400
"""Of an alert in a list that nobody has read yet: an estimate of how many it has."""
ALERTS = counter("alerts_received_total", "Alerts by adapter and what became of them.", ("adapter", "outcome"))
_alerts = cache(ALERTS.labels)


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes of one request, how they came and by whom."""

    adapter: str
    body: bytes
    delivery: Delivery
    sender: Sender


@dataclass(frozen=True, slots=True)
class Declined:
    """An entry that was not recorded. `kept_as` is its reference in the quarantine, if it was kept."""

    code: str
    detail: str
    pointer: str = ""
    kept_as: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a message: a result for each of its entries, in order."""

    results: tuple[AlertReceipt | Declined, ...]
    batch: bool = False
    heartbeat: bool = False

    @property
    def receipts(self) -> list[AlertReceipt]:
        """The entries that are in the log."""
        return [result for result in self.results if isinstance(result, AlertReceipt)]

    @property
    def position(self) -> int | None:
        """The highest position among the receipts."""
        return max((receipt.position for receipt in self.receipts), default=None)


class Intake:
    """Takes messages of every known format. With `wait_s_max`, no more of them than would wait so long for the board,
    as long as `watch` runs. With `page_every_s`, single alerts of many senders are recorded in pages, so far apart.
    """

    def __init__(
        self,
        desk: AlertDesk,
        quarantine: Quarantine,
        adapters: Mapping[str, Adapter] | None = None,
        *,
        wait_s_max: float = inf,
        page_every_s: float = 0.0,
        hearing: Hearing | None = None,
    ) -> None:
        self._desk = desk
        self._singles = Gathering(desk.receive, every_s=page_every_s) if page_every_s else None
        self.quarantine = quarantine
        self.admission = Admission(wait_s_max)
        self._turns = Turns()
        self._adapters = ADAPTERS if adapters is None else adapters
        self._hearing = hearing

    @property
    def adapters(self) -> Mapping[str, Adapter]:
        """The formats understood, by name."""
        return self._adapters

    def hear(self, gateway: str | None) -> None:
        """It gave a sign of life, whatever it said and whatever becomes of that; None: it was no gateway."""
        if self._hearing is not None:
            self._hearing.note(gateway)

    async def heard(self) -> Mapping[str, datetime]:
        """When each gateway was last heard, within seconds. Raises `Unavailable`."""
        return {} if self._hearing is None else await self._hearing.all()

    def admit(self, body: bytes) -> None:
        """Ask first whether a machine's message may come in now. Raises `Unavailable` with `retry_after_s`."""
        self.admission.admit(body)

    async def turn(self, body: bytes) -> None:
        """Wait in line then with a large message, so that others are served between it and the one before."""
        if len(body) > LARGE_BODY_BYTES:
            with self.admission.coming(_about(body)):
                await self._turns.take()

    async def watch(self, judge: str) -> None:
        """Keep what admits informed, until cancelled. `judge` is the name of the reactor that judges alerts."""
        await watch(self.quarantine.store, self.admission, judge=judge)

    async def take(self, message: Message) -> Taken:
        """One message. Raises `Unavailable`, and `Refused` for an unknown adapter."""
        return (await self.take_many([message]))[0]

    async def take_many(self, messages: Sequence[Message]) -> list[Taken]:
        """Several messages in one lane call. Nothing is answered before all of it is recorded or kept."""
        parsed = [self._understand(message) for message in messages]
        receipts = await self._record(messages, parsed)
        if len(messages) == 1:
            return [await self._taken(messages[0], parsed[0], receipts)]
        # At once: of a page of poison each is a row and a fact, and both are grouped further down.
        return await asyncio.gather(*(self._taken(*each, receipts) for each in zip(messages, parsed, strict=True)))

    async def redrive(self, kept: KeptMessage, sender: Sender) -> Taken:
        """Try a kept message again. Its entries keep the source they came with; `sender` is who asks."""
        if not kept.whole:
            raise Refused(
                "quarantine.not_whole",
                f"Only the first {len(kept.body)} of {kept.size_bytes} bytes were kept. Have it sent again.",
                sha256=kept.sha256,
            )
        speaker = Sender(sender.actor, kept.gateway)
        parsed = self._understand(Message(kept.adapter, kept.body, kept.delivery, speaker))
        if isinstance(parsed, NotUnderstood):
            await self.quarantine.refused_again(kept, parsed)
            return Taken((Declined(parsed.code, parsed.detail, parsed.pointer, kept.sha256),))
        message = Message(kept.adapter, kept.body, kept.delivery, speaker)
        receipts = await self._record([message], [parsed])
        results = tuple(_result_of(entry, receipts, kept.sha256) for entry in parsed.entries)
        taken = Taken(results, parsed.batch, parsed.heartbeat)
        declined = next((result for result in results if isinstance(result, Declined)), None)
        if declined is None:
            await self.quarantine.understood(kept, [receipt.alert_id for receipt in taken.receipts], sender)
        else:
            await self.quarantine.refused_again(kept, Refused(declined.code, declined.detail))
        return taken

    def _understand(self, message: Message) -> Parsed | NotUnderstood:
        adapter = self._adapters.get(message.adapter)
        if adapter is None:
            raise Refused(
                "ingest.unknown_adapter",
                f"There is no adapter {message.adapter!r}; there are {', '.join(self._adapters)}.",
            )
        try:
            return self._with_ends(adapter.parse(message.body, message.delivery), message.sender)
        except NotUnderstood as refusal:
            return refusal

    def _with_ends(self, parsed: Parsed, sender: Sender) -> Parsed:
        """The same, with those of its all-clears that end a camera's trouble among its entries."""
        ends = tuple(each for each in parsed.all_clears if self._desk.ends_trouble(each, sender))
        return replace(parsed, entries=(*parsed.entries, *ends), heartbeat=False) if ends else parsed

    async def _record(
        self, messages: Sequence[Message], parsed: Sequence[Parsed | NotUnderstood]
    ) -> dict[int, AlertReceipt | Refusal]:
        """Receipts by the identity of the draft object: equal drafts of one page are still two entries."""
        arrivals = [
            Arrival(entry, message.sender)
            for message, found in zip(messages, parsed, strict=True)
            for entry in _drafts(found)
        ]
        with self.admission.entering(len(arrivals)):
            received = await self._receive(arrivals) if arrivals else []
        return {id(arrival.draft): result for arrival, result in zip(arrivals, received, strict=True)}

    async def _receive(self, arrivals: Sequence[Arrival]) -> list[AlertReceipt | Refusal]:
        if self._singles is not None and len(arrivals) == 1:
            return await self._singles.take(arrivals)
        return await self._desk.receive(arrivals)

    async def _taken(
        self, message: Message, parsed: Parsed | NotUnderstood, receipts: Mapping[int, AlertReceipt | Refusal]
    ) -> Taken:
        if isinstance(parsed, NotUnderstood):
            return Taken((await self._set_aside(message, parsed, message.body),))
        aside = [entry for entry in parsed.entries if isinstance(entry, Rejected)]
        # At once, and not at all for most: to gather nothing still costs a task.
        setting_aside = (self._set_aside(message, each.refusal, each.body) for each in aside)
        kept = iter(await asyncio.gather(*setting_aside) if aside else ())
        results = tuple(
            next(kept) if isinstance(entry, Rejected) else self._counted(message, receipts[id(entry)])
            for entry in parsed.entries
        )
        return Taken(results, parsed.batch, parsed.heartbeat)

    def _counted(self, message: Message, found: AlertReceipt | Refusal) -> AlertReceipt | Declined:
        result = _told(found, None)
        _alerts(message.adapter, _outcome(result)).inc()
        return result

    async def _set_aside(self, message: Message, refusal: NotUnderstood, body: bytes) -> Declined:
        ALERTS.labels(message.adapter, refusal.code).inc()
        kept_as = None
        if refusal.kept:
            kept_as = await self.quarantine.keep(
                masked(without_media(body, message.delivery.content_type)),
                adapter=message.adapter,
                delivery=message.delivery,
                sender=message.sender,
                refusal=refusal,
            )
        return Declined(refusal.code, refusal.detail, refusal.pointer, kept_as)


def _about(body: bytes) -> int:
    """How many alerts a large message may have: a list, or lines of JSON, many; a picture beside an alert is one."""
    match body[:1]:
        case b"[":
            return min(len(body) // ALERT_BYTES, BATCH_ALERTS_MAX)
        case b"{":
            return min(body.count(b"\n{") + 1, BATCH_ALERTS_MAX)
        case _:
            return 1


def _drafts(found: Parsed | NotUnderstood) -> Iterable[Draft]:
    if isinstance(found, NotUnderstood):
        return ()
    return (entry for entry in found.entries if isinstance(entry, Draft))


def _result_of(
    entry: Entry, receipts: Mapping[int, AlertReceipt | Refusal], kept_as: str | None
) -> AlertReceipt | Declined:
    if isinstance(entry, Rejected):
        return Declined(entry.refusal.code, entry.refusal.detail, entry.refusal.pointer, kept_as)
    return _told(receipts[id(entry)], kept_as)


def _told(found: AlertReceipt | Refusal, kept_as: str | None) -> AlertReceipt | Declined:
    if isinstance(found, AlertReceipt):
        return found
    return Declined(found.code, found.detail, kept_as=kept_as)


def _outcome(result: AlertReceipt | Declined) -> str:
    if isinstance(result, Declined):
        return result.code
    if result.duplicate:
        return "repeated"
    return "revised" if result.revised else "received"
