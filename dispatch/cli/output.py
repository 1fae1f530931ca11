"""How commands talk: results on standard output, everything else on standard error, bars only to a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Advance(Protocol):
    """Moves a progress bar."""

    def __call__(self, steps: int = 1, *, total: int | None = None) -> None:
        """Go on by `steps`; `total` corrects what is to be done."""


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(document, ensure_ascii=False, default=str))


def note(text: str) -> None:
    """A remark for a person, on standard error."""
    click.echo(text, err=True)


@contextmanager
def progress(description: str, total: int | None = None) -> Iterator[Advance]:
    """A bar on standard error while it is a terminal, else nothing. `NO_COLOR` is obeyed."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    with bar:
        task = bar.add_task(description, total=total)

        def advance(steps: int = 1, *, total: int | None = None) -> None:
            bar.update(task, advance=steps, total=total)

        yield advance


def advance_to(advance: Advance) -> Callable[[int, int], None]:
    """The same bar for whoever reports "done so far, of all" instead of steps."""
    before = 0

    def at(done: int, total: int) -> None:
        nonlocal before
        advance(done - before, total=total)
        before = done

    return at
