"""Names on NATS: subjects, streams and accounts, made in one place.

A feed subject has exactly six tokens and a command subject exactly five, so no center code can make one look like
the other, and a permission on `city.chengdu.police.*.*.*` covers the feed and nothing else.
"""

from __future__ import annotations

import re
from functools import lru_cache

from domain.refusals import Refused

NO_CENTER = "-"
"""Stands for a second-level center or a station that an owner does not have (the city itself, a lateral center)."""
DIRECT_GET = "$JS.API.DIRECT.GET"
NAMES_KNOWN_MAX = 5_000
"""Centers, agencies and gateways whose names were found to be tokens."""
FEED_SUBJECTS_KNOWN_MAX = 5_000
_TOKEN = re.compile(r"^[a-z0-9][a-z0-9_-]{0,60}$")


@lru_cache(NAMES_KNOWN_MAX)
def token(text: str) -> str:
    """The text as one token. Raises `Refused` for what could widen a subject (dots, wildcards, spaces)."""
    if not _TOKEN.fullmatch(text):
        raise Refused("partners.name_not_a_token", f"{text!r} cannot be part of a subject: use a-z, 0-9, _ and -")
    return text


@lru_cache(FEED_SUBJECTS_KNOWN_MAX)
def feed_subject(city: str, agency: str, *, center: str | None, station: str | None, message: str) -> str:
    """Where one feed message goes. `message` is the public name without its version, dots as dashes."""
    places = (token(center) if center else NO_CENTER, token(station) if station else NO_CENTER)
    return ".".join(("city", token(city), token(agency), *places, token(message)))


def feed_wildcard(city: str, agency: str) -> str:
    """All of an agency's feed."""
    return f"city.{token(city)}.{token(agency)}.*.*.*"


def command_subject(city: str, agency: str, verb: str) -> str:
    """Where an agency sends a command; `*` as the verb means all."""
    return f"city.{token(city)}.{token(agency)}.command.{verb if verb == '*' else token(verb)}"


def gateway_subject(city: str, gateway: str) -> str:
    """Where a gateway publishes alerts in our own format; `.<adapter>` behind it for a vendor's."""
    return f"city.{token(city)}.gateway.{token(gateway)}.alerts"


def states_subject(city: str, gateway: str) -> str:
    """Where a gateway says how its cameras are."""
    return f"city.{token(city)}.gateway.{token(gateway)}.states"


def feed_stream(agency: str) -> str:
    """The one stream of an agency."""
    return f"FEED_{token(agency)}"
