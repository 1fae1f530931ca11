"""`dispatch up`: everything on this machine, from an empty folder to an answering API."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
import httpx

from dispatch.bootstrap.foundation import database_url, load_city_if_empty, nats_accounts, reading_log
from dispatch.bootstrap.tokens import new_token
from dispatch.cli.options import json_option, with_settings
from dispatch.cli.output import advance_to, note, print_json, progress
from dispatch.config import RUNNING_FILE, Settings
from dispatch.embedded.folder import free_port
from dispatch.embedded.nats import EmbeddedNats
from dispatch.embedded.postgres import EmbeddedPostgres
from dispatch.embedded.secrets import write_secret
from dispatch.embedded.supervisor import Program, Supervisor
from dispatch.partners.parties import follow_parties
from dispatch.store.migrate import migrate
from dispatch.telemetry import configure_logging
from domain.refusals import Unavailable

LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}  # noqa: S104  # compared with, not bound to
"""How to reach a server that listens on every address."""
READY_WAIT_S = 120.0
READY_EVERY_S = 0.1
LOG_TAIL_LINES = 20
ENTRY = ("dispatch.cli.main",)
PROGRAMS: Mapping[str, tuple[str, Literal["all", "urgent", "rest"]]] = {
    "serve": ("serve", "all"),
    "work-urgent": ("work", "urgent"),
    "work-rest": ("work", "rest"),
}
"""Our own, each with its command and what it works on: whatever takes long does not stand in the way of the boards."""
NICENESS = 5
"""Of our own programs: on a full machine the servers go first. Whoever asks them waits for the answer, and what they do
for it is short: of 500 alerts a second the slowest hundredth got a third quicker to the screen."""

OTHERS_NATS = (
    "an agency or a gateway was registered: write `dispatch accounts` into the accounts.conf of your NATS server, then"
    " `nats-server --signal reload`"
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Running:
    """A system that answers."""

    settings: Settings
    address: str
    token: str

    @property
    def curl(self) -> str:
        """One line that works as it is."""
        return f"curl -H 'Authorization: Bearer {self.token}' {self.address}/v1/centers"


@click.command()
@with_settings("data_dir", "host", "port", "city", "database_url", "nats_url", "log_level", attach=False)
@json_option
def command(settings: Settings, as_json: bool) -> None:
    """Start PostgreSQL, NATS, the API and the workers, with the sample city; Ctrl-C stops them all."""
    configure_logging(settings.log_level)
    asyncio.run(_until_told(settings, as_json=as_json))


async def _until_told(settings: Settings, *, as_json: bool) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told.set)
    starting = asyncio.create_task(_announce_and_wait(settings, as_json=as_json))
    ending = asyncio.create_task(told.wait())
    await asyncio.wait([starting, ending], return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if not starting.done():
        note("stopping")
        starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting


async def _announce_and_wait(settings: Settings, *, as_json: bool) -> None:
    async with running_system(settings, say=note) as running:
        if as_json:
            print_json({"ready": True, "address": running.address, "token": running.token, "curl": running.curl})
        else:
            click.echo(f"ready\naddress: {running.address}\ntoken: {running.token}\n{running.curl}")
        sys.stdout.flush()
        await asyncio.Event().wait()


@asynccontextmanager
async def running_system(settings: Settings, *, say: Say, entry: Sequence[str] = ENTRY) -> AsyncIterator[Running]:
    """A whole system while the block runs; everything it started is stopped afterwards, in order.

    `entry` is the module (and its first arguments) by which the children are started.
    """
    prepare_data_dir(settings.data_dir)
    supervisor = Supervisor(data_dir=settings.data_dir, disk_free_bytes_min=settings.disk_free_bytes_min)
    try:
        yield await _start(supervisor, settings, say, entry)
    finally:
        _forget(settings.data_dir)
        await supervisor.stop()


async def _start(supervisor: Supervisor, settings: Settings, say: Say, entry: Sequence[str]) -> Running:
    data_dir = settings.data_dir
    settings = settings.model_copy(update={"port": _port_to_use(settings)})
    if settings.database_url is None:
        say("starting PostgreSQL")
        postgres = EmbeddedPostgres(data_dir / "postgres")
        await supervisor.start("postgres", postgres)
        settings = settings.model_copy(update={"database_url": postgres.socket_dsn or postgres.dsn})
    await _prepare_database(settings, say)
    # After the city: who has an account is written there. What is registered from this position on is followed.
    async with reading_log(database_url(settings), settings.archive_path) as log:
        position = (await log.tip()).position
    nats = None
    if settings.nats_url is None:
        say("starting NATS")
        nats = EmbeddedNats(data_dir / "nats", auth_config=await nats_accounts(settings))
        await supervisor.start("nats", nats)
        settings = settings.model_copy(update={"nats_url": nats.url})
    supervisor.alongside("follow accounts", follow_accounts(settings, position, nats, say))
    address = f"http://{LOOPBACK.get(settings.host, settings.host)}:{settings.port}"
    _remember(settings, address)
    for name, (command, work_on) in PROGRAMS.items():
        say(f"starting dispatch {name}")
        program = _program(name, command, settings.model_copy(update={"work_on": work_on}), entry)
        await supervisor.start(name, program)
    await _becomes_ready(address, supervisor, data_dir)
    return Running(settings, address, new_token(settings))


async def follow_accounts(settings: Settings, position: int, nats: EmbeddedNats | None, say: Say) -> None:
    """Give agencies and gateways that are registered from now on their accounts; until cancelled.

    A NATS server that is not ours is its keeper's to change: we say what to do.
    """

    async def changed() -> None:
        if nats is None:
            say(OTHERS_NATS)
        elif (accounts := await nats_accounts(settings)) != nats.auth_config:
            await nats.reload(accounts)
            say(f"NATS has new accounts; the seed of each party is in {settings.secrets_dir / 'nats'}")

    await follow_parties(lambda: reading_log(database_url(settings), settings.archive_path), position, changed)


def _port_to_use(settings: Settings) -> int:
    """The port, known to be free before anything is started. Raises `Unavailable`."""
    if settings.port == 0:
        return free_port()
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        # As the server itself does: a connection that is still closing is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise Unavailable(
                "up.port_taken",
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): stop what listens there, or"
                " choose another port with DISPATCH_PORT",
            ) from error
    return settings.port


def prepare_data_dir(data_dir: Path) -> None:
    """Make the folder (0700; as root 0711, since the servers' user passes through to their programs)."""
    try:
        data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            "up.no_data_dir", f"cannot make {data_dir}: {error.strerror}; choose a folder with DISPATCH_DATA_DIR"
        ) from error
    (data_dir / "logs").mkdir(mode=0o700, exist_ok=True)


async def _prepare_database(settings: Settings, say: Say) -> None:
    assert settings.database_url is not None
    say("migrating")
    await migrate(settings.database_url)
    with progress(f"loading {settings.city}") as advance:
        loaded = await load_city_if_empty(settings, progress=advance_to(advance))
    say(f"loaded {settings.city}: {loaded} events" if loaded else "the log has a city already")


def _program(name: str, command: str, settings: Settings, entry: Sequence[str]) -> Program:
    return Program(
        name,
        [sys.executable, "-m", *entry, command],
        {**os.environ, **_import_path(), **settings.environment()},
        settings.data_dir / "logs" / f"{name}.log",
        gives_signs=True,
        niceness=NICENESS,
    )


def _import_path() -> dict[str, str]:
    """Let a child find this very source tree, however we were started."""
    root = str(Path(importlib.import_module("dispatch").__path__[0]).parent)
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{root}{os.pathsep}{before}" if before else root}


def _remember(settings: Settings, address: str) -> None:
    """Tell other commands on this machine where the servers are; it holds a password, so only we may read it."""
    running = {
        "database_url": settings.database_url,
        "nats_url": settings.nats_url,
        "address": address,
        "pid": os.getpid(),
    }
    write_secret(settings.data_dir / RUNNING_FILE, json.dumps(running))


def _forget(data_dir: Path) -> None:
    """Unless another one that is alive wrote it: a start that was refused beside it has nothing to take back."""
    path = data_dir / RUNNING_FILE
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        pid = int(json.loads(path.read_text(encoding="utf-8"))["pid"])
        if pid != os.getpid() and Path(f"/proc/{pid}").exists():
            return
    path.unlink(missing_ok=True)


async def _becomes_ready(address: str, supervisor: Supervisor, data_dir: Path) -> None:
    reason = "no answer"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_WAIT_S), httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
            while True:
                try:
                    answer = await client.get(f"{address}/readyz")
                except httpx.HTTPError as error:
                    reason = f"{type(error).__name__}"
                else:
                    if answer.is_success:
                        return
                    reason = answer.text[:2_000]
                leaving = [name for name in PROGRAMS if supervisor.restarts[name] > 2]
                if leaving:
                    reason = f"{leaving[0]} leaves again and again"
                    break
                await asyncio.sleep(READY_EVERY_S)
    tail = "".join(_tail(data_dir / "logs" / f"{name}.log") for name in PROGRAMS)
    raise Unavailable("up.not_ready", f"{address}/readyz: {reason}\n{tail}")


def _tail(path: Path) -> str:
    if not path.exists():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return f"--- {path}\n" + "\n".join(lines) + "\n"
