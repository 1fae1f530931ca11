"""How every write ends: its conflict told with what happened since, its answer with position, version and ids."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import TypeVar
from uuid import UUID

from fastapi import Response

from dispatch.api.http.conditions import Asked, mark_written, with_events_since
from dispatch.api.http.shapes import Written
from dispatch.api.problems.problem import Problem
from dispatch.handling.scribe import Outcome, Request
from domain.refusals import Conflict

T = TypeVar("T")
ROUTER = "router"
"""The reactor whose mark says which facts are routed."""
ROUTER_LOOK_S = 0.02
"""A page that needs no routing moves the mark without a fact, so the mark is looked at again this soon."""
INCIDENT_VIEWS = ("board", "incident_cards", "timeline")
"""What shows an incident; a write that waits waits for these."""


async def written(
    asked: Asked,
    response: Response,
    work: Awaitable[Outcome],
    *,
    stream_id: UUID | None = None,
    views: tuple[str, ...] = INCIDENT_VIEWS,
) -> Written:
    """Do the work and answer. `stream_id` is the stream whose version the answer's ETag is."""
    try:
        outcome = await work
    except Conflict as conflict:
        if stream_id is None or conflict.values.get("stream_id") != str(stream_id):
            raise
        raise await with_events_since(asked.services, conflict, stream_id, asked.expected_version) from None
    version = outcome.versions.get(stream_id) if stream_id is not None else None
    if version is None and stream_id is not None:
        version = await _version(asked, stream_id)
    mark_written(response, outcome, version=version)
    visible = None
    if asked.wait_s is not None:
        visible = await asked.services.freshness.reached(outcome.position, views, wait_s=asked.wait_s)
        response.headers["Preference-Applied"] = f"wait={asked.wait_s}"
    return Written(
        position=outcome.position, changed=outcome.changed or outcome.repeated, visible=visible, **outcome.answer
    )


async def allowed(asked: Asked, request: Request, check: Awaitable[T]) -> T | None:
    """The check's result; None for the repeat of a request that was answered when it still passed.

    What a request did may be why it would be refused now: a corrected place gives the incident to another district, and
    whoever did not hear the answer and repeats must hear it, not that there is no such incident.
    """
    try:
        return await check
    except Problem:
        if await asked.services.scribe.answered_before(request) is None:
            raise
        return None


async def until_routed(asked: Asked, done: Written) -> Written:
    """With `Prefer: wait=N`: the same answer, once the router has seen the write and the views show what it said.

    Routing is another process's work; what it decides is recorded after the write, so its mark is what tells.
    """
    if asked.wait_s is None:
        return done
    services = asked.services
    routed = False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(asked.wait_s):
            while not (routed := await services.log.mark(ROUTER) >= done.position):
                await services.log.wait_beyond((await services.log.tip()).position, timeout_s=ROUTER_LOOK_S)
    tip = (await services.log.tip()).position
    visible = await services.freshness.reached(tip, INCIDENT_VIEWS, wait_s=asked.wait_s if routed else 0)
    return done.model_copy(update={"routed": routed, "visible": visible})


async def _version(asked: Asked, stream_id: UUID) -> int | None:
    head = (await asked.services.log.heads([stream_id])).get(stream_id)
    return head.version if head is not None else None
