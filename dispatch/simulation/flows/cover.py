"""Cover: who should move up does, or does not because somebody says why; and goes home again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from dispatch.simulation.flows.flow import Acts, Flow
from dispatch.simulation.people import Row
from domain.assignment.commands import RecallUnit
from domain.cover.decider import AcceptMove, CoverCommand, DeclineMove

LOOKS, LOOK_EVERY_S = 6, 1.5
"""How long somebody waits for a suggestion: most are withdrawn within seconds."""


class Cover(Flow):
    """Whoever answers suggestions."""

    async def accept(self) -> None:
        """Let it move up."""
        row = await self._row()
        if row is not None:
            await self._answer(row, AcceptMove(suggestion_id=_suggestion(row)))

    async def decline(self) -> None:
        """It shall not."""
        row = await self._row()
        if row is not None:
            await self._answer(row, DeclineMove(suggestion_id=_suggestion(row), reason="the crew is at supper"))

    async def recall(self) -> None:
        """Somebody calls it home before the rule does."""
        row = self.row("units", lambda row: row["posted"] is not None)
        if row is not None:
            unit_id, command = row["unit_id"], RecallUnit(reason="the shift is over")
            await self.seat.command(
                "recall",
                {"unit": unit_id},
                lambda api, asked: api.assignments.execute(unit_id, command, asked),
                expected_version=self.stated(row),
            )

    async def _answer(self, row: Row, command: CoverCommand) -> None:
        cover_id, meaning = row["cover_id"], {"command": command.model_dump(mode="json")}
        await self.seat.command(
            type(command).__name__,
            meaning,
            lambda api, asked: api.cover.answer(cover_id, command, asked, "it covers for another one"),
        )

    async def _row(self) -> Row | None:
        """One that is open, if one is before long; or one that was answered a moment ago."""
        for _ in range(LOOKS):
            found = self.row("cover", lambda row: row["suggestion"] is not None)
            if found is not None:
                return found
            await asyncio.sleep(LOOK_EVERY_S)
        return self.row("cover", lambda row: row["answer"] is not None)

    acts: ClassVar[Acts] = {accept: 5, decline: 2, recall: 1}


def _suggestion(row: Row) -> UUID:
    said: Mapping[str, Any] = row["suggestion"] or row["answer"]
    return UUID(said["suggestion_id"])
