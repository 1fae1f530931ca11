"""What it costs to append, command, read a board and resume in a log of millions, beside the same in a small one.

Two databases on one server, each with the sample city and a history of whole incidents behind it, the small one of
50,000 events, the large one of 5,000,000, both filled through the log's own append and folded by the real projector;
the same number of incidents is open in both. Then both are measured in turns within the same minutes, so that the
machine's moods fall on both alike. What is compared are medians.

- append: one event on a new stream, one writer.
- command: an operator's classification of an open incident: its stream is read and folded, decided upon, and recorded.
- board read: GET of the city's board (100 of the open incidents) from an API process of its own.
- resume: a reader comes back 500 events behind the tip: it asks for the tip and reads the page.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import count, cycle
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from dispatch.api.access.tokens import Identity
from dispatch.bench.append import Figures, checkpoint, commands_of, new_ids
from dispatch.bench.growth_history import (
    CATEGORY,
    EVERY_S,
    FACTS_PER_INCIDENT,
    INCIDENTS_PER_CALL,
    OPEN_INCIDENTS,
    OPERATOR,
    History,
    facts_of,
    incidents_of,
)
from dispatch.bench.wire import Connection
from dispatch.bootstrap.foundation import Foundation, foundation, load_city_if_empty, reading_log
from dispatch.bootstrap.tokens import issue_token
from dispatch.cli.up import prepare_data_dir
from dispatch.config import Settings
from dispatch.embedded.folder import free_port
from dispatch.handling.scribe import Request
from dispatch.ports import MAX_COMMANDS_PER_CALL, Appended
from dispatch.store.migrate import migrate
from dispatch.workers.projector import Projector
from dispatch.world import SystemClock
from domain.identifiers import operator_id
from domain.incident.commands import ClassifyIncident
from domain.refusals import Unavailable
from domain.vocabulary import Role, Severity
from projections.registry import PROJECTIONS

SMALL_EVENTS = 50_000
LARGE_EVENTS = 5_000_000
TURNS = 12
SAMPLES = 25
"""Of each measure, in each turn, in each log."""
WARM_UP_TURNS = 2
PAGE = 500
FOLD_EVERY = 200_000
"""Events filled before the projector folds them: a page of board changes is not kept for longer."""
FOLD_PAGE_EVENTS = 5_000
OWNERS = 64
LOGINS = [f"city.{number:02d}" for number in range(1, 17)]
"""Operators who read the board in turn: each has its own limit of requests."""
READY_WAIT_S = 120.0
QUIET_WAIT_S = 120.0
VACUUMING = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"

Say = Callable[[str], None]
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Filled:
    """What a log was filled with; kept in a file beside it. `behind` is the position of the city's last fact."""

    begins_at: datetime
    behind: int
    incidents: int | None
    """None while it is being filled."""

    def write(self, file: Path) -> None:
        """Keep it for the next run."""
        document = {"begins_at": self.begins_at.isoformat(), "behind": self.behind, "incidents": self.incidents}
        file.write_text(json.dumps(document))

    def history(self, base: Foundation) -> History:
        """Its incidents; they belong to some stations of the city."""
        centers = sorted((c for c in base.directory.centers.values() if c.agency is None), key=lambda c: c.code)
        return History([center.ownership for center in centers[-OWNERS:]], begins_at=self.begins_at)


class City:
    """One of the two logs, open, with an API in front of it."""

    def __init__(self, base: Foundation, filled: Filled, boards: Iterator[Connection]) -> None:
        self.base = base
        assert filled.incidents is not None
        self.incidents = filled.incidents
        self.boards = boards
        self.history = filled.history(base)
        self.desk = base.incidents()
        self.root = base.directory.root().id
        self.commands = commands_of(new_ids(), idempotent=False)
        self.numbers = count()
        """Of the commands; each changes what the last one on its incident said, also over several runs."""
        self.samples_ms: defaultdict[str, list[float]] = defaultdict(list)


async def bench_growth(dsn: str, folder: Path, events: int, *, say: Say, advance: Advance) -> Figures:
    """Fill what is not filled yet (on the server of `dsn`, with settings in `folder`), and measure."""
    figures: Figures = {"events_small": SMALL_EVENTS, "events_large": events}
    cities: dict[str, City] = {}
    async with AsyncExitStack() as stack:
        for name, size in (("small", SMALL_EVENTS), ("large", events)):
            settings, filled = await _filled(dsn, folder, size, figures, say=say, advance=advance)
            began = time.perf_counter()
            cities[name] = await stack.enter_async_context(_open(settings, filled))
            figures[f"start_s_{name}"] = round(time.perf_counter() - began, 2)
        say("waiting until the server is at rest")
        await _at_rest(dsn)
        say("measuring")
        for turn in range(WARM_UP_TURNS + TURNS):
            for city in cities.values():
                if turn == WARM_UP_TURNS:
                    city.samples_ms.clear()
                await _turn(city)
    medians = {name: {of: median(city.samples_ms[of]) for of in MEASURES} for name, city in cities.items()}
    for of in MEASURES:
        figures |= {f"{of}_ms_p50_{name}": round(of_city[of], 3) for name, of_city in medians.items()}
        figures[f"ratio_{of}"] = round(medians["large"][of] / medians["small"][of], 3)
    return figures


# --- Filling ----------------------------------------------------------------------------------------------------------


async def _filled(
    dsn: str, folder: Path, events: int, figures: Figures, *, say: Say, advance: Advance
) -> tuple[Settings, Filled]:
    """A database with the city and so many events; one that an earlier run filled is used as it is."""
    name = f"growth_{events}"
    own = urlunsplit(urlsplit(dsn)._replace(path="/" + name))
    settings = Settings(data_dir=folder / name, database_url=own, port=free_port(), log_level="warning")
    prepare_data_dir(settings.data_dir)
    file = settings.data_dir / "filled.json"
    if file.exists():
        say(f"{name}: going on where an earlier run stopped")
        found = json.loads(file.read_text())
        filled = Filled(datetime.fromisoformat(found["begins_at"]), found["behind"], found["incidents"])
    else:
        await _made_anew(dsn, name)
        await migrate(own)
        await load_city_if_empty(settings)
        begins_at = SystemClock().now() - timedelta(seconds=EVERY_S * events / (FACTS_PER_INCIDENT - 1))
        filled = Filled(begins_at, await _tip(own), None)
        filled.write(file)
    if filled.incidents is None:
        say(f"filling {name}")
        async with foundation(settings) as base:
            filled = replace(filled, incidents=await _fill(base, own, filled, events, figures, advance))
        filled.write(file)
    return settings, filled


async def _made_anew(dsn: str, name: str) -> None:
    administrator = await asyncpg.connect(dsn)
    try:
        await administrator.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await administrator.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    finally:
        await administrator.close()


async def _fill(base: Foundation, dsn: str, filled: Filled, events: int, figures: Figures, advance: Advance) -> int:
    """Whole incidents until the log has so many events, folded onto the board now and then; how many incidents."""
    history = filled.history(base)
    projector = Projector(
        base.log, dsn, projections=(PROJECTIONS["board"],), page_events=FOLD_PAGE_EVENTS, changes_kept_s=0.0
    )
    began, folded = time.perf_counter(), 0
    first = tip = (await base.log.tip()).position
    advance(tip)
    try:
        while tip < events:
            number = incidents_of(tip - filled.behind)
            commands = list(history.facts(number, INCIDENTS_PER_CALL, tip))
            assert len(commands) <= MAX_COMMANDS_PER_CALL, "recorded in one call, or an interrupted run leaves half"
            verdict = (await base.log.append_many(commands))[-1]
            assert isinstance(verdict, Appended), verdict
            advance(verdict.last_position - tip)
            tip = verdict.last_position
            if tip - folded >= FOLD_EVERY or tip >= events:
                await projector.catch_up()
                await projector.prune()
                folded = tip
    finally:
        await projector.close()
    figures[f"filled_per_s_{events}"] = round((tip - first) / (time.perf_counter() - began))
    return incidents_of(tip - filled.behind)


async def _tip(dsn: str) -> int:
    async with reading_log(dsn) as log:
        return (await log.tip()).position


async def _at_rest(dsn: str) -> None:
    """What filling left to write and to clean is done, or has had its time."""
    await checkpoint(dsn)
    administrator = await asyncpg.connect(dsn)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET_WAIT_S):
                while True:
                    if not await administrator.fetchval(VACUUMING):
                        break
                    await asyncio.sleep(1.0)
    finally:
        await administrator.close()
    await checkpoint(dsn)


# --- Measuring --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _open(settings: Settings, filled: Filled) -> AsyncIterator[City]:
    async with foundation(settings) as base, _api(settings) as address:
        tokens = [
            issue_token(settings, Identity(f"operator:{login}", (Role.DISPATCHER,), operator_id(settings.city, login)))
            for login in LOGINS
        ]
        city = City(base, filled, cycle([Connection(address, token) for token in tokens]))
        measured = (await base.log.tip()).position - filled.behind - facts_of(city.incidents)
        city.numbers = count(measured // 2)  # at least as many as there were commands
        await _answers(city)
        yield city


@asynccontextmanager
async def _api(settings: Settings) -> AsyncIterator[str]:
    """The API over one of the logs, as a process of its own; its address."""
    (settings.data_dir / "logs").mkdir(exist_ok=True)
    with (settings.data_dir / "logs" / "serve.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dispatch.cli.main", "serve"),
            env={**os.environ, **settings.environment()},
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{settings.port}"
    finally:
        process.terminate()
        await process.wait()


async def _answers(city: City) -> None:
    """Wait for the first board. Raises `Unavailable` with what it said last."""
    reason = "no answer"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_WAIT_S):
            while True:
                try:
                    return await _board_read(city)
                except (OSError, AssertionError) as error:
                    reason = str(error)
                    await asyncio.sleep(0.1)
    raise Unavailable("growth.no_api", f"the API of {city.base.settings.data_dir} does not answer: {reason}")


async def _turn(city: City) -> None:
    for name, measure in MEASURES.items():
        for _ in range(SAMPLES):
            began = time.perf_counter()
            await measure(city)
            city.samples_ms[name].append((time.perf_counter() - began) * 1_000)


async def _append(city: City) -> None:
    verdict = await city.base.log.append(next(city.commands))
    assert isinstance(verdict, Appended), verdict


async def _command(city: City) -> None:
    """Each classification changes the priority, so that it is a fact and not a repetition."""
    number = next(city.numbers)
    incident_id = city.history.incident_id(city.incidents - 1 - number % OPEN_INCIDENTS)
    command = ClassifyIncident(category=CATEGORY, severity=Severity.SEVERE, priority=1 + number // OPEN_INCIDENTS % 4)
    request = Request(OPERATOR, city.base.clock.now(), city.base.ids.new())
    outcome = await city.desk.execute(incident_id, command, request)
    assert outcome.changed, f"nothing was decided on {incident_id}"


async def _board_read(city: City) -> None:
    connection, path = next(city.boards), f"/v1/centers/{city.root}/board"
    try:
        answer = await connection.request("GET", path)
    except ConnectionError:  # the server ends a connection that was quiet for some seconds
        answer = await connection.request("GET", path)
    assert answer.status == HTTPStatus.OK, f"{answer.status} {answer.body[:200]!r}"
    assert answer.json()["items"], "an empty board"


async def _resume(city: City) -> None:
    tip = (await city.base.log.tip()).position
    page = await city.base.log.read_after(tip - PAGE, limit=PAGE)
    assert [event.position for event in page] == list(range(tip - PAGE + 1, tip + 1))


MEASURES: Mapping[str, Callable[[City], Awaitable[None]]] = {
    "append": _append,
    "command": _command,
    "board_read": _board_read,
    "resume": _resume,
}
