from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import ROOT, files, modules

MODULE_LINES_MAX = 400
TEST_LINES_MAX = 500
"""A test module is a list of independent sentences; a longer one is still cut along what it proves."""
FUNCTION_LINES_MAX = 50
LINE_CHARACTERS_MAX = 120
NAMELESS = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "models", "services", "misc"}
"""Names that say nothing about what is inside."""
AMBIENT = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("date", "today"),
    ("uuid", "uuid4"),
    ("uuid", "uuid1"),
    ("time", "time"),
}
AMBIENT_NAMES = {"uuid4", "uuid1", "random", "secrets"}


def trees(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    for path in modules(*packages):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_module_is_longer_than_its_limit() -> None:
    limits = [(path, MODULE_LINES_MAX) for path in modules()]
    limits += [(path, TEST_LINES_MAX) for path in files("tests", suffix=".py")]
    long = [
        f"{path.relative_to(ROOT)}:1 {line_count(path)} lines" for path, limit in limits if line_count(path) > limit
    ]
    assert long == []


def test_no_function_is_longer_than_its_limit() -> None:
    long = [
        f"{name}:{node.lineno} {node.name} {length} lines"
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_every_module_and_folder_has_a_name_that_says_what_is_inside() -> None:
    nameless = {
        str(path.relative_to(ROOT))
        for path in modules()
        if NAMELESS.intersection((*path.relative_to(ROOT).parts[:-1], path.stem))
    }
    assert nameless == set()


def test_the_domain_has_no_clock_no_fresh_ids_and_no_dice() -> None:
    ambient = [
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name, tree in trees("domain", "projections")
        for node in ast.walk(tree)
        if _is_ambient(node)
    ]
    assert ambient == []


def _is_ambient(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=attribute)):
            return (owner, attribute) in AMBIENT
        case ast.Import(names=names):
            return any(alias.name in AMBIENT_NAMES for alias in names)
        case ast.ImportFrom(module=str(module), names=names):
            return module in AMBIENT_NAMES or any(alias.name in AMBIENT_NAMES for alias in names)
        case _:
            return False


def test_every_package_says_what_it_is_for() -> None:
    silent = [
        name for name, tree in trees() if name.endswith("__init__.py") and tree.body and not ast.get_docstring(tree)
    ]
    assert silent == []


def test_nothing_is_left_to_do_in_a_comment() -> None:
    marks = tuple(word + end for word in ("TO" + "DO", "FIX" + "ME", "X" + "XX") for end in (":", " ", "("))
    left = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (*modules(), *files("tests", "migrations", suffix=".py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if any(mark in line for mark in marks)
    ]
    assert left == []
