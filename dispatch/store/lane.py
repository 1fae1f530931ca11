"""The one lane of a process: everything that waits is recorded in one call (group commit).

The problem: the log's lock is held until a commit reaches the disk, so one call for each command caps a process at the
disk's rate. The rule kept instead: while a call is out, commands gather; the next call takes all of them. A lone
command takes a shorter path. The queue has a limit, beyond which callers hear `Unavailable` instead of waiting.

Two calls out at once were measured and gained nothing: the lock serves them one after the other, in smaller batches.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from dispatch.ports import MAX_COMMANDS_PER_CALL, AppendCommand, Verdict
from dispatch.store.line import Connect, Evidence, Group, Line, refuse
from domain.refusals import Unavailable

MAX_WAITING_COMMANDS = 10_000
MAX_WAITING_BYTES = 268_435_456
"""State bytes of all that wait: commands are small, but a thousand large ones must not fill the memory."""
MAX_CALL_BYTES = 33_554_432
"""State bytes of one call; a single group of commands may exceed it alone."""


class Lane:
    """Gathers commands of any number of tasks and hands them to its line."""

    def __init__(
        self,
        connect: Connect,
        evidence: Evidence,
        *,
        recorded: Callable[[int], None],
        waiting_max: int = MAX_WAITING_COMMANDS,
    ) -> None:
        self._line = Line(connect, evidence, recorded=recorded)
        self._waiting_max = waiting_max
        self._waiting: deque[Group] = deque()
        self._commands_waiting = 0
        self._bytes_waiting = 0
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect and begin. Raises what the driver raises."""
        await self._line.open_or_again()
        self._task = asyncio.create_task(self._serve(), name="log lane")

    async def close(self) -> None:
        """Stop; whoever still waits hears `Unavailable`."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        refuse(self._waiting, Unavailable("log.closed", "This process is stopping: repeat the request elsewhere"))
        self._waiting.clear()
        self._line.close()

    def enqueue(self, commands: Sequence[AppendCommand], state_bytes: int) -> asyncio.Future[list[Verdict]]:
        """The verdicts to come, in the order of the commands, which stay together in one call.

        A caller that is cancelled before its call went out is forgotten; after that, its commands are recorded and
        can be found by their key or their stream.
        """
        assert len(commands) <= MAX_COMMANDS_PER_CALL, f"{len(commands)} commands in one call"
        if self._task is None:
            raise Unavailable("log.closed", "This process is stopping: repeat the request elsewhere")
        if self._commands_waiting + len(commands) > self._waiting_max:
            raise Unavailable("log.lane_full", f"{self._commands_waiting} commands wait already: slow down and repeat")
        if self._waiting and self._bytes_waiting + state_bytes > MAX_WAITING_BYTES:
            raise Unavailable("log.lane_full", f"{self._bytes_waiting} bytes wait already: slow down and repeat")
        answer: asyncio.Future[list[Verdict]] = asyncio.get_running_loop().create_future()
        self._waiting.append(Group(commands, answer, state_bytes))
        self._commands_waiting += len(commands)
        self._bytes_waiting += state_bytes
        self._arrived.set()
        return answer

    async def _serve(self) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            groups = self._drain()
            if not groups:
                continue
            try:
                await self._line.record(groups)
            except asyncio.CancelledError:
                refuse(groups, Unavailable("log.outcome_unknown", "This process stopped while the call was out"))
                raise

    def _drain(self) -> list[Group]:
        """Everything that waits, up to the limits of one call; callers that gave up are left out."""
        groups: list[Group] = []
        commands = state_bytes = 0
        waiting = self._waiting
        while waiting:
            group = waiting[0]
            if not group.answer.done():
                commands += len(group.commands)
                state_bytes += group.state_bytes
                if groups and (commands > MAX_COMMANDS_PER_CALL or state_bytes > MAX_CALL_BYTES):
                    break
                groups.append(group)
            waiting.popleft()
            self._commands_waiting -= len(group.commands)
            self._bytes_waiting -= group.state_bytes
        return groups
