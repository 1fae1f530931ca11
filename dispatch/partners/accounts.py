"""Who may do what on NATS: the text of the server's accounts section, rendered from agencies and gateways.

Every party has an account of its own, and an account is a subject space of its own: what is not imported does not
exist there, so a forgotten permission shows nothing. Our account alone has JetStream. It exports to each agency, by
name, the agency's feed subjects, Direct Get on the agency's stream, and its command subjects; to each gateway its
alert subjects. The permissions of each user repeat the same list, as a second lock (decision record 0010).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from dispatch.partners.credentials import Credentials
from dispatch.partners.subjects import (
    DIRECT_GET,
    command_subject,
    feed_stream,
    feed_wildcard,
    gateway_subject,
    states_subject,
    token,
)

OUR_ACCOUNT = "DISPATCH"
INBOX = "_INBOX.>"
"""Private without further ado: an inbox is visible inside its own account only."""


@dataclass(frozen=True, slots=True)
class Party:
    """One foreign account: what it may ask (request/reply) and what it may hear."""

    account: str
    public_key: str
    asks: tuple[str, ...]
    hears: tuple[str, ...] = ()
    streamed: tuple[str, ...] = ()
    """Those of `asks` that may answer with more than one message (Direct Get of a batch)."""


def accounts_config(city: str, agencies: Iterable[str], gateways: Iterable[str], credentials: Credentials) -> str:
    """The accounts section for `EmbeddedNats(auth_config=...)`, or for the configuration of a real server.

    `agencies` are the codes of those with a feed. Seeds that do not exist yet are made. The same input gives the same
    text.
    """
    parties = [agency_party(city, code, credentials.agency(code).public_key) for code in sorted(set(agencies))]
    parties += [gateway_party(city, name, credentials.gateway(name).public_key) for name in sorted(set(gateways))]
    blocks = [_our_account(parties, credentials.ours().public_key), *map(_foreign_account, parties)]
    return "accounts {\n" + "\n".join(blocks) + "\n}\n"


def agency_party(city: str, code: str, public_key: str) -> Party:
    """What a partner agency may do: hear its feed, read its stream, send its commands."""
    direct_get = f"{DIRECT_GET}.{feed_stream(code)}"
    return Party(
        account=f"AGENCY_{token(code)}",
        public_key=public_key,
        asks=(direct_get, f"{direct_get}.>", command_subject(city, code, "*")),
        hears=(feed_wildcard(city, code),),
        streamed=(direct_get, f"{direct_get}.>"),
    )


def gateway_party(city: str, name: str, public_key: str) -> Party:
    """What a gateway may do: publish alerts and states under its own name, and hear our answer."""
    subject = gateway_subject(city, name)
    asks = (subject, f"{subject}.*", states_subject(city, name))
    return Party(account=f"GATEWAY_{token(name)}", public_key=public_key, asks=asks)


def _our_account(parties: list[Party], public_key: str) -> str:
    exports = []
    for party in parties:
        exports += [f"{{ stream: {_q(subject)}, accounts: [{party.account}] }}" for subject in party.hears]
        for subject in party.asks:
            answers = "stream" if subject in party.streamed else "single"
            exports.append(f"{{ service: {_q(subject)}, accounts: [{party.account}], response_type: {answers} }}")
    return (
        f"  {OUR_ACCOUNT} {{\n    jetstream: enabled\n    users: [ {{ nkey: {public_key} }} ]\n"
        f"    exports: [{_lines(exports)}]\n  }}"
    )


def _foreign_account(party: Party) -> str:
    imports = [f"{{ stream: {{ account: {OUR_ACCOUNT}, subject: {_q(subject)} }} }}" for subject in party.hears]
    imports += [f"{{ service: {{ account: {OUR_ACCOUNT}, subject: {_q(subject)} }} }}" for subject in party.asks]
    publish = ", ".join(map(_q, party.asks))
    subscribe = ", ".join(map(_q, (*party.hears, INBOX)))
    permissions = f"{{ publish: {{ allow: [{publish}] }}, subscribe: {{ allow: [{subscribe}] }} }}"
    return (
        f"  {party.account} {{\n    users: [ {{ nkey: {party.public_key}, permissions: {permissions} }} ]\n"
        f"    imports: [{_lines(imports)}]\n  }}"
    )


def _lines(entries: list[str]) -> str:
    return "".join(f"\n      {entry}" for entry in entries) + "\n    "


def _q(subject: str) -> str:
    return json.dumps(subject)
