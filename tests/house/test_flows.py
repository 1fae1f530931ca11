"""The flows of the city's own list: all of them named, and every rule that breaks one exists."""

from __future__ import annotations

import json

from click.testing import CliRunner

from dispatch.cli.main import cli
from dispatch.demo.breaks import BREAKS
from dispatch.demo.flows.listed import FLOWS, NIGHTS

FLOWS_MAX = 28


def test_every_flow_is_named_once_in_the_order_of_its_number() -> None:
    assert [flow.code for flow in FLOWS] == [f"F{number}" for number in range(1, FLOWS_MAX + 1)]


def test_a_flow_that_can_be_played_names_the_rule_that_breaks_it() -> None:
    for flow in (*FLOWS, *NIGHTS):
        assert (flow.play is not None) == (flow.breaks is not None), flow.code
        assert flow.breaks is None or flow.breaks in BREAKS, flow.code


def test_only_the_survey_asks_nothing() -> None:
    assert [flow.code for flow in FLOWS if flow.asks_nothing] == ["F27"]


def test_the_list_names_them_all() -> None:
    shown = CliRunner().invoke(cli, ["scenario", "list", "--json"])
    assert shown.exit_code == 0
    assert [flow["flow"] for flow in json.loads(shown.output)["flows"]] == [flow.code for flow in (*FLOWS, *NIGHTS)]


def test_what_cannot_be_played_is_refused_with_what_to_do() -> None:
    for arguments in (["F27"], ["F99"], [], ["--all", "F1"]):
        shown = CliRunner().invoke(cli, ["scenario", "run", *arguments])
        assert shown.exit_code != 0, arguments
