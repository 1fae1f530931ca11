"""Bearer tokens: made with our own key, or by an identity provider whose keys we fetch.

Only asymmetric algorithms are listed: with a shared-secret algorithm on the list, anybody who knows a public key could
sign with it. Our own key is Ed25519, made at first use in a file only its owner reads.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import UUID

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from dispatch.embedded.secrets import write_secret
from domain.refusals import Refused, Unavailable
from domain.vocabulary import Role

ALGORITHMS = ("EdDSA", "ES256", "RS256")
"""What a token may be signed with."""
TOKEN_CHARACTERS_MAX = 8_192
LEEWAY_S = 30
"""Clocks of two machines differ; a token is not refused for half a minute."""
KEYS_FRESH_S = 600
"""How long fetched keys are used without asking again."""
BELIEVED_S = 60.0
"""How long a signature that was checked is not checked again. Its end is looked at every time; a key that a provider
took back is in use for `KEYS_FRESH_S` anyway."""
BELIEVED_MAX = 10_000
KEYS_RETRY_S = 30
"""Least time between two fetches for an unknown key id: forged ids must not make us a flood of requests."""
FETCH_TIMEOUT_S = 5.0
REQUIRED_CLAIMS = ("exp", "iat", "iss", "aud", "sub")


class TokenRefused(Exception):
    """The token cannot be believed; the message says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a token is for. An operator's roles, center and agency are looked up in the log, not believed here."""

    subject: str
    roles: tuple[Role, ...]
    operator_id: UUID | None = None
    center: str | None = None
    agency: str | None = None
    gateway: str | None = None

    def claims(self) -> dict[str, Any]:
        """As private claims of a token."""
        found: dict[str, Any] = {"sub": self.subject, "roles": [role.value for role in self.roles]}
        if self.operator_id is not None:
            found["operator"] = str(self.operator_id)
        for name in ("center", "agency", "gateway"):
            if getattr(self, name) is not None:
                found[name] = getattr(self, name)
        return found


def signing_key(path: Path) -> Any:
    """The private key in `path`, made (Ed25519, 0600) if it is not there."""
    if not path.exists():
        fresh = Ed25519PrivateKey.generate()
        write_secret(path, fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode().strip())
    return load_pem_private_key(path.read_bytes(), password=None)


def algorithm_of(key: Any) -> str:
    """The algorithm a private key signs with. Raises `Refused` for a kind that is not on the list."""
    match key:
        case Ed25519PrivateKey():
            return "EdDSA"
        case EllipticCurvePrivateKey():
            return "ES256"
        case RSAPrivateKey():
            return "RS256"
        case _:
            raise Refused("settings.invalid", f"Signing needs an Ed25519, P-256 or RSA key, not {type(key).__name__}.")


@dataclass(frozen=True, slots=True)
class Issuer:
    """Makes tokens."""

    key: Any
    issuer: str
    audience: str

    def issue(self, identity: Identity, *, now: datetime, ttl_s: int) -> str:
        """A signed token, valid from `now` for `ttl_s`."""
        claims = identity.claims() | {
            "iss": self.issuer,
            "aud": self.audience,
            "iat": now,
            "exp": now + timedelta(seconds=ttl_s),
        }
        return jwt.encode(claims, self.key, algorithm=algorithm_of(self.key))


class Keys(Protocol):
    """Where the key that checks a token comes from."""

    async def key_for(self, token: str) -> Any:
        """The public key. Raises `TokenRefused` or `Unavailable`."""


@dataclass(frozen=True, slots=True)
class OwnKey:
    """Our own key checks what our own key signed."""

    key: Any

    async def key_for(self, token: str) -> Any:  # noqa: ARG002  # one key, whatever the token says
        """The public half."""
        return self.key.public_key()


class ProviderKeys:
    """Keys of an OpenID Connect provider, found by its discovery document and kept for a while."""

    def __init__(self, discovery_url: str, client: httpx.AsyncClient) -> None:
        self.discovery_url = discovery_url
        self._client = client
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()

    async def key_for(self, token: str) -> Any:
        """The key named in the token's header; fetched anew when it is unknown or old."""
        try:
            key_id = str(jwt.get_unverified_header(token).get("kid", ""))
        except jwt.PyJWTError as error:
            raise TokenRefused(str(error)) from None
        age = time.monotonic() - self._fetched_at
        if age > KEYS_FRESH_S or (key_id not in self._keys and age > KEYS_RETRY_S):
            await self._fetch()
        if key_id not in self._keys:
            raise TokenRefused(f"the identity provider has no key {key_id!r}")
        return self._keys[key_id]

    async def _fetch(self) -> None:
        async with self._lock:
            if time.monotonic() - self._fetched_at < 1:
                return
            try:
                discovery = await self._json(self.discovery_url)
                document = await self._json(str(discovery["jwks_uri"]))
                found = jwt.PyJWKSet.from_dict(document).keys
            except (httpx.HTTPError, KeyError, ValueError, jwt.PyJWTError) as error:
                self._fetched_at = time.monotonic() - KEYS_FRESH_S + KEYS_RETRY_S
                if self._keys:
                    return  # An old key that checks is better than locking every dispatcher out.
                raise Unavailable(
                    "identity_provider", f"The identity provider does not answer ({type(error).__name__}). Try again."
                ) from None
            self._keys = {key.key_id or "": key.key for key in found if key.algorithm_name in ALGORITHMS}
            self._fetched_at = time.monotonic()

    async def _json(self, url: str) -> dict[str, Any]:
        answer = await self._client.get(url, timeout=FETCH_TIMEOUT_S)
        answer.raise_for_status()
        return cast("dict[str, Any]", answer.json())


@dataclass(frozen=True, slots=True)
class Believed:
    """A token whose signature was good at `since_s` (monotonic)."""

    identity: Identity
    claims: Mapping[str, Any]
    since_s: float


@dataclass(frozen=True, slots=True)
class Verifier:
    """Believes a token or says why not. A gateway's hundred requests a second carry one token: it is checked once."""

    keys: Keys
    issuer: str
    audience: str
    _believed: OrderedDict[str, Believed] = field(default_factory=OrderedDict, repr=False, compare=False)

    async def identity(self, token: str) -> tuple[Identity, Mapping[str, Any]]:
        """Who it is for, and all its claims. Raises `TokenRefused` or `Unavailable`."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise TokenRefused(f"it is longer than {TOKEN_CHARACTERS_MAX} characters")
        now_s = time.monotonic()
        known = self._believed.get(token)
        if (
            known is not None
            and now_s - known.since_s < BELIEVED_S
            and time.time() < float(known.claims["exp"]) + LEEWAY_S
        ):
            return known.identity, known.claims
        identity, claims = await self._checked(token)
        self._believed[token] = Believed(identity, claims, now_s)
        if len(self._believed) > BELIEVED_MAX:
            self._believed.popitem(last=False)
        return identity, claims

    async def _checked(self, token: str) -> tuple[Identity, Mapping[str, Any]]:
        try:
            claims = jwt.decode(
                token,
                await self.keys.key_for(token),
                algorithms=list(ALGORITHMS),
                audience=self.audience,
                issuer=self.issuer,
                leeway=LEEWAY_S,
                options={"require": list(REQUIRED_CLAIMS)},
            )
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise TokenRefused(str(error)) from None
        return _identity(claims), claims


def _identity(claims: Mapping[str, Any]) -> Identity:
    try:
        return Identity(
            subject=str(claims["sub"])[:200],
            roles=_roles(claims.get("roles", [])),
            operator_id=UUID(str(claims["operator"])) if claims.get("operator") else None,
            center=_text(claims, "center"),
            agency=_text(claims, "agency"),
            gateway=_text(claims, "gateway"),
        )
    except ValueError as error:
        raise TokenRefused(f"its claims are not ours: {error}") from None


def _roles(said: Any) -> tuple[Role, ...]:
    # An identity provider lists roles of other systems too; those mean nothing here.
    names: Sequence[Any] = said if isinstance(said, list) else []
    known = {role.value for role in Role}
    return tuple(Role(name) for name in names if isinstance(name, str) and name in known)


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return str(value)[:200] if value else None


def describe_key(key: Any) -> str:
    """The public half as a JWK, for a partner's own checks and for tests."""
    public = key.public_key()
    match key:
        case Ed25519PrivateKey():
            return json.dumps(jwt.algorithms.OKPAlgorithm.to_jwk(public, as_dict=True))
        case EllipticCurvePrivateKey():
            return json.dumps(jwt.algorithms.ECAlgorithm.to_jwk(public, as_dict=True))
        case _:
            return json.dumps(jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True))
