"""Every code that can reach a caller has a type with a page: none is answered by a page that does not exist."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from dispatch.api.problems.problem import of_error
from dispatch.api.problems.problem_types import PROBLEM_TYPES
from domain.refusals import Conflict, Refused, Unavailable

ROOT = Path(__file__).parents[2]
REACHABLE = ("domain", "dispatch/handling", "dispatch/api", "dispatch/ingest", "dispatch/audit/replay.py")
SAYS_NO = {"Refusal", "Refused", "Conflict", "Problem"}


def sources() -> Iterator[Path]:
    for place in REACHABLE:
        path = ROOT / place
        yield from [path] if path.is_file() else path.rglob("*.py")


def codes() -> Iterator[tuple[str, str]]:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYS_NO and node.args:
                code = node.args[0]
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    yield code.value, f"{path.relative_to(ROOT)}:{node.lineno}"


NEVER_AT_THE_EDGE = {"mark_moved", "settings.invalid"}
"""Between reactors only; at the start of a process only."""


def test_every_code_that_says_no_has_a_page() -> None:
    missing = {code: where for code, where in codes() if code not in PROBLEM_TYPES and code not in NEVER_AT_THE_EDGE}
    assert not missing
    assert len(dict(codes())) > 60


def test_each_kind_of_failure_has_statuses_of_its_own() -> None:
    assert of_error(Refused("incident.already_closed", "x")).kind.status == 409
    assert of_error(Conflict("stale_version", "x")).kind.status == 412
    assert of_error(Conflict("key_reused", "x")).kind.status == 422
    away = of_error(Unavailable("log.lane_full", "x"))
    assert (away.kind.status, away.kind.code, away.members["reason"]) == (503, "unavailable", "log.lane_full")


def test_a_code_nobody_listed_is_still_a_conflict_and_keeps_its_code() -> None:
    problem = of_error(Refused("tea.too_hot", "Let it cool."))
    assert (problem.kind.status, problem.kind.code, problem.kind.title) == (409, "tea.too_hot", "Tea: too hot")


def test_every_remedy_is_a_sentence() -> None:
    for kind in PROBLEM_TYPES.values():
        assert kind.status in {400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 428, 429, 500, 503}, kind.code
        for text in (kind.meaning, kind.remedy):
            assert text[0].isupper() or not text[0].isalpha(), (kind.code, text)
            assert text.endswith("."), (kind.code, text)
