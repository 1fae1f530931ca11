"""Rules of outcomes: a link is said once, a count is struck once, an incident counts for a campaign of its own time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, assert_never
from uuid import UUID

from domain.event import Event
from domain.outcome.commands import (
    CountPeople,
    JoinCampaign,
    LeaveCampaign,
    LinkExternalCase,
    OutcomeCommand,
    StrikeCount,
    UnlinkExternalCase,
)
from domain.outcome.events import (
    CampaignJoined,
    CampaignLeft,
    CountStruck,
    ExternalCase,
    ExternalCaseLinked,
    ExternalCaseUnlinked,
    PeopleCounted,
)
from domain.refusals import Refusal
from domain.vocabulary import ExternalCaseKind

CASES_MAX = 100
COUNTS_MAX = 500
CAMPAIGNS_MAX = 20

Decision: TypeAlias = tuple[Event, ...] | Refusal


@dataclass(frozen=True, slots=True)
class OutcomeState:
    """What a rule reads."""

    cases: Mapping[ExternalCase, ExternalCaseKind] = field(default_factory=dict)
    counts: Mapping[UUID, ExternalCase | None] = field(default_factory=dict)
    """Those that stand, with the case each names."""
    struck: frozenset[UUID] = frozenset()
    campaigns: frozenset[UUID] = frozenset()
    left: frozenset[UUID] = frozenset()
    """Campaigns that must not count it, whatever their own rule says."""


INITIAL = OutcomeState()


def evolve(state: OutcomeState, event: Event) -> OutcomeState:
    """The state after a fact. Never raises."""
    match event:
        case ExternalCaseLinked(case=case, kind=kind):
            return replace(state, cases={**state.cases, case: kind})
        case ExternalCaseUnlinked(case=case):
            return replace(state, cases={one: kind for one, kind in state.cases.items() if one != case})
        case PeopleCounted(count_id=count_id, case=case):
            return replace(state, counts={**state.counts, count_id: case})
        case CountStruck(count_id=count_id):
            standing = {one: case for one, case in state.counts.items() if one != count_id}
            return replace(state, counts=standing, struck=state.struck | {count_id})
        case CampaignJoined(campaign_id=campaign_id):
            return replace(state, campaigns=state.campaigns | {campaign_id}, left=state.left - {campaign_id})
        case CampaignLeft(campaign_id=campaign_id):
            return replace(state, campaigns=state.campaigns - {campaign_id}, left=state.left | {campaign_id})
        case _:
            return state


def decide(command: OutcomeCommand, state: OutcomeState) -> Decision:
    """Facts, nothing, or a refusal."""
    match command:
        case LinkExternalCase():
            return _link(command, state)
        case UnlinkExternalCase():
            return _unlink(command, state)
        case CountPeople():
            return _count(command, state)
        case StrikeCount():
            return _strike(command, state)
        case JoinCampaign():
            return _join(command, state)
        case LeaveCampaign():
            return _leave(command, state)
        case _:
            assert_never(command)


def _link(command: LinkExternalCase, state: OutcomeState) -> Decision:
    if state.cases.get(command.case) is command.kind:
        return ()
    if command.case not in state.cases and len(state.cases) >= CASES_MAX:
        return _too_many("cases", CASES_MAX)
    return (
        ExternalCaseLinked(incident_id=command.incident_id, case=command.case, kind=command.kind, note=command.note),
    )


def _unlink(command: UnlinkExternalCase, state: OutcomeState) -> Decision:
    if command.case not in state.cases:
        return _not_linked(command.case)
    if command.case in state.counts.values():
        detail = f"People are counted under case {command.case.number}. Strike those counts first."
        return Refusal("outcome.external_case_in_use", detail, _values(command.case))
    return (ExternalCaseUnlinked(incident_id=command.incident_id, case=command.case, reason=command.reason),)


def _count(command: CountPeople, state: OutcomeState) -> Decision:
    if command.count_id in state.counts or command.count_id in state.struck:
        return ()
    if command.case is not None and command.case not in state.cases:
        return _not_linked(command.case)
    if len(state.counts) >= COUNTS_MAX:
        return _too_many("counts", COUNTS_MAX)
    return (PeopleCounted(**{name: getattr(command, name) for name in CountPeople.model_fields}),)


def _strike(command: StrikeCount, state: OutcomeState) -> Decision:
    values = {"count_id": str(command.count_id)}
    if command.count_id in state.struck:
        return Refusal("outcome.count_already_struck", "The count was struck before. Once is enough.", values)
    if command.count_id not in state.counts:
        return Refusal("outcome.count_unknown", "There is no such count on this incident. Check its id.", values)
    return (CountStruck(incident_id=command.incident_id, count_id=command.count_id, reason=command.reason),)


def _join(command: JoinCampaign, state: OutcomeState) -> Decision:
    if command.campaign_id in state.campaigns:
        return ()
    if not command.begins_at <= command.opened_at < command.ends_at:
        detail = (
            f"The incident was opened at {command.opened_at.isoformat()}; the campaign counts what was opened from "
            f"{command.begins_at.isoformat()} until {command.ends_at.isoformat()}."
        )
        return Refusal("outcome.outside_campaign", detail, {"campaign_id": str(command.campaign_id)})
    if len(state.campaigns) >= CAMPAIGNS_MAX:
        return _too_many("campaigns", CAMPAIGNS_MAX)
    return (CampaignJoined(incident_id=command.incident_id, campaign_id=command.campaign_id),)


def _leave(command: LeaveCampaign, state: OutcomeState) -> Decision:
    if command.campaign_id in state.left:
        return ()
    return (CampaignLeft(incident_id=command.incident_id, campaign_id=command.campaign_id, reason=command.reason),)


def _values(case: ExternalCase) -> dict[str, str]:
    return {"system": case.system, "number": case.number}


def _not_linked(case: ExternalCase) -> Refusal:
    detail = f"Case {case.number} of {case.system} is not linked to this incident. Link it first, or check its number."
    return Refusal("outcome.external_case_not_linked", detail, _values(case))


def _too_many(what: str, limit: int) -> Refusal:
    detail = f"An incident has at most {limit} {what}. Spread them over the incidents they belong to."
    return Refusal("outcome.too_many", detail, {"what": what, "limit": str(limit)})
