"""The reactors of a worker process: one list, for who starts them and for who asks whether they are at work."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from dispatch.directory import Directory
from dispatch.handling.commitments import Commitments
from dispatch.handling.scribe import Scribe
from dispatch.ports import Clock, EventLog, UnitPositions
from dispatch.workers.alarms import Alarms
from dispatch.workers.conditions import Conditions
from dispatch.workers.correlator import Correlator
from dispatch.workers.cover import CoverKeeper
from dispatch.workers.reactor import Reactor
from dispatch.workers.recommender import Recommender
from dispatch.workers.releaser import Releaser
from dispatch.workers.router import Router


@dataclass(frozen=True, slots=True)
class Given:
    """What reactors are made of."""

    log: EventLog
    directory: Directory
    clock: Clock
    scribe: Scribe
    positions: UnitPositions
    commitments: Commitments


MAKERS: Mapping[type[Reactor], Callable[[Given], Reactor]] = {
    Correlator: lambda given: Correlator(log=given.log, directory=given.directory, clock=given.clock),
    Alarms: lambda given: Alarms(log=given.log, directory=given.directory, clock=given.clock),
    Router: lambda given: Router(log=given.log, directory=given.directory, clock=given.clock),
    Recommender: lambda given: Recommender(
        log=given.log, directory=given.directory, clock=given.clock, positions=given.positions
    ),
    Releaser: lambda given: Releaser(
        log=given.log, scribe=given.scribe, clock=given.clock, commitments=given.commitments
    ),
    CoverKeeper: lambda given: CoverKeeper(log=given.log, directory=given.directory, clock=given.clock),
    Conditions: lambda given: Conditions(log=given.log),
}
"""Every reactor there is. A new one is added here and nowhere else."""
TOPICS: Mapping[str, frozenset[str]] = {kind.name: kind.topics for kind in MAKERS}
"""What each of them works on, by its name."""

URGENT: frozenset[type[Reactor]] = frozenset({Correlator, Router, Alarms})
"""They stand between an alert and the boards of those who answer it."""


def reactors(given: Given, kinds: Collection[type[Reactor]] = MAKERS.keys()) -> list[Reactor]:
    """One of each kind, for one process."""
    return [make(given) for kind, make in MAKERS.items() if kind in kinds]
