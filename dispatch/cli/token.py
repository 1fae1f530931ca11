"""`dispatch token`: a bearer token for a person, a machine or a partner, signed with this system's own key."""

from __future__ import annotations

import asyncio

import click

from dispatch.api.access.tokens import Identity
from dispatch.bootstrap.foundation import foundation
from dispatch.bootstrap.tokens import issue_token
from dispatch.cli.options import json_option, with_settings
from dispatch.cli.output import print_json
from dispatch.config import Settings
from domain.identifiers import operator_id
from domain.refusals import Refused
from domain.vocabulary import Role

PEOPLE = (Role.DISPATCHER, Role.SUPERVISOR)


@click.command()
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.DISPATCHER.value,
    help="What the bearer may do. For an operator the log decides; the role can only narrow it.",
)
@click.option("--operator", "login", help="Login of an enrolled operator, for instance jinjiang.01.")
@click.option("--center", help="Code of a center: the first operator enrolled there with the role is taken.")
@click.option("--agency", help="Code of the agency a partner speaks for.")
@click.option("--gateway", help="Name of the gateway a machine's token is bound to.")
@json_option
@with_settings("city", "data_dir", "token_ttl_s", "database_url")
def command(
    settings: Settings,
    role: str,
    login: str | None,
    center: str | None,
    agency: str | None,
    gateway: str | None,
    as_json: bool,
) -> None:
    """Make a bearer token and print it."""
    identity = identity_of(settings, Role(role), login=login, center=center, agency=agency, gateway=gateway)
    token = issue_token(settings, identity)
    if as_json:
        print_json({"token": token, "subject": identity.subject, "expires_in_s": settings.token_ttl_s})
    else:
        click.echo(token)


def identity_of(
    settings: Settings, role: Role, *, login: str | None, center: str | None, agency: str | None, gateway: str | None
) -> Identity:
    """Whom the token is for. Raises `Refused` when a role lacks what it needs."""
    if role is Role.GATEWAY:
        if gateway is None:
            raise Refused("token.no_gateway", "A gateway's token names the gateway: add --gateway NAME.")
        return Identity(f"gateway:{gateway}", (role,), gateway=gateway)
    if role is Role.PARTNER:
        if agency is None:
            raise Refused("token.no_agency", "A partner's token names its agency: add --agency CODE.")
        return Identity(f"partner:{agency}", (role,), agency=agency)
    if login is None and center is not None and role in PEOPLE:
        login = asyncio.run(_somebody_at(settings, center, role))
    if login is not None:
        return Identity(f"operator:{login}", (role,), operator_id=operator_id(settings.city, login))
    if role in PEOPLE:
        raise Refused(
            "token.no_operator", f"A {role.value} is a person in the log: add --operator LOGIN, or --center CODE."
        )
    return Identity(f"{role.value}:local", (role,))


async def _somebody_at(settings: Settings, code: str, role: Role) -> str:
    async with foundation(settings) as base:
        center = base.directory.center_by_code(code)
        if center is None:
            raise Refused("center.unknown", f"The city has no center with the code {code}.")
        logins = [
            entry.login
            for entry in base.directory.operators.values()
            if entry.center_id == center.id and role in entry.roles
        ]
    if not logins:
        raise Refused("token.no_operator", f"No operator at {code} is enrolled as {role.value}.")
    return min(logins)
