"""The long history of a measurement: other ids at each repeat, the same towns otherwise, foldable like any log."""

from __future__ import annotations

import asyncio
import re
from itertools import islice

import pytest

from dispatch.bench.history import fill, repeated
from dispatch.bench.rebuild import RebuildOptions, bench_rebuild, codec_figures, histories
from dispatch.ports import RecordedEvent
from dispatch.store.memory import MemoryLog
from dispatch.world import SystemClock
from projections import fold
from projections.fold import MemoryRows
from projections.registry import PROJECTIONS

IDS = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def history() -> list[RecordedEvent]:
    return histories([1])


def test_a_repeat_differs_in_its_ids_and_in_nothing_else(history: list[RecordedEvent]) -> None:
    told = list(islice(repeated(history), 2 * len(history)))
    first, second = told[: len(history)], told[len(history) :]
    for row, one, two in zip(history, first, second, strict=True):
        (same,), (other,) = one.streams, two.streams
        assert (same.stream_id, same.events[0].state) == (row.stream_id, row.state)
        assert other.stream_id != row.stream_id
        assert IDS.sub(b"", other.events[0].state) == IDS.sub(b"", row.state)
        assert set(IDS.findall(other.events[0].state)).isdisjoint(IDS.findall(row.state))


def test_every_repeat_makes_the_same_rows_under_other_keys(history: list[RecordedEvent]) -> None:
    log = MemoryLog(SystemClock())
    asyncio.run(fill(log, repeated(history), 3 * len(history)))
    recorded = asyncio.run(log.read_after(0, limit=1_000_000))
    for projection in PROJECTIONS.values():
        once, thrice = MemoryRows(projection), MemoryRows(projection)
        once.take(fold.read(recorded[: len(history)], len(history)))
        thrice.take(fold.read(recorded, len(recorded)))
        assert not thrice.parked
        assert len(thrice.rows) == 3 * len(once.rows), projection.name


def test_the_codec_is_measured_on_what_was_recorded(history: list[RecordedEvent]) -> None:
    figures = codec_figures(history)
    rates = ("parse_json_per_s", "open_per_s", "decode_plain_per_s", "decode_per_s", "decode_whole_per_s")
    assert min(figures[name] for name in rates) > 0


@pytest.mark.long
async def test_the_bench_gives_its_figures(dsn: str, history: list[RecordedEvent]) -> None:
    said: list[str] = []
    figures = await bench_rebuild(dsn, RebuildOptions(events=2_000, live_s=1.0), history, say=said.append)
    assert figures["events"] == 2_000
    assert said
    for name in ("board_events_per_s", "all_events_per_s", "ratio_scan_decode", "live_ms_p99_ratio"):
        assert figures[name] > 0
