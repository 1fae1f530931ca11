"""A stream's rows as a state, where only the gist of each fact matters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from dispatch.ports import RecordedEvent
from domain.codec import for_fold
from domain.event import Event

S = TypeVar("S")


def folded(rows: Iterable[RecordedEvent], initial: S, evolve: Callable[[S, Event], S]) -> S:
    """The state that facts make, all but their explanations. Raises `NewerSchema` or `Undecodable`."""
    state = initial
    for row in rows:
        state = evolve(state, for_fold(row).gist())
    return state
