"""JSON from strangers: strict (no NaN, no comments), bounded in depth, and free of text that cannot be stored."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from dispatch.ingest.limits import JSON_DEPTH_MAX
from dispatch.ingest.message import NotUnderstood

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL, and halves of surrogate pairs."""


def parse_json(body: bytes) -> Any:
    """The document. Raises `NotUnderstood` (`encoding`, `hostile`, `malformed`) and nothing else."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeError:
        raise NotUnderstood("ingest.encoding", "JSON must be UTF-8 (RFC 8259).") from None
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotUnderstood("ingest.malformed", _explained(text, error)) from None
    except (RecursionError, ValueError) as error:
        raise NotUnderstood("ingest.hostile", f"The JSON cannot be read safely: {error}.") from None
    if _may_need_a_look(body):
        _check(document, 0)
    return document


def _may_need_a_look(body: bytes) -> bool:
    """What cannot be stored comes as an escape (the decoders refuse it otherwise), and depth takes brackets: a message
    without the one and with few of the other is not gone through again."""
    return b"\\u" in body or body.count(b"{") + body.count(b"[") > JSON_DEPTH_MAX


def _explained(text: str, error: json.JSONDecodeError) -> str:
    where = f"line {error.lineno}, column {error.colno}"
    if text.startswith(("//", "/*"), error.pos):
        return f"The JSON has a comment at {where}; comments are not JSON (RFC 8259). Remove them."
    return f"The JSON is broken at {where}: {error.msg}."


def _refuse_constant(name: str) -> NoReturn:
    raise NotUnderstood("ingest.malformed", f"{name} is not a JSON number (RFC 8259).")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _check(value: object, depth: int) -> None:
    if depth > JSON_DEPTH_MAX:
        raise NotUnderstood("ingest.hostile", f"The JSON is nested deeper than {JSON_DEPTH_MAX}.")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_text(name)
            _check(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            _check(member, depth + 1)


def _check_text(text: str) -> None:
    if _UNSTORABLE.search(text):
        raise NotUnderstood("ingest.malformed", "A text has a NUL or half of a surrogate pair and cannot be stored.")
