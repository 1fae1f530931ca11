"""Processes that build the parts of a rebuild, one each: folding is the work of one core.

Each is told its job on the first line of its standard input and says every position it reaches on a line of its own. It
ends when nobody holds its standard input open any more: no part outlives the rebuild that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from domain.refusals import Unavailable

PROGRAM = (sys.executable, "-m", "dispatch.cli.rebuild_part")
EXIT_ENTANGLED = 3
"""A part met a fact that must be parked."""
NICE = 10
"""A rebuild leaves the processor to the processes that people wait for."""
PARTS_MAX = 8
"""Every part reads the whole log."""

Advanced: TypeAlias = Callable[[int, int], None]
"""Told (position, goal) after each page."""


class Crew(Protocol):
    """Whoever builds the parts."""

    parts: int

    async def build(self, names: Sequence[str], up_to_position: int, advanced: Advanced) -> bool:
        """Build each part of these projections; False if one process must do it. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one process is to build, and where it finds the log."""

    dsn: str
    archive: str | None
    names: tuple[str, ...]
    number: int
    of: int
    up_to_position: int

    @classmethod
    def read(cls, line: str) -> Job:
        """From the line it came as."""
        told = json.loads(line)
        return cls(**{**told, "names": tuple(told["names"])})

    def line(self) -> bytes:
        """As it is told."""
        return json.dumps(asdict(self)).encode() + b"\n"


class PartProcesses:
    """One process for each part; by default, a part for each core."""

    def __init__(self, dsn: str, archive: Path | None, parts: int | None = None) -> None:
        self._dsn = dsn
        self._archive = None if archive is None else str(archive)
        self.parts = parts or min(PARTS_MAX, len(os.sched_getaffinity(0)))

    async def build(self, names: Sequence[str], up_to_position: int, advanced: Advanced) -> bool:
        """See `Crew`."""
        reached = dict.fromkeys(range(self.parts), 0)
        children = [await self._start(names, number, up_to_position) for number in reached]

        async def follow(number: int) -> int:
            stdout = children[number].stdout
            assert stdout is not None
            async for line in stdout:
                reached[number] = int(line)
                if all(reached.values()):
                    advanced(min(reached.values()), up_to_position)
            return await children[number].wait()

        following = {asyncio.create_task(follow(number)) for number in reached}
        codes: set[int] = set()
        try:
            while following and codes <= {0}:
                done, following = await asyncio.wait(following, return_when=asyncio.FIRST_COMPLETED)
                codes |= {task.result() for task in done}
        finally:
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
            await asyncio.gather(*following, return_exceptions=True)
        if codes - {0, EXIT_ENTANGLED}:
            raise Unavailable("rebuild.part_ended", "A process that built a part of the rows ended: run it again.")
        return codes == {0}

    async def _start(self, names: Sequence[str], number: int, up_to: int) -> asyncio.subprocess.Process:
        child = await asyncio.create_subprocess_exec(
            *PROGRAM, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert child.stdin is not None
        child.stdin.write(Job(self._dsn, self._archive, tuple(names), number, self.parts, up_to).line())
        return child
