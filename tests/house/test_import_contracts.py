from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import PACKAGES, ROOT, modules, project

VIOLATIONS = {
    "the arrow: domain <- projections <- dispatch": ("domain/refusals.py", "import dispatch.ports"),
    "the domain is pure: standard library and pydantic only": ("domain/refusals.py", "import sqlalchemy"),
    "projections know SQLAlchemy Core and nothing else of the world": ("projections/__init__.py", "import asyncpg"),
    "aggregates do not know one another: they meet in policies": (
        "domain/alert/events.py",
        "import domain.incident.events",
    ),
    "only bootstrap meets the store: everyone else sees ports": (
        "dispatch/handling/scribe.py",
        "import dispatch.store.postgres",
    ),
    "who answers no request loads no web framework": ("dispatch/open_work.py", "import dispatch.api.routing"),
}
"""Contract → a module and the line that breaks it."""
MAY_MEET_THE_STORE = {"bootstrap", "bench", "cli", "demo", "embedded", "simulation", "store"}
"""Parts of `dispatch` that wire, measure, show or administer; everyone else sees `ports`."""


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def contracts() -> dict[str, dict[str, list[str]]]:
    return {contract["name"]: contract for contract in project()["tool"]["importlinter"]["contracts"]}


def test_every_contract_is_kept() -> None:
    outcome = lint_imports(ROOT)
    assert outcome.returncode == 0, outcome.stdout


def test_every_contract_has_a_violation_to_show() -> None:
    assert set(VIOLATIONS) == set(contracts())


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_deliberate_violation_of_each_contract_fails(contract: str, tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    module, line = VIOLATIONS[contract]
    path = tmp_path / module
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    outcome = lint_imports(tmp_path)
    assert outcome.returncode != 0
    assert f"{contract} BROKEN" in outcome.stdout


def test_the_store_contract_covers_every_part_of_dispatch() -> None:
    parts = {path.stem if path.is_file() else path.name for path in (ROOT / "dispatch").iterdir()}
    there = {part for part in parts if list((ROOT / "dispatch").glob(f"{part}.py")) or _is_package(part)}
    covered = set(contracts()["only bootstrap meets the store: everyone else sees ports"]["source_modules"])
    expected = {f"dispatch.{part}" for part in there - MAY_MEET_THE_STORE - {"__init__", "__pycache__"}}
    assert covered == expected


def _is_package(part: str) -> bool:
    return (ROOT / "dispatch" / part / "__init__.py").exists()


def test_the_independence_contract_covers_every_aggregate() -> None:
    aggregates = {path.parent.name for path in (ROOT / "domain").glob("*/__init__.py")} - {"policies"}
    covered = set(contracts()["aggregates do not know one another: they meet in policies"]["modules"])
    assert covered == {f"domain.{aggregate}" for aggregate in aggregates}


def test_the_domain_imports_the_standard_library_pydantic_and_itself() -> None:
    allowed = set(sys.stdlib_module_names) | {"pydantic", "pydantic_core", "domain"}
    foreign = [
        f"{path.relative_to(ROOT)}:{node.lineno} {name}"
        for path in modules("domain")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
        if name.split(".")[0] not in allowed
    ]
    assert foreign == []


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module]
        case _:
            return []
