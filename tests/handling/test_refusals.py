"""Every no that a decider or a desk can say has its page: a permanent code, a status, a meaning and a remedy."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatch.api.incidents.decision_types import DECISIONS
from dispatch.api.orders.order_types import ORDERS
from dispatch.api.problems.problem_types import PROBLEM_TYPES

ROOT = Path(__file__).parents[2]
NOUNS = ("incident", "report", "assignment", "order")


def said_in(file: Path) -> Iterator[str]:
    """Codes of the refusals that a module makes."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"Refusal", "Refused"}:
            code = node.args[0]
            assert isinstance(code, ast.Constant), f"{file.name}:{node.lineno}: a refusal's code is a literal"
            yield str(code.value)


def codes() -> set[str]:
    files = [path for noun in NOUNS for path in (ROOT / "domain" / noun).glob("*.py")]
    files.append(ROOT / "domain" / "policies" / "commitment.py")
    files += [
        ROOT / "dispatch" / "handling" / f"{name}.py"
        for name in ("incidents", "reports", "assignments", "orders", "plans")
    ]
    return {code for file in files for code in said_in(file)}


@pytest.mark.parametrize("code", sorted(codes()))
def test_every_refusal_has_its_page(code):
    assert code in PROBLEM_TYPES


def test_no_page_tells_of_a_refusal_that_nobody_makes():
    told = {code for code in DECISIONS if code.split(".")[0] in {"incident", "note", "report", "unit", "assignment"}}
    assert told <= codes()
    assert set(ORDERS) <= codes()


def test_what_is_not_there_is_404_everywhere():
    for code, (status, *_) in (DECISIONS | ORDERS).items():
        assert (status == 404) == code.endswith(".unknown"), code
