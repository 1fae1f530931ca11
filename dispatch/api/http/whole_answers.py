"""Head and body of an answer in one write.

The server writes the head when it is known and the body when it comes, and the event loop passes each on at once: two
system calls, two packets and two wake-ups of the caller for one short answer.
"""

from __future__ import annotations

import asyncio
from typing import Any

_HEAD_BEGINS, _HEAD_ENDS = b"HTTP/1.1 ", b"\r\n\r\n"
_NO_ANSWER_YET = b"HTTP/1.1 1"


class WholeAnswers:
    """A transport that keeps a head back until the next write, or until the event loop has nothing else to do."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def write(self, data: bytes) -> None:
        """Write, or keep back what is a head."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.endswith(_HEAD_ENDS) and data.startswith(_HEAD_BEGINS) and not data.startswith(_NO_ANSWER_YET):
            self._head = data
            self._loop.call_soon(self.flush)
            return
        self.transport.write(data)

    def flush(self) -> None:
        """Write what was kept back."""
        if self._head:
            head, self._head = self._head, b""
            if not self.transport.is_closing():
                self.transport.write(head)

    def close(self) -> None:
        """Close, after everything was written."""
        self.flush()
        self.transport.close()
