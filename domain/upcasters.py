"""Old shapes made new, on the decoded dict, before validation.

An upcaster turns version n of an event's body into version n + 1. It never looks at the clock or at other events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Body = dict[str, Any]

UPCASTERS: dict[tuple[str, int], Callable[[Body], Body]] = {}
"""(event name, schema version it reads) → the next version's body."""


def upcast(name: str, from_version: int, to_version: int, body: Body) -> Body:
    """The body in the current shape. A missing step is a programming error, found by the registry test."""
    for version in range(from_version, to_version):
        body = UPCASTERS[name, version](body)
    return body
