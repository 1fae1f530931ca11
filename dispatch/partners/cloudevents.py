"""CloudEvents 1.0 attributes as NATS headers (binary mode).

Header values are ASCII on the wire, so everything else is percent-encoded (UTF-8), with space, double quote and the
percent sign itself, as the binding demands. `Content-Type` is not used: in this binding it would announce structured
mode; the attribute is `ce-datacontenttype`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

PREFIX = "ce-"
_PLAIN = frozenset(chr(code) for code in range(0x21, 0x7F)) - {'"', "%"}
_PLAIN_ONLY = re.compile(f"[{re.escape(''.join(sorted(_PLAIN)))}]*")
"""Nearly every value: ids, instants, names of ours."""


def encoded(value: str) -> str:
    """A header value that survives the wire."""
    if _PLAIN_ONLY.fullmatch(value):
        return value
    return "".join(
        character if character in _PLAIN else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in value
    )


def headers_of(attributes: Mapping[str, str]) -> dict[str, str]:
    """Attributes to headers."""
    return {PREFIX + name: encoded(value) for name, value in attributes.items()}


def attributes_of(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Headers to attributes; what is not of CloudEvents is left out."""
    return {
        name.lower().removeprefix(PREFIX): unquote(value)
        for name, value in (headers or {}).items()
        if name.lower().startswith(PREFIX)
    }
