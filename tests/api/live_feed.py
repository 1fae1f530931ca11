"""Live streams and the feed behind them, for tests: a client of one stream, and pages written as the projector does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from projections.queries.progress import CHANGES_CHANNEL
from tests.api import town

DEADLINE_S = 10.0
EAST, WEST = "east-station", "west-station"
EAST_STREAM = f"/v1/centers/{EAST}/stream"
CHANGE = (
    "INSERT INTO read.board_changes (page_position, incident_id, row, category, centers_before, centers_after,"
    " agencies_before, agencies_after, categories)"
    " VALUES ($1, $2, $3, 'traffic.accident', $4, $5, '{}', '{}', '{traffic.accident}')"
)


class Events:
    """A client of one stream."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.comments = 0
        self.last_id: str | None = None

    async def next(self) -> tuple[str, Any]:
        """The next event: its name and its data."""
        async with asyncio.timeout(DEADLINE_S):
            name = data = ""
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments += 1
                elif line.startswith("id: "):
                    self.last_id = line[4:]
                elif line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    data = line[6:]
                elif not line and name:
                    return name, json.loads(data)
        return "end", None

    async def until(self, wanted: str) -> list[tuple[str, Any]]:
        """Events up to and with the first of a name."""
        found = []
        while not found or found[-1][0] not in {wanted, "end"}:
            found.append(await self.next())
        assert found[-1][0] == wanted, found
        return found


@asynccontextmanager
async def opened(base: str, path: str, headers: dict[str, str]) -> AsyncIterator[Events]:
    async with (
        httpx.AsyncClient(base_url=base, timeout=DEADLINE_S) as client,
        client.stream("GET", path, headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Events(answer.aiter_lines())


@dataclass(frozen=True, slots=True)
class Move:
    """One incident in one page: the centers that saw it before, those that see it now, and what its row says."""

    incident_id: UUID
    before: tuple[str, ...]
    after: tuple[str, ...]
    text: str = ""


@dataclass(slots=True)
class Feed:
    """Writes pages of board changes: rows, checkpoint and hint in one transaction, as the projector does."""

    connection: asyncpg.Connection
    position: int
    pages: dict[int, Sequence[Move]] = field(default_factory=dict)

    async def page(self, *moves: Move, hint: bool = True) -> int:
        """Write one page; its position."""
        return (await self.together([moves], hint=hint))[0]

    async def together(self, pages: Sequence[Sequence[Move]], *, hint: bool = True) -> list[int]:
        """Write several pages that become visible at the same moment; their positions."""
        positions = []
        async with self.connection.transaction():
            for moves in pages:
                self.position += 1
                positions.append(self.position)
                self.pages[self.position] = moves
                await self.connection.executemany(CHANGE, [_values(self.position, move) for move in moves])
            await self.connection.execute(
                "UPDATE read.checkpoints SET position = $1 WHERE name = 'board'", self.position
            )
            if hint:
                await self.connection.execute("SELECT pg_notify($1, $2)", CHANGES_CHANNEL, str(self.position))
        return positions

    def due(self, board: str, after: int, upto: int) -> dict[str, str | None]:
        """What a client of a board that holds one position must be told up to another: text, or None if it left."""
        found: dict[str, str | None] = {}
        for position in range(after + 1, upto + 1):
            for move in self.pages.get(position, ()):
                if board in move.after:
                    found[str(move.incident_id)] = move.text
                elif board in move.before:
                    found[str(move.incident_id)] = None
        return found


def _values(position: int, move: Move) -> tuple[Any, ...]:
    row = {"incident_id": str(move.incident_id), "category": "traffic.accident", "text": move.text}
    before, after = ([town.center(code) for code in codes] for codes in (move.before, move.after))
    return position, move.incident_id, json.dumps(row) if move.after else None, before, after


def rows_of(told: Sequence[tuple[str, Any]]) -> dict[str, str | None]:
    """Texts by incident, None for a removal; each incident at most once."""
    found: dict[str, str | None] = {}
    for name, said in told:
        if name in {"upsert", "removal"}:
            assert said["incident_id"] not in found, "an incident is told twice before one page's end"
            found[said["incident_id"]] = said["text"] if name == "upsert" else None
    return found


def incident(number: int) -> UUID:
    """The id of the n-th incident of a feed."""
    return UUID(int=number + 1)


async def heard(events: Events, position: int) -> dict[str, str | None]:
    """All rows told until the page's end of a position, the last of each incident."""
    found: dict[str, str | None] = {}
    while int(events.last_id or 0) < position:
        found |= rows_of(await events.until("page"))
    return found
