"""Who works: session locks as PostgreSQL gives them, with owners that die, freeze and believe wrongly.

A lock goes when its owner's session ends, which the server notices a little later. A frozen owner is ended after a
silence; it goes on believing that it owns the task until it hears otherwise, so for a while there are two. The lock
only saves work; what makes effects happen once is checked elsewhere, and is what these lies are for.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from dispatch.simulation.process import Network, Process

ASK_EVERY_S = 0.5
NOTICED_S_MAX = 1.5
"""Until the server sees that a session is dead, and until an owner hears that it was replaced."""


@dataclass(slots=True)
class Locks:
    """The lock table."""

    network: Network
    owners: dict[str, Process] = field(default_factory=dict)

    def take(self, task: str, process: Process) -> bool:
        """Take it if it is free."""
        if self.owners.setdefault(task, process) is not process:
            return False
        process.at_death(lambda: self._end_later(task, process))
        return True

    def _end_later(self, task: str, process: Process) -> None:
        self.network.loop.call_later(self.network.chance.between(0.0, NOTICED_S_MAX), self.end, task, process)

    def end(self, task: str, process: Process) -> None:
        """The session is over."""
        if self.owners.get(task) is process:
            del self.owners[task]

    def end_all_of(self, process: Process) -> None:
        """It has been silent for too long."""
        for task in [task for task, owner in self.owners.items() if owner is process]:
            del self.owners[task]


class SimulatedOwnership:
    """`dispatch.workers.ownership.Ownership` over the lock table."""

    def __init__(self, locks: Locks, process: Process, task: str) -> None:
        self._locks = locks
        self._process = process
        self._task = task
        self._was_ours = False
        self._believed_until_s: float | None = None

    async def acquire(self) -> None:
        """Wait until it is ours."""
        while not self._locks.take(self._task, self._process):
            await asyncio.sleep(ASK_EVERY_S + self._locks.network.chance.between(0.0, ASK_EVERY_S))
            self._process.check()
        self._was_ours, self._believed_until_s = True, None

    async def holds(self) -> bool:
        """Whether it is ours, as far as we have heard."""
        self._process.check()
        if self._locks.owners.get(self._task) is self._process:
            return True
        if not self._was_ours:
            return False
        now = self._locks.network.loop.time()
        if self._believed_until_s is None:
            self._believed_until_s = now + self._locks.network.chance.between(0.0, NOTICED_S_MAX)
        self._was_ours = now < self._believed_until_s
        return self._was_ours

    async def release(self) -> None:
        """Give it up."""
        self._was_ours = False
        self._locks.end(self._task, self._process)
