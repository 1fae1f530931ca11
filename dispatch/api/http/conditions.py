"""What a request says about versions, repeats and positions, read from its headers once and the same way everywhere.

A decision states the version it was made on (`If-Match`); a creation states a key that makes its repeat harmless
(`Idempotency-Key`); a read may state the position it must hold (`min_position`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import Depends, Header, Query, Request, Response

from dispatch.api.access.permissions import CallerOf, operation_of
from dispatch.api.problems.problem import Problem
from dispatch.api.wiring import Services, ServicesOf
from dispatch.handling.scribe import IdempotencyKey, Outcome, as_fact
from dispatch.handling.scribe import Request as Ask
from domain.identifiers import NAMESPACE
from domain.refusals import Conflict
from projections.shown import instant, shown

KEY_CHARACTERS_MAX = 200
EVENTS_SINCE_MAX = 50
WAIT_S_MAX = 10

_VERSION = re.compile(r'^(?:W/)?"(?P<version>\d{1,18})"$')
_PRINTABLE = re.compile(r"^[\x21-\x7e]+$")
_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*(?P<seconds>\d{1,3})\s*(?:,|$)")


@dataclass(slots=True)
class Asked:
    """Who asks for a change, on which version, under which key."""

    services: Services
    caller: CallerOf
    operation: str
    expected_version: int | None
    key: str | None
    wait_s: int | None

    def request(self, target: str, body: Any, *, correlation_id: UUID | None = None) -> Ask:
        """The scribe's request. The id is a function of the key, so a repeat would make the very same events."""
        services, actor = self.services, self.caller.actor()
        key = None
        request_id = services.ids.new()
        if self.key is not None:
            request_id = uuid5(NAMESPACE, f"request\x1f{self.caller.subject}\x1f{self.key}")
            meaning = {"operation": self.operation, "target": target, "body": body}
            key = IdempotencyKey.of(self.caller.subject, self.key, meaning)
        return Ask(
            actor=actor,
            received_at=services.clock.now(),
            request_id=request_id,
            expected_version=self.expected_version,
            idempotency=key,
            correlation_id=correlation_id,
        )


def version_of(if_match: str | None) -> int:
    """The version in If-Match. Raises `Problem` precondition_required or bad_precondition."""
    if if_match is None:
        raise Problem(
            "precondition_required",
            'Read what you decide about, then send its ETag as If-Match (for instance If-Match: "7").',
        )
    found = _VERSION.match(if_match.strip())
    if found is None:
        raise Problem("bad_precondition", f"If-Match must be one ETag of ours, not {if_match[:80]!r}.")
    return int(found["version"])


def key_of(idempotency_key: str | None) -> str | None:
    """The key, without the quotes that structured fields have. Raises `Problem` invalid."""
    if idempotency_key is None:
        return None
    key = idempotency_key.strip().strip('"')
    if not key or len(key) > KEY_CHARACTERS_MAX or not _PRINTABLE.match(key):
        raise Problem(
            "invalid",
            f"Idempotency-Key must be 1 to {KEY_CHARACTERS_MAX} printable ASCII characters; a UUID is good.",
            errors=[("header:idempotency-key", "not acceptable")],
        )
    return key


class Running:
    """Keys whose first request is not answered yet, in this process; between processes the log's unique key decides."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()

    def enter(self, caller: str, key: str) -> None:
        """Take the key. Raises `Problem` request_running."""
        if (caller, key) in self._keys:
            raise Problem(
                "request_running",
                f"The request with Idempotency-Key {key} is still being worked on. Repeat it in 1 s for its answer.",
                headers={"Retry-After": "1"},
            )
        self._keys.add((caller, key))

    def leave(self, caller: str, key: str) -> None:
        """Give the key back."""
        self._keys.discard((caller, key))


IdempotencyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A fresh value (a UUID) for each new request, the same one for every repeat of it.",
        examples=["8f0c2d0e-5d0a-4d63-9f0b-0a5d2c7e1b11"],
    ),
]
IfMatchHeader = Annotated[
    str | None,
    Header(alias="If-Match", description="The ETag of what you looked at when you decided.", examples=['"7"']),
]
PreferHeader = Annotated[
    str | None,
    Header(
        alias="Prefer",
        description=f"`wait=N` (at most {WAIT_S_MAX}): answer only when the effect shows in the read views.",
        examples=["wait=2"],
    ),
]


@asynccontextmanager
async def _asked(
    request: Request, services: Services, caller: CallerOf, version: int | None, key: str | None, prefer: str | None
) -> AsyncIterator[Asked]:
    found = _WAIT.search(prefer or "")
    wait_s = min(int(found["seconds"]), WAIT_S_MAX) if found else None
    asked = Asked(services, caller, operation_of(request), version, key, wait_s)
    # Given back before the answer is out (`scope="function"` below): whoever repeats at once must not hear "running".
    running: Running = request.app.state.running
    if key is not None:
        running.enter(caller.subject, key)
    try:
        yield asked
    finally:
        if key is not None:
            running.leave(caller.subject, key)


async def decision(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    if_match: IfMatchHeader = None,
    idempotency_key: IdempotencyHeader = None,
    prefer: PreferHeader = None,
) -> AsyncIterator[Asked]:
    """A decision on a version that somebody saw."""
    version, key = version_of(if_match), key_of(idempotency_key)
    async with _asked(request, services, caller, version, key, prefer) as asked:
        yield asked


async def creation(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    idempotency_key: IdempotencyHeader = None,
    prefer: PreferHeader = None,
) -> AsyncIterator[Asked]:
    """Something new, or something sent: its repeat must be harmless."""
    key = _demanded(idempotency_key)
    async with _asked(request, services, caller, None, key, prefer) as asked:
        yield asked


async def dispatching(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    if_match: IfMatchHeader = None,
    idempotency_key: IdempotencyHeader = None,
    prefer: PreferHeader = None,
) -> AsyncIterator[Asked]:
    """A decision that creates or dispatches: both."""
    key = _demanded(idempotency_key)
    async with _asked(request, services, caller, version_of(if_match), key, prefer) as asked:
        yield asked


async def step(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    idempotency_key: IdempotencyHeader = None,
    prefer: PreferHeader = None,
) -> AsyncIterator[Asked]:
    """A step that is its own repeat: a crew that says twice that it is on scene is on scene."""
    async with _asked(request, services, caller, None, key_of(idempotency_key), prefer) as asked:
        yield asked


def _demanded(idempotency_key: str | None) -> str:
    key = key_of(idempotency_key)
    if key is None:
        raise Problem("idempotency_key_missing", "Send Idempotency-Key with a fresh UUID, and keep it for repeats.")
    return key


# The key is given back before the answer goes out: whoever repeats a request once answered must not hear 409.
DecisionOf = Annotated[Asked, Depends(decision, scope="function")]
CreationOf = Annotated[Asked, Depends(creation, scope="function")]
DispatchingOf = Annotated[Asked, Depends(dispatching, scope="function")]
StepOf = Annotated[Asked, Depends(step, scope="function")]

MinPosition = Annotated[
    int | None,
    Query(
        ge=0,
        le=2**62,
        description="Wait (bounded) until the view holds this position; take it from Dispatch-Position.",
        examples=[18250],
    ),
]


def mark_written(response: Response, outcome: Outcome, *, version: int | None = None) -> None:
    """The headers of a write's answer."""
    response.headers["Dispatch-Position"] = str(outcome.position)
    if version is not None:
        response.headers["ETag"] = f'"{version}"'
    if outcome.repeated:
        response.headers["Idempotent-Replayed"] = "true"


async def with_events_since(services: Services, conflict: Conflict, stream_id: UUID, expected: int | None) -> Problem:
    """The 412 for a stale version, with what happened since; a conflict on another stream stays what it is."""
    if conflict.code != "stale_version" or expected is None:
        return Problem(conflict.code, conflict.detail, values=conflict.values)
    rows = await services.log.read_stream(stream_id, after_version=expected, limit=EVENTS_SINCE_MAX)
    return Problem(
        "stale_version", conflict.detail, events=[_told(as_fact(row)) for row in rows], values=conflict.values
    )


def _told(fact: Any) -> Mapping[str, Any]:
    return {
        "event": fact.event.name,
        "version": fact.version,
        "position": fact.position,
        "occurred_at": instant(fact.envelope.occurred_at),
        "actor": shown(fact.envelope.actor.model_dump()),
        "values": fact.event.model_dump(mode="json"),
    }
