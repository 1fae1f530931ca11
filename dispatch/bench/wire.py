"""A load generator's HTTP/1.1 client: one keep-alive connection, one request at a time, next to no cost of its own.

A general client costs about a millisecond of CPU a request, which at flood-night rates would be most of what is
measured. It speaks to our own server only: `Content-Length` answers, no redirects, no compression.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

ANSWER_WAIT_S = 30.0
HEAD_BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Connection:
    """One connection that reconnects when the server closed it. Not for concurrent use."""

    def __init__(self, address: str, token: str) -> None:
        parts = urlsplit(address)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port or 80
        self._head = f"Host: {self._host}:{self._port}\r\nAuthorization: Bearer {token}\r\n"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(
        self, method: str, path: str, body: bytes = b"", *, headers: str = "", media_type: str = "application/json"
    ) -> Answer:
        """Send and read one answer. A connection that broke before any answer raises `ConnectionError`."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=HEAD_BYTES_MAX)
        assert self._reader is not None
        content = f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n" if body else "Content-Length: 0\r\n"
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{self._head}{headers}{content}\r\n".encode() + body)
        try:
            async with asyncio.timeout(ANSWER_WAIT_S):
                return await self._answer(self._reader)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.close()
            raise ConnectionError(f"{method} {path}: {error!r}") from error

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    def close(self) -> None:
        """Drop the connection; the next request opens a new one."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
