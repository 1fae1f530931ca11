"""Rules that the demo can break on purpose, to show that its checks notice. Each replaces one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

from dispatch.api import audit
from dispatch.audit import replay as replay_of
from dispatch.audit.replay import AsOf
from dispatch.partners import accounts
from dispatch.workers import correlator, router
from domain.policies import correlation
from domain.policies import routing as routing_policy


def _replace(module: ModuleType, name: str, broken: Callable[..., Any]) -> None:
    """Put the broken function where the module finds its own. The name must be there, or nothing would be broken."""
    assert hasattr(module, name), f"{module.__name__} has no {name} to break"
    setattr(module, name, broken)


def routing() -> None:
    """The branch or district command room is forgotten (flow F14)."""
    whole = routing_policy.route

    def without_level_two(given: routing_policy.RoutingInput) -> Any:
        decided = whole(given)
        agencies = {entry.agency for entry in given.rulebook.category(given.state.category).agencies}
        kept = tuple(recipient for recipient in decided.recipients if recipient.agency in agencies)
        level_two = {node.center_id for node in given.ground.located if node.level == 2}  # the level
        kept = tuple(recipient for recipient in kept if recipient.center_id not in level_two)
        return decided.model_copy(update={"recipients": kept})

    _replace(router, "route", without_level_two)


def fold() -> None:
    """No alert is ever found to be about an open incident."""
    _replace(correlation, "_nearest", lambda _index, _case: None)


def severity() -> None:
    """A rise in severity is swallowed by the fold."""
    _replace(correlator, "_rises", lambda _folding: ())


def isolation() -> None:
    """Every party on NATS gets into our own account, with every permission."""

    def one_for_all(parties: list[accounts.Party], public_key: str) -> str:
        users = ", ".join(f"{{ nkey: {key} }}" for key in (public_key, *(party.public_key for party in parties)))
        return f"  {accounts.OUR_ACCOUNT} {{\n    jetstream: enabled\n    users: [ {users} ]\n  }}"

    _replace(accounts, "_our_account", one_for_all)
    _replace(accounts, "_foreign_account", lambda _party: "")


def replay() -> None:
    """A replay stops some facts short of the position it was asked for."""
    whole = replay_of.board_as_of

    async def short(log: Any, moment: AsOf, **arguments: Any) -> Any:
        return await whole(log, replace(moment, position=max(0, moment.position - 200)), **arguments)

    _replace(audit, "board_as_of", short)


BREAKS: Mapping[str, Callable[[], None]] = {
    "routing": routing,
    "fold": fold,
    "severity": severity,
    "isolation": isolation,
    "replay": replay,
}
"""Name → what breaks it, in the process that calls it."""
