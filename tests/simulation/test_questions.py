"""The product's own lists, asked of rows in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from dispatch.simulation.questions import asked
from projections import city_tables
from projections.queries import handovers, operations, orders, watches
from projections.queries.sight import EVERYTHING

HERE, THERE = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def operation(number: int, *, restricted: bool, visible: list[UUID]) -> dict[str, Any]:
    return {
        "operation_id": UUID(int=number),
        "is_restricted": restricted,
        "visible_center_ids": visible,
        "phase": "planned",
        "planned_position": number,
    }


def test_a_restricted_operation_is_listed_for_whom_it_is_known_to_and_for_nobody_else() -> None:
    rows = [operation(1, restricted=True, visible=[HERE]), operation(2, restricted=False, visible=[])]

    def listed(center_id: UUID, limit: int = 9) -> list[int]:
        statement = operations.listed((center_id,), phase="planned", before_position=None, limit=limit)
        return [row["planned_position"] for row in asked(statement, {"operations": rows})]

    assert listed(HERE) == [2, 1], "the newest first"
    assert listed(THERE) == [2]
    assert listed(HERE, limit=0) == [2], "one more than the limit"


def test_what_is_in_force_at_an_instant() -> None:
    rows = [
        {"effective_at": NOON, "ends_at": NOON + timedelta(hours=1), "issued_position": 1},
        {"effective_at": NOON, "ends_at": NOON, "issued_position": 2},
    ]
    only = orders.OrderFilter(in_force_at=NOON)
    statement = orders.listed(only, sight=EVERYTHING, center_ids=None, agency=None, before_position=None, limit=9)
    assert [row["issued_position"] for row in asked(statement, {"orders": rows})] == [1]


def test_null_is_neither_true_nor_false() -> None:
    watch = {"center_ids": [], "path": [HERE], "opened_at": NOON, "expires_at": NOON + timedelta(hours=1)}
    rows = [
        watch | {"ended_at": None, "opened_position": 1},
        watch | {"ended_at": NOON, "opened_position": 2},
        watch | {"expires_at": None, "ended_at": None, "opened_position": 3},
    ]
    statement = watches.listed([(HERE,)], sight=EVERYTHING, at=NOON, incident_id=None, before_position=None, limit=9)
    assert [row["opened_position"] for row in asked(statement, {"watches": rows})] == [1]


def test_a_column_that_the_statement_computes_is_computed() -> None:
    case = {
        "is_open": True, "visible_center_ids": [HERE], "phase": "arbitration", "filed_position": 1,
        "arbiter_center_id": HERE, "supervision_center_id": HERE, "department_center_id": None,
    }  # fmt: skip
    (row,) = asked(handovers.open_cases(HERE, sight=EVERYTHING), {"cases": [case]})
    assert row["part"] == "arbiter"
    (row,) = asked(handovers.open_cases(HERE, sight=EVERYTHING), {"cases": [case | {"phase": "filed"}]})
    assert row["part"] == "supervision"


def test_a_question_that_is_not_understood_fails_the_run() -> None:
    statement = select(city_tables.operations).where(func.lower(city_tables.operations.c.code) == "relay")
    with pytest.raises(AssertionError, match="do not know"):
        asked(statement, {"operations": [{"code": "relay"}]})
