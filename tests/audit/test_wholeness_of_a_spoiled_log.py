from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import pytest

from dispatch.audit.wholeness import Wholeness, wholeness
from dispatch.ports import AppendCommand, Mark, NewEvent, StreamAppend
from dispatch.store.memory import MemoryLog
from dispatch.store.postgres import PostgresLog
from dispatch.workers.releaser import Releaser
from dispatch.world import SystemClock
from domain.assignment.events import AssignmentCleared, AssignmentMade
from domain.event import Event
from domain.incident.events import IncidentClosed, IncidentMerged, IncidentReopened, IncidentUnmerged
from tests.domain.incident_story import MERGE, MERGED, OPENED, STATION, owned_by
from tests.projections.happenings import SYSTEM, UNITS, Happening, tell

FIRST, SECOND = UUID(int=1), UUID(int=2)


async def examined(dsn: str, *, spoiled_by: str | None = None) -> Wholeness:
    """Twelve events on two streams, then what only a superuser could do: set the guards aside and change the past."""
    log = await PostgresLog.open(dsn)
    for _ in range(3):
        events = (NewEvent("tried", b"{}"), NewEvent("tried", b"{}"))
        await log.append(AppendCommand((StreamAppend(FIRST, None, events), StreamAppend(SECOND, None, events))))
    if spoiled_by is not None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"SET session_replication_role = replica; {spoiled_by}")
        await connection.close()
    try:
        return await wholeness(log)
    finally:
        await log.close()


def counts(found: Wholeness) -> tuple[int, int, int]:
    return found.holes, found.version_gaps, found.clock_steps_back


async def test_a_log_left_alone_has_no_hole_no_gap_and_no_step_back(dsn: str) -> None:
    found = await examined(dsn)
    assert (found.position, found.streams, counts(found)) == (12, 2, (0, 0, 0))


async def test_a_removed_event_is_noticed_in_positions_and_versions(dsn: str) -> None:
    found = await examined(dsn, spoiled_by="DELETE FROM log.events WHERE notification_id = 5")
    assert counts(found) == (1, 1, 0)
    assert not found.is_whole


async def test_the_last_event_removed_is_noticed(dsn: str) -> None:
    found = await examined(dsn, spoiled_by="DELETE FROM log.events WHERE notification_id = 12")
    assert counts(found) == (1, 0, 0)


async def test_a_time_set_back_is_noticed(dsn: str) -> None:
    earlier = "UPDATE log.events SET recorded_at = recorded_at - interval '1 hour' WHERE notification_id = 7"
    found = await examined(dsn, spoiled_by=earlier)
    assert counts(found) == (0, 0, 1)


async def test_what_cannot_be_read_is_counted(dsn: str) -> None:
    assert (await examined(dsn)).unreadable == 12


# --- No unit is left on an incident that has ended --------------------------------------------------------------------

CAR, HEAD = UNITS[0], SECOND
MADE = AssignmentMade(
    assignment_id=UUID(int=7),
    incident_id=FIRST,
    incident_number=OPENED.number,
    incident_owner=owned_by(STATION),
    unit_id=CAR,
    agency="police",
    call_sign="P-1",
)
GUEST = (FIRST, MERGED.model_copy(update={"into_incident_id": HEAD}))
BEGINS: tuple[tuple[UUID, Event], ...] = ((FIRST, OPENED), (HEAD, OPENED))
SENT: tuple[UUID, Event] = (CAR, MADE)
CLEARED: tuple[UUID, Event] = (CAR, AssignmentCleared(assignment_id=MADE.assignment_id, incident_id=FIRST))
CLOSED, HEAD_CLOSED = ((each, IncidentClosed()) for each in (FIRST, HEAD))
REOPENED: tuple[UUID, Event] = (FIRST, IncidentReopened(reason="again"))
UNMERGED: tuple[UUID, Event] = (FIRST, IncidentUnmerged(merge_id=MERGE, from_incident_id=HEAD))
assert isinstance(GUEST[1], IncidentMerged)


async def told(story: Sequence[tuple[UUID, Event]], released_to: int | None = None) -> Wholeness:
    """Facts planted past all deciders, with the releaser at the end or at a position."""
    log = MemoryLog(SystemClock())
    position = await tell(log, [Happening(stream, event, 0, SYSTEM) for stream, event in (*BEGINS, *story)])
    reached = position if released_to is None else released_to
    await log.append(AppendCommand((), marks=(Mark(Releaser.name, 0, reached),)))
    return await wholeness(log)


@pytest.mark.parametrize(
    "story",
    [(SENT, CLOSED), (CLOSED, SENT), (SENT, GUEST, HEAD_CLOSED), (SENT, CLOSED, REOPENED, CLOSED)],
    ids=["ended under it", "sent after the end", "its head ended", "ended again"],
)
async def test_a_unit_left_on_an_incident_that_ended_is_found(story: Sequence[tuple[UUID, Event]]) -> None:
    found = await told(story)
    assert (found.left_on_ended, found.is_whole) == (1, False)
    ((unit, ended),) = [finding.split(f": P-1 is on {OPENED.number}, which ended at ") for finding in found.findings]
    assert int(unit) == 3 + story.index(SENT)
    assert int(ended) == 2 + len(story) - (story[-1] == SENT)


@pytest.mark.parametrize(
    "story",
    [(SENT, CLEARED, CLOSED), (SENT, CLOSED, REOPENED), (SENT, GUEST, HEAD_CLOSED, UNMERGED), (SENT, HEAD_CLOSED)],
    ids=["cleared", "reopened", "apart again", "another ended"],
)
async def test_a_unit_that_is_where_it_may_be_is_not(story: Sequence[tuple[UUID, Event]]) -> None:
    found = await told(story)
    assert (found.left_on_ended, found.findings) == (0, [])


async def test_what_the_releaser_has_not_seen_yet_is_not_held_against_the_log() -> None:
    assert (await told((SENT, CLOSED), released_to=3)).left_on_ended == 0
    assert (await told((SENT, CLOSED), released_to=4)).left_on_ended == 1
