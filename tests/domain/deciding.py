"""Given facts, when a command, then facts: how every decider is tested."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from domain.event import Event
from domain.refusals import Refusal


class Decided:
    """What a decider said."""

    def __init__(self, outcome: tuple[Event, ...] | Refusal) -> None:
        self.outcome = outcome

    def then(self, *events: Event) -> None:
        """These facts, whole and in this order, and no others."""
        assert self.outcome == events

    def then_nothing(self) -> None:
        """It stays quiet: the command is fine and changes nothing."""
        assert self.outcome == ()

    def then_refused(self, code: str, **values: str) -> None:
        """It says no, by this code, with these values, and says what to do."""
        assert isinstance(self.outcome, Refusal), self.outcome
        assert self.outcome.code == code
        assert values.items() <= dict(self.outcome.values).items()
        assert len(self.outcome.detail) > 10


class Decider:
    """A decider with its fold: `incident.given(...).when(...)`."""

    def __init__(self, decide: Callable[[Any, Any], Any], evolve: Callable[[Any, Event], Any], initial: object) -> None:
        self._decide, self._evolve, self._initial = decide, evolve, initial

    def state(self, events: Iterable[Event]) -> Any:
        """The state after these facts."""
        state = self._initial
        for event in events:
            state = self._evolve(state, event)
        return state

    def given(self, *events: Event) -> Given:
        """These facts are in the log."""
        return Given(self, events)

    def decide(self, command: object, events: Iterable[Event]) -> Any:
        """The decision on top of these facts."""
        return self._decide(command, self.state(events))


class Given:
    """Facts that are in the log."""

    def __init__(self, decider: Decider, events: tuple[Event, ...]) -> None:
        self._decider, self._events = decider, events

    def when(self, command: object) -> Decided:
        """Somebody asks for this."""
        return Decided(self._decider.decide(command, self._events))
