"""Alerts that gateways send by NATS: request and reply, recorded a page at a time.

Only our reply, sent after the database's commit, acknowledges a message; no JetStream is involved, so a reply that
does not come means "send it again", and a repeat is harmless. A gateway may publish under its own name only (the
server's accounts see to that), so the name in the subject is whose credential it was.

    city.<city>.gateway.<gateway>.alerts             our own JSON, one alert or a list
    city.<city>.gateway.<gateway>.alerts.<adapter>   a vendor's bytes
    city.<city>.gateway.<gateway>.states             how its cameras are (`dispatch.ingest.states`)

When its process stops, it hears nothing new and answers what it has heard.

Headers, all optional: `Content-Type`, `Dispatch-Crs` (`gcj02`), `Dispatch-Camera` (the camera's code).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from dispatch.handling.alerts import Sender
from dispatch.ingest.admission import REFUSED
from dispatch.ingest.answers import document_of
from dispatch.ingest.intake import Intake, Message
from dispatch.ingest.limits import BATCH_ALERTS_MAX, BODY_BYTES_MAX
from dispatch.ingest.message import Delivery, clean
from dispatch.ingest.states import StatesIntake, document_of_states, report_in
from dispatch.partners.connection import settled
from domain.event import Actor
from domain.refusals import DispatchError, Refused, Unavailable
from domain.vocabulary import ActorKind, CoordinateSystem

LISTENER = "gateways"
"""The name under which it reports how it is."""
QUEUE_GROUP = "ingest"
"""Several processes share the gateways' messages: each goes to one of them."""
WAITING_MAX = 4 * BATCH_ALERTS_MAX
"""Messages that may wait in this process; beyond it the answer is "unavailable" at once, and nothing is taken."""
WAITING_OF_ONE_MAX = WAITING_MAX // 4
"""Messages of one gateway that may wait: one that floods must not keep the others out."""
RETRY_AFTER_S = 1
"""For whom this queue has no room: it is worked off in less."""
REJOIN_AFTER_S = 1.0
LISTENING_CHECK_S = 5
"""How often a quiet connection is asked whether it lives: a frozen server says nothing by itself."""

STATES_STEPS = 5
"""Of the subject of a report of states; an adapter's has one more."""
FINISH_WAIT_S = 3.0
"""For answering what has arrived when the process stops; who hears nothing sends again."""

Join = Callable[[], Awaitable[Client]]
Report = Callable[[str | None], Awaitable[None]]
"""Tells the rest of the system that we hear (None), or why we do not. May raise `Unavailable`."""
log = logging.getLogger(__name__)


class GatewayIntake:
    """Listens for gateways until it is stopped."""

    def __init__(self, intake: Intake, states: StatesIntake, city: str, join: Join, report: Report) -> None:
        self._intake = intake
        self._states = states
        self._subject = f"city.{city}.gateway.*.alerts"
        self._states_subject = f"city.{city}.gateway.*.states"
        self._join = join
        self._report = report
        self._reported_at = 0.0
        self._waiting: asyncio.Queue[Msg] = asyncio.Queue(WAITING_MAX)
        self._waiting_of: Counter[str] = Counter()
        self.listening = asyncio.Event()
        """Set while subscribed."""

    async def run(self, stop: asyncio.Event) -> None:
        """Join, listen, and join anew whenever the connection is lost, until `stop`."""
        while not stop.is_set():
            try:
                client = await self._join()
            except Unavailable as error:
                log.warning("gateways cannot be heard", extra={"reason": error.detail})
                await self._say(error.detail)
                await _stopped(stop, REJOIN_AFTER_S)
                continue
            trouble = "the connection to NATS was lost"
            try:
                await self._listen(client, stop)
            except (NatsError, OSError, TimeoutError) as error:
                trouble = repr(error)
            finally:
                self.listening.clear()
                with contextlib.suppress(NatsError, OSError, TimeoutError):
                    async with asyncio.timeout(REJOIN_AFTER_S):
                        await client.close()
            if not stop.is_set():
                log.warning("gateways are not heard any more, joining anew", extra={"reason": trouble})
                await self._say(trouble)
                await _stopped(stop, REJOIN_AFTER_S)

    async def _listen(self, client: Client, stop: asyncio.Event) -> None:
        heard = [
            await client.subscribe(subject, queue=QUEUE_GROUP, cb=self._arrived)
            for subject in (self._subject, f"{self._subject}.*", self._states_subject)
        ]
        await settled(client, LISTENING_CHECK_S)
        await self._say(None)
        self.listening.set()
        while not client.is_closed and not stop.is_set():
            page = await self._next_page(stop)
            if page:
                await self._take(page)
            elif not stop.is_set():
                await client.flush(timeout=LISTENING_CHECK_S)
            if time.monotonic() - self._reported_at >= LISTENING_CHECK_S:
                await self._say(None)
        if not client.is_closed:
            await self._finish(client, heard)

    async def _finish(self, client: Client, heard: Sequence[Subscription]) -> None:
        """Hear nothing new, and answer what has arrived."""
        async with asyncio.timeout(FINISH_WAIT_S):
            for subscription in heard:
                await subscription.drain()  # type: ignore[no-untyped-call]  # the library's own
            while page := self._waiting_now():
                await self._take(page)
            await settled(client, LISTENING_CHECK_S)

    async def _say(self, trouble: str | None) -> None:
        self._reported_at = time.monotonic()
        try:
            await self._report(trouble)
        except Unavailable as error:
            log.warning("cannot say whether gateways are heard", extra={"reason": error.detail})

    async def _arrived(self, message: Msg) -> None:
        gateway = _gateway_of(message)
        # Before anything is refused: the server let it publish under this name, so it is not silent.
        self._intake.hear(gateway)
        try:
            self._intake.admit(message.data)
        except Unavailable as later:
            await _reply(message, document_of(later))
            return
        if self._waiting.full() or self._waiting_of[gateway] >= WAITING_OF_ONE_MAX:
            REFUSED.labels("queue").inc()
            busy = Unavailable(
                "ingest.behind",
                "Too many messages wait here already. Send the very same message again after `retry_after_s`.",
                retry_after_s=str(RETRY_AFTER_S),
            )
            await _reply(message, document_of(busy))
            return
        self._waiting_of[gateway] += 1
        self._waiting.put_nowait(message)

    async def _next_page(self, stop: asyncio.Event) -> list[Msg]:
        """What waits, up to one lane call; empty after a quiet while, and when we are to stop."""
        first = [] if not self._waiting.empty() else await self._first(stop)
        return self._waiting_now(first)

    async def _first(self, stop: asyncio.Event) -> list[Msg]:
        arriving, ending = asyncio.ensure_future(self._waiting.get()), asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait([arriving, ending], timeout=LISTENING_CHECK_S, return_when=asyncio.FIRST_COMPLETED)
            return [arriving.result()] if arriving.done() else []
        finally:
            # A queue keeps what a cancelled reader has not taken.
            arriving.cancel()
            ending.cancel()

    def _waiting_now(self, page: Sequence[Msg] = ()) -> list[Msg]:
        page = list(page)
        while len(page) < BATCH_ALERTS_MAX and not self._waiting.empty():
            page.append(self._waiting.get_nowait())
        self._waiting_of.subtract(_gateway_of(message) for message in page)
        self._waiting_of += Counter()  # forgets whoever has nothing waiting
        return page

    async def _take(self, page: Sequence[Msg]) -> None:
        """Record a page and answer each message, both in the order in which they came: a state that was said after an
        alert is not recorded before it. Alerts that came in a row are one lane call.
        """
        for is_of_states, row in groupby(page, _is_of_states):
            messages = list(row)
            if is_of_states:
                for message in messages:
                    await _reply(message, await self._taken_states(message))
            else:
                for message, document in zip(messages, await self._taken_alerts(messages), strict=True):
                    await _reply(message, document)

    async def _taken_alerts(self, messages: Sequence[Msg]) -> list[dict[str, Any]]:
        """The answer to each. One that fails in a way nobody foresaw must not stop the rest."""
        read = [self._read(message) for message in messages]
        taken = iter(await self._recorded([each for each in read if isinstance(each, Message)]))
        return [next(taken) if isinstance(each, Message) else document_of(each) for each in read]

    async def _recorded(self, understood: Sequence[Message]) -> list[dict[str, Any]]:
        """Record them in one lane call; the answers."""
        try:
            return [document_of(each) for each in await self._intake.take_many(understood)]
        except DispatchError as error:
            return [document_of(error)] * len(understood)
        except Exception:  # the next page must be taken, and these senders must hear that theirs was not
            log.exception("a page of gateway messages failed")
            failed = Unavailable("internal_error", "The message was not taken; send it again and report it.")
            return [document_of(failed)] * len(understood)

    async def _taken_states(self, message: Msg) -> dict[str, Any]:
        """Record a report of states; the answer to it."""
        gateway = _gateway_of(message)
        try:
            sender = Sender(Actor(kind=ActorKind.GATEWAY, id=gateway), gateway)
            return document_of_states(await self._states.take(report_in(message.data), sender))
        except DispatchError as error:
            return document_of(error)
        except Exception:  # as of alerts: the next page must be taken, and the sender must hear that this was not
            log.exception("a report of states failed")
            return document_of(Unavailable("internal_error", "The report was not taken; send it again and report it."))

    def _read(self, message: Msg) -> Message | Refused:
        try:
            return self._message(message)
        except Refused as refused:
            return refused

    def _message(self, message: Msg) -> Message:
        """The message as the intake takes it. Raises `Refused`."""
        gateway, steps = _gateway_of(message), message.subject.split(".")
        adapter = steps[5] if len(steps) > 5 else "native"
        if adapter not in self._intake.adapters:
            raise Refused("ingest.unknown_adapter", f"There is no adapter {adapter!r}.")
        if len(message.data) > BODY_BYTES_MAX:
            raise Refused("ingest.too_large", f"A message has at most {BODY_BYTES_MAX} bytes.")
        headers = {name.lower(): value for name, value in (message.headers or {}).items()}
        try:
            crs = CoordinateSystem(headers.get("dispatch-crs", CoordinateSystem.WGS84.value))
        except ValueError:
            raise Refused("ingest.malformed", "Dispatch-Crs is wgs84 or gcj02.") from None
        delivery = Delivery(
            source=gateway,
            content_type=clean(headers.get("content-type", ""), 200),
            crs=crs,
            camera=clean(headers.get("dispatch-camera", ""), 100) or None,
        )
        return Message(adapter, message.data, delivery, Sender(Actor(kind=ActorKind.GATEWAY, id=gateway), gateway))


async def _stopped(stop: asyncio.Event, seconds: float) -> None:
    """Wait, unless we are stopped first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _is_of_states(message: Msg) -> bool:
    return message.subject.endswith(".states") and message.subject.count(".") == STATES_STEPS - 1


def _gateway_of(message: Msg) -> str:
    return message.subject.split(".")[3]


async def _reply(message: Msg, document: dict[str, Any]) -> None:
    """Answer, if an answer is wanted. A lost reply is no loss: the gateway sends again and hears of the repeat."""
    if not message.reply:
        return
    with contextlib.suppress(NatsError, OSError, TimeoutError):
        async with asyncio.timeout(LISTENING_CHECK_S):
            await message.respond(json.dumps(document, ensure_ascii=False).encode())
