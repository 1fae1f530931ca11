"""Any board or incident as it was: the live folds, over the log up to a position.

Two questions, never mixed up. *As known* at a position (or an instant, by when the database recorded): what the screen
showed. *As true* at an instant (`true_at`): with all we know now, but only what had happened in the world by then.

The shapes are the live ones, from the same functions, so that a replayed board can be compared with one seen live.
A board reads only the topics that boards fold. An incident reads its own two streams and, of the log since it was
opened, what units did.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from dispatch.audit import board_history
from dispatch.audit.board_history import Board
from dispatch.handling.open_cases import CASES_MAX
from dispatch.ports import BoardBaselines, EventLog, RecordedEvent
from domain.codec import fact_of
from domain.event import Event, Explanation, Fact
from domain.headquarters import decider as headquarters
from domain.identifiers import case_id_for, checklist_of, companion_of, outcome_of
from domain.incident.events import NumberAllocated
from domain.incident.plan_events import UnitsRecommended
from domain.refusals import Refused, Unavailable
from projections import fold, timeline
from projections.addressing import ASSIGNMENTS, names
from projections.board import item
from projections.cards import card
from projections.fold import MemoryRows
from projections.projection import Row
from projections.registry import PROJECTIONS
from projections.shown import shown
from projections.texts import Names, reason

PAGE_EVENTS = 5_000
ALERTS_SHOWN = 50
"""Alerts on a card; the same number as on the live one."""

Advanced = Callable[[int, int], None]
"""Told (position, goal) after each page."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """What to replay: the log up to `position`; with `true_at` only what had happened by then."""

    position: int
    true_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BoardAsOf:
    """A board as it was. `items` have the live shape, in the live order; `rows` are what they were made of."""

    as_of: AsOf
    items: list[dict[str, Any]]
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class IncidentAsOf:
    """An incident as it was: the card's live shape, and its full timeline."""

    as_of: AsOf
    row: Row
    card: dict[str, Any]
    timeline: list[dict[str, Any]]


async def as_of(
    log: EventLog, *, position: int | None = None, instant: datetime | None = None, true_at: datetime | None = None
) -> AsOf:
    """What a caller asked for; nothing asked is the present. Raises `Refused` for a position that is not there yet."""
    tip = (await log.tip()).position
    if position is not None and position > tip:
        raise Refused(
            "audit.position_ahead", f"The log ends at position {tip}: ask for {tip} or less.", position=str(position)
        )
    if position is None:
        position = tip if instant is None else await log.position_at(instant)
    return AsOf(position, true_at)


async def board_as_of(
    log: EventLog,
    moment: AsOf,
    *,
    center_id: UUID | None = None,
    also: Collection[UUID] = (),
    agency: str | None = None,
    baselines: BoardBaselines | None = None,
    advanced: Advanced = lambda _position, _goal: None,
) -> BoardAsOf:
    """The board of a center, the queue of an agency, or the whole city's board, as it was.

    `also`: centers that a headquarters `center_id` commanded at that moment (see `commanded_at`).

    With `baselines` it is folded from the last one before the moment, without from the first fact on: the same board.
    """
    try:
        board = await _board(
            log, await board_history.start(baselines, moment.position, moment.true_at), moment, advanced
        )
    except board_history.Damaged:
        board = await _board(log, board_history.empty(), moment, advanced)
    seen = {center_id, *also}
    rows = [
        row
        for row in board_history.on_board(board)
        if (center_id is None or not seen.isdisjoint(row["visible_center_ids"]))
        and (agency is None or agency in row["agencies"])
    ]
    rows.sort(key=lambda row: (row["priority"], row["opened_position"]))
    return BoardAsOf(moment, [item(row) for row in rows], rows)


async def commanded_at(log: EventLog, headquarters_id: UUID, moment: AsOf) -> tuple[UUID, ...]:
    """Centers that a headquarters commanded then; none before it was opened and after it was over."""
    state = headquarters.INITIAL
    for row in await log.read_stream(headquarters_id):
        if row.position <= moment.position:
            state = headquarters.evolve(state, fact_of(row).event)
    return () if state.scope is None or state.is_over else state.scope.centers


async def _board(log: EventLog, board: Board, moment: AsOf, advanced: Advanced) -> Board:
    async for page in pages(log, sorted(board.rows.projection.topics), moment, after=board.position):
        await board.take(page)
        advanced(page.position, moment.position)
        await asyncio.sleep(0)  # a replay must not hold up the requests of its process
    return board


async def incident_as_of(
    log: EventLog, incident_id: UUID, moment: AsOf, *, language: str = "zh", called: Names | None = None
) -> IncidentAsOf | None:
    """The card and the full timeline of an incident as they were; None if it did not exist yet."""
    recorded = await _story(log, incident_id, moment.position)
    page = _happened(_readable(recorded, moment.position), moment.true_at)
    kept = {name: MemoryRows(PROJECTIONS[name]) for name in ("board", "incident_cards", "incident_alerts", "timeline")}
    for rows in kept.values():
        rows.take(page)
    row = kept["board"].rows.get((incident_id,))
    if row is None:
        return None
    alerts = sorted(
        (link for key, link in kept["incident_alerts"].rows.items() if key[0] == incident_id),
        key=lambda link: -int(link["alert_position"]),
    )
    told = sorted(
        (entry for key, entry in kept["timeline"].rows.items() if key[0] == incident_id),
        key=lambda entry: int(entry["position"]),
    )
    return IncidentAsOf(
        moment,
        row,
        card(row, kept["incident_cards"].rows.get((incident_id,)), alerts[:ALERTS_SHOWN]),
        [timeline.told(entry, language, called) for entry in told],
    )


async def incident_called(log: EventLog, wanted: str) -> UUID | None:
    """The incident with this id or number; the newest, should cities share a number."""
    try:
        return UUID(wanted)
    except ValueError:
        pass
    found, position, tip = None, 0, (await log.tip()).position
    while position < tip:
        page = await log.read_after(position, limit=PAGE_EVENTS, up_to_position=tip, topics=[NumberAllocated.name])
        for fact in _readable([one for one in page if wanted.encode() in one.state], tip).facts:
            if isinstance(fact, Fact) and isinstance(fact.event, NumberAllocated) and fact.event.number == wanted:
                found = fact.event.incident_id
        position = page[-1].position if len(page) >= PAGE_EVENTS else tip
    return found


async def decision_at(log: EventLog, position: int, *, language: str = "zh") -> dict[str, Any] | None:
    """The automatic decision recorded at a position, with its rule version, inputs, candidates and reasons in words.

    None if there is no event there, or none that a rule decided.
    """
    recorded = await log.read_after(position - 1, limit=1, up_to_position=position)
    facts = [fact for fact in _readable(recorded, position).facts if isinstance(fact, Fact)]
    if not facts:
        return None
    explanation: Explanation | None = getattr(facts[0].event, "explanation", None)
    return None if explanation is None else _explained(facts[0], explanation, language)


def _explained(fact: Fact[Event], explanation: Explanation, language: str) -> dict[str, Any]:
    event = fact.event
    candidates = explanation.candidates
    if isinstance(event, UnitsRecommended):
        candidates = event.candidates
    return {
        "position": fact.position,
        "event": event.name,
        "stream_id": str(fact.stream_id),
        "occurred_at": shown(fact.envelope.occurred_at),
        "recorded_at": shown(fact.recorded_at),
        "actor": {"kind": fact.envelope.actor.kind.value, "id": fact.envelope.actor.id},
        "causation_id": shown(fact.envelope.causation_id),
        "rule_version": fact.envelope.rule_version,
        "policy": explanation.policy,
        "input_positions": list(explanation.input_positions),
        "reasons": [_said(one.code, one.values, language) for one in explanation.reasons],
        "candidates": [
            {
                "id": one.id,
                "chosen": one.chosen,
                "distance_m": one.distance_m,
                "age_s": one.age_s,
                "reasons": [_said(why.code, why.values, language) for why in one.reasons],
            }
            for one in candidates
        ],
        "values": event.model_dump(mode="json", exclude_none=True, exclude={"explanation"}),
    }


def _said(code: str, values: dict[str, str], language: str) -> dict[str, Any]:
    return {"code": code, "values": values, "text": reason(code, values, language)}


async def pages(log: EventLog, topics: Sequence[str], moment: AsOf, *, after: int) -> AsyncIterator[fold.Page]:
    """What the moment knows of these topics, page by page."""
    position = after
    while position < moment.position:
        recorded = await log.read_after(position, limit=PAGE_EVENTS, up_to_position=moment.position, topics=topics)
        is_full = len(recorded) >= PAGE_EVENTS
        position = recorded[-1].position if is_full else moment.position
        yield _happened(_readable(recorded, position), moment.true_at)


def _readable(recorded: Sequence[RecordedEvent], position: int) -> fold.Page:
    page = fold.read(recorded, position)
    if page.newer is not None:
        raise Unavailable("audit.newer_schema", f"A newer release wrote the log: upgrade this process. {page.newer}")
    return page


def _happened(page: fold.Page, true_at: datetime | None) -> fold.Page:
    """Only what had happened in the world by then."""
    if true_at is None:
        return page
    facts = [fact for fact in page.facts if isinstance(fact, fold.Unreadable) or fact.envelope.occurred_at <= true_at]
    return fold.Page(page.position, facts)


async def _story(log: EventLog, incident_id: UUID, position: int) -> list[RecordedEvent]:
    """All facts about an incident, in log order: those on streams named by it, and its units' facts about it."""
    named = [companion_of(incident_id), outcome_of(incident_id), checklist_of(incident_id)]
    named += [case_id_for(incident_id, occasion) for occasion in range(CASES_MAX)]
    own = await log.read_streams([incident_id, *named], up_to_position=position)
    recorded = [one for events in own.values() for one in events]
    if not own[incident_id]:
        return []
    recorded += await _of_units(log, incident_id, own[incident_id][0].position, position)
    return sorted(recorded, key=lambda one: one.position)


async def _of_units(log: EventLog, incident_id: UUID, after: int, up_to: int) -> list[RecordedEvent]:
    """Facts of units about it, since it was opened. The id's text tells them before any decoding."""
    mark = str(incident_id).encode()
    topics = sorted(names(ASSIGNMENTS))
    found: list[RecordedEvent] = []
    position = after
    while position < up_to:
        page = await log.read_after(position, limit=PAGE_EVENTS, up_to_position=up_to, topics=topics)
        found += [one for one in page if mark in one.state]
        position = page[-1].position if len(page) >= PAGE_EVENTS else up_to
    return found
