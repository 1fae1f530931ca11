"""`dispatch rulebook`: rules from a file to a city, as whoever is responsible for them meets it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from dispatch.api.access.tokens import Identity
from dispatch.api.server import Server
from dispatch.cli.main import main
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge

ACCIDENT = "traffic.accident"
Run = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def run(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; its exit code, what it wrote to standard output, and to standard error."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DISPATCH_CITY", town.CITY)

    async def running(*arguments: str | Path) -> tuple[int, str, str]:
        code = await asyncio.to_thread(main, ["rulebook", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return running


def rules_file(folder: Path, change: Callable[[dict[str, Any]], None] = lambda _: None, *, version: int = 2) -> Path:
    rules = town.rulebook(version).model_dump(mode="json")
    change(rules)
    file = folder / f"rules-{version}.json"
    file.write_text(json.dumps(rules, indent=2, ensure_ascii=False), encoding="utf-8")
    return file


def rule_of(rules: dict[str, Any], code: str = ACCIDENT) -> dict[str, Any]:
    (found,) = [rule for rule in rules["categories"] if rule["code"] == code]
    return found


def line_of(file: Path, text: str) -> int:
    (found,) = [number for number, line in enumerate(file.read_text().splitlines(), 1) if text in line]
    return found


async def test_sound_rules_are_said_to_be_sound(edge: Edge, run: Run, tmp_path: Path) -> None:
    assert edge.dsn
    code, out, _ = await run("check", rules_file(tmp_path))
    assert code == 0
    assert "nothing wrong" in out
    code, out, _ = await run("check", rules_file(tmp_path), "--json")
    assert (code, json.loads(out)["faults"]) == (0, [])


async def test_an_agency_that_the_city_does_not_have_is_found_on_its_line(edge: Edge, run: Run, tmp_path: Path) -> None:
    assert edge.dsn
    file = rules_file(tmp_path, lambda rules: rule_of(rules)["agencies"][0].update(agency="trafic_police"))
    code, _, err = await run("check", file)
    assert code == 1
    assert f"{file}:{line_of(file, 'trafic_police')}: /categories/" in err
    code, out, _ = await run("check", file, "--json")
    (fault,) = json.loads(out)["faults"]
    assert (code, fault["line"]) == (1, line_of(file, "trafic_police"))
    code, _, _ = await run("check", file, "--offline")
    assert code == 0, "the file itself is sound"


async def test_every_command_says_the_line_of_what_is_no_rulebook(edge: Edge, run: Run, tmp_path: Path) -> None:
    assert edge.dsn
    file = rules_file(tmp_path, lambda rules: rule_of(rules).update(priority=4711))
    for command in ("check", "diff", "try", "activate"):
        code, _, err = await run(command, file)
        assert code == 1
        assert f"{file}:{line_of(file, '4711')}: /categories/" in err


async def test_what_differs_from_the_rules_in_force(edge: Edge, run: Run, tmp_path: Path) -> None:
    assert edge.dsn
    file = rules_file(tmp_path, lambda rules: rule_of(rules).update(priority=9))
    code, out, _ = await run("diff", file, "--json")
    (found,) = json.loads(out)["differences"]
    assert (code, found["where"], found["after"]) == (0, f"categories[{ACCIDENT}].priority", "9")
    code, out, _ = await run("diff", file, "--with", file)
    assert (code, out) == (0, "0 differences: 0 added, 0 taken out, 0 changed\n")


async def test_rules_are_tried_on_what_happened_and_nothing_is_recorded(edge: Edge, run: Run, tmp_path: Path) -> None:
    reported = [await edge.report() for _ in range(2)]
    tip = await edge.services.log.tip()
    code, out, _ = await run("try", rules_file(tmp_path), "--json")
    document = json.loads(out)
    assert code == 0
    assert document["incidents"] == []
    assert document["figures"]["same"] == document["figures"]["incidents_then"] == 2

    owner = rule_of(town.rulebook(2).model_dump(mode="json"))["owner"]
    moved = rules_file(tmp_path, lambda rules: rule_of(rules).update(owner="city", priority=0))
    assert owner != "city"
    code, out, _ = await run("try", moved, "--json")
    document = json.loads(out)
    assert {each["incident_id"] for each in document["incidents"]} == {each["incident_id"] for each in reported}
    assert {each["now"]["owner"] for each in document["incidents"]} == {"city"}
    assert document["figures"]["moved"] == document["figures"]["prioritized_otherwise"] == 2
    assert {"code": "city", "then": 0, "now": 2} in document["centers"]

    code, out, _ = await run("try", moved)
    assert code == 0
    assert "2  would be another center's" in out
    assert "→ city" in out
    assert await edge.services.log.tip() == tip


async def test_a_period_in_which_nothing_happened_is_refused(edge: Edge, run: Run, tmp_path: Path) -> None:
    assert edge.dsn
    file = rules_file(tmp_path)
    code, out, _ = await run("try", file, "--until", "2001-01-01T00:00:00+08:00", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (3, "rulebook.nothing_happened")
    code, out, _ = await run("try", file, "--since", "yesterday", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (3, "rulebook.bad_instant")


async def test_rules_are_put_in_force_and_taken_back(
    edge: Edge, server: tuple[Server, str], run: Run, tmp_path: Path
) -> None:
    token = edge.token(Identity("test", (Role.ADMINISTRATOR,)))
    there = ("--url", server[1], "--token", token)
    file = rules_file(tmp_path, lambda rules: rule_of(rules).update(priority=1))
    for _ in range(2):
        code, out, err = await run("activate", file, *there)
        assert (code, out) == (0, "version 2 is in force\n"), err
    assert edge.services.directory.rulebook().category(ACCIDENT).priority == 1
    code, _, err = await run("activate", rules_file(tmp_path, version=1), *there)
    assert code == 0, err
    assert edge.services.directory.active_rulebook_version == 1


async def test_rules_that_cannot_be_put_in_force_leave_the_others_there(
    edge: Edge, server: tuple[Server, str], run: Run, tmp_path: Path
) -> None:
    administrator = edge.token(Identity("test", (Role.ADMINISTRATOR,)))
    there = ("--url", server[1], "--token")
    spelt_wrong = rules_file(tmp_path, lambda rules: rule_of(rules)["agencies"][0].update(agency="trafic_police"))
    code, _, err = await run("activate", spelt_wrong, *there, administrator)
    assert code == 1
    assert f"{spelt_wrong}:{line_of(spelt_wrong, 'trafic_police')}:" in err
    code, out, _ = await run("activate", rules_file(tmp_path, version=4), *there, administrator, "--json")
    assert (code, json.loads(out)["error"]["code"]) == (4, "rulebook.version_skipped")
    auditor = edge.token(Identity("test", (Role.AUDITOR,)))
    code, _, _ = await run("activate", rules_file(tmp_path), *there, auditor)
    assert code == 3
    code, out, _ = await run("activate", rules_file(tmp_path), "--url", "http://127.0.0.1:9", "--token", "x", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (5, "rulebook.no_answer")
    assert edge.services.directory.active_rulebook_version == 1
