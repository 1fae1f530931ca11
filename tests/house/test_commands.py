from __future__ import annotations

import json
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from dispatch.cli.main import COMMANDS, cli, main
from dispatch.config import variables


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli, info_name="dispatch")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield from nested(name, command)


def nested(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for part, inner in command.commands.items():
            yield from nested(f"{name} {part}", inner)


def test_every_option_of_every_command_names_its_variable_in_the_help() -> None:
    for name, command in commands():
        shown = CliRunner().invoke(cli, [*name.split(), "--help"], terminal_width=2_000, max_content_width=2_000).output
        options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
        assert shown.count("env var:") >= len(options), f"dispatch {name} --help"


def test_every_command_says_what_it_does() -> None:
    assert [name for name, command in commands() if not command.help] == []


def test_the_list_of_commands_does_not_import_them() -> None:
    shown = CliRunner().invoke(cli, ["--help"])
    assert shown.exit_code == 0
    assert all(name in shown.output for name in COMMANDS)


def test_a_wrong_setting_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variables()["port"], "99999")
    assert main(["doctor"]) == 3
    assert "DISPATCH_PORT" in capsys.readouterr().err


def test_a_missing_database_is_explained_and_has_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path))
    assert main(["migrate", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "settings.no_database"


def test_wrong_usage_has_the_customary_exit_code() -> None:
    assert main(["migrate", "--no-such-option"]) == 2
