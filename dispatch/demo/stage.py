"""The evening's stage: an embedded system of its own, and everybody in their seats."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx

from dispatch.api.access.tokens import Identity
from dispatch.bootstrap.foundation import foundation
from dispatch.bootstrap.tokens import issue_token
from dispatch.cli.up import Running, running_system
from dispatch.config import Settings
from dispatch.demo.checks import Checks
from dispatch.demo.seats import Board, Partner, Seat, live_board, partner
from dispatch.directory import Directory
from dispatch.directory_entries import CameraEntry, CenterEntry
from dispatch.partners.joining import credentials
from dispatch.world import SystemClock
from domain.identifiers import operator_id
from domain.vocabulary import CenterKind, Role

AGENCIES = ("police", "traffic_police", "flood_control", "urban_management")
REQUEST_TIMEOUT_S = 30.0
SEES_ALL = (Role.AUDITOR,)


@dataclass(slots=True)
class Stage:
    """Who and what the scenes use."""

    settings: Settings
    client: httpx.AsyncClient
    directory: Directory
    checks: Checks
    began_at: datetime
    spot: CenterEntry
    """The station where the evening happens."""
    cameras: list[CameraEntry]
    """Its cameras, nearest to the first one first."""
    seats: dict[str, Seat] = field(default_factory=dict)
    boards: dict[str, Board] = field(default_factory=dict)
    partners: dict[str, Partner] = field(default_factory=dict)
    incidents: dict[str, str] = field(default_factory=dict)
    """Scene → the incident it opened."""
    snapshots: list[tuple[int, str, list[dict[str, object]]]] = field(default_factory=list)
    """(position, center id, board seen live then)."""

    @property
    def district(self) -> CenterEntry:
        """The second-level center above the station."""
        return self.directory.centers[self.spot.path[1]]

    def center(self, code: str) -> CenterEntry:
        """A center that the sample city has."""
        found = self.directory.center_by_code(code)
        assert found is not None, f"the sample city has no center {code}"
        return found

    def now(self) -> datetime:
        """The present instant."""
        return SystemClock().now()


@asynccontextmanager
async def stage(
    data_dir: Path, *, say: Callable[[str], None], entry: tuple[str, ...] | None = None
) -> AsyncIterator[Stage]:
    """Start everything on free ports and seat everybody. `entry` starts children by another module (see `broken`)."""
    settings = Settings(data_dir=data_dir, port=0, log_level="warning")
    system = running_system(settings, say=say) if entry is None else running_system(settings, say=say, entry=entry)
    async with AsyncExitStack() as stack:
        running: Running = await stack.enter_async_context(system)
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=running.address, timeout=REQUEST_TIMEOUT_S, trust_env=False)
        )
        async with foundation(running.settings) as base:
            directory = base.directory
        where = _stage_of(directory)
        cameras = sorted(
            (camera for camera in directory.cameras.values() if camera.station_id == where.id),
            key=lambda camera: camera.code,
        )
        set_up = Stage(running.settings, client, directory, Checks(), SystemClock().now(), where, cameras)
        await _seat_everybody(set_up, stack)
        yield set_up


def _stage_of(directory: Directory) -> CenterEntry:
    """The first station of the first district, by code: the same every evening."""
    stations = [center for center in directory.centers.values() if center.kind is CenterKind.STATION]
    return min(stations, key=lambda center: center.code)


async def _seat_everybody(stage: Stage, stack: AsyncExitStack) -> None:
    settings = stage.settings

    def token_of(login: str, *roles: Role) -> str:
        who = Identity(f"operator:{login}", roles or (Role.DISPATCHER,), operator_id(settings.city, login))
        return issue_token(settings, who)

    elsewhere = "s-510131-01"
    people = {
        "station": token_of(f"{stage.spot.code}.01"),
        "colleague": token_of(f"{stage.spot.code}.02"),
        "district": token_of(f"{stage.district.code}.01"),
        "supervisor": token_of("city.27", Role.DISPATCHER, Role.SUPERVISOR),
        "elsewhere": token_of(f"{elsewhere}.01"),
        "traffic": token_of("dept-traffic-police.01"),
        "flood": token_of("dept-flood-control.01"),
        "urban": token_of("dept-urban-management.01"),
        "auditor": issue_token(settings, Identity("auditor:evening", SEES_ALL)),
        "gateway": issue_token(
            settings, Identity("gateway:evening", (Role.GATEWAY,), gateway=stage.cameras[0].gateway)
        ),
        "warnings": issue_token(settings, Identity("gateway:warnings", (Role.GATEWAY,), gateway="warnings")),
    }
    stage.seats = {name: Seat(stage.client, token, name) for name, token in people.items()}
    watched = {
        "station": stage.spot.id,
        "district": stage.district.id,
        "elsewhere": stage.center(elsewhere).id,
        "traffic": stage.center("dept-traffic-police").id,
        "flood": stage.center("dept-flood-control").id,
        "supervisor": stage.directory.root().id,
    }
    for name, center_id in watched.items():
        stream = live_board(stage.client, people[name], f"/v1/centers/{center_id}/stream")
        stage.boards[name] = await stack.enter_async_context(stream)
    assert settings.nats_url is not None, "the embedded system has NATS"
    for agency in AGENCIES:
        seed = credentials(settings).agency(agency).seed
        seat = partner(settings.nats_url, seed=seed, city=settings.city, agency=agency)
        stage.partners[agency] = await stack.enter_async_context(seat)
