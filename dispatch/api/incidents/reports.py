"""What people tell us. Persons in a report are sealed from the first event on; opening them is itself a fact."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Response
from pydantic import Field, model_validator

from dispatch.api.access.permissions import Caller, CallerOf, covers, require_center
from dispatch.api.access.visibility import visible_state
from dispatch.api.http.conditions import CreationOf, MinPosition
from dispatch.api.http.shapes import CENTER, INCIDENT, Body, MediaBody, PlaceBody, Reason, Written, answers, examples
from dispatch.api.http.writing import INCIDENT_VIEWS, until_routed, written
from dispatch.api.problems.problem import Problem, declared, not_found
from dispatch.api.routing import protected
from dispatch.api.wiring import Services, ServicesOf
from dispatch.handling.reports import ReportDraft
from domain.event import Place
from domain.report.commands import Channel
from domain.vocabulary import Severity
from projections.queries import incidents as queries
from projections.shown import point, shown

router = protected("reports")

PersonalField = Literal["caller", "caller_phone", "persons"]
Name = Annotated[str, Field(min_length=1, max_length=2_000)]


class ReportBody(Body):
    """A report as told. It needs a point, an address or landmark, or a camera: somebody must be able to find it."""

    model_config = examples(
        {
            "channel": "operator",
            "category": "traffic.accident",
            "severity": 2,
            "text": "蜀都大道与红星路口两车追尾，占用一条车道",
            "place": {"point": {"type": "Point", "coordinates": [104.0801, 30.6574]}},
        },
        {
            "channel": "hotline_110",
            "category": "help.missing_person",
            "severity": 3,
            "text": "老人走失，穿蓝色外套",
            "place": {"address": "文殊院南门"},
            "caller": "张先生",
            "caller_phone": "13800000000",
        },
    )

    channel: Channel
    category: Annotated[str, Field(max_length=100)]
    text: Annotated[str, Field(min_length=1, max_length=4_000)]
    severity: Severity = Severity.UNKNOWN
    place: PlaceBody | None = None
    camera_id: UUID | None = None
    center_id: UUID | None = Field(default=None, description="Who files it; the caller's own center if left out.")
    media: Annotated[tuple[MediaBody, ...], Field(max_length=20)] = ()
    caller: Annotated[str | None, Field(min_length=1, max_length=2_000)] = None
    caller_phone: Annotated[str | None, Field(min_length=1, max_length=100)] = None
    persons: Annotated[tuple[Name, ...], Field(max_length=50)] = ()
    duplicate_of: UUID | None = Field(default=None, description="The live incident it is about; else it opens one.")

    @model_validator(mode="after")
    def _says_where(self) -> ReportBody:
        if self.place is None and self.camera_id is None:
            msg = "say where: a place or a camera_id"
            raise ValueError(msg)
        return self


class ReadingBody(Body):
    """Which sealed fields, and what they are needed for. The purpose is recorded with your name."""

    model_config = examples({"fields": ["caller", "caller_phone"], "purpose": "回拨核实地点"})

    fields: Annotated[list[PersonalField], Field(min_length=1, max_length=3)]
    purpose: Annotated[Reason, Field(max_length=500, description="Why; it is recorded with your name.")]


@router.post(
    "/reports", operation_id="reports_file", summary="File a report", responses=declared(404, 409), status_code=201
)
async def file_report(body: ReportBody, asked: CreationOf, response: Response) -> Written:
    """It opens an incident, or is attached to the one it is a duplicate of.

    With `Prefer: wait=N` the answer waits until the incident is routed and shows.
    """
    services, caller = asked.services, asked.caller
    center_id = body.center_id or caller.center_id
    center = services.directory.center(center_id) if center_id is not None else None
    if center is None:
        raise not_found("The center that files it")
    require_center(caller, center.path)
    if body.duplicate_of is not None:
        await visible_state(services, caller, body.duplicate_of)
    ask = asked.request("reports", body.model_dump(mode="json"))
    work = services.reports.file_report(_draft(services, body, center.id), ask, duplicate_of=body.duplicate_of)
    done = await written(asked, response, work, views=(*INCIDENT_VIEWS, "reports"))
    response.headers["Location"] = f"/v1/reports/{(done.model_extra or {})['report_id']}"
    return await until_routed(asked, done)


def _draft(services: Services, body: ReportBody, center_id: UUID) -> ReportDraft:
    place = Place()
    if body.place is not None:
        point = body.place.wgs84()
        place = body.place.place(within_city=point is not None and bool(services.directory.locate(point)))
    return ReportDraft(
        channel=body.channel,
        category=body.category,
        text=body.text,
        center_id=center_id,
        severity=body.severity,
        place=place,
        camera_id=body.camera_id,
        media=tuple(media.reference() for media in body.media),
        caller=body.caller,
        caller_phone=body.caller_phone,
        persons=body.persons,
    )


REPORT_EXAMPLE = {
    "report_id": "0190f6a2-c4d8-8d1e-8c0b-5a7f3e2d1c0c",
    "incident_id": INCIDENT,
    "relation": "opened",
    "channel": "hotline_110",
    "category": "help.missing_person",
    "severity": 3,
    "center_id": CENTER,
    "text": "老人走失，穿蓝色外套",
    "personal_fields": ["caller", "caller_phone"],
}


@router.get(
    "/reports/{report_id}",
    operation_id="reports_get",
    summary="One report",
    responses={**declared(404), **answers(REPORT_EXAMPLE, "The report; personal fields are named, not shown.")},
)
async def get_report(
    report_id: UUID, services: ServicesOf, caller: CallerOf, min_position: MinPosition = None
) -> dict[str, Any]:
    """As it came. Personal fields stay sealed: the answer only names those there are."""
    await services.freshness.wait(min_position, ["reports"])
    row = await _visible(services, caller, report_id)
    told = {name: value for name, value in row.items() if name not in {"sealed", "subject_ids", "lon", "lat"}}
    told["place"] = {
        "address": told.pop("address"),
        "point": point(row["lon"], row["lat"]),
    }
    told["personal_fields"] = sorted(name for name, value in row["sealed"].items() if value)
    document: dict[str, Any] = shown(told)
    return document


@router.post(
    "/reports/{report_id}/personal-fields/read",
    operation_id="reports_read_personal_fields",
    summary="Open personal fields",
    responses={
        **declared(404, 409),
        **answers({"fields": {"caller": "张先生", "caller_phone": "13800000000"}}, "The fields, in the clear."),
    },
)
async def read_personal_fields(report_id: UUID, body: ReadingBody, asked: CreationOf) -> dict[str, Any]:
    """That you did, and what for, is recorded before anything is opened. A destroyed key gives null."""
    await _visible(asked.services, asked.caller, report_id)
    ask = asked.request(str(report_id), body.model_dump(mode="json"))
    opened = await asked.services.reports.read_personal(report_id, body.fields, purpose=body.purpose, request=ask)
    return {"fields": opened}


async def _visible(services: Services, caller: Caller, report_id: UUID) -> Any:
    row = await services.database.row(queries.report(report_id, sight=caller.sight))
    if row is None:
        raise not_found("This report")
    center = services.directory.center(row["center_id"])
    if center is not None and covers(caller, center.path):
        return row
    if row["incident_id"] is None:
        raise not_found("This report")
    try:
        await visible_state(services, caller, row["incident_id"])
    except Problem:
        raise not_found("This report") from None
    return row
