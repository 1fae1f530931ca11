"""Everybody who takes part in the flows: taken from the log by their logins, seated when first needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import httpx

from dispatch.api.access.tokens import Identity
from dispatch.bootstrap.foundation import foundation
from dispatch.bootstrap.tokens import issue_token
from dispatch.cli.up import Running, running_system
from dispatch.config import Settings
from dispatch.demo.seats import SEEN_WITHIN_S, Board, Partner, Seat, live_board, partner
from dispatch.directory import Directory
from dispatch.directory_entries import CameraEntry, CenterEntry
from dispatch.partners.joining import credentials
from dispatch.world import SystemClock
from domain.alert.events import AlertReceived
from domain.identifiers import operator_id
from domain.vocabulary import CenterKind, Role

REQUEST_TIMEOUT_S = 30.0
LOOK_EVERY_S = 0.05
CAMERAS_MIN = 3
"""A station with fewer is no stage."""
T = TypeVar("T")


class Cast:
    """People, gateways and partners of one running system."""

    def __init__(
        self, settings: Settings, client: httpx.AsyncClient, directory: Directory, stack: AsyncExitStack
    ) -> None:
        self.settings = settings
        self.client = client
        self.directory = directory
        self._stack = stack
        self._seats: dict[str, Seat] = {}
        self._boards: dict[str, Board] = {}
        self._partners: dict[str, Partner] = {}
        self._began_at = self.now()

    def now(self) -> datetime:
        """The present instant."""
        return SystemClock().now()

    @property
    def evening(self) -> tuple[str, str]:
        """From when to when statistics of this run are asked."""
        return (self._began_at - timedelta(hours=1)).isoformat(), (self.now() + timedelta(hours=1)).isoformat()

    def center(self, code: str) -> CenterEntry:
        """A center that the sample city has."""
        found = self.directory.center_by_code(code)
        assert found is not None, f"the sample city has no center {code}"
        return found

    def stages(self, count: int) -> list[tuple[CenterEntry, list[CameraEntry]]]:
        """Stations far from one another, with their cameras in the order of their codes."""
        cameras: dict[object, list[CameraEntry]] = {}
        for camera in self.directory.cameras.values():
            if camera.gateway is not None:
                cameras.setdefault(camera.station_id, []).append(camera)
        stations = [
            center
            for center in self.directory.centers.values()
            if center.kind is CenterKind.STATION and len(cameras.get(center.id, [])) >= CAMERAS_MIN
        ]
        stations.sort(key=lambda center: center.code)
        assert len(stations) >= count, f"{count} flows need as many stations, the city has {len(stations)}"
        chosen = stations[:: len(stations) // count][:count]
        return [(center, sorted(cameras[center.id], key=lambda camera: camera.code)) for center in chosen]

    async def operator(self, login: str) -> Seat:
        """The operator of this login; roles and center are the log's."""
        if login not in self._seats:
            who = Identity(f"operator:{login}", (), operator_id(self.settings.city, login))
            self._seats[login] = Seat(self.client, issue_token(self.settings, who), login)
        return self._seats[login]

    def auditor(self) -> Seat:
        """Somebody who sees everything and changes nothing."""
        return self._machine("auditor", Identity("auditor:flows", (Role.AUDITOR,)))

    def administrator(self) -> Seat:
        """Somebody who may change the rules."""
        return self._machine("administrator", Identity("administrator:flows", (Role.ADMINISTRATOR,)))

    def gateway(self, camera: CameraEntry) -> Seat:
        """The gateway of a camera."""
        name = f"gateway:{camera.gateway}"
        return self._machine(name, Identity(name, (Role.GATEWAY,), gateway=camera.gateway))

    def warnings(self) -> Seat:
        """Who sends public warnings."""
        return self._machine("gateway:warnings", Identity("gateway:warnings", (Role.GATEWAY,), gateway="warnings"))

    def _machine(self, name: str, who: Identity) -> Seat:
        if name not in self._seats:
            self._seats[name] = Seat(self.client, issue_token(self.settings, who), name)
        return self._seats[name]

    async def board(self, center: CenterEntry) -> Board:
        """The live board of a center, as its first operator has it."""
        if center.code not in self._boards:
            login = f"{center.code}.01"
            token = issue_token(
                self.settings, Identity(f"operator:{login}", (), operator_id(self.settings.city, login))
            )
            stream = live_board(self.client, token, f"/v1/centers/{center.id}/stream")
            self._boards[center.code] = await self._stack.enter_async_context(stream)
        return self._boards[center.code]

    async def partner(self, agency: str) -> Partner:
        """An agency's own system on NATS, reading its feed from the start."""
        if agency not in self._partners:
            assert self.settings.nats_url is not None, "the embedded system has NATS"
            seed = credentials(self.settings).agency(agency).seed
            seat = partner(self.settings.nats_url, seed=seed, city=self.settings.city, agency=agency)
            self._partners[agency] = await self._stack.enter_async_context(seat)
        return self._partners[agency]

    async def position(self) -> int:
        """The last position of the log, as the auditor is told."""
        answer = await self.auditor().get("/v1/audit/events", limit=1)
        return int(answer.json()["position"])

    async def alerts_recorded(self) -> int:
        """How many alerts the log holds, as the auditor is told. What follows from earlier ones may go on meanwhile."""
        auditor, count = self.auditor(), 0
        behind: dict[str, str] = {}
        while True:
            answer = await auditor.get("/v1/audit/events", topic=AlertReceived.name, limit=200, **behind)
            count += len(answer.json()["items"])
            following = answer.links.get("next")
            if following is None:
                return count
            behind = {"cursor": httpx.URL(following["url"]).params["cursor"]}

    async def until(self, look: Callable[[], Awaitable[T | None]]) -> T | None:
        """Look again until there is something, for as long as anybody waits."""
        try:
            async with asyncio.timeout(SEEN_WITHIN_S):
                while True:
                    found = await look()
                    if found:
                        return found
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            return None


@asynccontextmanager
async def cast(
    data_dir: Path, *, say: Callable[[str], None], entry: tuple[str, ...] | None = None, cities_dir: Path | None = None
) -> AsyncIterator[Cast]:
    """Start everything on free ports. `entry` starts children by another module (see `broken`)."""
    settings = Settings(data_dir=data_dir, port=0, log_level="warning", cities_dir=cities_dir)
    system = running_system(settings, say=say) if entry is None else running_system(settings, say=say, entry=entry)
    async with AsyncExitStack() as stack:
        running: Running = await stack.enter_async_context(system)
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=running.address,
                timeout=REQUEST_TIMEOUT_S,
                trust_env=False,
                limits=httpx.Limits(max_connections=None),  # every live board keeps one
            )
        )
        async with foundation(running.settings) as base:
            directory = base.directory
        yield Cast(running.settings, client, directory, stack)
