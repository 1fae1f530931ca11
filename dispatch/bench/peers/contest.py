"""Our log beside other event stores: the same server, the same event, 64 writers, one event a command.

Each peer at its best: before the rounds, the number of its processes and of its connections is tried out, and what
recorded most is measured. Its library's own encoding is left out where it can be (bytes are handed to the recorder of
`eventsourcing`, message-db is called as the SQL functions it is), and its pool resets nothing. Each measurement has a
fresh database that was never analysed.

A peer is *safe* when a reader of all events by their position never skips one. `eventsourcing` locks its table unless
its database function is switched on; message-db locks a category, so it is safe within one, and with several there is
no order and no reader of them all (measured, not counted); emmett hides what is younger than the oldest transaction,
and is counted as safe.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from dispatch.bench.append import Figures, checkpoint, empty_database, fresh_database, one_round
from dispatch.bench.peers import plain_library
from dispatch.bench.peers.crew import install_emmett, rate_of_crew
from dispatch.bench.peers.writer import Job

WRITERS = 64
TRIAL_S = 0.7
MESSAGE_DB = Path("node_modules/@eventide/message-db/database")
MESSAGE_DB_FILES = (
    "schema/message-store.sql",
    "tables/messages.sql",
    "types/message.sql",
    *(f"functions/{name}.sql" for name in ("hash-64", "acquire-lock", "category", "is-category", "id", "cardinal-id")),
    *(f"functions/{name}.sql" for name in ("stream-version", "write-message", "get-category-messages")),
    *(f"indexes/messages-{name}.sql" for name in ("id", "stream", "category")),
)
"""In the order of its own install script. Its pgcrypto is not needed: `gen_random_uuid` is PostgreSQL's own now."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shape:
    """How 64 writers are spread: processes, and connections of each."""

    processes: int
    connections: int

    def jobs(self, subject: str, dsn: str, seconds: float) -> list[Job]:
        """One for each process."""
        return [Job(subject, dsn, WRITERS // self.processes, self.connections, seconds)] * self.processes

    def __str__(self) -> str:
        return f"{self.processes} x {self.connections}"


@dataclass(frozen=True, slots=True)
class Peer:
    """One of the others. `missing` says what to install, None when it is there."""

    name: str
    is_safe: bool
    shapes: Sequence[Shape]
    install: Callable[[str, Path], Awaitable[None]]
    missing: Callable[[Path], str | None]


async def _install_library(dsn: str, _folder: Path) -> None:
    await asyncio.to_thread(plain_library.install, dsn)


async def install_message_db(dsn: str, folder: Path) -> None:
    """Its tables and functions, from the files of its package."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET search_path = message_store, public")
        for file in MESSAGE_DB_FILES:
            await connection.execute((folder / MESSAGE_DB / file).read_text())
    finally:
        await connection.close()


async def _install_emmett(dsn: str, folder: Path) -> None:
    await install_emmett(Job("emmett", dsn, 1, 1, 0, install=True), folder)


def _library_missing(_folder: Path) -> str | None:
    return None if importlib.util.find_spec("psycopg_pool") else "pip install 'psycopg[binary,pool]'"


def _package_missing(package: str) -> Callable[[Path], str | None]:
    def missing(folder: Path) -> str | None:
        if (folder / "node_modules" / package).is_dir():
            return None
        return f"npm ci in {folder} with the package.json and the lock of dispatch/bench/peers"

    return missing


def _emmett_missing(folder: Path) -> str | None:
    if shutil.which("node") is None:
        return "Node.js 20 or newer"
    return _package_missing("@event-driven-io/emmett-postgresql")(folder)


_message_db_missing = _package_missing("@eventide/message-db")
ONE_LOCK = [Shape(1, 1), Shape(1, 2), Shape(1, 8), Shape(1, 32), Shape(1, 64), Shape(2, 1), Shape(2, 8)]
"""For stores whose writers wait for one another anyway: the fewer, the less they meet."""
SPREAD = [Shape(1, 4), Shape(1, 8), Shape(1, 32), Shape(2, 2), Shape(2, 8), Shape(2, 16), Shape(2, 32), Shape(4, 8)]
PEERS = (
    Peer("eventsourcing_locked", True, ONE_LOCK, _install_library, _library_missing),
    Peer("eventsourcing_functions", False, SPREAD, _install_library, _library_missing),
    Peer("message_db", True, ONE_LOCK, install_message_db, _message_db_missing),
    Peer("message_db_categories", False, SPREAD, install_message_db, _message_db_missing),
    Peer("emmett", True, SPREAD, _install_emmett, _emmett_missing),
)


def missing_peers(folder: Path) -> dict[str, str]:
    """What is not installed, and how it is."""
    return {peer.name: how for peer in PEERS if (how := peer.missing(folder)) is not None}


async def bench_peers(dsn: str, folder: Path, *, seconds: float = 3.0, rounds: int = 1, say: Say) -> Figures:
    """Ours and theirs in each round; the figures of the round whose ratio to the best safe peer is the median."""
    gc.collect()
    gc.freeze()
    present = [peer for peer in PEERS if peer.missing(folder) is None]
    shapes = {peer.name: await _best_shape(dsn, peer, folder, say) for peer in present}
    measured = [await _round(dsn, folder, present, shapes, seconds, say) for _ in range(rounds)]
    measured.sort(key=lambda figures: figures["ratio_best_safe_peer_64"])
    return measured[(rounds - 1) // 2]


async def _best_shape(dsn: str, peer: Peer, folder: Path, say: Say) -> Shape:
    rates = {}
    for shape in peer.shapes:
        rates[shape] = await _rate(dsn, peer, shape, folder, TRIAL_S)
        say(f"{peer.name}: {rates[shape]:,.0f}/s from {shape} connections")
    return max(rates, key=rates.__getitem__)


async def _round(
    dsn: str, folder: Path, present: Sequence[Peer], shapes: dict[str, Shape], seconds: float, say: Say
) -> Figures:
    figures = await one_round(dsn, seconds, (1, WRITERS))
    figures |= await two_processes(dsn, folder, seconds)
    for peer in present:
        shape = shapes[peer.name]
        figures[f"{peer.name}_per_s_64"] = round(await _rate(dsn, peer, shape, folder, seconds))
        figures[f"{peer.name}_processes"] = shape.processes
        figures[f"{peer.name}_connections"] = shape.processes * shape.connections
        say(f"{peer.name}: {figures[f'{peer.name}_per_s_64']:,}/s")
    best = max(figures[f"{peer.name}_per_s_64"] for peer in present if peer.is_safe)
    return figures | {
        "best_safe_peer_per_s_64": best,
        "ratio_best_safe_peer_64": round(figures["append_per_s_64"] / best, 2),
        "ratio_best_safe_peer_64_idempotent": round(figures["append_idempotent_per_s_64"] / best, 2),
        "peers_missing": len(PEERS) - len(present),
    }


async def two_processes(dsn: str, folder: Path, seconds: float) -> Figures:
    """Two processes of our own writers on one log, beside one: 64 writers each, and 64 between them."""
    rates = []
    for processes, writers in ((1, WRITERS), (2, WRITERS), (2, WRITERS // 2)):
        async with fresh_database(dsn) as fresh:
            jobs = [Job("dispatch", fresh, writers, 1, seconds)] * processes
            rates.append(await rate_of_crew(jobs, folder))
    one, two, halves = rates
    return {
        "one_process_per_s": round(one),
        "two_processes_per_s": round(two),
        "ratio_two_processes": round(two / one, 3),
        "ratio_two_processes_of_32": round(halves / one, 3),
    }


async def _rate(dsn: str, peer: Peer, shape: Shape, folder: Path, seconds: float) -> float:
    async with installed(dsn, peer, folder) as fresh:
        return await rate_of_crew(shape.jobs(peer.name, fresh, seconds), folder)


@asynccontextmanager
async def installed(dsn: str, peer: Peer, folder: Path) -> AsyncIterator[str]:
    """A fresh database that holds nothing but the peer."""
    async with empty_database(dsn) as fresh:
        await peer.install(fresh, folder)
        await checkpoint(dsn)
        yield fresh
