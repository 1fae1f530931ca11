"""Whatever is sent, however often, by however many at once: each distinct thing is in the log once, none is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.handling.alerts import AlertReceipt
from dispatch.ingest.message import Draft
from dispatch.ports import AppendCommand, RecordedEvent, Verdict
from dispatch.store.memory import MemoryLog
from domain.vocabulary import Severity
from tests.ingest.stage import Stage, StandingClock, draft_of

Said = tuple[str, int]
"""An id and a severity: few of each, so that repeats and revisions abound."""
PAGES = st.lists(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), min_size=1, max_size=6), min_size=1, max_size=6
)
TURNS = st.lists(st.integers(0, 3), min_size=1, max_size=20)


class Interleaved(MemoryLog):
    """Lets others go first at each call, as often as the story says."""

    turns: Sequence[int] = (0,)
    calls = 0

    async def _give_way(self) -> None:
        self.calls += 1
        for _ in range(self.turns[self.calls % len(self.turns)]):
            await asyncio.sleep(0)

    async def append_many(self, commands: Sequence[AppendCommand]) -> list[Verdict]:
        await self._give_way()
        return await super().append_many(commands)

    async def read_streams(self, *arguments: Any, **named: Any) -> dict[Any, list[RecordedEvent]]:
        found = await super().read_streams(*arguments, **named)
        await self._give_way()
        return found


def draft(said: Said) -> Draft:
    return draft_of("native", json.dumps({"id": said[0], "kind": "motion", "severity": said[1]}))


async def play(pages: list[list[Said]], turns: list[int]) -> None:
    clock = StandingClock()
    log = Interleaved(clock)
    stage = await Stage(log, clock).set_up()
    log.turns = turns
    answers = await asyncio.gather(*(stage.receive(*map(draft, page)) for page in pages))
    facts = await stage.facts()
    recorded = [(fact.event.content.source_event_id, int(fact.event.content.severity)) for fact in facts]
    sent = [said for page in pages for said in page]
    assert sorted(recorded) == sorted(set(sent)), "each distinct thing once, nothing that nobody sent"
    where = {said: fact.position for said, fact in zip(recorded, facts, strict=True)}
    receipts = [receipt for page in answers for receipt in page if isinstance(receipt, AlertReceipt)]
    assert [receipt.position for receipt in receipts] == [where[said] for said in sent]
    assert sum(not receipt.duplicate for receipt in receipts) == len(facts)
    worst = {name: max(severity for other, severity in sent if other == name) for name, _ in sent}
    for name, severity in worst.items():
        assert (name, severity) in recorded, f"{Severity(severity).name} of {name} was hidden"


@settings(max_examples=150)
@given(PAGES, TURNS)
def test_pages_that_race_lose_nothing_and_repeat_nothing(pages: list[list[Said]], turns: list[int]):
    asyncio.run(play(pages, turns))
