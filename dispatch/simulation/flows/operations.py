"""Operations, some of them restricted: planned, joined and left, run and ended; their incidents; and who looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar
from uuid import UUID

from dispatch.handling.scribe import Outcome, Request
from dispatch.simulation.city import CITY, SPOTS
from dispatch.simulation.flows.flow import ASTRAY, Acts, Flow
from dispatch.simulation.history import Looked
from dispatch.simulation.people import Row
from dispatch.simulation.serving import ApiProcess
from domain.event import Place
from domain.identifiers import named, operation_id
from domain.operation import commands as ask
from domain.operation.events import OperationPlanned, PointReported
from domain.refusals import Refused
from domain.vocabulary import PointKind, PointStatus
from projections.queries import board
from projections.queries import operations as queries
from projections.queries.sight import Sight

CODES = ("relay", "visit")
"""Few, so that two plan the same one."""
SECRET = "the Minister's route"  # noqa: S105  # words that must not leave a restricted operation, and no password
LISTED_MAX = 50


class Operations(Flow):
    """Its own center, those that take part, and everybody else."""

    async def plan(self) -> None:
        """One of few codes, restricted or not."""
        code = f"{self.chance.one_of(CODES)}-{self.chance.whole(1, 2)}"
        restricted = self.chance.happens(0.6)
        center = self.center()
        operation = OperationPlanned(
            city=CITY,
            code=code,
            name_zh=code,
            name_en=code,
            purpose=SECRET if restricted else "to see it through",
            center_id=center.center_id,
            path=center.path,
            restricted=restricted,
            begins_at=self.in_s(-5.0, 5.0),
            ends_at=self.in_s(20.0, 90.0),
            route=SPOTS[:2],
        )
        await self._ask(operation_id(CITY, code), ask.PlanOperation(operation=operation))

    async def go_on(self) -> None:
        """Whatever its phase admits, mostly."""
        row = self.row("operations", lambda row: row["phase"] != "ended") or self.row("operations")
        if row is None:
            return await self.plan()
        make = self.chance.weighted(self._UNDER_WAY if row["phase"] == "under_way" else self._PLANNED)
        return await self._ask(row["operation_id"], make(self, row), self.stated(row))

    async def look(self) -> None:
        """A center asks which operations there are; what it was shown is held against the log later."""
        center = self.center()

        async def once(api: ApiProcess) -> tuple[int, list[UUID]]:
            statement = queries.listed((center.center_id,), phase=None, before_position=None, limit=LISTED_MAX)
            position, (rows,) = await api.rows(statement)
            return position, [row["operation_id"] for row in rows]

        try:
            position, shown = await self.seat.insist("look at operations", once)
        except Refused as error:
            raise AssertionError("looking is never refused") from error
        self.world.history.looked.append(Looked(position, center.center_id, frozenset(shown)))

    async def attach(self) -> None:
        """An incident is of a restricted one, mostly one that a center which takes part owns."""
        row = self.row("operations", lambda row: row["is_restricted"]) or self.row("operations")
        if row is None:
            return
        astray, visible = self.chance.happens(ASTRAY), set(row["visible_center_ids"])
        found = self.row("board", lambda board: astray or board["owner_center_id"] in visible)
        if found is not None:
            operation_id, incident_id = row["operation_id"], found["incident_id"]
            await self.seat.command(
                "attach",
                {"operation": operation_id, "incident": incident_id},
                lambda api, asked: api.restrictions.attach(operation_id, incident_id, "it is of it", asked),
            )

    async def join_or_leave(self) -> None:
        """A center of one that has incidents: it learns of them all, or they are gone for it."""
        own = {row["restricted_by"] for row in self.rows("board")} - {None}
        row = self.row("operations", lambda row: row["operation_id"] in own)
        if row is not None:
            leaves = self.chance.happens(0.5)
            await self._ask(row["operation_id"], self._not_a_member(row) if leaves else self._member(row))

    async def detach(self) -> None:
        """It is not, or not any more."""
        found = self.row("board", lambda row: row["restricted_by"] is not None)
        if found is not None:
            operation_id, incident_id = found["restricted_by"], found["incident_id"]
            await self.seat.command(
                "detach",
                {"operation": operation_id, "incident": incident_id},
                lambda api, asked: api.restrictions.detach(operation_id, incident_id, "it is known", asked),
            )

    async def look_at_board(self) -> None:
        """A center looks at the board of one that may know more than it does; what it is shown is judged later."""
        center, other = self.center(), self.center()

        async def once(api: ApiProcess) -> tuple[int, list[UUID]]:
            sight = Sight(center_id=center.center_id)
            statement = board.for_center(other.center_id, sight=sight, cursor=None, limit=LISTED_MAX)
            position, (rows,) = await api.rows(statement)
            return position, [row["incident_id"] for row in rows]

        try:
            position, shown = await self.seat.insist("look at a board", once)
        except Refused as error:
            raise AssertionError("looking is never refused") from error
        self.world.history.boards.append(Looked(position, center.center_id, frozenset(shown)))

    acts: ClassVar[Acts] = {plan: 1, go_on: 9, look: 3, attach: 5, detach: 3, join_or_leave: 4, look_at_board: 3}

    async def _ask(self, target: UUID, command: ask.OperationCommand, version: int | None = None) -> None:
        meaning = {"operation": target, "command": command.model_dump(mode="json")}

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            if isinstance(command, ask.AddMember | ask.RemoveMember):
                return await api.restrictions.member(target, command, asked)
            return await api.operations.execute(target, command, asked)

        await self.seat.command(type(command).__name__, meaning, run, expected_version=version)

    def _member(self, _row: Row) -> ask.OperationCommand:
        return ask.AddMember(center_id=self.center().center_id)

    def _not_a_member(self, row: Row) -> ask.OperationCommand:
        members = [UUID(each) for each in row["members"]] or [self.center().center_id]
        return ask.RemoveMember(center_id=self.chance.one_of(members))

    def _checkpoint(self, row: Row) -> ask.OperationCommand:
        number = self.chance.whole(1, 3)
        return ask.SetCheckpoint(
            checkpoint_id=named("checkpoint", row["code"], str(number)),
            label=f"gate {number}",
            location=self.chance.one_of(SPOTS),
            planned_at=self.in_s(-5.0, 20.0),
        )

    def _passed(self, row: Row) -> ask.OperationCommand:
        number = self.chance.whole(1, 3)
        set_ones = [UUID(each["checkpoint_id"]) for each in row["checkpoints"]]
        unknown = [named("checkpoint", row["code"], str(number))]
        return ask.PassCheckpoint(
            checkpoint_id=self.chance.one_of(set_ones or unknown), passed_at=self.world.clock.now()
        )

    def _camera(self, row: Row) -> ask.OperationCommand:
        known = list(row["visible_center_ids"])
        center_id = self.center().center_id if self.chance.happens(2 * ASTRAY) else self.chance.one_of(known)
        return ask.AssignCamera(camera_id=self.chance.one_of(tuple(self.world.city.cameras)), center_id=center_id)

    def _no_camera(self, row: Row) -> ask.OperationCommand:
        watched = [UUID(each) for each in row["cameras"]] or list(self.world.city.cameras)
        return ask.ReleaseCamera(camera_id=self.chance.one_of(watched))

    def _start(self, _row: Row) -> ask.OperationCommand:
        return ask.StartOperation()

    def _end(self, _row: Row) -> ask.OperationCommand:
        return ask.EndOperation()

    def _point(self, row: Row) -> ask.OperationCommand:
        number = self.chance.whole(1, 3)
        point = PointReported(
            point_id=named("point", row["code"], str(number)),
            kind=tuple(PointKind)[number],
            status=self.chance.one_of(tuple(PointStatus)),
            place=Place(point=self.chance.one_of(SPOTS)),
            text=row["purpose"],
            people=self.chance.whole(0, 40),
        )
        return ask.ReportPoint(point=point)

    def _situation(self, row: Row) -> ask.OperationCommand:
        return ask.ReportSituation(text=row["purpose"])

    _PLANNED: Mapping[Callable[[Operations, Row], ask.OperationCommand], int] = {
        _member: 4, _not_a_member: 2, _checkpoint: 4, _camera: 4, _no_camera: 1, _start: 6, _passed: 1, _point: 1,
        _situation: 1,
    }  # fmt: skip
    _UNDER_WAY: Mapping[Callable[[Operations, Row], ask.OperationCommand], int] = {
        _member: 2, _not_a_member: 2, _checkpoint: 3, _camera: 3, _no_camera: 2, _passed: 5, _point: 3, _situation: 2,
        _end: 1, _start: 1,
    }  # fmt: skip
