"""A flow of the city as something that can be played: who does what by HTTP and NATS, and what everybody must see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic_core import to_json

from dispatch.demo.cast import Cast
from dispatch.demo.checks import Checks
from dispatch.demo.seats import Row, Seat
from dispatch.directory_entries import CameraEntry, CenterEntry
from dispatch.partners.client import Received


class CannotGoOn(Exception):
    """What was to be seen is not there, and nothing that follows could be."""


@dataclass(slots=True)
class Scene:
    """One flow being played, at a station of its own, so that no flow folds into another's incidents."""

    cast: Cast
    station: CenterEntry
    cameras: list[CameraEntry]
    checks: Checks = field(default_factory=Checks)
    steps: list[str] = field(default_factory=list)
    seen_by: dict[str, list[str]] = field(default_factory=dict)
    """Who → what they saw."""

    @property
    def second_level(self) -> CenterEntry:
        """The center above the station."""
        return self.cast.directory.centers[self.station.path[1]]

    def step(self, text: str) -> None:
        """What is done next."""
        self.steps.append(text)
        self.checks.scene = text

    def saw(self, who: str, what: str) -> None:
        """Somebody saw something."""
        self.seen_by.setdefault(who, []).append(what)

    def need(self, expectation: str, found: Any, *, seen: Any = "") -> Any:
        """What was found; without it the flow cannot go on."""
        if not self.checks.that(expectation, found, seen=seen):
            raise CannotGoOn(expectation)
        return found

    async def operator(self, center: CenterEntry, number: int = 1) -> Seat:
        """An operator of a center. From 9 on those of the second level, from 27 on those of the city supervise."""
        return await self.cast.operator(f"{center.code}.{number:02d}")

    async def reported(self, seat: Seat, **body: Any) -> dict[str, Any]:
        """File a report; what was filed, with its incident and number."""
        answer = await seat.post("/v1/reports", body)
        self.need("the report is filed", answer.is_success, seen=answer.text)
        filed: dict[str, Any] = answer.json()
        return filed

    async def detected(self, camera: CameraEntry, alert: Mapping[str, Any]) -> str:
        """Send an alert of a camera; the incident it became part of, once the second level has it."""
        answer = await self.cast.gateway(camera).post("/v1/alerts", dict(alert))
        self.need("the alert is taken", answer.is_success, seen=answer.text)
        seat = await self.cast.operator(f"{self.second_level.code}.01")
        row = self.need("it opens an incident", await self.cast.until(lambda: self._of_camera(seat, camera)))
        return str(row["incident_id"])

    async def measured(self, camera: CameraEntry, reading: Mapping[str, Any]) -> str:
        """Send a gauge's reading, as OGC SensorThings' small form; the incident it became part of."""
        gateway = self.cast.gateway(camera)
        answer = await gateway.send("/v1/ingest/sensorthings", to_json(dict(reading)), "application/json")
        self.need("the reading is taken", answer.is_success, seen=answer.text)
        seat = await self.cast.operator(f"{self.second_level.code}.01")
        row = self.need("it opens an incident", await self.cast.until(lambda: self._of_camera(seat, camera)))
        return str(row["incident_id"])

    async def _of_camera(self, seat: Seat, camera: CameraEntry) -> Row | None:
        answer = await seat.get("/v1/incidents", camera_id=str(camera.id))
        rows = answer.json().get("items", []) if answer.is_success else []
        return next((row for row in rows if row["recipients"]), None)

    async def shows(self, center: CenterEntry, incident_id: str, **columns: Any) -> Row:
        """The row on a center's live board, once it has these columns."""
        board = await self.cast.board(center)
        there = await board.shows(incident_id, **columns)
        wanted = f" with {columns}" if columns else ""
        row = board.rows.get(incident_id)
        self.need(f"{center.name_en} sees it on its board{wanted}", there and row, seen=row)
        assert row is not None, "just seen"
        self.saw(center.code, f"{row['number']} {row['category']}")
        return row

    async def lacks(self, center: CenterEntry, incident_id: str) -> None:
        """It must leave a center's live board."""
        board = await self.cast.board(center)
        self.checks.that(f"it leaves the board of {center.name_en}", await board.lacks(incident_id))

    async def never_shown(self, center: CenterEntry, incident_id: str) -> None:
        """A center that it does not concern has not seen it."""
        board = await self.cast.board(center)
        self.checks.that(f"{center.name_en} never sees it", incident_id not in board.ever)

    async def hears(self, agency: str, message_type: str, incident_id: str) -> Received:
        """The message on a partner's feed."""
        partner = await self.cast.partner(agency)
        heard = await partner.hears(message_type, incident_id)
        told = [each.type for each in partner.received if each.body.get("incident_id") == incident_id]
        self.need(f"{agency} hears {message_type} on its feed", heard, seen=told)
        assert heard is not None, "just heard"
        self.saw(f"{agency} (NATS)", message_type)
        return heard

    async def decided(self, seat: Seat, incident_id: str, decision: str, body: Any = None) -> dict[str, Any]:
        """Decide on what the card shows now."""
        answer = await seat.decide(incident_id, decision, body)
        self.need(f"{seat.name} decides: {decision}", answer.is_success, seen=answer.text)
        document: dict[str, Any] = answer.json()
        return document

    async def card(self, seat: Seat, incident_id: str) -> dict[str, Any]:
        """The incident's card, with everything that is in the log by now: cards come after boards."""
        answer = await seat.get(f"/v1/incidents/{incident_id}", min_position=await self.cast.position())
        self.need("the card can be read", answer.is_success, seen=answer.text)
        document: dict[str, Any] = answer.json()
        return document

    async def timeline(self, seat: Seat, incident_id: str, **asked: Any) -> list[dict[str, Any]]:
        """The incident's story so far."""
        now = await self.cast.position()
        path = f"/v1/incidents/{incident_id}/timeline"
        answer = await seat.get(path, min_position=now, limit=200, **asked)
        self.need("the story can be read", answer.is_success, seen=answer.text)
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def handled(
        self, seat: Seat, incident_id: str, *, unit: bool = True, crews: Seat | None = None
    ) -> str | None:
        """Verify, accept and, with `unit`, send the first unit recommended and follow it until it is done there.

        `crews` sends it, if that is another office than the one that accepts. The call sign of the unit.
        """
        card = await self.card(seat, incident_id)
        if card["phase"] == "open":
            await self.decided(seat, incident_id, "verify", {"note": "视频核实"})
        if card["phase"] != "accepted":
            await self.decided(seat, incident_id, "accept")
        if not unit:
            return None
        recommended = await self.cast.until(lambda: self._recommended(seat, incident_id))
        unit_id = self.need("units are recommended", recommended)[0]
        crews = crews or seat
        answer = await crews.post(f"/v1/incidents/{incident_id}/assignments", {"unit_id": unit_id, "recommended": True})
        self.need("the unit is assigned", answer.is_success, seen=answer.text)
        assignment_id = answer.json()["assignment_id"]
        for verb in ("acknowledge", "en-route", "on-scene", "clear"):
            said = await crews.post(f"/v1/assignments/{assignment_id}/{verb}", _said(verb))
            self.need(f"the crew says {verb}", said.is_success, seen=said.text)
        assigned = (await self.card(seat, incident_id))["assignments"]
        self.checks.equal("the crew's steps are on the card", [s["phase"] for s in assigned[0]["steps"]], CREW_STEPS)
        return str(assigned[0]["call_sign"])

    async def _recommended(self, seat: Seat, incident_id: str) -> list[str] | None:
        recommendation = (await seat.get(f"/v1/incidents/{incident_id}")).json().get("recommendation") or {}
        return recommendation.get("unit_ids") or None

    async def ended(self, seat: Seat, incident_id: str, disposition: str, note: str | None = None) -> None:
        """Resolve and close; the city's files then say how it ended."""
        await self.decided(seat, incident_id, "resolve", {"disposition": disposition, "note": note})
        await self.decided(seat, incident_id, "close")
        card = await self.card(seat, incident_id)
        self.checks.equal("it ended as was said", (card["phase"], card["disposition"]), ("closed", disposition))

    async def counters(self, **asked: Any) -> list[dict[str, Any]]:
        """What the city's supervisor is told when asking for statistics of this evening."""
        seat = await self.cast.operator("city.27")
        since, until = self.cast.evening
        now = await self.cast.position()
        answer = await seat.get("/v1/statistics/counters", since=since, until=until, min_position=now, **asked)
        self.need("the counters answer", answer.is_success, seen=answer.text)
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


CREW_STEPS = ["made", "acknowledged", "en_route", "on_scene", "cleared"]


def parts_of(row: Row) -> dict[str, str]:
    """Each agency's own part. The second level, informed as a place and not as an agency, is left out."""
    order = ("responsible", "supporting", "informed")
    parts = sorted(row["recipients"], key=lambda one: order.index(one["role"]), reverse=True)
    return {one["agency"]: one["role"] for one in parts}


def _said(verb: str) -> dict[str, Any]:
    return {"outcome": "处置完毕"} if verb == "clear" else {}


Play: TypeAlias = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow by its name in the city's own list. `play` is None where nobody can play it yet; `breaks` names the rule
    which, broken on purpose, must make it fail.
    """

    code: str
    name_zh: str
    name_en: str
    figure: str
    play: Play | None = None
    breaks: str | None = None
    asks_nothing: bool = False
