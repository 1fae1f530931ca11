"""From an Authorization header to a `Caller`: the token says who, the log says what they may.

An operator's roles, center and agency are read from the log at every request, so a change there holds at once; roles
in the token can only narrow them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from dispatch.api.access.permissions import Caller
from dispatch.api.access.tokens import Identity, TokenRefused, Verifier
from dispatch.api.problems.problem import Problem
from dispatch.directory import Directory
from domain.identifiers import operator_id
from domain.vocabulary import CenterKind, Role

PEOPLE_WHO_DECIDE = frozenset({Role.DISPATCHER, Role.SUPERVISOR})
"""Whoever decides is a person in the log; a token for these roles without an operator is refused."""


class Authenticator:
    """Checks tokens against keys, and operators against the log."""

    def __init__(self, verifier: Verifier, directory: Directory) -> None:
        self._verifier = verifier
        self._directory = directory

    async def caller(self, authorization: str | None) -> Caller:
        """Who calls. Raises `Problem` (401) and `Unavailable` (the identity provider is away)."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Problem("unauthenticated", "Send `Authorization: Bearer <token>`; `dispatch token` makes one.")
        try:
            identity, claims = await self._verifier.identity(token.strip())
        except TokenRefused as refused:
            raise Problem(
                "unauthenticated",
                f"The token is not valid: {refused}. Get a new one and repeat the request.",
                headers={"WWW-Authenticate": 'Bearer realm="dispatch", error="invalid_token"'},
            ) from None
        return await self._known(identity, claims)

    async def _known(self, identity: Identity, claims: Mapping[str, Any]) -> Caller:
        named = identity.operator_id or self._by_login(identity, claims)
        if named is not None:
            return await self._operator(named, identity, claims)
        if not PEOPLE_WHO_DECIDE.isdisjoint(identity.roles):
            raise Problem(
                "unknown_operator",
                "A dispatcher or supervisor must be an operator enrolled in the city; this token names none.",
            )
        if Role.PARTNER in identity.roles and self._directory.agency(identity.agency or "") is None:
            raise Problem(
                "unauthenticated", f"The city has no agency {identity.agency}; the token is for another city."
            )
        if Role.GATEWAY in identity.roles and identity.gateway is None:
            raise Problem("unauthenticated", "A gateway's token must name the gateway (claim `gateway`).")
        return Caller(
            subject=identity.subject,
            roles=frozenset(identity.roles),
            center_id=self._center(identity.center),
            agency=identity.agency,
            gateway=identity.gateway,
            expires_at_s=float(claims["exp"]),
            speaks_for_agency=Role.PARTNER in identity.roles,
        )

    def _by_login(self, identity: Identity, claims: Mapping[str, Any]) -> UUID | None:
        # Identity providers know logins, not our ids; only a login that is enrolled counts.
        login = claims.get("preferred_username")
        if not isinstance(login, str) or identity.gateway is not None:
            return None
        return operator_id(self._directory.city, login)

    async def _operator(self, named: UUID, identity: Identity, claims: Mapping[str, Any]) -> Caller:
        entry = self._directory.operator(named)
        if entry is None:
            await self._directory.catch_up()
            entry = self._directory.operator(named)
        if entry is None:
            raise Problem("unknown_operator", f"Operator {named} is not enrolled in {self._directory.city}.")
        roles = frozenset(entry.roles)
        center = self._directory.center(entry.center_id)
        return Caller(
            subject=f"operator:{entry.login}",
            roles=roles & frozenset(identity.roles) if identity.roles else roles,
            operator_id=entry.id,
            login=entry.login,
            center_id=entry.center_id,
            agency=entry.agency,
            expires_at_s=float(claims["exp"]),
            speaks_for_agency=center is not None and center.kind is CenterKind.FUNCTIONAL,
            commanded=self._directory.commanded_by(entry.id),
        )

    def _center(self, said: str | None) -> UUID | None:
        if said is None:
            return None
        found = self._directory.center_by_code(said)
        if found is None:
            raise Problem("unauthenticated", f"The token names a center that the city does not have: {said}.")
        return found.id
