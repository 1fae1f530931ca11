"""What stands beside incidents: items of the list that binds, people counted once and under cases that are linked,
incidents in campaigns of their own time, recordings whose hash and chain of holders never break.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from dispatch.simulation.city import rules
from dispatch.simulation.reading import Story
from domain.campaign.events import CampaignOpened, CampaignProlonged
from domain.checklist.events import ItemDone, ItemUndone
from domain.event import Event, Fact
from domain.evidence import events as evidence
from domain.incident.events import IncidentClassified, IncidentOpened, IncidentRouted
from domain.outcome import events as outcome

Rows = Mapping[tuple[Any, ...], Mapping[str, Any]]


def broken_checklists(story: Story, rows: Rows) -> Iterator[str]:
    """Ticked off is what stands on the list of the rules by which the incident was first routed as what it is."""
    category: dict[UUID, str] = {}
    version: dict[UUID, int | None] = {}
    ever: dict[UUID, set[str]] = {}
    done: set[tuple[UUID, str]] = set()
    for fact in story.facts:
        match fact.event:
            case IncidentOpened(category=is_a) | IncidentClassified(category=is_a):
                if category.get(fact.stream_id) != is_a:
                    category[fact.stream_id], version[fact.stream_id] = is_a, None
            case IncidentRouted() if version[fact.stream_id] is None:
                version[fact.stream_id] = by = fact.envelope.rule_version
                items = rules(by or 1).category(category[fact.stream_id]).checklist
                ever.setdefault(fact.stream_id, set()).update(item.code for item in items)
            case ItemDone(incident_id=incident_id, item=item):
                # The list is read just before: an item of the category that the incident had until then may come.
                if item not in ever.get(incident_id, set()):
                    yield f"checklist: {item} at {fact.position} is on no list of {incident_id}"
                if (incident_id, item) in done:
                    yield f"checklist: {item} at {fact.position} was done before"
                done.add((incident_id, item))
            case ItemUndone(incident_id=incident_id, item=item):
                if (incident_id, item) not in done:
                    yield f"checklist: {item} at {fact.position} was not done before"
                done.discard((incident_id, item))
            case _:
                pass
    if done != set(rows):
        yield f"checklist: the screen shows {len(rows)} items, {len(done)} are done"


@dataclass(slots=True)
class Came:
    """What came of one incident."""

    cases: dict[outcome.ExternalCase, str] = field(default_factory=dict)
    counts: dict[UUID, outcome.PeopleCounted] = field(default_factory=dict)
    struck: set[UUID] = field(default_factory=set)
    campaigns: set[UUID] = field(default_factory=set)


def broken_outcomes(story: Story, rows: Rows) -> Iterator[str]:
    """Many incidents, one case; people apart from both; the screen adds up to the facts."""
    came: dict[UUID, Came] = {}
    opened: dict[UUID, datetime] = {}
    periods: dict[UUID, tuple[datetime, set[datetime]]] = {}
    for fact in story.facts:
        match fact.event:
            case IncidentOpened():
                opened[fact.stream_id] = fact.envelope.occurred_at
            case CampaignOpened(begins_at=begins_at, ends_at=ends_at):
                if fact.stream_id in periods or not begins_at < ends_at:
                    yield f"campaign: opened at {fact.position} again, or without a time"
                periods[fact.stream_id] = begins_at, {ends_at}
            case CampaignProlonged(ends_at=ends_at):
                periods[fact.stream_id][1].add(ends_at)
            case outcome.CampaignJoined(incident_id=incident_id, campaign_id=campaign_id):
                begins_at, ends = periods[campaign_id]
                # Its end is read just before: one that it has just had will do.
                if not begins_at <= opened[incident_id] < max(ends):
                    yield f"campaign: at {fact.position} an incident of {opened[incident_id]} joins one of another time"
                came.setdefault(incident_id, Came()).campaigns.add(campaign_id)
            case outcome.CampaignLeft(incident_id=incident_id, campaign_id=campaign_id):
                came.setdefault(incident_id, Came()).campaigns.discard(campaign_id)
            case _:
                about: UUID | None = getattr(fact.event, "incident_id", None)
                if fact.event.name.startswith("outcome.") and about is not None:
                    yield from _came(came.setdefault(about, Came()), fact)
    yield from _added_up(came, rows)


def _came(one: Came, fact: Fact[Event]) -> Iterator[str]:
    match fact.event:
        case outcome.ExternalCaseLinked(case=case, kind=kind):
            if one.cases.get(case) == kind.value:
                yield f"outcome: at {fact.position} {case.number} is linked again"
            one.cases[case] = kind.value
        case outcome.ExternalCaseUnlinked(case=case):
            if one.cases.pop(case, None) is None or case in {count.case for count in one.counts.values()}:
                yield f"outcome: at {fact.position} {case.number} is unlinked, with people under it, or was not linked"
        case outcome.PeopleCounted() as count:
            if count.count_id in one.struck | one.counts.keys():
                yield f"outcome: at {fact.position} {count.people} people are counted again"
            if count.case is not None and count.case not in one.cases:
                yield f"outcome: at {fact.position} people are counted under a case that is not linked"
            one.counts[count.count_id] = count
        case outcome.CountStruck(count_id=count_id):
            if one.counts.pop(count_id, None) is None:
                yield f"outcome: at {fact.position} a count is struck that does not stand"
            one.struck.add(count_id)
        case _:
            pass


def _added_up(came: Mapping[UUID, Came], rows: Rows) -> Iterator[str]:
    """Links, cases, people and campaigns, as the facts say and as the screen says."""
    facts = (
        sum(len(one.cases) for one in came.values()),
        len({case for one in came.values() for case in one.cases}),
        sum(count.people for one in came.values() for count in one.counts.values()),
        sum(len(one.campaigns) for one in came.values()),
    )
    shown = list(rows.values())
    links = [(row["system"], row["number"]) for row in shown if row["kind"] == "external_case"]
    people = sum(row["people"] for row in shown if row["kind"] == "people")
    campaigns = sum(row["kind"] == "campaign" for row in shown)
    if facts != (len(links), len(set(links)), people, campaigns):
        yield f"outcome: the screen adds up to {(len(links), len(set(links)), people, campaigns)}, the facts to {facts}"


def broken_evidence(story: Story) -> Iterator[str]:
    """Provided once, with one hash for ever, and handed on by who holds it."""
    provided: dict[UUID, str] = {}
    holders: dict[UUID, str] = {}
    refused: set[UUID] = set()
    for fact in story.facts:
        at = f"{fact.event.name} at {fact.position}"
        match fact.event:
            case evidence.EvidenceProvided(sha256=sha256, holder=holder):
                if fact.stream_id in provided or fact.stream_id in refused:
                    yield f"evidence: {at} answers again"
                provided[fact.stream_id], holders[fact.stream_id] = sha256, holder
            case evidence.EvidenceUnavailable():
                if fact.stream_id in provided or fact.stream_id in refused:
                    yield f"evidence: {at} answers again"
                refused.add(fact.stream_id)
            case evidence.EvidenceHandedOver(from_holder=giver, to_holder=taker, sha256=sha256):
                if (giver, sha256) != (holders.get(fact.stream_id), provided.get(fact.stream_id)):
                    yield f"evidence: {at} hands on what {giver} does not hold, or another recording"
                holders[fact.stream_id] = taker
            case evidence.EvidenceRead() if fact.stream_id not in provided:
                yield f"evidence: {at} reads what is not there"
            case _:
                pass
