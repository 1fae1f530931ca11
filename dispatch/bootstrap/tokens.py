"""Tokens signed with our own key, for commands on this machine."""

from __future__ import annotations

from dispatch.api.access.tokens import Identity, Issuer, signing_key
from dispatch.config import Settings
from dispatch.world import SystemClock
from domain.identifiers import operator_id
from domain.vocabulary import Role

FIRST_SUPERVISOR = "city.27"
"""The operator of the sample city in whose name `dispatch up` prints a token."""


def issue_token(settings: Settings, identity: Identity) -> str:
    """A bearer token signed with our own key."""
    settings.secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    issuer = Issuer(signing_key(settings.jwt_key_path), settings.jwt_issuer, settings.jwt_audience)
    return issuer.issue(identity, now=SystemClock().now(), ttl_s=settings.token_ttl_s)


def new_token(settings: Settings) -> str:
    """A token of a supervisor at the city center of the sample city."""
    who = operator_id(settings.city, FIRST_SUPERVISOR)
    return issue_token(settings, Identity(f"operator:{FIRST_SUPERVISOR}", (Role.DISPATCHER, Role.SUPERVISOR), who))
