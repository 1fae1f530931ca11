"""Questions to the screens: the product's own SELECT statements, answered from rows that are kept in memory.

Only what a WHERE, an ORDER BY and a LIMIT over one table say is understood, and only with the operators that the lists
of this product use. Anything else fails the run: a list that is asked for in a new way must be understood here first.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import cmp_to_key
from typing import Any, TypeAlias

from sqlalchemy import Select
from sqlalchemy.sql import elements, operators
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.schema import Column, Table

Row: TypeAlias = Mapping[str, Any]

_COMPARED: Mapping[Any, Callable[[Any, Any], Any]] = {
    operators.eq: operator.eq,
    operators.ne: operator.ne,
    operators.lt: operator.lt,
    operators.le: operator.le,
    operators.gt: operator.gt,
    operators.ge: operator.ge,
    operators.in_op: lambda left, right: left in right,
}
"""Null on either side makes null, as in SQL."""
_ARRAYS: Mapping[str, Callable[[Any, Any], bool]] = {
    "@>": lambda left, right: set(left) >= set(right),
    "&&": lambda left, right: not set(left).isdisjoint(right),
}


def asked(statement: Select[Any], tables: Mapping[str, Iterable[Row]]) -> list[dict[str, Any]]:
    """The rows that a statement selects. `tables`: the rows of each, by its name."""
    (table,) = statement.get_final_froms()
    assert isinstance(table, Table), "a list is of one table"
    where = statement.whereclause
    rows = [row for row in tables[table.name] if where is None or value(where, row) is True]
    rows.sort(key=cmp_to_key(lambda one, other: _order(statement, one, other)))
    limit = statement._limit  # noqa: SLF001  # told in no other way
    named = [each for each in statement.selected_columns if isinstance(each, elements.Label)]
    return [{**row, **{each.name: value(each, row) for each in named}} for row in rows[:limit]]


def _order(statement: Select[Any], one: Row, other: Row) -> int:
    for clause in statement._order_by_clauses:  # noqa: SLF001  # told in no other way
        is_descending = isinstance(clause, elements.UnaryExpression) and clause.modifier is operators.desc_op
        wanted = clause.element if is_descending else clause
        left, right = value(wanted, one), value(wanted, other)
        if left != right:
            return (1 if left > right else -1) * (-1 if is_descending else 1)
    return 0


def value(asked_for: Any, row: Row) -> Any:  # noqa: C901  # one kind of expression a case
    """What an expression says of a row. Raises `AssertionError` for one that is not understood."""
    match asked_for:
        case Column():
            return row[asked_for.name]
        case elements.BindParameter():
            return asked_for.effective_value
        case elements.Grouping() | elements.Label():
            return value(asked_for.element, row)
        case elements.Null():
            return None
        case elements.True_():
            return True
        case elements.BooleanClauseList():
            return _joined(asked_for, row)
        case elements.BinaryExpression():
            return _compared(asked_for, row)
        case elements.UnaryExpression() if asked_for.operator in (operators.inv, operators.is_false):
            found = value(asked_for.element, row)
            return None if found is None else not found
        case elements.UnaryExpression() if asked_for.operator is operators.is_true:
            return value(asked_for.element, row)
        case elements.Case():
            for condition, then in asked_for.whens:
                if value(condition, row) is True:
                    return value(then, row)
            return None if asked_for.else_ is None else value(asked_for.else_, row)
        case FunctionElement() if asked_for.name == "cardinality":
            (of,) = asked_for.clauses.clauses
            return len(value(of, row))
        case list() | tuple():
            return [value(each, row) if isinstance(each, elements.ColumnElement) else each for each in asked_for]
        case elements.ClauseList():
            return [value(each, row) for each in asked_for.clauses]
        case _:
            raise AssertionError(f"the screens of the simulation do not know {type(asked_for).__name__} {asked_for}")


def _joined(asked_for: Any, row: Row) -> bool | None:
    """AND, OR with SQL's three values."""
    found = [value(each, row) for each in asked_for.clauses]
    decides = asked_for.operator is not operators.and_
    if decides in found:
        return decides
    return None if None in found else not decides


def _compared(asked_for: Any, row: Row) -> Any:
    left, right = value(asked_for.left, row), value(asked_for.right, row)
    how = asked_for.operator
    if how in (operators.is_, operators.is_not):
        return (left is right) is (how is operators.is_)
    if left is None or right is None:
        return None
    if isinstance(how, operators.custom_op):
        return _ARRAYS[how.opstring](left, right)
    if how not in _COMPARED:
        raise AssertionError(f"the screens of the simulation do not know {how}")
    return _COMPARED[how](left, right)
