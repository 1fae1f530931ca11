"""Loads a city into the log: every agency, center, site, camera, unit and operator is asked for and decided.

Page-wise and idempotent: what is already there decides to nothing, so a load that was killed is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from dispatch.cities.plan import Plan, Planner
from dispatch.cities.source import read_city
from dispatch.handling.scribe import Change, Decision, Request, Scribe, as_fact, outcome_of
from domain import identifiers
from domain.assignment import decider as unit_decider
from domain.assignment.commands import GoOnDuty, RegisterUnit
from domain.camera import decider as camera_decider
from domain.camera.commands import BuildSite, InstallCamera
from domain.center import decider as center_decider
from domain.center.commands import EstablishCenter, RegisterAgency
from domain.event import Actor, Event
from domain.operator import decider as operator_decider
from domain.operator.commands import EnrollOperator
from domain.refusals import Refusal, Refused
from domain.rulebook import decider as rulebook_decider
from domain.rulebook.commands import ActivateRulebook, PublishRulebook
from domain.vocabulary import ActorKind

PAGE_STREAMS = 500
"""Streams loaded, decided and recorded in one lane call."""

Progress = Callable[[int, int], None]
"""Called with (done, total) after each page."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Something the city should have: a stream, how it is folded, and what is asked of it."""

    stream_id: UUID
    initial: Any
    evolve: Callable[[Any, Event], Any]
    decide: Callable[[Any], Decision]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did: facts recorded now, and the plan's sizes."""

    city: str
    events_recorded: int
    centers: int
    cameras: int
    sites: int
    units: int
    operators: int


async def load_city(
    scribe: Scribe, code: str, *, folder: Path | None = None, progress: Progress | None = None
) -> LoadReport:
    """Load a city's folder; `folder` holds it, unless it comes with us. Repeating it records nothing.

    Raises `ValueError` for a bad folder, `Refused`.
    """
    plan = Planner(read_city(code, folder=folder)).plan()
    wishes = list(wishes_of(plan, scribe))
    recorded = 0
    for start in range(0, len(wishes), PAGE_STREAMS):
        page = wishes[start : start + PAGE_STREAMS]
        recorded += await _load_page(scribe, page)
        if progress is not None:
            progress(start + len(page), len(wishes))
    return LoadReport(
        city=code,
        events_recorded=recorded,
        centers=len(plan.nodes),
        cameras=len(plan.cameras),
        sites=len(plan.sites),
        units=len(plan.units),
        operators=len(plan.operators),
    )


def wishes_of(plan: Plan, scribe: Scribe) -> Iterator[Wish]:
    """Everything in the order of need: rules and agencies, the tree, sites before cameras, people and units."""
    yield from _rules_and_centers(plan, scribe)
    yield from _sites_and_cameras(plan)
    yield from _people_and_units(plan)


def _rules_and_centers(plan: Plan, scribe: Scribe) -> Iterator[Wish]:
    now = scribe.clock.now()
    rulebook = plan.rulebook
    stream = identifiers.rulebook_stream(plan.city)
    for rule_command in (
        PublishRulebook(rulebook=rulebook),
        ActivateRulebook(version=rulebook.version, effective_at=now),
    ):
        yield Wish(
            stream, rulebook_decider.INITIAL, rulebook_decider.evolve, _ask(rulebook_decider.decide, rule_command)
        )
    for agency in plan.agencies:
        yield Wish(
            identifiers.agency_stream(plan.city, agency.code),
            center_decider.INITIAL_AGENCY,
            center_decider.evolve_agency,
            _ask(center_decider.decide_agency, RegisterAgency(agency=agency)),
        )
    for node in plan.nodes:
        yield Wish(
            node.id,
            center_decider.INITIAL,
            center_decider.evolve,
            _establish(node.id, EstablishCenter(center=node.center)),
        )


def _sites_and_cameras(plan: Plan) -> Iterator[Wish]:
    for site_id, site in plan.sites:
        yield Wish(
            site_id,
            camera_decider.INITIAL_SITE,
            camera_decider.evolve_site,
            _ask(camera_decider.decide_site, BuildSite(site=site)),
        )
    for camera_id, camera in plan.cameras:
        yield Wish(
            camera_id,
            camera_decider.INITIAL,
            camera_decider.evolve,
            _ask(camera_decider.decide, InstallCamera(camera=camera)),
        )


def _people_and_units(plan: Plan) -> Iterator[Wish]:
    for operator_id, operator in plan.operators:
        yield Wish(
            operator_id,
            operator_decider.INITIAL,
            operator_decider.evolve,
            _ask(operator_decider.decide, EnrollOperator(operator=operator)),
        )
    for unit_id, unit in plan.units:
        register = RegisterUnit(
            city=unit.city,
            call_sign=unit.call_sign,
            agency=unit.agency,
            base=unit.base,
            kind=unit.kind,
            skills=unit.skills,
            home=unit.home,
        )
        yield Wish(unit_id, unit_decider.INITIAL, unit_decider.evolve, _ask(unit_decider.decide, register))
    for unit_id, _ in plan.units:
        yield Wish(unit_id, unit_decider.INITIAL, unit_decider.evolve, _ask(unit_decider.decide, GoOnDuty()))


def _ask(decide: Callable[[Any, Any], Decision], command: object) -> Callable[[Any], Decision]:
    return lambda state: decide(command, state)


def _establish(center_id: UUID, command: EstablishCenter) -> Callable[[Any], Decision]:
    return lambda state: center_decider.decide(center_id, command, state)


async def _load_page(scribe: Scribe, page: Sequence[Wish]) -> int:
    """Decide a page on fresh state and record it in one lane call; the number of facts recorded."""
    read = await scribe.log.read_streams([wish.stream_id for wish in page])
    states: dict[UUID, tuple[int, Any]] = {}
    requests = []
    recorded = 0
    for wish in page:
        version, state = states.get(wish.stream_id) or (0, wish.initial)
        if wish.stream_id not in states:
            for fact in map(as_fact, read[wish.stream_id]):
                version, state = fact.version, wish.evolve(state, fact.event)
        decided = wish.decide(state)
        if isinstance(decided, Refusal):
            raise Refused.by(decided)
        if decided:
            requests.append(Change(wish.stream_id, version, tuple(decided)))
            recorded += len(decided)
            for event in decided:
                version, state = version + 1, wish.evolve(state, event)
        states[wish.stream_id] = (version, state)
    commands = [await scribe.command([change], _request(scribe, change.stream_id)) for change in requests]
    for command, verdict in zip(commands, await scribe.log.append_many(commands), strict=True):
        outcome_of(verdict, command, {})
    return recorded


def _request(scribe: Scribe, stream_id: UUID) -> Request:
    now = scribe.clock.now()
    return Request(
        actor=Actor(kind=ActorKind.SYSTEM, id="city-loader"),
        received_at=now,
        request_id=identifiers.timed(now, "city-load", str(stream_id)),
    )
