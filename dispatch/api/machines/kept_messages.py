"""Where people look at what could not be understood, and have it tried again."""

from __future__ import annotations

import base64
import contextlib
import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Response
from starlette.responses import JSONResponse

from dispatch.api.access.permissions import CallerOf
from dispatch.api.http.paging import PagingOf
from dispatch.api.long_work import Operation
from dispatch.api.machines.ingest import IntakeOf, answer, sender_of
from dispatch.api.machines.ingest_bodies import ANSWERS
from dispatch.api.problems.problem import declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import ServicesOf
from dispatch.ingest.intake import Declined, Intake
from dispatch.ingest.quarantine import KeptMessage
from domain.refusals import Refused

router = protected("ingest")
_SHA256 = re.compile(r"^[0-9a-f]{64}$")


@router.get("/quarantine", operation_id="quarantine_list", responses=declared())
async def quarantine_list(
    paging: PagingOf,
    intake: IntakeOf,
    _caller: CallerOf,
    with_redriven: Annotated[bool, Query(description="Also those that were understood since.")] = False,
    reason: Annotated[str | None, Query(max_length=100, pattern=r"^[a-z_.]+$")] = None,
) -> dict[str, Any]:
    """Messages that were not understood, oldest first."""
    page = paging.of("quarantine", {"with_redriven": with_redriven, "reason": reason})
    after = page.after(datetime.fromisoformat, str)
    found = await intake.quarantine.page(limit=page.limit + 1, after=after, with_redriven=with_redriven, reason=reason)
    return {"items": [_shown(kept) for kept in page.cut(found, "received_at", "sha256")]}


@router.get("/quarantine/{sha256}", operation_id="quarantine_get", responses=declared(404))
async def quarantine_get(sha256: str, intake: IntakeOf, _caller: CallerOf) -> dict[str, Any]:
    """One message with its bytes (base64), or their head if it was too large to keep."""
    kept = await _found(intake, sha256)
    return {**_shown(kept), "body_base64": base64.b64encode(kept.body).decode()}


@router.post(
    "/quarantine/{sha256}/redrive", operation_id="quarantine_redrive", responses={**ANSWERS, **declared(404, 409)}
)
async def quarantine_redrive(sha256: str, intake: IntakeOf, caller: CallerOf) -> Response:
    """Try a message again with the adapter of today. Repeating it is harmless."""
    return answer(await intake.redrive(await _found(intake, sha256), sender_of(caller))).response()


@router.post("/quarantine/redrive", operation_id="quarantine_redrive_all", status_code=202, responses=declared())
async def quarantine_redrive_all(services: ServicesOf, intake: IntakeOf, caller: CallerOf) -> Response:
    """Try every message again that was not understood yet; watch the operation this answers with."""
    sender = sender_of(caller)

    async def work(operation: Operation) -> dict[str, Any]:
        understood = tried = 0
        async for kept in intake.quarantine.everything():
            with contextlib.suppress(Refused):
                understood += all(not isinstance(r, Declined) for r in (await intake.redrive(kept, sender)).results)
            tried += 1
            operation.advance(tried)
        return {"tried": tried, "understood": understood}

    operation = services.operations.start("quarantine_redrive", caller.subject, work)
    where = f"/v1/operations/{operation.id}"
    return JSONResponse({"operation_id": str(operation.id)}, status_code=202, headers={"Location": where})


async def _found(intake: Intake, sha256: str) -> KeptMessage:
    kept = await intake.quarantine.find(sha256) if _SHA256.fullmatch(sha256) else None
    if kept is None:
        raise not_found("This message")
    return kept


def _shown(kept: KeptMessage) -> dict[str, Any]:
    return {
        "sha256": kept.sha256,
        "adapter": kept.adapter,
        "source": kept.source,
        "gateway": kept.gateway,
        "content_type": kept.content_type,
        "crs": kept.crs.value,
        "camera": kept.camera,
        "reason": kept.reason,
        "detail": kept.detail,
        "size_bytes": kept.size_bytes,
        "whole": kept.whole,
        "received_at": kept.received_at.isoformat(),
        "deliveries": kept.deliveries,
        "attempts": kept.attempts,
        "redriven_at": kept.redriven_at.isoformat() if kept.redriven_at is not None else None,
    }
