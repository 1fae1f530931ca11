"""One process of writers: `python -m dispatch.bench.peers.writer`. Its parent speaks to it in lines.

The parent sends a job as JSON; the child connects, warms up and says `ready`; the parent says `go`; the child writes
for as long as the job says and answers what it did as JSON. So the processes of a crew begin together.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import asyncpg
import uvloop

from dispatch.bench.append import STATE, TOPIC, commands_of, new_ids
from dispatch.bench.peers.plain_library import recorder_of
from dispatch.ports import Appended
from dispatch.store.postgres import PostgresLog

READY = "ready"
WRITE_MESSAGE = "SELECT message_store.write_message($1::varchar, $2::varchar, $3::varchar, $4::jsonb, NULL, -1)"
TEXT_STATE = STATE.decode()


@dataclass(frozen=True, slots=True)
class Job:
    """What one process is to do. `connections` are those of this process; times are in seconds."""

    subject: str
    dsn: str
    writers: int
    connections: int
    seconds: float
    warm_up_s: float = 0.5
    topic: str = TOPIC
    state: str = TEXT_STATE
    install: bool = False

    def line(self) -> bytes:
        """As the child reads it."""
        return json.dumps(asdict(self)).encode() + b"\n"


WriteFor = Callable[[float], int]
"""Writes for so many seconds; how many events were recorded."""


def on_a_loop(subject: Callable[[Job], Coroutine[Any, Any, Callable[[], Awaitable[None]]]], job: Job) -> WriteFor:
    """Tasks on one event loop, each appending one event after another."""
    loop = uvloop.new_event_loop()
    append = loop.run_until_complete(subject(job))

    async def write_for(seconds: float) -> int:
        until = time.perf_counter() + seconds
        appended = 0

        async def write() -> None:
            nonlocal appended
            while time.perf_counter() < until:
                await append()
                appended += 1

        await asyncio.gather(*(write() for _ in range(job.writers)))
        return appended

    return lambda seconds: loop.run_until_complete(write_for(seconds))


async def dispatch_log(job: Job) -> Callable[[], Awaitable[None]]:
    """Our own log: one lane a process, whatever `connections` says."""
    log = await PostgresLog.open(job.dsn)
    commands = commands_of(new_ids(), idempotent=False)

    async def append() -> None:
        verdict = await log.append(next(commands))
        assert isinstance(verdict, Appended), verdict

    return append


async def one_category(job: Job) -> Callable[[], Awaitable[None]]:
    """message-db, all streams in one category: the only way in which its reader sees all events in one order."""
    return await _message_db(job, lambda _stream: "alert")


async def many_categories(job: Job) -> Callable[[], Awaitable[None]]:
    """message-db, streams spread over 64 categories: no order between them, and no reader of them all."""
    return await _message_db(job, lambda stream: f"alert{stream % 64}")


async def _message_db(job: Job, category: Callable[[int], str]) -> Callable[[], Awaitable[None]]:
    settings = {"search_path": "message_store, public"}
    size = {"min_size": job.connections, "max_size": job.connections}
    pool = await asyncpg.create_pool(job.dsn, server_settings=settings, reset=_as_it_is, **size)
    ids = new_ids()

    async def append() -> None:
        stream = next(ids)
        await pool.fetchval(WRITE_MESSAGE, str(stream), f"{category(stream.int)}-{stream}", job.topic, job.state)

    return append


async def _as_it_is(_connection: asyncpg.Connection) -> None:
    """Nothing to reset: a peer must not pay for a second round trip."""


def in_threads(job: Job) -> WriteFor:
    """`eventsourcing` is synchronous: a thread for each writer, a pool of connections between them."""
    recorder, stored = recorder_of(job.dsn, job.connections, functions=job.subject == "eventsourcing_functions")
    ids = new_ids()

    def write_until(until: float) -> int:
        appended = 0
        while time.perf_counter() < until:
            recorder.insert_events([stored(next(ids), 1, job.topic, STATE)])
            appended += 1
        return appended

    executor = ThreadPoolExecutor(job.writers)

    def write_for(seconds: float) -> int:
        until = time.perf_counter() + seconds
        return sum(executor.map(write_until, [until] * job.writers))

    return write_for


SUBJECTS: dict[str, Callable[[Job], WriteFor]] = {
    "dispatch": lambda job: on_a_loop(dispatch_log, job),
    "message_db": lambda job: on_a_loop(one_category, job),
    "message_db_categories": lambda job: on_a_loop(many_categories, job),
    "eventsourcing_locked": in_threads,
    "eventsourcing_functions": in_threads,
}


def main() -> None:
    """Do the job that the first line of standard input names."""
    job = Job(**json.loads(sys.stdin.readline()))
    write_for = SUBJECTS[job.subject](job)
    gc.collect()
    gc.freeze()
    write_for(job.warm_up_s)
    sys.stdout.write(READY + "\n")
    sys.stdout.flush()
    sys.stdin.readline()
    began = time.perf_counter()
    appended = write_for(job.seconds)
    done = {"appended": appended, "elapsed_s": time.perf_counter() - began}
    sys.stdout.write(json.dumps(done) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
