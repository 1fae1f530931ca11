"""A restricted operation in the town, and an incident of it with everything that can stand beside an incident.

The operation is the city's, and the station of the east takes part. So east, the district between them, police
headquarters, traffic headquarters and the west may know nothing of what happens in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from dispatch.handling.scribe import Change
from domain.event import Explanation, Reason
from domain.identifiers import companion_of
from domain.incident.events import AlertsFolded, FoldedAlert, IncidentRouted, Recipient
from domain.vocabulary import AgencyRole, Role, Severity
from tests.api import town
from tests.api.conftest import Edge
from tests.api.orders_desk import a_draft
from tests.api.orders_desk import in_minutes as minutes

CHIEF, OWNER, OWNER_CHIEF = "city.02", "east-station.01", "east-station.02"
ABOVE, BESIDE, POLICE, TRAFFIC = "east.02", "west.02", "police-hq.02", "traffic-hq.02"
OUTSIDERS = (ABOVE, BESIDE, TRAFFIC, "west-station.01", "east.01")
"""Police headquarters are none while a crew of theirs is on it."""
SPOT = (104.0512345, 30.6543219)
TEXT, ADDRESS, NOTE, PURPOSE, CASE_NUMBER = "银杏密语", "银杏巷九号", "内部备注丙", "调取密档", "A-SECRET-77"
"""Words that occur nowhere else."""


@dataclass
class Guarded:
    """The incident, its guest, and the ids of all that stands beside it."""

    edge: Edge
    code: str = ""
    incident_id: str = ""
    guest_id: str = ""
    handover_id: str = ""
    """No secret: that a shift was handed over those above may know, and not that this was on the list."""
    numbers: list[str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> list[str]:
        """What no answer to an outsider may hold."""
        places = [str(SPOT[0]), str(SPOT[1])]
        words = [TEXT, ADDRESS, NOTE, PURPOSE, CASE_NUMBER, *places]
        return [self.incident_id, self.guest_id, *self.numbers, *words, *self.ids.values()]

    async def post(self, path: str, body: Any = None, *, by: str, **headers: str) -> httpx.Response:
        answer = await self.edge.client.post(
            f"/v1{path}", json=body, headers=self.edge.as_operator(by) | self.edge.key() | headers
        )
        assert answer.is_success, (path, answer.text)
        await self.edge.project()
        return answer

    async def attach(self, *, by: str = CHIEF) -> httpx.Response:
        path = f"/city-operations/{self.code}/incidents/{self.incident_id}"
        return await self.post(path, {"reason": "属本次行动"}, by=by)

    async def detach(self, *, by: str = CHIEF) -> httpx.Response:
        path = f"/city-operations/{self.code}/incidents/{self.incident_id}/detach"
        return await self.post(path, {"reason": "已公开"}, by=by)

    async def member(self, code: str, *, remove: bool = False) -> httpx.Response:
        path = f"/city-operations/{self.code}/members" + ("/remove" if remove else "")
        return await self.post(path, {"center_id": str(town.center(code))}, by=CHIEF)


async def planned(edge: Edge) -> Guarded:
    """The operation alone, and an incident that will belong to it."""
    found = Guarded(edge)
    body = {
        "code": "quiet",
        "name_zh": "保密行动",
        "name_en": "Quiet",
        "purpose": "警卫",
        "restricted": True,
        "begins_at": minutes(-60),
        "ends_at": minutes(600),
    }
    found.code = (await found.post("/city-operations", body, by=CHIEF)).json()["code"]
    await found.member("east-station")
    place = {"point": {"type": "Point", "coordinates": list(SPOT)}, "address": ADDRESS}
    camera = {"camera_id": str(town.camera(town.EAST_CAMERA))}
    said = {"text": TEXT, "place": place, "category": "other.unclassified"}
    for name, of_it in (("incident_id", {"severity": 3, **camera}), ("guest_id", {"channel": "citizen"})):
        reported = await edge.report(by=OWNER, **said, **of_it)
        setattr(found, name, reported["incident_id"])
        found.ids[f"report of {name}"] = reported["report_id"]
        row = await edge.client.get(f"/v1/incidents/{reported['incident_id']}", headers=edge.as_operator(OWNER))
        found.numbers.append(row.json()["number"])
    await routed(edge, UUID(found.incident_id))
    return found


async def routed(edge: Edge, incident_id: UUID) -> None:
    """What the router would record: police and traffic police are told at their own centers."""
    loaded = await edge.services.incidents.state(incident_id)
    assert loaded.state.owner is not None
    told = (("police", "police-hq", AgencyRole.RESPONSIBLE), ("traffic_police", "traffic-hq", AgencyRole.INFORMED))
    recipients = tuple(
        Recipient(
            agency=agency, center_id=town.center(code), path=town.path(code), role=role, reason=Reason(code="category")
        )
        for agency, code, role in told
    )
    event = IncidentRouted(owner=loaded.state.owner, recipients=recipients, explanation=Explanation(policy="routing"))
    await edge.record(Change(incident_id, loaded.version, (event,)), by="router")


async def surrounded(edge: Edge) -> Guarded:
    """The same with everything beside it, attached to the operation last."""
    found = await planned(edge)
    one = found.incident_id
    version = (await edge.services.incidents.state(UUID(found.guest_id))).version
    await found.post(
        f"/incidents/{found.guest_id}/merge", {"into_incident_id": one}, by=OWNER_CHIEF, **{"If-Match": f'"{version}"'}
    )
    for what, body in (
        ("notes", {"text": NOTE}),
        ("outcomes/external-cases", {"system": "police", "number": CASE_NUMBER, "kind": "criminal"}),
        ("outcomes/people", {"outcome": "found", "people": 7}),
        ("assignments", {"unit_id": str(town.unit("E-1"))}),
    ):
        await found.post(f"/incidents/{one}/{what}", body, by=OWNER)
    camera = {"camera_id": str(town.camera(town.EAST_CAMERA))}
    asked = {**camera, "begins_at": minutes(-30), "ends_at": minutes(-20), "purpose": PURPOSE, "incident_id": one}
    found.ids["request_id"] = (await found.post("/evidence/requests", asked, by=OWNER)).json()["request_id"]
    watch = {"incident_id": one, "subject": "elder", "description": TEXT, "purpose": PURPOSE, "expires_at": minutes(90)}
    found.ids["watch_id"] = (await found.post("/watches", watch, by=OWNER)).json()["watch_id"]
    aid = {"to_center_id": str(town.center("city")), "wanted": [{"kind": "patrol_car", "count": 1}], "reason": PURPOSE}
    aid |= {"answer_by": minutes(10), "ends_at": minutes(90), "incident_id": one}
    found.ids["aid_id"] = (await found.post("/aid", aid, by=OWNER)).json()["aid_id"]
    order = a_draft(text=PURPOSE, incident_id=one, addressees=[{"center_id": str(town.center("east-station"))}])
    found.ids["order_id"] = (await found.post("/orders", order, by=CHIEF)).json()["order_id"]
    version = (await edge.services.incidents.state(UUID(one))).version
    case = {"class_code": "other.stall", "note": NOTE}
    filed = await found.post(f"/incidents/{one}/cases", case, by=OWNER, **{"If-Match": f'"{version}"'})
    found.ids["case_id"] = filed.json()["case_id"]
    await folded(found)
    await handed_over(found)
    relay = {"code": "relay", "name_zh": "传递", "name_en": "Relay", "purpose": "可视"}
    await found.post("/city-operations", relay | {"begins_at": minutes(0), "ends_at": minutes(60)}, by=CHIEF)
    await found.post("/city-operations/relay/members", {"center_id": str(town.center("east-station"))}, by=CHIEF)
    point = {"kind": "shelter", "place": {"address": "体育馆"}, "text": "开放", "incident_id": one}
    await found.post("/city-operations/relay/points", point, by=OWNER)
    await found.attach()
    return found


async def folded(found: Guarded) -> None:
    """An alert of the camera becomes part of it."""
    edge = found.edge
    alert = {"id": "x1", "kind": "motion", "occurred_at": minutes(-1), "camera": town.EAST_CAMERA}
    answer = await edge.client.post("/v1/alerts", json=alert, headers=edge.as_role(Role.GATEWAY, gateway=town.GATEWAY))
    assert answer.status_code == 201, answer.text
    said, now = answer.json(), edge.services.clock.now()
    found.ids["alert_id"] = said["alert_id"]
    about, at = UUID(found.incident_id), said["position"]
    one = FoldedAlert(position=at, alert_id=UUID(said["alert_id"]), severity=Severity.MINOR, reason="near")
    event = AlertsFolded(incident_id=about, alerts=(one,), first_occurred_at=now, last_occurred_at=now)
    await edge.record(Change(companion_of(about), None, (event,), correlation_id=about), by="router")


async def handed_over(found: Guarded) -> None:
    """A shift ends and lists it."""
    for login in (OWNER, OWNER_CHIEF):
        await found.post("/me/shift/start", {}, by=login)
    body = {"taker_id": str(town.operator(OWNER_CHIEF)), "notes": {found.incident_id: NOTE}}
    offered = await found.post("/centers/east-station/handovers", body, by=OWNER)
    found.handover_id = offered.json()["handover_id"]
