"""How long a caller may take to say what it wants: a body that drips in must not keep a place that others need.

A request is counted from its head on, before anybody knows who sends it. Without a limit five hundred connections that
send one byte a minute would shut every dispatcher out, and need no token for it.
"""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_S = 20.0
"""For all of a body: 1 MiB over a line of half a megabit."""


class Patience:
    """Answers 408 to a body that does not arrive in time."""

    def __init__(self, app: ASGIApp, *, body_s: float = BODY_S) -> None:
        self._app = app
        self._body_s = body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. What follows the body (the caller has gone) may take as long as it likes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        deadline_s = asyncio.get_running_loop().time() + self._body_s
        is_whole = False

        async def receiving() -> Message:
            nonlocal is_whole
            if is_whole:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline_s):
                    message = await receive()
            except TimeoutError:
                # The framework passes its own exception through; the rest of the body must not be taken for a request.
                detail = (
                    f"The body did not arrive within {self._body_s:g} s. Send the request again, in parts if large."
                )
                raise HTTPException(408, detail, headers={"Connection": "close"}) from None
            is_whole = not message.get("more_body", False)
            return message

        await self._app(scope, receiving, send)
