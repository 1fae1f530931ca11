"""Everything about partners in one process: write the feeds, carry them to NATS, take the partners' answers.

The three go on without one another. The feed needs PostgreSQL only; when NATS is away or frozen it fills up, and
the relay catches up by itself as soon as it can join. One process does all three at a time (`ownership`); a second
owner would do no harm, only the same work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from dispatch.partners.commands import PartnerDesk, problem_reply
from dispatch.partners.connection import joined
from dispatch.partners.feed import PAGE_EVENTS, Feed
from dispatch.partners.relay import STREAM_MESSAGES_MAX, Relay
from dispatch.partners.streams import Streams
from dispatch.partners.subjects import command_subject
from dispatch.ports import Clock, EventLog, Ids
from dispatch.workers.ownership import Ownership
from dispatch.workers.tasks import end
from domain.codec import NewerSchema
from domain.refusals import DispatchError, Unavailable

PAGE_EVERY_S = 0.2
"""Pages of the feeds begin at least this far apart, unless more is waiting than one takes: what goes to partners is
worth a fifth of a second, and many small pages are paid for by everybody else on the machine."""
IDLE_S = 1.0
"""Longest sleep without a look; a lost wake-up costs this much."""
LOOK_AGAIN_S = 10.0
"""How often the relay compares streams and feeds although nothing is to be sent: an emptied store shows itself."""
BACK_OFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
CALM_S = 5.0
"""A part that worked this long begins its back-off anew."""
PAUSE_S = 30.0
"""Between two looks at a fact of a newer release."""
COMMANDS_AT_ONCE_MAX = 16
"""Commands of one agency decided at the same time."""
COMMANDS_WAITING_MAX = 2_000
"""Beyond this the client library drops what arrives; the partner hears nothing and repeats."""
QUEUE = "partner-commands"
RELAY, COMMANDS = "dispatch relay", "dispatch partner commands"
REPORT_TROUBLE = "UPDATE feed.relays SET trouble = $1, checked_at = $2"
DATABASE_TROUBLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
TROUBLE = (DispatchError, NatsError, *DATABASE_TROUBLE)
Work: TypeAlias = Callable[[Client, asyncio.Event], Awaitable[None]]
"""What is done over a connection, until the event says that it is lost."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NatsAddress:
    """Where NATS is and who we are there."""

    url: str
    seed: str | None
    timeout_s: float


async def run_partners(
    *,
    log: EventLog,
    pool: asyncpg.Pool,
    desk: PartnerDesk,
    city: str,
    nats: NatsAddress | None,
    ownership: Ownership,
    clock: Clock,
    ids: Ids,
    stop: asyncio.Event | None = None,
    stream_messages_max: int = STREAM_MESSAGES_MAX,
) -> None:
    """Run until `stop` or cancelled. `nats` None: feeds are written and wait. Survives the loss of both servers."""
    stop = stop or asyncio.Event()
    failures = 0
    while not stop.is_set():
        try:
            if not await _acquired(ownership, stop):
                return
            failures = 0
            feed = Feed(log, pool, city)
            work = PartnerWork(log, pool, desk, feed, clock, ids, stream_messages_max)
            await work.run(city, nats, ownership, stop)
        except TROUBLE as error:
            _log.warning("partners begin anew", extra={"reason": f"{type(error).__name__}: {error}"[:500]})
        finally:
            await ownership.release()
        await _first_of(stop, timeout_s=BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
        failures += 1


async def _acquired(ownership: Ownership, stop: asyncio.Event) -> bool:
    """Wait for our turn; False if `stop` came first."""
    turn, ending = asyncio.ensure_future(ownership.acquire()), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([turn, ending], return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending.cancel()
        if not turn.done():
            await end([turn])
    if turn.cancelled():
        return False
    turn.result()
    return not stop.is_set()


class PartnerWork:
    """One term of ownership."""

    def __init__(
        self,
        log: EventLog,
        pool: asyncpg.Pool,
        desk: PartnerDesk,
        feed: Feed,
        clock: Clock,
        ids: Ids,
        stream_messages_max: int,
    ) -> None:
        self._log = log
        self._pool = pool
        self._desk = desk
        self._feed = feed
        self._clock = clock
        self._ids = ids
        self._stream_messages_max = stream_messages_max
        self._written = asyncio.Event()
        self._begun = asyncio.Event()

    async def run(self, city: str, nats: NatsAddress | None, ownership: Ownership, stop: asyncio.Event) -> None:
        """Until `stop`, until the ownership is lost, or until a part fails in a way it cannot go on from."""
        parts: list[Awaitable[Any]] = [stop.wait(), self._write(), self._watch(ownership)]
        if nats is not None:
            parts += [
                self._connected(nats, RELAY, lambda client, lost: self._relay(client, lost, city, nats.timeout_s)),
                self._connected(nats, COMMANDS, lambda client, lost: self._take_commands(client, lost, city)),
            ]
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(tasks)
        for task in done:
            task.result()

    async def _watch(self, ownership: Ownership) -> None:
        while await ownership.holds():  # noqa: ASYNC110  # it is asked, it does not tell
            await asyncio.sleep(IDLE_S)

    async def _write(self) -> None:
        failures = 0
        while True:
            try:
                began = time.monotonic()
                written = await self._feed.advance()
                failures = 0
                self._begun.set()
                if written:
                    self._written.set()
                if written is not None:
                    if not await self._is_far_behind():
                        await asyncio.sleep(max(0.0, began + PAGE_EVERY_S - time.monotonic()))
                    continue
                await self._log.wait_beyond(self._feed.position or 0, timeout_s=IDLE_S)
            except NewerSchema as newer:
                _log.error("the partner feeds wait for an upgrade", extra={"reason": str(newer)})
                await asyncio.sleep(PAUSE_S)
            except (Unavailable, *DATABASE_TROUBLE) as error:
                _log.warning("feed page failed", extra={"reason": f"{type(error).__name__}: {error}"[:500]})
                await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                failures += 1

    async def _is_far_behind(self) -> bool:
        position = self._feed.position or 0
        return await self._log.wait_beyond(position, timeout_s=0) - position >= PAGE_EVENTS

    async def _connected(self, nats: NatsAddress, name: str, work: Work) -> None:
        """Join, work, and after any trouble join anew; each part in its own time."""
        failures = 0
        await self._begun.wait()
        while True:
            began = time.monotonic()
            try:
                async with joined(nats.url, seed=nats.seed, name=name, timeout_s=nats.timeout_s) as (client, lost):
                    await work(client, lost)
                trouble = "the connection to NATS was lost"
            except TROUBLE as error:
                trouble = f"{type(error).__name__}: {error}"[:500]
            _log.warning("nats trouble", extra={"part": name, "reason": trouble})
            if name == RELAY:
                await self._report_trouble(trouble)
            if time.monotonic() - began > CALM_S:
                failures = 0
            await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
            failures += 1

    async def _report_trouble(self, trouble: str) -> None:
        with contextlib.suppress(*DATABASE_TROUBLE):
            await self._pool.execute(REPORT_TROUBLE, trouble, self._clock.now())

    async def _relay(self, client: Client, lost: asyncio.Event, city: str, timeout_s: float) -> None:
        relay = Relay(
            Streams(client, city, timeout_s=timeout_s, messages_max=self._stream_messages_max),
            self._pool,
            self._ids,
            lambda: self._feed.tree.fields,
            (await self._log.tip()).epoch,
            stream_messages_max=self._stream_messages_max,
        )
        looked_at = reported_at = -math.inf
        while not lost.is_set():
            if time.monotonic() - looked_at >= LOOK_AGAIN_S:
                await relay.reconcile()
                looked_at = time.monotonic()
            self._written.clear()
            sent = await relay.step()
            if time.monotonic() - reported_at >= IDLE_S:
                # In the middle of a long refill too, else it would be taken for silence.
                await relay.report(self._clock.now())
                reported_at = time.monotonic()
            if not sent:
                await _first_of(self._written, lost, timeout_s=IDLE_S)

    async def _take_commands(self, client: Client, lost: asyncio.Event, city: str) -> None:
        """One subscription an agency, each with its own slots: a partner that floods us holds up only itself."""
        running: set[asyncio.Task[None]] = set()
        taken: set[str] = set()
        while not lost.is_set():
            for agency in self._feed.tree.fields.keys() - taken:
                taken.add(agency)
                await client.subscribe(
                    command_subject(city, agency, "*"),
                    queue=QUEUE,
                    cb=self._taker(client, running),
                    pending_msgs_limit=COMMANDS_WAITING_MAX,
                )
            await _first_of(lost, timeout_s=IDLE_S)

    def _taker(self, client: Client, running: set[asyncio.Task[None]]) -> Callable[[Msg], Awaitable[None]]:
        slots = asyncio.Semaphore(COMMANDS_AT_ONCE_MAX)

        async def take(message: Msg) -> None:
            # Awaited by the client library before it hands out the next message: this is the back-pressure.
            await slots.acquire()
            task = asyncio.create_task(self._answer(client, message, slots))
            running.add(task)
            task.add_done_callback(running.discard)

        return take

    async def _answer(self, client: Client, message: Msg, slots: asyncio.Semaphore) -> None:
        try:
            reply = await self._desk.answer(message.subject, message.headers, message.data)
        except DATABASE_TROUBLE as error:
            _log.warning("partner command failed", extra={"subject": message.subject, "reason": str(error)[:500]})
            reply = problem_reply("unavailable", "Not recorded. Send the same message again in a moment.")
        except Exception:  # noqa: BLE001  # the partner must hear that nothing was acknowledged
            _log.exception("partner command broke", extra={"subject": message.subject})
            reply = problem_reply("internal_error", "Send the same message again, and tell us its ce-id.")
        finally:
            slots.release()
        if message.reply:
            with contextlib.suppress(NatsError, OSError):
                await client.publish(message.reply, reply.body, headers=dict(reply.headers))


async def _first_of(*events: asyncio.Event, timeout_s: float) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
