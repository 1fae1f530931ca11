"""What came of an incident: cases of other systems, people, campaigns. Welcome in any phase, also years later."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from dispatch.api.access.permissions import CallerOf
from dispatch.api.access.visibility import row_is_visible, visible_row, visible_state
from dispatch.api.http.conditions import Asked, CreationOf, MinPosition, StepOf
from dispatch.api.http.paging import PagingOf
from dispatch.api.http.shapes import (
    CENTER,
    Body,
    Listing,
    Note,
    Reason,
    Written,
    answers,
    examples,
)
from dispatch.api.http.writing import allowed, written
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import ServicesOf
from dispatch.handling.outcomes import CampaignDesk, OutcomeDesk
from domain.campaign.commands import OpenCampaign, ProlongCampaign
from domain.campaign.events import CampaignOpened
from domain.identifiers import campaign_id as id_of
from domain.outcome.commands import LeaveCampaign, LinkExternalCase, StrikeCount, UnlinkExternalCase
from domain.outcome.events import PEOPLE_MAX, ExternalCase, Number, System
from domain.storable import StorableInstant
from domain.vocabulary import ExternalCaseKind, PeopleOutcome
from projections.board import item
from projections.campaigns import item as campaign_item
from projections.outcomes import item as outcome_item
from projections.queries import counters

router = protected("outcomes")

VIEWS = ("outcomes", "timeline")
ADDITION = declared(404, 409)
CampaignCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")]


CAMPAIGN_EXAMPLE = {
    "campaign_id": "8c1d2f0e-6c0e-5b0a-9a45-7f1d2b3c4d5e",
    "code": "summer-2026",
    "name_zh": "夏季治安整治",
    "name_en": "Summer public order campaign",
    "categories": ["security.intrusion"],
    "center_ids": [CENTER],
    "begins_at": "2026-05-31T16:00:00Z",
    "ends_at": "2026-08-31T16:00:00Z",
}


class CaseBody(Body):
    """A case, as the system that keeps it numbers it."""

    model_config = examples({"system": "police-cases", "number": "A5101042026070001"})

    system: System
    number: Number

    def reference(self) -> ExternalCase:
        """In the domain's words."""
        return ExternalCase(system=self.system, number=self.number)


class LinkBody(CaseBody):
    """The case that the incident is part of, or helped to solve."""

    model_config = examples(
        {"system": "police-cases", "number": "A5101042026070001", "kind": "criminal", "note": "视频锁定嫌疑车辆去向"}
    )

    kind: ExternalCaseKind
    note: Note = None


class UnlinkBody(CaseBody):
    """A wrong link, and why."""

    model_config = examples({"system": "police-cases", "number": "A5101042026070001", "reason": "案号录错"})

    reason: Reason


class PeopleBody(Body):
    """How many people, and what became of them. No names: this counts."""

    model_config = examples(
        {"outcome": "found", "people": 1, "note": "老人已由家属接回"},
        {
            "outcome": "caught",
            "people": 3,
            "case": {"system": "police-cases", "number": "A5101042026070001"},
        },
    )

    outcome: PeopleOutcome
    people: Annotated[int, Field(ge=1, le=PEOPLE_MAX)]
    case: CaseBody | None = Field(default=None, description="The linked case they are counted under.")
    note: Note = None


class StrikeBody(Body):
    """Why it was wrong."""

    model_config = examples({"reason": "与上一条重复"})

    reason: Reason


class JoinBody(Body):
    """The campaign by its code."""

    model_config = examples({"campaign": "summer-2026"})

    campaign: CampaignCode


class CampaignBody(Body):
    """What is counted together, from when until when. Without categories it counts only what people add."""

    model_config = examples(
        {
            "code": "summer-2026",
            "name_zh": "夏季治安整治",
            "name_en": "Summer public order campaign",
            "purpose": "六至八月街面警情与处置统计",
            "categories": ["security.intrusion"],
            "center_ids": [CENTER],
            "begins_at": "2026-06-01T00:00:00+08:00",
            "ends_at": "2026-09-01T00:00:00+08:00",
        }
    )

    code: CampaignCode
    name_zh: Annotated[str, Field(min_length=1, max_length=200)]
    name_en: Annotated[str, Field(min_length=1, max_length=200)]
    purpose: Annotated[str, Field(min_length=1, max_length=2_000)]
    categories: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(max_length=200)] = ()
    center_ids: Annotated[tuple[UUID, ...], Field(max_length=200)] = ()
    begins_at: StorableInstant
    ends_at: StorableInstant


class ProlongBody(Body):
    """Another end, later or earlier, and why."""

    model_config = examples({"ends_at": "2026-10-01T00:00:00+08:00", "reason": "延长一个月"})

    ends_at: StorableInstant
    reason: Reason


@router.get(
    "/incidents/{incident_id}/outcomes",
    operation_id="outcomes_list",
    summary="What came of an incident",
    responses=declared(404),
)
async def list_outcomes(
    incident_id: UUID, services: ServicesOf, caller: CallerOf, min_position: MinPosition = None
) -> Listing:
    """Linked cases, counted people, campaigns; what was struck is in the timeline only."""
    await services.freshness.wait(min_position, ["board", "outcomes"])
    await visible_row(services, caller, incident_id)
    rows = await services.database.rows(counters.of_incident(incident_id))
    return Listing(items=[outcome_item(row) for row in rows])


@router.post(
    "/incidents/{incident_id}/outcomes/external-cases",
    operation_id="outcomes_link_external_case",
    summary="Link a case",
    responses=ADDITION,
    status_code=201,
)
async def link_case(incident_id: UUID, body: LinkBody, asked: CreationOf, response: Response) -> Written:
    """Many incidents may lead to one case, and one incident to many."""
    command = LinkExternalCase(incident_id=incident_id, case=body.reference(), kind=body.kind, note=body.note)
    request = await _seen(asked, incident_id, body)
    return await written(asked, response, OutcomeDesk(asked.services.scribe).link_case(command, request), views=VIEWS)


@router.post(
    "/incidents/{incident_id}/outcomes/external-cases/unlink",
    operation_id="outcomes_unlink_external_case",
    summary="Take a wrong link back",
    responses=ADDITION,
)
async def unlink_case(incident_id: UUID, body: UnlinkBody, asked: StepOf, response: Response) -> Written:
    """Refused while people are counted under the case."""
    command = UnlinkExternalCase(incident_id=incident_id, case=body.reference(), reason=body.reason)
    request = await _seen(asked, incident_id, body)
    work = OutcomeDesk(asked.services.scribe).execute(command, request, {"case": command.case.model_dump()})
    return await written(asked, response, work, views=VIEWS)


@router.post(
    "/incidents/{incident_id}/outcomes/people",
    operation_id="outcomes_count_people",
    summary="Count people",
    responses=ADDITION,
    status_code=201,
)
async def count_people(incident_id: UUID, body: PeopleBody, asked: CreationOf, response: Response) -> Written:
    """Counts add up; a wrong one is struck."""
    request = await _seen(asked, incident_id, body)
    work = OutcomeDesk(asked.services.scribe).count_people(
        incident_id,
        body.outcome,
        body.people,
        request,
        case=None if body.case is None else body.case.reference(),
        note=body.note,
    )
    return await written(asked, response, work, views=VIEWS)


@router.post(
    "/incidents/{incident_id}/outcomes/people/{count_id}/strike",
    operation_id="outcomes_strike_count",
    summary="Strike a wrong count",
    responses=ADDITION,
)
async def strike_count(
    incident_id: UUID, count_id: UUID, body: StrikeBody, asked: StepOf, response: Response
) -> Written:
    """It stays readable in the timeline, and counts no more."""
    command = StrikeCount(incident_id=incident_id, count_id=count_id, reason=body.reason)
    request = await _seen(asked, incident_id, body)
    work = OutcomeDesk(asked.services.scribe).execute(command, request, {"count_id": str(count_id)})
    return await written(asked, response, work, views=VIEWS)


@router.post(
    "/incidents/{incident_id}/campaigns",
    operation_id="outcomes_join_campaign",
    summary="Count it for a campaign",
    responses=ADDITION,
    status_code=201,
)
async def join_campaign(incident_id: UUID, body: JoinBody, asked: CreationOf, response: Response) -> Written:
    """Beside what the campaign's own rule counts."""
    request = await _seen(asked, incident_id, body)
    campaign_id = id_of(asked.services.directory.city, body.campaign)
    work = OutcomeDesk(asked.services.scribe).join_campaign(incident_id, campaign_id, request)
    return await written(asked, response, work, views=VIEWS)


@router.post(
    "/incidents/{incident_id}/campaigns/{campaign}/leave",
    operation_id="outcomes_leave_campaign",
    summary="Count it for a campaign no more",
    responses=ADDITION,
)
async def leave_campaign(
    incident_id: UUID, campaign: CampaignCode, body: StrikeBody, asked: StepOf, response: Response
) -> Written:
    """Also if the campaign's own rule would count it."""
    request = await _seen(asked, incident_id, body, campaign)
    campaign_id = id_of(asked.services.directory.city, campaign)
    await CampaignDesk(asked.services.scribe).state(campaign_id)
    command = LeaveCampaign(incident_id=incident_id, campaign_id=campaign_id, reason=body.reason)
    work = OutcomeDesk(asked.services.scribe).execute(command, request, {"campaign_id": str(campaign_id)})
    return await written(asked, response, work, views=VIEWS)


@router.get("/external-cases", operation_id="external_cases_incidents", summary="Incidents of a case of another system")
async def list_incidents_of_case(
    services: ServicesOf,
    caller: CallerOf,
    paging: PagingOf,
    system: Annotated[System, Query(examples=["police-cases"])],
    number: Annotated[Number, Query(examples=["A5101042026070001"])],
    min_position: MinPosition = None,
) -> Listing:
    """Those you may see, newest first."""
    await services.freshness.wait(min_position, ["board", "outcomes"])
    filters = {"system": system, "number": number}
    page = paging.of("external-cases", filters)
    statement = counters.of_case(system, number, sight=caller.sight, before_position=page.after(int), limit=page.limit)
    rows = await services.database.rows(statement)
    shown = page.cut(rows, "opened_position")
    return Listing(items=[item(row) for row in shown if row_is_visible(services, caller, row)])


@router.post(
    "/campaigns",
    operation_id="campaigns_open",
    summary="Open a campaign",
    responses=declared(404, 409),
    status_code=201,
)
async def open_campaign(body: CampaignBody, asked: CreationOf, response: Response) -> Written:
    """Its code is permanent. It may begin in the past: what was recorded then is counted too."""
    directory = asked.services.directory
    unknown = [number for number, center_id in enumerate(body.center_ids) if directory.center(center_id) is None]
    if unknown:
        errors = [(f"/center_ids/{number}", "there is no such center") for number in unknown]
        raise Problem("invalid", "A campaign names centers of this city; see `errors`.", errors=errors)
    known = {rule.code for rule in directory.rulebook().categories}
    foreign = [number for number, code in enumerate(body.categories) if code not in known]
    if foreign:
        errors = [(f"/categories/{number}", "the rulebook has no such category") for number in foreign]
        raise Problem("invalid", "A campaign names categories of the rulebook; see `errors`.", errors=errors)
    campaign = CampaignOpened(city=directory.city, **body.model_dump())
    request = asked.request(f"campaigns/{body.code}", body.model_dump(mode="json"))
    work = CampaignDesk(asked.services.scribe).execute(
        id_of(directory.city, body.code), OpenCampaign(campaign=campaign), request
    )
    done = await written(asked, response, work, views=("campaigns",))
    response.headers["Location"] = f"/v1/campaigns/{body.code}"
    return done


@router.post(
    "/campaigns/{campaign}/prolong",
    operation_id="campaigns_prolong",
    summary="Let a campaign end at another time",
    responses=ADDITION,
)
async def prolong_campaign(campaign: CampaignCode, body: ProlongBody, asked: StepOf, response: Response) -> Written:
    """Later or earlier."""
    request = asked.request(f"campaigns/{campaign}", body.model_dump(mode="json"))
    command = ProlongCampaign(ends_at=body.ends_at, reason=body.reason)
    campaign_id = id_of(asked.services.directory.city, campaign)
    work = CampaignDesk(asked.services.scribe).execute(campaign_id, command, request)
    return await written(asked, response, work, views=("campaigns",))


@router.get("/campaigns", operation_id="campaigns_list", summary="All campaigns")
async def list_campaigns(
    services: ServicesOf,
    paging: PagingOf,
    min_position: MinPosition = None,
) -> Listing:
    """Newest first. What each counted: `/v1/statistics/counters?campaign=`."""
    await services.freshness.wait(min_position, ["campaigns"])
    page = paging.of("campaigns", {})
    statement = counters.campaigns(before_position=page.after(int), limit=page.limit)
    rows = await services.database.rows(statement)
    return Listing(items=[campaign_item(row) for row in page.cut(rows, "opened_position")])


@router.get(
    "/campaigns/{campaign}",
    operation_id="campaigns_get",
    summary="One campaign",
    responses={**declared(404), **answers(CAMPAIGN_EXAMPLE, "Its rule and its period.")},
)
async def get_campaign(
    campaign: CampaignCode, services: ServicesOf, min_position: MinPosition = None
) -> dict[str, Any]:
    """By its code."""
    await services.freshness.wait(min_position, ["campaigns"])
    row = await services.database.row(counters.campaign(id_of(services.directory.city, campaign)))
    if row is None:
        raise not_found("This campaign")
    return campaign_item(row)


async def _seen(asked: Asked, incident_id: UUID, body: Body, *more: str) -> Any:
    """The request, once it is known that the caller may see the incident."""
    target = "/".join((str(incident_id), *more))
    request = asked.request(target, body.model_dump(mode="json"), correlation_id=incident_id)
    await allowed(asked, request, visible_state(asked.services, asked.caller, incident_id))
    return request
