"""GeoReport v2 (wiki.open311.org/GeoReport_v2): six methods and the discovery document, behind a key like everything.

Addresses end in `.json` or `.xml`; without an ending the `Accept` header decides, else it is JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response

from dispatch.api.access.permissions import Caller, CallerOf, permit
from dispatch.api.http.conditions import Asked, IdempotencyHeader, key_of
from dispatch.api.open311 import rendering
from dispatch.api.open311.describing import DEFINED, DISCOVERED, FILED, REQUEST, SERVICE, TOKEN, body_of_form, shown
from dispatch.api.open311.door import PREFIX
from dispatch.api.open311.filing import FORM, derived_key, draft_of, parsed
from dispatch.api.open311.offered import Language, Service, services_in
from dispatch.api.open311.requests import Teller, sight_of, told_to
from dispatch.api.problems.problem import Problem
from dispatch.api.wiring import Services, ServicesOf
from domain.storable import StorableInstant
from projections.queries.service_requests import LIMIT_MAX, RequestFilter, listed

SPAN = timedelta(days=90)
"""Of one question, as the standard limits it."""
IDS_MAX = 200
VIEWS = ("reports", "board")


async def credential(request: Request) -> None:
    """Read the form, where there is one: its `api_key` may be the credential."""
    if request.method != "POST":
        return
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    form = parsed(await request.body()) if media == FORM else {}
    request.state.form = form if media == FORM else None
    if "api_key" in form:
        request.state.authorization = f"Bearer {form['api_key']}"


async def language_of(request: Request) -> Language:
    """English for who asks for it, else Chinese."""
    return "en" if request.headers.get("accept-language", "").lower().startswith("en") else "zh"


async def jurisdiction(
    services: ServicesOf,
    jurisdiction_id: Annotated[
        str | None, Query(max_length=200, description="The city's code; may be left out, as there is one city.")
    ] = None,
) -> None:
    """404 for another city's."""
    _require_jurisdiction(services, jurisdiction_id)


LanguageOf = Annotated[Language, Depends(language_of)]
router = APIRouter(prefix=PREFIX, tags=["open311"], dependencies=[Depends(credential), Depends(permit)])
OfCity = Depends(jurisdiction)


@router.get(
    "/discovery", operation_id="open311_discovery", summary="Where GeoReport is served", responses=shown(DISCOVERED)
)
async def discover(request: Request, services: ServicesOf, _caller: CallerOf) -> Response:
    """The standard's service discovery document."""
    document = {
        "changeset": services.directory.rulebook().version,
        "contact": None,
        "key_service": "`dispatch token`",
        "endpoints": [
            {
                "specification": "http://wiki.open311.org/GeoReport_v2",
                "url": f"{str(request.base_url).rstrip('/')}{PREFIX}",
                "changeset": services.directory.rulebook().version,
                "type": "production",
                "formats": [rendering.XML, rendering.JSON],
            }
        ],
    }
    return rendering.rendered(request.scope, rendering.DISCOVERY, document)


@router.get(
    "/services",
    operation_id="open311_services",
    summary="What may be asked for",
    responses=shown([SERVICE]),
    dependencies=[OfCity],
)
async def list_services(request: Request, services: ServicesOf, _caller: CallerOf, language: LanguageOf) -> Response:
    """The categories that the city has casework for. All are `realtime`: a request has its id at once."""
    found = services_in(services.directory.rulebook())
    document = [each.listed(services.directory, language) for each in found]
    return rendering.rendered(request.scope, rendering.SERVICES, document)


@router.get(
    "/services/{service_code}",
    operation_id="open311_service",
    summary="What may be said about one service",
    responses=shown(DEFINED),
    dependencies=[OfCity],
)
async def define_service(
    service_code: str, request: Request, services: ServicesOf, _caller: CallerOf, language: LanguageOf
) -> Response:
    """Its attribute: the class of the case, if the citizen can tell."""
    service = _service(services, service_code)
    return rendering.rendered(request.scope, rendering.DEFINITION, service.definition(language))


@router.post(
    "/requests",
    operation_id="open311_file",
    summary="Ask for a service",
    status_code=201,
    responses=shown([FILED], 201, 200),
    openapi_extra=body_of_form(),
)
async def file_request(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    language: LanguageOf,
    idempotency_key: IdempotencyHeader = None,
) -> Response:
    """A citizen's report, which opens an incident. 200 with the same id if this very form was sent before that day."""
    form: dict[str, str] | None = request.state.form
    if form is None:
        raise Problem("unsupported_media_type", f"Send the request as {FORM}, in UTF-8.")
    _require_jurisdiction(services, form.get("jurisdiction_id"))
    if "service_code" not in form:
        raise Problem("invalid", "Say the service_code.", errors=[("service_code", "was not provided")])
    service = _service(services, form["service_code"])
    center_id = _filing_center(services, caller)
    directory = services.directory
    draft = draft_of(form, service, center_id, is_in_city=lambda point: bool(directory.locate(point)))
    zone = directory.rulebook().time_zone
    key = key_of(idempotency_key) or derived_key(caller.subject, form, services.clock.now(), zone)
    asked = Asked(services, caller, "open311_file", None, key, None)
    said = {name: value for name, value in form.items() if name != "api_key"}
    done = await services.reports.file_report(draft, asked.request("requests", said))
    # A client of the standard asks for the request it has just filed, and knows no position to wait for.
    await services.freshness.reached(done.position, VIEWS, wait_s=services.settings.min_position_wait_s)
    teller = _teller(services, caller, language)
    document = {
        "service_request_id": done.answer["report_id"],
        "service_notice": teller.notice(done.answer["number"]),
        "account_id": None,
    }
    headers = {"Dispatch-Position": str(done.position)} | ({"Idempotent-Replayed": "true"} if done.repeated else {})
    status = 200 if done.repeated else 201
    return rendering.rendered(request.scope, rendering.REQUESTS, [document], status=status, headers=headers)


@router.get(
    "/requests",
    operation_id="open311_requests",
    summary="How requests stand",
    responses=shown([REQUEST]),
    dependencies=[OfCity],
)
async def list_requests(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    language: LanguageOf,
    service_request_id: Annotated[
        list[str] | None, Query(description=f"At most {IDS_MAX}, by commas; nothing else is looked at then.")
    ] = None,
    service_code: Annotated[list[str] | None, Query(description="Several by commas.")] = None,
    start_date: Annotated[StorableInstant | None, Query(description="Asked for from here on.")] = None,
    end_date: Annotated[StorableInstant | None, Query(description="… to here, at most 90 days later.")] = None,
    status: Annotated[list[str] | None, Query(description="open, closed.")] = None,
    page_size: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT_MAX,
    cursor: Annotated[str | None, Query(max_length=600, description="From the `Link` header; opaque.")] = None,
) -> Response:
    """Newest first, the last 90 days unless a period is said; `Link: rel=next` leads on.

    A partner sees what it filed itself, people what their center sees.
    """
    ids = _identifiers(service_request_id)
    wanted = _split(service_code)
    for code in wanted:
        _service(services, code)
    since, until = _period(services.clock.now(), start_date, end_date)
    categories = [each.code for each in services_in(services.directory.rulebook())]
    only = RequestFilter(categories, ids, wanted, since, until, _wanted_status(_split(status)))
    asked = repr((ids, wanted, start_date, end_date, status))
    filters = {"only": asked, "caller": caller.subject, "center": caller.centers}
    key = services.cursors.read("open311", filters, cursor)
    before = int(key[0]) if key is not None else None
    rows = await services.database.rows(
        listed(only, sight_of(caller, services.directory), before_position=before, limit=page_size)
    )
    teller = _teller(services, caller, language)
    document = [teller.request(row) for row in rows[:page_size]]
    headers = {}
    if len(rows) > page_size:
        following = services.cursors.make("open311", filters, [rows[page_size - 1]["filed_position"]])
        headers["Link"] = _next(request, following)
    return rendering.rendered(request.scope, rendering.REQUESTS, document, headers=headers)


@router.get(
    "/requests/{service_request_id}",
    operation_id="open311_request",
    summary="How one request stands",
    responses=shown([REQUEST]),
    dependencies=[OfCity],
)
async def get_request(
    service_request_id: str, request: Request, services: ServicesOf, caller: CallerOf, language: LanguageOf
) -> Response:
    """One that is not there and one that is not yours are the same 404."""
    row = await _visible(services, caller, service_request_id)
    document = [_teller(services, caller, language).request(row)]
    return rendering.rendered(request.scope, rendering.REQUESTS, document)


@router.get(
    "/tokens/{token}",
    operation_id="open311_token",
    summary="The request of a token",
    responses=shown([TOKEN]),
    dependencies=[OfCity],
)
async def get_token(token: str, request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """Every request has its id at once, so its token is its id."""
    row = await _visible(services, caller, token)
    document = [{"service_request_id": str(row["report_id"]), "token": token}]
    return rendering.rendered(request.scope, rendering.REQUESTS, document)


def _require_jurisdiction(services: Services, said: str | None) -> None:
    if said is not None and said != services.directory.city:
        raise Problem("not_found", f"jurisdiction_id {said} was not found; this is {services.directory.city}.")


def _service(services: Services, code: str) -> Service:
    found = next((each for each in services_in(services.directory.rulebook()) if each.code == code), None)
    if found is None:
        raise Problem("not_found", f"service_code {code} was not found; see the list of services.")
    return found


def _filing_center(services: Services, caller: Caller) -> UUID:
    """Where the report is filed: at the caller's center, a partner's at its agency's own, else at the city's."""
    if caller.center_id is not None:
        return caller.center_id
    center = services.directory.functional_center(caller.agency) if caller.agency is not None else None
    return (center or services.directory.root()).id


def _teller(services: Services, caller: Caller, language: Language) -> Teller:
    rulebook = services.directory.rulebook()
    known = {each.code: each for each in services_in(rulebook)}
    told = told_to(caller, services.directory)
    return Teller(services.directory, known, told, language, ZoneInfo(rulebook.time_zone))


async def _visible(services: Services, caller: Caller, said: str) -> Any:
    found = _identifiers([said])
    only = RequestFilter([each.code for each in services_in(services.directory.rulebook())], found)
    sight = sight_of(caller, services.directory)
    row = await services.database.row(listed(only, sight, before_position=None, limit=1)) if found else None
    if row is None:
        raise Problem("not_found", "There is no such request that you may see.")
    return row


def _split(said: Sequence[str] | None) -> list[str]:
    """Values by commas, by repetition, or both."""
    return [part.strip() for each in said or () for part in each.split(",") if part.strip()]


def _identifiers(said: Sequence[str] | None) -> list[UUID] | None:
    """Ids of requests; what is no id of ours is no request. None if none was asked for."""
    parts = _split(said)
    if len(parts) > IDS_MAX:
        raise Problem("invalid", f"Ask for at most {IDS_MAX} requests at once.")
    found = []
    for part in parts:
        try:
            found.append(UUID(part))
        except ValueError:
            continue
    return found if parts else None


def _wanted_status(said: Sequence[str]) -> bool | None:
    unknown = set(said) - {"open", "closed"}
    if unknown:
        raise Problem("invalid", "status is open or closed.", errors=[("status", "open or closed")])
    return None if len(set(said)) != 1 else said[0] == "open"


def _period(now: datetime, start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """What is asked about: a bound that is not said lies 90 days from the other, or now."""
    until = end or (min(start + SPAN, now) if start is not None else now)
    since = start or until - SPAN
    if not since <= until <= since + SPAN:
        raise Problem("invalid", "end_date must not lie before start_date, nor more than 90 days behind it.")
    return since, until


def _next(request: Request, cursor: str) -> str:
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    ending: Literal["xml", "json"] = "xml" if rendering.format_of(request.scope) == rendering.XML else "json"
    return f'<{request.url.path}.{ending}?{urlencode([*query, ("cursor", cursor)])}>; rel="next"'
