"""When each gateway was last heard: beside the log, for a sign of life is no fact; its absence is (record 0029).

Heard means: somebody with the gateway's credential spoke. An alert, a state, a keep-alive, what nobody can read, what
there is no room for now: each is a sign of life, so the doors note it before they look at it (`Intake.hear`). A process
notes it in memory, which costs a flood nothing, and writes what is new down every few seconds, one statement for all
gateways.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from dispatch.ports import Clock
from domain.refusals import Unavailable

WRITTEN_EVERY_S = 5.0

logger = logging.getLogger(__name__)


class HeardGateways(Protocol):
    """Where it is written down, for all processes."""

    async def put(self, heard: Mapping[str, datetime]) -> None:
        """Remember when they were heard; an earlier instant changes nothing. Raises `Unavailable`."""

    async def all(self) -> Mapping[str, datetime]:
        """When each was last heard. Raises `Unavailable`."""


class MemoryHeardGateways:
    """For one process, and for tests."""

    def __init__(self) -> None:
        self._heard: dict[str, datetime] = {}

    async def put(self, heard: Mapping[str, datetime]) -> None:
        """Remember."""
        for gateway, at in heard.items():
            self._heard[gateway] = max(at, self._heard.get(gateway, at))

    async def all(self) -> Mapping[str, datetime]:
        """Everything remembered."""
        return dict(self._heard)


class Hearing:
    """What this process heard since it last wrote it down."""

    def __init__(self, heard: HeardGateways, clock: Clock) -> None:
        self.heard = heard
        self._clock = clock
        self._new: dict[str, datetime] = {}

    def note(self, gateway: str | None) -> None:
        """It said something; None: it was no gateway."""
        if gateway is not None:
            self._new[gateway] = self._clock.now()

    async def all(self) -> Mapping[str, datetime]:
        """When each was last heard, by whatever process, as far as it is written down. Raises `Unavailable`."""
        return await self.heard.all()

    async def write(self) -> None:
        """Write down what is new. Raises `Unavailable`; then it is still new."""
        writing = dict(self._new)
        if not writing:
            return
        await self.heard.put(writing)
        for gateway, at in writing.items():
            if self._new.get(gateway) == at:
                del self._new[gateway]

    async def run(self) -> None:
        """Write every few seconds, until cancelled; what is not written by then is less than the timers' slack."""
        while True:
            await asyncio.sleep(WRITTEN_EVERY_S)
            try:
                await self.write()
            except Unavailable as error:
                logger.warning("cannot say when gateways were heard", extra={"reason": error.detail})
