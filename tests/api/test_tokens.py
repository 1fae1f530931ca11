"""Who a token is believed to be, and every way it is not."""

from __future__ import annotations

import asyncio
import base64
import json
import stat
from datetime import timedelta
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dispatch.api.access.tokens import (
    LEEWAY_S,
    Identity,
    Issuer,
    ProviderKeys,
    TokenRefused,
    Verifier,
    describe_key,
    signing_key,
)
from dispatch.world import SystemClock
from domain.refusals import Unavailable
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge

NOW = SystemClock().now()


@pytest.fixture
def edge(quiet_edge: Edge) -> Edge:
    """Nothing here changes the town."""
    return quiet_edge


async def status(edge: Edge, token: str) -> tuple[int, str]:
    answer = await edge.client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json().get("code", "")


def claims(**other: object) -> dict[str, object]:
    return {
        "sub": "somebody",
        "roles": ["auditor"],
        "iss": "city-dispatch",
        "aud": "city-dispatch",
        "iat": NOW,
        "exp": NOW + timedelta(hours=6),  # since the tests were collected: a slow run must not outlive it
    } | other


async def test_a_good_token_says_who_it_is(edge: Edge) -> None:
    answer = await edge.client.get("/v1/me", headers=edge.as_operator("east.01"))
    assert answer.json() == {
        "subject": "operator:east.01",
        "roles": ["dispatcher"],
        "operator_id": str(town.operator("east.01")),
        "login": "east.01",
        "center_id": str(town.center("east")),
        "agency": None,
        "gateway": None,
        "headquarters": [],
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "somebody else"},
        {"aud": "another system"},
        {"exp": NOW - timedelta(minutes=5)},
        {"iat": NOW + timedelta(hours=1)},
        {"operator": "not a uuid"},
    ],
)
async def test_a_wrong_claim_is_401(edge: Edge, wrong: dict[str, object]) -> None:
    token = jwt.encode(claims(**wrong), edge.issuer.key, algorithm="EdDSA")
    assert await status(edge, token) == (401, "unauthenticated")


@pytest.mark.parametrize("missing", ["exp", "iat", "iss", "aud", "sub"])
async def test_a_missing_claim_is_401(edge: Edge, missing: str) -> None:
    said = claims()
    del said[missing]
    assert await status(edge, jwt.encode(said, edge.issuer.key, algorithm="EdDSA")) == (401, "unauthenticated")


async def test_a_token_that_was_believed_ends_at_its_end_all_the_same(edge: Edge) -> None:
    ends_at = SystemClock().now() + timedelta(seconds=2 - LEEWAY_S)
    token = jwt.encode(claims(exp=ends_at), edge.issuer.key, algorithm="EdDSA")
    assert (await status(edge, token))[0] == 200
    async with asyncio.timeout(10):
        while (answer := await status(edge, token))[0] == 200:
            pass
    assert answer == (401, "unauthenticated")
    assert SystemClock().now() >= ends_at + timedelta(seconds=LEEWAY_S - 1)


async def test_another_key_is_401(edge: Edge) -> None:
    token = jwt.encode(claims(), Ed25519PrivateKey.generate(), algorithm="EdDSA")
    assert await status(edge, token) == (401, "unauthenticated")


async def test_no_signature_is_401(edge: Edge) -> None:
    assert await status(edge, jwt.encode(claims(), None, algorithm="none")) == (401, "unauthenticated")


async def test_the_public_key_is_no_shared_secret(edge: Edge) -> None:
    public = edge.issuer.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()).rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims(iat=1, exp=2**33), default=str).encode()).rstrip(b"=")
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(header + b"." + body, public)
    token = b".".join([header, body, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
    assert await status(edge, token) == (401, "unauthenticated")


async def test_an_operator_who_is_not_enrolled_is_401(edge: Edge) -> None:
    token = edge.token(Identity(subject="x", roles=(), operator_id=town.operator("nobody")))
    assert await status(edge, token) == (401, "unknown_operator")


async def test_a_dispatcher_must_be_a_person(edge: Edge) -> None:
    token = edge.token(Identity(subject="x", roles=(Role.DISPATCHER,), center="east"))
    assert await status(edge, token) == (401, "unknown_operator")


async def test_a_token_cannot_give_an_operator_more_than_the_log_does(edge: Edge) -> None:
    identity = Identity(subject="x", roles=(Role.ADMINISTRATOR, Role.DISPATCHER), operator_id=town.operator("east.01"))
    answer = await edge.client.get("/v1/me", headers={"Authorization": f"Bearer {edge.token(identity)}"})
    assert answer.json()["roles"] == ["dispatcher"]


async def test_a_partner_of_an_agency_the_city_does_not_have_is_401(edge: Edge) -> None:
    token = edge.token(Identity(subject="x", roles=(Role.PARTNER,), agency="space_agency"))
    assert await status(edge, token) == (401, "unauthenticated")


def test_the_signing_key_is_made_once_and_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "jwt.pem"
    first, again = signing_key(path), signing_key(path)
    assert first.private_bytes_raw() == again.private_bytes_raw()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "key",
    [
        Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
    ],
    ids=["EdDSA", "ES256", "RS256"],
)
async def test_each_listed_algorithm_works_through_an_identity_provider(key: object) -> None:
    jwk = json.loads(describe_key(key)) | {"kid": "k1", "use": "sig"}
    asked: list[str] = []

    def provider(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.url.path == "/jwks":
            return httpx.Response(200, json={"keys": [jwk]})
        return httpx.Response(200, json={"jwks_uri": "https://idp.invalid/jwks"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(provider)) as client:
        keys = ProviderKeys("https://idp.invalid/.well-known/openid-configuration", client)
        verifier = Verifier(keys, "city-dispatch", "city-dispatch")
        algorithm = {"OKP": "EdDSA", "EC": "ES256", "RSA": "RS256"}[jwk["kty"]]
        for _ in range(3):
            token = jwt.encode(claims(), key, algorithm=algorithm, headers={"kid": "k1"})
            identity, _ = await verifier.identity(token)
            assert identity.roles == (Role.AUDITOR,)
        assert len(asked) == 2, "keys are kept"
        forged = jwt.encode(claims(), key, algorithm=algorithm, headers={"kid": "forged"})
        for _ in range(3):
            with pytest.raises(TokenRefused):
                await verifier.identity(forged)
        assert len(asked) == 2, "an unknown key id right after a fetch asks nobody"


async def test_an_identity_provider_that_is_away_is_unavailable_not_401() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(away)) as client:
        verifier = Verifier(ProviderKeys("https://idp.invalid/", client), "city-dispatch", "city-dispatch")
        issuer = Issuer(Ed25519PrivateKey.generate(), "city-dispatch", "city-dispatch")
        token = issuer.issue(Identity(subject="x", roles=()), now=NOW, ttl_s=60)
        with pytest.raises(Unavailable):
            await verifier.identity(token)
