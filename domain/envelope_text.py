"""What a stored envelope says, found in its text without validating all of it.

Readers of whole pages look at three of its fields, and to validate it takes several times as long as to find them. The
text is what `codec.encode` writes, the fields always in one order; for anything else the answer is None, and who asks
validates the whole. Within a text of JSON every quotation mark has a backslash before it, so what is looked for here is
found in no one's name.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias

from pydantic import TypeAdapter

from domain.event import Actor

ACTORS_MAX = 4_096
"""Kept ready: those who act are few, and act again and again."""

Origin: TypeAlias = tuple[Actor, int | None]
"""Who, and by which version of a rule."""

_FIRST = b'"event_id":"'
_OCCURRED = slice(len('"event_id":"","occurred_at":"') + 36, len('"event_id":"","occurred_at":"') + 36 + 32)
"""Where it says when it happened; the instant has 32 bytes at most."""
_ACTOR = b',"actor":{'
_ACTOR_ENDS = b'},"'
_RULE_VERSION = b',"rule_version":'
_read_actor: Callable[[bytes], Actor] = TypeAdapter(Actor).validator.validate_json
_actor = lru_cache(ACTORS_MAX)(_read_actor)


def occurred_at(state: bytes, begin: int) -> datetime | None:
    """When it happened, of an envelope whose fields begin at `begin`."""
    said, ends, _ = state[begin + _OCCURRED.start : begin + _OCCURRED.stop].partition(b'"')
    if ends and said.endswith(b"Z"):
        try:
            return datetime.fromisoformat(said.decode())
        except ValueError:
            pass
    return None


def origin(state: bytes, begin: int, end: int) -> Origin | None:
    """Who and by which rule, of an envelope whose fields lie there, with its closing bytes left out."""
    actor_begins = state.find(_ACTOR, begin, end)
    if actor_begins < 0 or not state.startswith(_FIRST, begin):
        return None
    actor_begins += len(_ACTOR) - 1
    # The quotation mark of the next field, or of the body; a name that ends like this leaves no JSON behind.
    actor_ends = state.find(_ACTOR_ENDS, actor_begins, end + 2) + 1
    rule_begins = state.find(_RULE_VERSION, actor_ends, end)
    try:
        rule_version = None if rule_begins < 0 else int(state[rule_begins + len(_RULE_VERSION) : end])
        return _actor(state[actor_begins:actor_ends]), rule_version
    except ValueError:
        return None
