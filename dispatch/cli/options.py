"""Options that several commands share. A setting is an option, a variable and a default, all said in `config` once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from dispatch.config import Settings, describe, variables

Function = Callable[..., Any]

json_option = click.option(
    "--json", "as_json", is_flag=True, envvar="DISPATCH_JSON", help="Write one JSON document to standard output."
)


def with_settings(*names: str, attach: bool = True) -> Callable[[Function], Function]:
    """Give a command `settings`, and an option for each of the named ones. See `Settings.from_environment`."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def wrapped(**arguments: Any) -> Any:
            overrides = {name: arguments.pop(name) for name in names}
            return function(settings=Settings.from_environment(overrides=overrides, attach=attach), **arguments)

        for name in reversed(names):
            wrapped = click.option(
                f"--{name.replace('_', '-')}",
                name,
                envvar=variables()[name],
                default=None,
                show_default=_default(name),
                help=describe(name),
            )(wrapped)
        return wrapped

    return decorate


def _default(name: str) -> str | bool:
    default = Settings.model_fields[name].default
    return False if default is None else str(default)
