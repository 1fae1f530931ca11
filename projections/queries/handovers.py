"""What is open at a center, and who has signed for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, case, func, or_, select

from domain.aid.decider import OPEN as OPEN_AID
from domain.handover.events import ITEMS_MAX
from domain.vocabulary import CasePart, CasePhase, OrderPhase
from projections import tables
from projections.aid_tables import aid
from projections.case_tables import cases
from projections.handover_tables import handovers
from projections.order_tables import orders
from projections.queries import aid as of_aid
from projections.queries import cases as of_cases
from projections.queries import orders as of_orders
from projections.queries import sight as sights
from projections.queries.board import LIMIT_MAX
from projections.queries.sight import EVERYTHING, Sight


def one(handover_id: UUID) -> Select[Any]:
    """One hand-over."""
    return select(handovers).where(handovers.c.handover_id == handover_id)


def listed(center_id: UUID, *, is_unsigned: bool | None, before_position: int | None, limit: int) -> Select[Any]:
    """Of a center and all below it, newest first, one row more than `limit`."""
    query = select(handovers).where(handovers.c.path.contains([center_id]))
    if is_unsigned is not None:
        query = query.where((handovers.c.state == "offered") == is_unsigned)
    if before_position is not None:
        query = query.where(handovers.c.offered_position < before_position)
    return query.order_by(handovers.c.offered_position.desc()).limit(min(limit, LIMIT_MAX) + 1)


def open_incidents(center_id: UUID, *, sight: Sight) -> Select[Any]:
    """Owned by the center itself and not ended, most urgent first; one more than a hand-over may list."""
    board = tables.board
    return (
        select(board)
        .where(
            board.c.is_on_board,
            board.c.visible_center_ids.contains([center_id]),  # the index's
            board.c.owner_center_id == center_id,
            sights.board(sight),
        )
        .order_by(board.c.priority, board.c.opened_position)
        .limit(ITEMS_MAX + 1)
    )


def claimed(center_id: UUID, operator_id: UUID) -> Select[Any]:
    """Incidents of the center that this operator has, restricted ones too."""
    return open_incidents(center_id, sight=EVERYTHING).where(tables.board.c.claimed_by == operator_id)


def waiting_orders(center_id: UUID, *, sight: Sight) -> Select[Any]:
    """Whose present edition the center has not acknowledged, the next due first."""
    return (
        select(orders)
        .where(
            orders.c.phase == OrderPhase.ISSUED.value,
            orders.c.visible_center_ids.contains([center_id]),  # the index's
            orders.c.waiting_center_ids.contains([center_id]),
            of_orders.known(sight),
        )
        .order_by(orders.c.acknowledge_by, orders.c.issued_position)
        .limit(ITEMS_MAX + 1)
    )


def open_cases(center_id: UUID, *, sight: Sight) -> Select[Any]:
    """In which the center has a part, oldest first. `part` is the first of the three that it has."""
    is_arbiter = and_(cases.c.arbiter_center_id == center_id, cases.c.phase == CasePhase.ARBITRATION.value)
    part = case(
        (is_arbiter, CasePart.ARBITER.value),
        (cases.c.supervision_center_id == center_id, CasePart.SUPERVISION.value),
        else_=CasePart.DEPARTMENT.value,
    )
    mine = or_(is_arbiter, cases.c.supervision_center_id == center_id, cases.c.department_center_id == center_id)
    return (
        select(*of_cases.named(sight), part.label("part"))
        .where(of_cases.known(sight), cases.c.is_open, cases.c.visible_center_ids.contains([center_id]), mine)
        .order_by(cases.c.filed_position)
        .limit(ITEMS_MAX + 1)
    )


def open_aid(center_id: UUID, *, sight: Sight) -> Select[Any]:
    """That the center asked for or is asked for, and that is not over; oldest first."""
    asker, asked = aid.c.asker_center_id, aid.c.asked_center_id
    is_asker = asker == center_id
    return (
        select(
            aid,
            case((is_asker, "asker"), else_="asked").label("side"),
            case((is_asker, asked), else_=asker).label("other_center_id"),
        )
        .where(
            aid.c.visible_center_ids.contains([center_id]),  # the index's
            or_(is_asker, asked == center_id),
            of_aid.known(sight),
            aid.c.phase.in_(sorted(phase.value for phase in OPEN_AID)),
        )
        .order_by(aid.c.requested_position)
        .limit(ITEMS_MAX + 1)
    )


def left_open(center_id: UUID, *, sight: Sight) -> Select[Any]:
    """How many of each list above, in one row; at most one more than a list holds."""
    lists = {
        "open_incidents": open_incidents(center_id, sight=sight),
        "waiting_orders": waiting_orders(center_id, sight=sight),
        "open_cases": open_cases(center_id, sight=sight),
        "open_aid": open_aid(center_id, sight=sight),
    }
    counts = {name: select(func.count()).select_from(listed.subquery()) for name, listed in lists.items()}
    return select(*(count.scalar_subquery().label(name) for name, count in counts.items()))


def signed_since(operator_id: UUID, center_id: UUID, position: int) -> Select[Any]:
    """The last hand-over that this operator offered at the center after a position, and that was signed."""
    return (
        select(handovers.c.handover_id)
        .where(
            handovers.c.center_id == center_id,
            handovers.c.giver_id == operator_id,
            handovers.c.state == "signed",
            handovers.c.offered_position > position,
        )
        .order_by(handovers.c.offered_position.desc())
        .limit(1)
    )
