"""`dispatch simulate`, as people call it."""

from __future__ import annotations

import json

import pytest

from dispatch.cli.main import main
from dispatch.simulation.played import FLOWS


def test_green_seeds_and_caught_faults_are_one_flat_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seeds", "3", "--jobs", "1", "--no-plants", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    figures = told["figures"]
    assert (figures["seeds"], figures["failed"]) == (3, 0)
    assert figures["events"] > 300
    assert sum(told["decisions"].values()) == figures["events"]
    assert sum(told["flows"].values()) == figures["events"], "no fact is outside all flows"
    assert told["flows"]["reports"] == told["decisions"]["report.filed"] + told["decisions"]["report.linked"]
    assert told["decisions"].keys() | told["never_played"] == {name for names in FLOWS.values() for name in names}


def test_a_failing_seed_says_what_broke_its_last_steps_and_how_to_run_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["simulate", "--seed", "1", "--seeds", "5", "--no-plants", "--plant", "lost_fold", "--jobs", "1", "--json"]
    assert main(asked) == 1
    told = capsys.readouterr()
    failure = json.loads(told.out)["failures"][0]
    seed = failure["seed"]
    assert failure["replay"] == f"dispatch simulate --seed {seed} --seeds 1 --no-plants --plant lost_fold"
    assert f"seed {seed} broke" in told.err
    assert "its last steps:" in told.err
    assert failure["replay"] in told.err
