"""Who joins NATS changes when an agency or a gateway is registered: the log says so, and the server must be told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from dispatch.ports import EventLog
from domain.camera.events import CameraInstalled
from domain.center.events import AgencyRegistered
from domain.refusals import Unavailable

LOOK_EVERY_S = 2.0
"""Least time between two looks: nobody waits for an account at the second, and a storm must not pay for it."""
IDLE_S = 60.0
TOPICS = (AgencyRegistered.name, CameraInstalled.name)
"""A gateway is known by the cameras it brings."""

Opened: TypeAlias = Callable[[], AbstractAsyncContextManager[EventLog]]
_log = logging.getLogger(__name__)


async def follow_parties(opened: Opened, position: int, changed: Callable[[], Awaitable[None]]) -> None:
    """Call `changed` whenever an agency or a camera's gateway was registered since `position`; until cancelled.

    An outage is waited out, and a change that could not be dealt with (`Unavailable`) is told again.
    """
    while True:
        try:
            async with opened() as log:
                while True:
                    tip = await log.wait_beyond(position, timeout_s=IDLE_S)
                    if await log.read_after(position, limit=1, up_to_position=tip, topics=TOPICS):
                        await changed()
                    position = max(position, tip)
                    await asyncio.sleep(LOOK_EVERY_S)
        except Unavailable as error:
            _log.warning("a change of agencies or gateways has to wait", extra={"reason": error.detail})
        await asyncio.sleep(LOOK_EVERY_S)
