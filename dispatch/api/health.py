"""Is it alive, is it ready and if not why, what are its numbers; and the API's own documentation, without internet.

Control rooms are cut off: the documentation page, its script and its style come from this server and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import shutil
from collections.abc import Awaitable
from datetime import timedelta
from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from dispatch.api.http.shapes import answers
from dispatch.api.problems.problem import MEDIA_TYPE, document, not_found
from dispatch.api.problems.problem_types import PROBLEM_TYPES, index
from dispatch.api.wiring import Health, Services, ServicesOf
from dispatch.telemetry import METRICS_CONTENT_TYPE, render_metrics
from domain.refusals import DispatchError, Unavailable
from projections.queries.progress import checkpoints

router = APIRouter(tags=["health"])

CHECK_TIMEOUT_S = 2.0
STALLED_AFTER = timedelta(seconds=60)
"""A fact that nobody has worked for so long: on a quiet night a worker that is dead is few events behind for hours."""
ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
}
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing from elsewhere, even if a future version of the assets tried."""
DOCS_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>City Dispatch API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/docs.js"></script>
</body>
</html>
"""


async def database_health(services: Services) -> Health:
    """Does the log answer?"""
    try:
        tip = await services.log.tip()
    except Unavailable as error:
        return Health(False, error.detail)
    return Health(True, f"the log is at position {tip.position}")


async def projection_health(services: Services) -> Health:
    """Are all projections within the permitted lag, and none paused?"""
    try:
        tip = (await services.log.tip()).position
        rows = await services.database.rows(checkpoints())
    except Unavailable as error:
        return Health(False, error.detail)
    if not rows and tip:
        return Health(False, f"no projection has run yet and the log is at {tip}; start `dispatch work`")
    paused = [f"{row['name']}: {row['reason']}" for row in rows if row["state"] == "paused"]
    if paused:
        return Health(False, "paused: " + "; ".join(paused))
    lag, name = max(((tip - int(row["position"]), str(row["name"])) for row in rows), default=(0, "none"))
    limit = services.settings.projection_lag_max
    waiting = await services.log.read_after(tip - lag, limit=1) if lag > 0 else []
    if waiting and (age := services.clock.now() - waiting[0].recorded_at) > STALLED_AFTER:
        said = f"{name} has not folded position {waiting[0].position} for {age.total_seconds():.0f} s"
        return Health(False, f"{said}; is `dispatch work` running?")
    return Health(lag <= limit, f"{name} is {max(lag, 0)} events behind, {limit} are permitted")


async def disk_health(services: Services) -> Health:
    """Is there room where our servers write?"""
    folder = services.settings.data_dir
    existing = next((parent for parent in (folder, *folder.parents) if parent.exists()), folder)
    free = (await asyncio.to_thread(shutil.disk_usage, existing)).free
    least = services.settings.disk_free_bytes_min
    return Health(free >= least, f"{free // 1_048_576} MiB free, at least {least // 1_048_576} MiB are needed")


async def readiness(services: Services) -> dict[str, Health]:
    """Every dependency, looked at together, each within its time limit."""
    own = {"postgresql": database_health, "projections": projection_health, "disk": disk_health}
    checks: dict[str, Awaitable[Health]] = {name: check(services) for name, check in own.items()}
    checks |= {name: check() for name, check in services.checks.items()}
    found = await asyncio.gather(
        *(asyncio.wait_for(check, CHECK_TIMEOUT_S) for check in checks.values()), return_exceptions=True
    )
    return dict(zip(checks, map(_as_health, found), strict=True))


def _as_health(found: Health | BaseException) -> Health:
    if isinstance(found, Health):
        return found
    if isinstance(found, TimeoutError):
        return Health(False, f"no answer within {CHECK_TIMEOUT_S:g} s")
    if isinstance(found, DispatchError):
        return Health(False, found.detail)
    return Health(False, f"the check itself failed: {type(found).__name__}")


@router.get("/livez", operation_id="livez", summary="Is the process alive?")
async def livez() -> dict[str, str]:
    """Answers as long as the process does; looks at nothing else."""
    return {"status": "alive"}


READY_EXAMPLE = {"ready": True, "checks": {"postgresql": {"ok": True, "reason": "the log is at position 18250"}}}


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Can it do its work, and if not, why?",
    responses={**answers(READY_EXAMPLE, "All is well."), 503: {"description": "Something lacks: see `checks`."}},
)
async def readyz(services: ServicesOf) -> Response:
    """200 when all is well, 503 otherwise; each dependency with its reason."""
    found = await readiness(services)
    ready = all(health.ok for health in found.values())
    body = {
        "ready": ready,
        "checks": {name: {"ok": health.ok, "reason": health.reason} for name, health in found.items()},
    }
    if ready:
        return JSONResponse(body)
    lacking = ", ".join(name for name, health in found.items() if not health.ok)
    detail = f"Not ready: {lacking}. See `checks` for the reason of each; each names what would help."
    problem = document(PROBLEM_TYPES["unavailable"], detail, members=body)
    return JSONResponse(problem, status_code=503, headers={"Retry-After": "2"}, media_type=MEDIA_TYPE)


@router.get("/metrics", operation_id="metrics", summary="Numbers for Prometheus", response_class=PlainTextResponse)
async def metrics(services: ServicesOf) -> Response:
    """Counters and histograms of this process, and what workers reported. Never fails for want of the database."""
    for report in services.before_metrics:
        with contextlib.suppress(Unavailable, TimeoutError):
            await asyncio.wait_for(report(), CHECK_TIMEOUT_S)
    return Response(render_metrics(), media_type=METRICS_CONTENT_TYPE)


@router.get("/docs", include_in_schema=False)
async def docs() -> HTMLResponse:
    """The API description, to read and to try."""
    return HTMLResponse(DOCS_PAGE, headers={"Content-Security-Policy": CONTENT_POLICY})


@router.get("/docs/assets/{name}", include_in_schema=False)
async def docs_asset(name: str) -> Response:
    """A file of the documentation page."""
    media_type = ASSETS.get(name)
    if media_type is None:
        raise not_found()
    content = await asyncio.to_thread((files("dispatch.api") / "assets" / name).read_bytes)
    return Response(content, media_type=media_type, headers={"Cache-Control": "public, max-age=86400"})


@router.get("/docs/problems", include_in_schema=False)
async def problem_index() -> PlainTextResponse:
    """All problem types."""
    return PlainTextResponse(index(), media_type="text/markdown; charset=utf-8")


@router.get("/docs/problems/{code}", include_in_schema=False)
async def problem_page(code: str, request: Request) -> Response:
    """What a problem's `type` points to: Markdown, or a plain page for a browser."""
    kind = PROBLEM_TYPES.get(code)
    if kind is None:
        raise not_found("This problem type")
    if "text/html" in request.headers.get("accept", ""):
        title = html.escape(kind.title)
        page = f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>"
        page += f"<p>{html.escape(kind.meaning)}</p><h2>What to do</h2><p>{html.escape(kind.remedy)}</p>"
        return HTMLResponse(page, headers={"Content-Security-Policy": CONTENT_POLICY})
    return PlainTextResponse(kind.page(), media_type="text/markdown; charset=utf-8")
