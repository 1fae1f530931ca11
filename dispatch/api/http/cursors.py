"""Keyset cursors: where a list goes on, opaque to callers, refused when altered or taken to another list.

A cursor carries the last row's key and a digest over the list's name and filters, made with a key of this process's
token key, so that it also holds on a neighbour process and cannot be forged into somebody else's list.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from dispatch.api.problems.problem import Problem

LIMIT_DEFAULT = 50
LIMIT_MAX = 200
CURSOR_CHARACTERS_MAX = 600
_DIGEST_BYTES = 12


class Cursors:
    """Makes and checks cursors."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(b"cursor\x1f" + secret).digest()

    def make(self, listing: str, filters: Mapping[str, Any], key: Sequence[Any]) -> str:
        """The cursor behind the row with this key."""
        body = json.dumps(list(key), default=str, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._digest(listing, filters, body) + body).decode().rstrip("=")

    def read(self, listing: str, filters: Mapping[str, Any], cursor: str | None) -> list[Any] | None:
        """The key in a cursor; None without one. Raises `Problem` bad_cursor."""
        if cursor is None:
            return None
        key = self._opened(listing, filters, cursor) if len(cursor) <= CURSOR_CHARACTERS_MAX else None
        if key is None:
            raise Problem(
                "bad_cursor",
                "The cursor is not one this list gave out with these filters. Start again without it.",
                errors=[("query:cursor", "not a cursor of this list")],
            )
        return key

    def _opened(self, listing: str, filters: Mapping[str, Any], cursor: str) -> list[Any] | None:
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        digest, body = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        if not hmac.compare_digest(digest, self._digest(listing, filters, body)):
            return None
        key = json.loads(body)
        assert isinstance(key, list)
        return key

    def _digest(self, listing: str, filters: Mapping[str, Any], body: bytes) -> bytes:
        meaning = json.dumps([listing, dict(filters)], sort_keys=True, default=str).encode()
        return hmac.new(self._secret, meaning + b"\x1f" + body, hashlib.sha256).digest()[:_DIGEST_BYTES]


def next_link(request: Request, cursor: str) -> str:
    """The `Link` header to the next page: same path and filters, new cursor."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f'<{request.url.path}?{urlencode([*query, ("cursor", cursor)])}>; rel="next"'
