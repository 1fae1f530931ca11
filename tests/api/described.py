"""Every answer that a test of the edge gets is held against the OpenAPI description: its status and its media type.

A description that is checked on purpose is right where somebody thought of it. This one is checked wherever anybody
asks anything.
"""

from __future__ import annotations

import re
from typing import Any

import httpx

UNDESCRIBED = ("/docs", "/openapi.json")
CONVENTIONAL = {404, 405}
"""What any address may answer that is no operation's."""


class Description:
    """The operations of an application by method and address."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._operations = [
            (method.upper(), re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]

    async def check(self, answer: httpx.Response) -> None:
        """Raises `AssertionError` for an answer that the description does not know."""
        method, path = answer.request.method, answer.request.url.path
        if path.startswith(UNDESCRIBED):
            return
        found = [
            operation for verb, pattern, operation in self._operations if verb == method and pattern.fullmatch(path)
        ]
        # Of two that match ("/quarantine/redrive", "/quarantine/{sha256}"), the literal one is first as in the router.
        if not found:
            assert answer.status_code in CONVENTIONAL, (method, path, answer.status_code)
            return
        declared = {status for operation in found for status in operation["responses"]}
        assert str(answer.status_code) in declared, (
            f"{method} {path}: {answer.status_code} is not in {sorted(declared)}"
        )
