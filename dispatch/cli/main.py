"""`dispatch`: finds each command in a module of its own, and turns every expected failure into an exit code.

Exit codes: 0 done · 1 a check failed · 2 wrong usage · 3 refused · 4 conflict · 5 unavailable · 130 interrupted.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any, cast

import click

from domain.refusals import Conflict, DispatchError, Refused

COMMANDS = {
    "up": "Start everything on this machine: servers, sample city, API and workers.",
    "serve": "Serve the HTTP API.",
    "work": "Run projections, reactors and the relay to partners.",
    "accounts": "Write the accounts section for a NATS server of your own.",
    "migrate": "Bring the database to the present schema.",
    "scenario": "Play the flows of the city, F1 to F28, by name, and check what everybody saw.",
    "demo": "Play one evening through the public interfaces and check what was seen.",
    "ingest": "Send files of alerts to a running system.",
    "rebuild": "Build a projection again from the log.",
    "replay": "Show a board or an incident as it was.",
    "archive": "Move old ranges of the log to compressed files, or check those files.",
    "rulebook": "Check rules, compare them, try them on the past, put them in force.",
    "city": "Check changes of borders and parents, show what they would do, apply them.",
    "retention": "Show how long each class is kept within reach; forget persons whose time is up.",
    "audit": "Prove the log whole: positions, versions, owners, bookings, partner feeds.",
    "bench": "Measure: append rate, alert storm.",
    "simulate": "Run whole cities on a virtual clock from seeds, and check every promise.",
    "doctor": "Look at everything this system needs and say what to do.",
    "token": "Make a bearer token.",
}
"""Name → one line. The modules are imported only when asked for: `--help` should answer at once."""
EXIT_REFUSED, EXIT_CONFLICT, EXIT_UNAVAILABLE, EXIT_INTERRUPTED = 3, 4, 5, 130


class LazyGroup(click.Group):
    """Commands found by name in `dispatch.cli.<name>`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # the signature is click's
        """All names, in the order a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # the same
        """Import one command and let each of its options name its environment variable."""
        if cmd_name not in COMMANDS:
            return None
        command = cast("click.Command", importlib.import_module(f"dispatch.cli.{cmd_name}").command)
        _show_variables(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # the same
        """List without importing."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_variables(command: click.Command) -> None:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            parameter.show_envvar = True
            parameter.show_default = True if parameter.show_default is None else parameter.show_default
    if isinstance(command, click.Group):
        for nested in command.commands.values():
            _show_variables(nested)


@click.group(
    cls=LazyGroup,
    context_settings={
        "auto_envvar_prefix": "DISPATCH",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
)
def cli() -> None:
    """Event-sourced incident dispatch for a city."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        outcome: Any = cli.main(arguments, prog_name="dispatch", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except DispatchError as error:
        _show_failure(error, as_json="--json" in arguments)
        return _exit_code(error)
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        sys.stderr.close()
        return 0
    return outcome if isinstance(outcome, int) else 0


def _show_failure(error: DispatchError, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"error": {"code": error.code, "detail": error.detail}}, ensure_ascii=False))
    else:
        click.echo(f"{error.code}: {error.detail}", err=True)


def _exit_code(error: DispatchError) -> int:
    if isinstance(error, Refused):
        return EXIT_REFUSED
    return EXIT_CONFLICT if isinstance(error, Conflict) else EXIT_UNAVAILABLE


if __name__ == "__main__":
    sys.exit(main())
