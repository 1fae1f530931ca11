"""Floods: warnings that come before any incident, orders of the headquarters, and one night from rain to stand-down
(F16, F17, and the night of 2011-07-03).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_json

from dispatch.demo import messages
from dispatch.demo.flow import Scene
from dispatch.demo.flows.moving import moved_up
from dispatch.demo.seats import Partner, Seat
from dispatch.directory_entries import CameraEntry, CenterEntry
from dispatch.partners.client import Received
from domain.event import GeoPoint

SENDER = "duty@water.example.cn"
TRAFFIC, FLOOD = "dept-traffic-police", "dept-flood-control"
REACH_DEG = 0.003
"""A square of about 600 m: the warnings of one flow stay out of another's area."""


async def warning(scene: Scene) -> None:
    """F16: a warning exists before any incident does; it is updated, cancelled, and a test is none."""
    # CAP says whole seconds.
    seat, at = await scene.operator(scene.second_level), scene.cast.now().replace(microsecond=0)
    name = f"F16-{scene.station.code}"
    scene.step("a warning comes, and a test of one")
    await _warned(scene, f"{name}-1", at)
    await _warned(scene, f"{name}-T", at, status="Test")
    actual = scene.need("it is in force", await scene.cast.until(lambda: _in_force(seat, f"{name}-1")))
    scene.checks.equal("as severe as it says", (actual["severity"], actual["is_exercise"]), ("severe", False))
    now = await scene.cast.position()
    listed = await seat.get("/v1/warnings", in_force="true", status="test", limit=200, min_position=now)
    tests = [one for one in listed.json()["items"] if one["identifier"] == f"{name}-T"]
    scene.checks.equal("the test is marked as one", [one["status"] for one in tests], ["test"])
    scene.saw(scene.second_level.code, f"warning {name}-1")
    scene.step("no incident on the ground is known, and nobody is sent anywhere by a test")
    board = await scene.cast.board(scene.second_level)
    ground = [row for row in board.ever.values() if row["category"].startswith("flood.water")]
    scene.checks.equal("none", ground, [])
    scene.step("it is replaced by a worse one; only that is in force")
    await _warned(scene, f"{name}-2", at + timedelta(seconds=1), kind="Update", refers_to=(f"{name}-1", at))
    later = scene.need("the update is in force", await scene.cast.until(lambda: _in_force(seat, f"{name}-2")))
    scene.checks.equal("the first is not", await _in_force(seat, f"{name}-1"), None)
    chain = (await seat.get(f"/v1/warnings/{later['warning_id']}")).json()["chain"]
    scene.checks.equal("its chain", [one["identifier"] for one in chain], [f"{name}-1", f"{name}-2"])
    scene.step("it is cancelled, and none is left; at the instant before, it was in force")
    before = scene.cast.now()
    cancelled_at = at + timedelta(seconds=2)
    await _warned(scene, f"{name}-3", cancelled_at, kind="Cancel", refers_to=(f"{name}-2", at + timedelta(seconds=1)))
    gone = await scene.cast.until(lambda: _not_in_force(seat, f"{name}-2"))
    scene.checks.that("it is over", gone, seen=gone)
    just_before = (cancelled_at - timedelta(milliseconds=500)).isoformat()
    then = await seat.get("/v1/warnings", at=just_before, limit=200)
    scene.checks.that("then it was in force", f"{name}-2" in then.text, seen=before)


async def orders(scene: Scene) -> None:
    """F17: a bridge is closed: who has acknowledged, who has not, what is in force, and what an exercise is not."""
    chief, district = await scene.operator(scene.cast.directory.root(), 27), await scene.operator(scene.second_level)
    partner = await scene.cast.partner("traffic_police")
    scene.step("the city closes a bridge; an exercise of the same is never mistaken for it")
    order = await _ordered(scene, chief, "bridge_closure", "封闭九眼桥双向交通", scene.second_level)
    drill = await _ordered(scene, chief, "bridge_closure", "演练：封闭九眼桥", scene.second_level, status="exercise")
    heard = scene.need("traffic police hear of it", await scene.cast.until(lambda: _told(partner, order)))
    scene.checks.equal(
        "what, and which edition", (heard.body["order_kind"], heard.body["edition"]), ("bridge_closure", 1)
    )
    scene.checks.that(
        "and nothing of the exercise", not any(one.body.get("order_id") == drill for one in partner.received)
    )
    scene.saw("traffic_police (NATS)", "dispatch.order.issued.v1")
    scene.step("traffic police acknowledge on NATS, the district has not answered")
    said = await partner.say("acknowledge-order", {"order_id": order, "edition": 1, "reference": "JJ-17"})
    scene.checks.that("it is recorded", said["recorded"], seen=said)
    alone = await scene.cast.until(lambda: _waits_for(chief, order, {str(scene.second_level.id)}))
    shown = await _order(scene, chief, order)
    scene.checks.that("the district alone is missing", alone, seen=shown["waiting_center_ids"])
    scene.checks.equal("it holds all the same", shown["is_in_force"], True)
    scene.step("the district acknowledges; the text is changed, and everybody must acknowledge anew")
    await _decided(scene, district, order, "acknowledge", {"edition": 1})
    before_change = await scene.cast.position()
    change = {"text": "封闭九眼桥、安顺桥", "acknowledge_by": _in(scene, 20), "reason": "水位上涨"}
    await _decided(scene, chief, order, "amend", change)
    old = await partner.say("acknowledge-order", {"order_id": order, "edition": 1})
    scene.checks.equal("the old edition is no answer", old.get("code"), "order.superseded")
    both = {str(scene.second_level.id), str(scene.cast.center(TRAFFIC).id)}
    again = await scene.cast.until(lambda: _waits_for(chief, order, both))
    scene.checks.that("both are missing again", again, seen=(await _order(scene, chief, order))["waiting_center_ids"])
    await partner.say("acknowledge-order", {"order_id": order, "edition": 2})
    await _ledger(scene, chief, order, drill, before_change)


async def _ledger(scene: Scene, chief: Seat, order: str, drill: str, before_change: int) -> None:
    scene.step("it is lifted; the ledger tells what was in force at any instant, and CAP the whole chain")
    await _decided(scene, chief, order, "lift", {"reason": "水位回落"})
    await _decided(scene, chief, drill, "lift", {"reason": "演练结束"})
    listed = await chief.get("/v1/orders", in_force="true", limit=200)
    scene.checks.that("it is in force no more", order not in listed.text)
    then = await scene.cast.auditor().get("/v1/audit/orders", position=before_change, limit=200)
    known = {one["order_id"]: one for one in then.json()["items"]}
    scene.checks.equal("as known before the change", known[order]["edition"], 1)
    caps = [(await chief.get(f"/v1/orders/{order}/cap", message=number)).text for number in (1, 2, 3)]
    kinds = [text.partition("<msgType>")[2].partition("</msgType>")[0] for text in caps]
    scene.checks.equal("CAP", kinds, ["Alert", "Update", "Cancel"])
    exercise = (await chief.get(f"/v1/orders/{drill}/cap")).text
    scene.checks.that("an exercise says so in CAP", "<status>Exercise</status>" in exercise, seen=exercise[:300])


async def night(scene: Scene) -> None:
    """The night of 2011-07-03: rain warning, gauges, cameras, headquarters, orders, units, partners, stand-down."""
    chief, flood = await scene.operator(scene.cast.directory.root(), 27), await scene.operator(scene.cast.center(FLOOD))
    traffic, at = await scene.cast.partner("traffic_police"), scene.cast.now()
    operation, name = f"night-{scene.station.code}", f"N-{scene.station.code}"
    instants = [await _picture(scene)]
    scene.step("rain: a warning, before anything is flooded")
    await _warned(scene, name, at)
    scene.need("it is in force", await scene.cast.until(lambda: _in_force(chief, name)))
    scene.step("a gauge is over its mark, cameras see water in an underpass: two incidents, not forty")
    await _quiet(scene, scene.cameras[0])
    gauge = await scene.measured(scene.cameras[0], _reading(scene, scene.cameras[0], 5.1))
    pool = await scene.detected(scene.cameras[-1], _water(scene, -1, "waterlogging", "下穿隧道积水 40 cm"))
    for number in range(1, 20):
        await scene.cast.gateway(scene.cameras[-1]).post(
            "/v1/alerts", _water(scene, -1, "waterlogging", "积水", number)
        )
    for incident_id in (gauge, pool):
        await scene.shows(scene.cast.center(FLOOD), incident_id)
    await scene.shows(scene.cast.center(FLOOD), pool, alert_count=20)
    scene.step("a headquarters is formed, and points are reported into it")
    commander = await scene.operator(scene.second_level, 9)
    node = await _headquarters(scene, chief, commander, operation)
    await _taken_over(scene, commander, operation, node, (gauge, pool))
    scene.step("orders: bridge closed, people moved, traffic controlled")
    given = [
        await _ordered(scene, commander, kind, text, scene.second_level, center_id=node)
        for kind, text in (
            ("bridge_closure", "封闭安顺廊桥"),
            ("evacuation", "低洼院落群众转移至体育馆"),
            ("traffic_control", "滨江路交通管制"),
        )
    ]
    for order in given:
        scene.need("traffic police hear of each", await scene.cast.until(lambda order=order: _told(traffic, order)))  # type: ignore[misc]
        said = await traffic.say("acknowledge-order", {"order_id": order, "edition": 1})
        scene.checks.that("and acknowledge it", said["recorded"], seen=said)
    instants.append(await _picture(scene))
    scene.step("units go, partners are told, people are counted")
    call_sign = await scene.handled(flood, pool)
    await scene.hears("flood_control", "dispatch.assignment.on_scene.v1", pool)
    await scene.handled(flood, gauge, unit=False)
    moved = await flood.post(f"/v1/incidents/{pool}/outcomes/people", {"outcome": "evacuated", "people": 420})
    scene.need("420 people were moved", moved.is_success, seen=moved.text)
    scene.saw(FLOOD, f"{call_sign}, 420 evacuated")
    scene.step("a district's ambulances are all out: one of another center moves up, and goes home again")
    await moved_up(scene)
    await _stood_down(scene, (chief, commander), flood, given, (gauge, pool), operation, (name, at))
    instants.append(await _picture(scene))
    await _looked_back(scene, instants, given)


async def _headquarters(scene: Scene, chief: Seat, commander: Seat, code: str) -> str:
    """A headquarters above the district, flood control and traffic police, with an operation of its own; its center."""
    body = {
        "code": code,
        "name_zh": "7·3 汛期指挥部",
        "name_en": "Headquarters of the flood night",
        "purpose": "统一指挥抢险、转移和交通管制",
        "ends_at": _in(scene, 24 * 60),
    }
    scope = {
        "centers": [str(scene.second_level.id)],
        "agencies": ["flood_control", "traffic_police"],
        "commander_id": (await commander.get("/v1/me")).json()["operator_id"],
    }
    formed = await chief.post("/v1/headquarters", body | scope)
    scene.need("it is formed", formed.is_success, seen=formed.text)
    node = str(formed.json()["center_id"])
    begins_at = scene.cast.now().isoformat()
    planned = await commander.post("/v1/city-operations", body | {"begins_at": begins_at, "center_id": node})
    scene.need("it plans its operation", planned.is_success, seen=planned.text)
    for center in (scene.second_level, scene.cast.center(FLOOD)):
        await chief.post(f"/v1/city-operations/{code}/members", {"center_id": str(center.id)})
    await chief.post(f"/v1/city-operations/{code}/start")
    district = await scene.operator(scene.second_level)
    shelter = {"kind": "shelter", "place": {"address": "体育馆"}, "text": "开放", "people": 0, "capacity": 600}
    found = await district.post(f"/v1/city-operations/{code}/points", shelter)
    scene.need("a shelter is open", found.is_success, seen=found.text)
    points = (await chief.get(f"/v1/city-operations/{code}/points", kind="shelter")).json()["items"]
    scene.checks.equal("the headquarters sees its room", [one["capacity"] for one in points], [600])
    return node


async def _taken_over(scene: Scene, commander: Seat, code: str, node: str, incidents: tuple[str, str]) -> None:
    """The commander, of a district, sees what flood control has, and takes one of its incidents over."""
    board = {row["incident_id"] for row in await commander.board(node)}
    scene.checks.that("its board has both incidents", board.issuperset(incidents), seen=sorted(board))
    path = f"/v1/headquarters/{code}/incidents/{incidents[0]}/take"
    taken = await commander.post(path, {"reason": "跨区险情，由指挥部直接指挥"})
    scene.need("it takes one over", taken.is_success, seen=taken.text)
    card = await scene.card(commander, incidents[0])
    scene.checks.equal("and owns it", (card["owner_center_id"], card["phase"]), (node, "accepted"))


async def _stood_down(
    scene: Scene,
    command: tuple[Seat, Seat],
    flood: Seat,
    given: list[str],
    incidents: tuple[str, str],
    operation: str,
    warned: tuple[str, datetime],
) -> None:
    scene.step("stand-down: orders lifted, warning cancelled, incidents closed, headquarters dissolved")
    chief, commander = command
    for order in given:
        await _decided(scene, commander, order, "lift", {"reason": "水位回落至警戒线以下"})
    over = await commander.post(f"/v1/headquarters/{operation}/stand-down", {"reason": "水位回落至警戒线以下"})
    scene.need("it stands down", over.is_success, seen=over.text)
    card = await scene.card(flood, incidents[0])
    scene.checks.equal("what it had is flood control's", card["owner_center_id"], str(scene.cast.center(FLOOD).id))
    board = await commander.get(f"/v1/centers/{operation}/board")
    scene.checks.equal("and it has no board any more", board.status_code, 404)
    await _warned(scene, f"{warned[0]}-C", scene.cast.now(), kind="Cancel", refers_to=warned)
    for incident_id in incidents:
        await scene.ended(flood, incident_id, "handled")
    ended = await chief.post(f"/v1/city-operations/{operation}/end", {"note": "解除"})
    scene.need("it is dissolved", ended.is_success, seen=ended.text)
    gone = await scene.cast.until(lambda: _not_in_force(chief, warned[0]))
    scene.checks.that("the warning is over", gone)


async def _looked_back(scene: Scene, instants: list[tuple[int, list[Any]]], given: list[str]) -> None:
    scene.step("statistics of the night")
    entries = {
        one["group"]: one for one in await scene.counters(by="category", center_id=str(scene.cast.center(FLOOD).id))
    }
    scene.checks.that("people moved", entries["flood.waterlogging"]["people"].get("evacuated", 0) >= 420, seen=entries)
    scene.step("the auditor sees the board and the orders in force at three instants")
    auditor = scene.cast.auditor()
    in_force = []
    for position, board in instants:
        answer = await auditor.get("/v1/audit/board", center=str(scene.cast.center(FLOOD).id), position=position)
        scene.checks.equal(f"the board at {position} is what was seen", answer.json().get("items"), board)
        ledger = (await auditor.get("/v1/audit/orders", position=position, in_force="true", limit=200)).json()["items"]
        in_force.append(sum(one["order_id"] in given and one["is_in_force"] for one in ledger))
    scene.checks.equal("orders in force before, in the middle, after", in_force, [0, len(given), 0])


async def _picture(scene: Scene) -> tuple[int, list[Any]]:
    """A position, and the board of flood control as it is seen live there."""
    seat = await scene.operator(scene.cast.center(FLOOD))
    answer = (await seat.get(f"/v1/centers/{scene.cast.center(FLOOD).id}/board", limit=200)).json()
    return int(answer["position"]), answer["items"]


def _reading(scene: Scene, gauge: CameraEntry, level_m: float) -> dict[str, Any]:
    """A gauge that hangs where a camera does."""
    said_at = scene.cast.now().isoformat()
    return {"gauge": gauge.code, "measured_at": said_at, "level_m": level_m, "warn_m": 4.0, "alarm_m": 4.5}


async def _quiet(scene: Scene, gauge: CameraEntry) -> None:
    before = await scene.cast.alerts_recorded()
    body = to_json(_reading(scene, gauge, 1.2))
    answer = await scene.cast.gateway(gauge).send("/v1/ingest/sensorthings", body, "application/json")
    scene.checks.equal("a level below its mark is no alarm", answer.json().get("code"), "ingest.not_an_alarm")
    scene.checks.equal("and no alert is recorded", await scene.cast.alerts_recorded(), before)


def _water(scene: Scene, camera: int, kind: str, text: str, number: int = 0) -> dict[str, object]:
    chosen = scene.cameras[camera]
    return messages.native_alert(
        chosen,
        scene.cast.now(),
        alert_id=f"{chosen.code}-{kind}-{number}",
        kind=kind,
        severity="severe" if number == 0 else "moderate",
        text=text,
    )


async def _warned(
    scene: Scene,
    identifier: str,
    at: datetime,
    *,
    status: str = "Actual",
    kind: str = "Alert",
    refers_to: tuple[str, datetime] | None = None,
) -> None:
    """A CAP message of the weather service."""
    text = cap(scene.station.location, at, identifier, status=status, kind=kind, refers_to=refers_to)
    answer = await scene.cast.warnings().send("/v1/ingest/cap", text, "application/cap+xml")
    scene.need(f"{kind} {identifier} is taken", answer.is_success, seen=answer.text)


def cap(
    around: GeoPoint,
    at: datetime,
    identifier: str,
    *,
    status: str,
    kind: str,
    refers_to: tuple[str, datetime] | None,
) -> bytes:
    """CAP 1.2 over a small square."""
    west, south, east, north = (
        around.lon - REACH_DEG,
        around.lat - REACH_DEG,
        around.lon + REACH_DEG,
        around.lat + REACH_DEG,
    )
    corners = ((south, west), (south, east), (north, east), (north, west), (south, west))
    ring = " ".join(f"{lat:.5f},{lon:.5f}" for lat, lon in corners)
    references = (
        "" if refers_to is None else f"<references>{SENDER},{refers_to[0]},{_cap_time(refers_to[1])}</references>"
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{identifier}</identifier><sender>{SENDER}</sender>
<sent>{_cap_time(at)}</sent><status>{status}</status><msgType>{kind}</msgType><scope>Public</scope>{references}
<info><language>zh-CN</language><category>Met</category><event>暴雨洪水</event><urgency>Immediate</urgency>
<severity>Severe</severity><certainty>Likely</certainty><expires>{_cap_time(at + timedelta(hours=6))}</expires>
<headline>锦江暴雨洪水预警</headline><area><areaDesc>锦江沿线</areaDesc><polygon>{ring}</polygon></area></info></alert>""".encode()


def _cap_time(at: datetime) -> str:
    return at.astimezone(datetime.fromisoformat("2000-01-01T00:00:00+08:00").tzinfo).isoformat(timespec="seconds")


async def _in_force(seat: Seat, identifier: str) -> dict[str, Any] | None:
    items = (await seat.get("/v1/warnings", in_force="true", limit=200)).json()["items"]
    return next((one for one in items if one["identifier"] == identifier), None)


async def _not_in_force(seat: Seat, identifier: str) -> bool:
    return await _in_force(seat, identifier) is None


def _in(scene: Scene, minutes: float) -> str:
    return (scene.cast.now() + timedelta(minutes=minutes)).isoformat()


async def _ordered(
    scene: Scene,
    seat: Seat,
    kind: str,
    text: str,
    district: CenterEntry,
    *,
    status: str = "actual",
    center_id: str | None = None,
) -> str:
    """Issue an order to traffic police and a district; its id."""
    spot = scene.station.location
    body = {
        "kind": kind,
        "status": status,
        "text": text,
        "basis": "防汛应急预案 II级响应",
        "area": {
            "circles": [{"center": {"type": "Point", "coordinates": [spot.lon, spot.lat]}, "radius_m": 400}],
            "description": text,
        },
        "expires_at": _in(scene, 600),
        "acknowledge_by": _in(scene, 30),
        "addressees": [{"agency": "traffic_police"}, {"center_id": str(district.id)}],
        "center_id": center_id,
    }
    answer = await seat.post("/v1/orders", body)
    scene.need(f"{kind} ({status}) is ordered", answer.is_success, seen=answer.text)
    return str(answer.json()["order_id"])


async def _order(scene: Scene, seat: Seat, order: str) -> dict[str, Any]:
    answer = await seat.get(f"/v1/orders/{order}")
    scene.need("the order can be read", answer.is_success, seen=answer.text)
    document: dict[str, Any] = answer.json()
    return document


async def _waits_for(seat: Seat, order: str, centers: set[str]) -> bool:
    return set((await seat.get(f"/v1/orders/{order}")).json().get("waiting_center_ids", ())) == centers


async def _decided(scene: Scene, seat: Seat, order: str, verb: str, body: Any) -> None:
    shown = await seat.get(f"/v1/orders/{order}")
    answer = await seat.post(f"/v1/orders/{order}/{verb}", body, version=shown.headers.get("etag", '"1"'))
    scene.need(f"{seat.name}: {verb}", answer.is_success, seen=answer.text)


async def _told(partner: Partner, order: str) -> Received | None:
    return next((one for one in partner.received if one.body.get("order_id") == order), None)
