"""What every stream was told, held against the rows: nothing missing, nothing twice, and how long each change took.

A client that holds position M and hears a page's end N must have been told, between the two, of each incident that
changed for its board after M up to N, exactly once and as it last was. This is computed anew from `read.board_changes`,
without any code of the server's.
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

Window = tuple[str, float, float]
REMOVED = -1
EVENT = re.compile(rb"event: (\w+)\n(?:id: (\d+)\n)?data: (.*)\n")
CHANGES = """
    SELECT page_position, incident_id::text AS incident_id,
           (row::jsonb->>'updated_position')::bigint AS updated_position,
           extract(epoch FROM written_at)::float8 AS written_at, centers_before::text[] AS before,
           CASE WHEN row IS NULL THEN '{}' ELSE centers_after::text[] END AS after
    FROM read.board_changes WHERE page_position > $1 ORDER BY page_position, incident_id
"""
RECORDED = (
    "SELECT notification_id AS position, extract(epoch FROM recorded_at)::float8 AS at"
    " FROM log.events WHERE notification_id > $1"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One chunk. `rows`: incident → the position it was last changed by, `REMOVED` if it left."""

    position: int | None
    begins: bool
    """A snapshot: what it says replaces all that was held."""
    reset: bool
    rows: Mapping[str, int]

    @classmethod
    def of(cls, chunk: bytes) -> Frame:
        """From the events of a chunk."""
        position, begins, reset = None, False, False
        rows: dict[str, int] = {}
        for name, identifier, said in EVENT.findall(chunk):
            if identifier:
                position = int(identifier)
            begins = begins or name == b"snapshot"
            reset = reset or name == b"reset"
            if name in (b"upsert", b"removal") and not begins:
                row = json.loads(said)
                if row["incident_id"] in rows:
                    raise RuntimeError(f"{row['incident_id']} is told twice before one page's end")
                rows[row["incident_id"]] = row.get("updated_position", REMOVED)
        return cls(position, begins, reset, rows)


@dataclass(slots=True)
class Heard:
    """What one stream was told: numbers of frames and when they came (seconds since the epoch)."""

    board: str
    stalls: bool
    last: int = 0
    frames: array[int] = field(default_factory=lambda: array("l"))
    times: array[float] = field(default_factory=lambda: array("d"))


class Truth:
    """What the rows say each board should have been told."""

    def __init__(self, changes: Sequence[Mapping[str, Any]], recorded: Mapping[int, float]) -> None:
        self._pages: dict[str, list[int]] = {}
        self._changes: dict[str, list[tuple[str, int, float]]] = {}
        self.folding_s: list[float] = []
        """From the record of each fact to the beginning of the page's transaction."""
        self._due: dict[tuple[str, int, int], tuple[dict[str, int], tuple[float, ...]]] = {}
        for change in changes:
            after = set(change["after"])
            at = recorded[change["updated_position"] or change["page_position"]]
            self.folding_s.append(change["written_at"] - at)
            for board in after | set(change["before"]):
                version = change["updated_position"] if board in after else REMOVED
                self._pages.setdefault(board, []).append(change["page_position"])
                self._changes.setdefault(board, []).append((change["incident_id"], version, at))

    def due(self, board: str, after: int, upto: int) -> tuple[dict[str, int], tuple[float, ...]]:
        """Incidents as they last were, and when each of the changes (superseded ones too) was recorded."""
        key = (board, after, upto)
        found = self._due.get(key)
        if found is None:
            pages = self._pages.get(board, [])
            changes = self._changes.get(board, [])[bisect_right(pages, after) : bisect_right(pages, upto)]
            found = ({name: version for name, version, _ in changes}, tuple(at for _, _, at in changes))
            self._due[key] = found
        return found


@dataclass(slots=True)
class Verdict:
    """Counts over all streams; times in seconds, by window."""

    gaps: int = 0
    repeats: int = 0
    resets: int = 0
    delivered: int = 0
    waits: dict[str, array[float]] = field(default_factory=dict)
    differences: dict[tuple[str, int, int], tuple[int, int]] = field(default_factory=dict)
    """By board, position held and frame: clients of one board are told the same, so it is compared once."""


async def judge(
    streams: Sequence[Heard],
    frames: Sequence[Frame],
    *,
    dsn: str,
    after: int,
    windows: Sequence[Window],
) -> dict[str, float | int]:
    """Figures over all streams. `after`: the position before the load; `windows`: name, begin and end of each."""
    connection = await asyncpg.connect(dsn)
    try:
        recorded = {row["position"]: row["at"] for row in await connection.fetch(RECORDED, after)}
        truth = Truth(await connection.fetch(CHANGES, after), recorded)
        tip = max(recorded)
    finally:
        await connection.close()
    verdict = Verdict()
    for heard in streams:
        _judge(heard, frames, truth, verdict, tip, windows)
    return {
        "gaps": verdict.gaps,
        "repeats": verdict.repeats,
        "resets": verdict.resets,
        "delivered": verdict.delivered,
        "fold_ms_p99": _percentile(sorted(truth.folding_s), 0.99),
        **_times(verdict, {name for name, _, _ in windows}),
    }


def _judge(
    heard: Heard,
    frames: Sequence[Frame],
    truth: Truth,
    verdict: Verdict,
    tip: int,
    windows: Sequence[Window],
) -> None:
    held = 0
    for number, at in zip(heard.frames, heard.times, strict=True):
        frame = frames[number]
        verdict.resets += frame.reset
        if frame.position is None:
            continue
        if frame.begins:
            held = frame.position
            continue
        due, recorded = truth.due(heard.board, held, frame.position)
        key = (heard.board, held, number)
        if key not in verdict.differences:
            verdict.differences[key] = _difference(due, frame.rows)
        gaps, repeats = verdict.differences[key]
        verdict.gaps += gaps
        verdict.repeats += repeats
        verdict.delivered += len(frame.rows)
        held = frame.position
        if not heard.stalls:
            for recorded_at in recorded:
                _note(verdict, recorded_at, at, windows)
    verdict.gaps += len(truth.due(heard.board, held, tip)[0])


def _difference(due: Mapping[str, int], rows: Mapping[str, int]) -> tuple[int, int]:
    """Incidents not told, or told as they were before; incidents told that had not changed."""
    return sum(rows.get(name) != version for name, version in due.items()), len(rows.keys() - due.keys())


def _note(verdict: Verdict, recorded_at: float, at: float, windows: Sequence[Window]) -> None:
    for name, begins_at, ends_at in windows:
        if begins_at <= recorded_at < ends_at:
            verdict.waits.setdefault(name, array("d")).append(at - recorded_at)


def _times(verdict: Verdict, names: set[str]) -> dict[str, float | int]:
    found: dict[str, float | int] = {}
    for name in names:
        waits = sorted(verdict.waits.get(name, ()))
        found[f"{name}_deliveries"] = len(waits)
        for label, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            found[f"{name}_ms_{label}"] = _percentile(waits, share)
    return found


def _percentile(ordered_s: Sequence[float], share: float) -> float:
    """In milliseconds; 0 of none."""
    return round(ordered_s[min(len(ordered_s) - 1, int(len(ordered_s) * share))] * 1000, 2) if ordered_s else 0.0
