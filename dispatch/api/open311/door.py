"""What is the standard's own way before anything of ours sees a request, and after everything of ours has failed.

In: the format is a suffix of the address (`/requests.xml`), a key may stand in the query, an empty parameter is none.
Out: a failure is a list of codes and descriptions; 404 for what does not exist, 403 for a key that is missing, wrong or
not enough, 400 for everything else the caller can mend. What asks for another attempt keeps its status, 429 or 503
with `Retry-After`, and so does our own mistake (500): a client could not tell them from what it must not repeat.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dispatch.api.open311.rendering import ERRORS, FORMATS, JSON, STATE, XML, rendered
from dispatch.api.problems.problem import MEDIA_TYPE

PREFIX = "/open311/v2"
STATUSES = {401: 403, 403: 403, 404: 404, 405: 405, 429: 429, 500: 500, 503: 503}
"""Of ours → of the standard; any other failure is 400."""
KEPT_HEADERS = (b"allow", b"retry-after", b"ratelimit", b"ratelimit-policy", b"connection")
log = logging.getLogger(__name__)


class GeoReportDoor:
    """Stands before the layers that shed and measure: what they answer is put into the standard's words too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; all but GeoReport's pass through."""
        if scope["type"] != "http" or not scope["path"].startswith(f"{PREFIX}/"):
            await self._app(scope, receive, send)
            return
        _enter(scope)
        translated = _Translated(scope, receive, send)
        try:
            await self._app(scope, receive, translated.send)
        except Exception:
            if translated.has_begun:
                raise
            log.exception("unforeseen failure", extra={"path": scope["path"]})
            await translated.fail(500, [(500, "The request could not be served. Repeat it, and report it.")])


def _enter(scope: Scope) -> None:
    """Take the format, the key and the empty parameters out of the address."""
    state = scope.setdefault("state", {})
    path, _, suffix = scope["path"].rpartition(".")
    if suffix in FORMATS:
        scope["path"], state[STATE] = path, FORMATS[suffix]
        scope["raw_path"] = path.encode()
    else:
        accepted = Headers(scope=scope).get("accept", "")
        state[STATE] = XML if "xml" in accepted and "json" not in accepted else JSON
    said = parse_qsl(scope["query_string"].decode("latin-1"))
    key = next((value for name, value in said if name == "api_key"), None)
    if key is not None:
        state["authorization"] = f"Bearer {key}"
    scope["query_string"] = urlencode([pair for pair in said if pair[0] != "api_key"]).encode()


class _Translated:
    """Passes answers on, and puts failures into the standard's words."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._failure: Message | None = None
        self._body = bytearray()
        self.has_begun = False

    async def send(self, message: Message) -> None:
        """One message of the application."""
        if message["type"] == "http.response.start":
            if dict(message["headers"]).get(b"content-type", b"").startswith(MEDIA_TYPE.encode()):
                self._failure = message
                return
            self.has_begun = True
        elif self._failure is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._fail()
            return
        await self._send(message)

    async def _fail(self) -> None:
        assert self._failure is not None, "a failure has begun"
        problem: Mapping[str, Any] = json.loads(bytes(self._body))
        status = STATUSES.get(self._failure["status"], 400)
        errors = [(status, f"{wrong['pointer']}: {wrong['detail']}".lstrip(": ")) for wrong in problem["errors"]]
        kept = {name.decode(): value.decode() for name, value in self._failure["headers"] if name in KEPT_HEADERS}
        await self.fail(status, errors or [(status, problem["detail"])], kept)

    async def fail(self, status: int, errors: list[tuple[int, str]], headers: Mapping[str, str] | None = None) -> None:
        """Answer with these codes and descriptions."""
        document = [{"code": code, "description": text} for code, text in errors]
        self.has_begun = True
        response = rendered(self._scope, ERRORS, document, status=status, headers=headers)
        await response(self._scope, self._receive, self._send)
