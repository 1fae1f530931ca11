"""Rules that the demo can break on purpose, to show that its checks notice. Each replaces one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

from sqlalchemy import func, select

from dispatch.api.city import audit
from dispatch.api.operations import operation_access
from dispatch.audit import replay as replay_of
from dispatch.audit.replay import AsOf
from dispatch.directory import Directory
from dispatch.handling import incidents as incident_handling
from dispatch.handling import watches as watch_handling
from dispatch.partners import accounts, case_sharing
from dispatch.workers import correlator, router
from domain.camera.events import CameraDetached
from domain.checklist.events import ItemUndone
from domain.evidence import decider as evidence_decider
from domain.evidence.commands import HandOverEvidence
from domain.evidence.decider import EvidenceState
from domain.evidence.events import EvidenceHandedOver
from domain.incident.events import AgencyAccepted, IncidentResolved, ReportAttached
from domain.incident.restriction_events import IncidentRestricted
from domain.operation.events import CameraReleased
from domain.order.events import OrderAcknowledged
from domain.outcome.events import CountStruck
from domain.policies import correlation
from domain.policies import routing as routing_policy
from domain.policies.lamps import LampList
from domain.rulebook.content import Rulebook
from domain.watch import decider as watch_decider
from domain.watch.commands import ReadWatch
from projections import board, board_rules, card_rules, cards, city_tables
from projections.cameras import Cameras
from projections.checklists import Checklists
from projections.operations import OperationPoints, Operations
from projections.orders import Orders
from projections.outcomes import CASE, Outcomes
from projections.queries import counters
from projections.warnings import Warnings

THE_FOUR = ("police", "urban_management", "flood_control", "traffic_police")
"""Agencies that a system could have been built for."""


def _replace(module: ModuleType | type, name: str, broken: Any) -> None:
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


def reporters() -> None:
    """The card forgets who reported."""
    _replace(cards, "RULES", {**card_rules.RULES, ReportAttached.name: _nothing})


def cases() -> None:
    """A case counts as often as items lead to it."""

    def links(wanted: counters.Definition) -> Any:
        counted, table = counters._with_guests(wanted), city_tables.outcomes  # noqa: SLF001  # broken from outside
        return (
            select(counted.c.group, table.c.case_kind, func.count().label("cases"))
            .join(table, (table.c.incident_id == counted.c.incident_id) & (table.c.kind == CASE))
            .group_by(counted.c.group, table.c.case_kind)
        )

    _replace(counters, "cases", links)


def struck() -> None:
    """A count that was struck goes on counting."""
    whole = Outcomes.apply

    def deaf(self: Outcomes, key: Any, row: Any, fact: Any) -> Any:
        return row if fact.name == CountStruck.name else whole(self, key, row, fact)

    _replace(Outcomes, "apply", deaf)


def dispositions() -> None:
    """How an incident ended is not kept."""
    _replace(board, "RULES", {**board_rules.RULES, IncidentResolved.name: _only_resolved})


def priority() -> None:
    """How bad it is does not make it more urgent."""
    _replace(Rulebook, "priority_of", lambda self, category, _severity: self.category(category).priority)


def alarm() -> None:
    """A board does not count who is there of those that the plan asks for."""
    _replace(board, "with_there", lambda wanted, _assignments: [{**one, "there": one["units"]} for one in wanted])


def answers() -> None:
    """That an agency took its part is shown to nobody."""
    _replace(board, "RULES", {**board_rules.RULES, AgencyAccepted.name: _nothing})


def configured() -> None:
    """Only the agencies that somebody thought of are told."""
    whole = routing_policy.route

    def four_only(given: routing_policy.RoutingInput) -> Any:
        decided = whole(given)
        kept = tuple(recipient for recipient in decided.recipients if recipient.agency in THE_FOUR)
        return decided.model_copy(update={"recipients": kept})

    _replace(router, "route", four_only)


def checklist() -> None:
    """What was ticked by mistake stays ticked."""
    whole = Checklists.apply

    def deaf(self: Checklists, key: Any, row: Any, fact: Any) -> Any:
        return row if fact.name == ItemUndone.name else whole(self, key, row, fact)

    _replace(Checklists, "apply", deaf)


def detached() -> None:
    """A camera that was detached goes on counting."""
    whole = Cameras.apply

    def deaf(self: Cameras, key: Any, row: Any, fact: Any) -> Any:
        return row if fact.name == CameraDetached.name else whole(self, key, row, fact)

    _replace(Cameras, "apply", deaf)


def custody() -> None:
    """Whoever takes a recording over is not asked for its hash."""
    _replace(evidence_decider, "_hand_over", _taken_as_it_is)


def found() -> None:
    """What is found stays as it was first reported."""
    whole = OperationPoints.apply
    _replace(OperationPoints, "apply", lambda self, key, row, fact: whole(self, key, row, fact) if row is None else row)


def released() -> None:
    """A camera that was released is still somebody's."""
    whole = Operations.apply

    def deaf(self: Operations, key: Any, row: Any, fact: Any) -> Any:
        return row if fact.name == CameraReleased.name else whole(self, key, row, fact)

    _replace(Operations, "apply", deaf)


def restricted() -> None:
    """A restricted operation is everybody's to see."""
    _replace(operation_access, "_is_known", lambda _caller, **_of: True)


def labels() -> None:
    """An incident of a restricted operation stays on every board."""
    known = {name: rule for name, rule in board_rules.RULES.items() if name != IncidentRestricted.name}
    _replace(board, "RULES", known)


def rules() -> None:
    """New rules are heard of and not obeyed until the next start."""
    whole = Directory.rulebook
    _replace(Directory, "rulebook", lambda self, _version=None: whole(self, min(self.rulebooks)))


def watch() -> None:
    """Whom a watch was about is told after its end."""
    whole = watch_decider.decide

    def curious(command: Any, state: Any) -> Any:
        return whole(command, replace(state, outcome=None) if isinstance(command, ReadWatch) else state)

    _replace(watch_handling, "decide", curious)


def case_open() -> None:
    """An incident ends while a case of it is open."""

    async def none_open(_scribe: Any, _incidents: Any) -> None:
        return None

    _replace(incident_handling, "open_case", none_open)


def lamps() -> None:
    """No lamp ever turns."""
    _replace(LampList, "until", lambda _self, _now, _limit: [])


def supervision() -> None:
    """A department does not hear of its cases."""
    _replace(case_sharing, "hears", lambda *_: frozenset())


def chain() -> None:
    """A warning does not say what it replaces."""
    whole = Warnings.apply

    def alone(self: Warnings, key: Any, row: Any, fact: Any) -> Any:
        after = whole(self, key, row, fact)
        return after if after is None else {**after, "refers_to": []}

    _replace(Warnings, "apply", alone)


def acknowledged() -> None:
    """Who acknowledged an order goes on being asked."""
    whole = Orders.apply

    def deaf(self: Orders, key: Any, row: Any, fact: Any) -> Any:
        return row if fact.name == OrderAcknowledged.name else whole(self, key, row, fact)

    _replace(Orders, "apply", deaf)


def campaign() -> None:
    """A campaign counts by its rule only, whatever people add and take out."""

    def by_rule(asked: Any, times: Any) -> Any:
        return (times.opened_at >= asked.begins_at) & (times.category == func.any(asked.categories))

    _replace(counters, "_counts_for", by_rule)


def _nothing(_before: Any, _event: Any, _fact: Any) -> dict[str, Any]:
    return {}


def _taken_as_it_is(command: HandOverEvidence, state: EvidenceState) -> tuple[EvidenceHandedOver, ...]:
    return (
        EvidenceHandedOver(
            from_holder=state.holder, to_holder=command.to_holder, sha256=command.sha256, purpose=command.purpose
        ),
    )


def _only_resolved(_row: Any, _event: Any, _fact: Any) -> dict[str, Any]:
    return {"phase": "resolved"}


BREAKS: Mapping[str, Callable[[], None]] = {
    "routing": routing,
    "fold": fold,
    "severity": severity,
    "isolation": isolation,
    "replay": replay,
    "reporters": reporters,
    "cases": cases,
    "struck": struck,
    "dispositions": dispositions,
    "priority": priority,
    "alarm": alarm,
    "answers": answers,
    "configured": configured,
    "campaign": campaign,
    "checklist": checklist,
    "detached": detached,
    "custody": custody,
    "found": found,
    "released": released,
    "restricted": restricted,
    "labels": labels,
    "rules": rules,
    "watch": watch,
    "case_open": case_open,
    "lamps": lamps,
    "supervision": supervision,
    "chain": chain,
    "acknowledged": acknowledged,
}
"""Name → what breaks it, in the process that calls it."""
