"""What must hold of the log after any run, whatever broke in it: each check names its promise and what breaks it.

I1 every acknowledged write is there exactly once · I2 nothing is there that nobody sent · 3 positions and versions are
dense, nobody is ownerless, no unit is booked twice (`dispatch.audit.wholeness`) · 4 no rise in severity is hidden ·
5 every alert ends somewhere, once.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator
from uuid import UUID, uuid5

from dispatch.audit.wholeness import wholeness
from dispatch.ports import EventLog
from dispatch.simulation.history import Acknowledged, Asked, History
from dispatch.simulation.process import at_once
from dispatch.simulation.reading import Story
from domain.alert.events import AlertReceived, AlertRevised, AlertsRecordedOnly, AlertsWaited
from domain.assignment import state as unit
from domain.event import Event, Fact
from domain.incident.admission import LIVE
from domain.incident.events import (
    AlertsFolded,
    IncidentAccepted,
    IncidentClassified,
    IncidentMerged,
    IncidentOpened,
    IncidentRouted,
    ReportAttached,
    SeverityRaised,
    TransferAccepted,
)
from domain.policies.commitment import ENDED
from domain.policies.events import EventParked
from domain.vocabulary import ActorKind, IncidentPhase, Severity

EVENTS_A_STREAM_MAX = 6
"""Facts that one command of a person adds to one stream, at most."""
NAME_THAT_MUST_BE_SEALED = b"Li Lei"


async def broken_promises(log: EventLog, story: Story, history: History) -> list[str]:
    """Everything that does not hold of the log alone and of what was said from outside."""
    whole = await wholeness(log)
    found = [f"wholeness: {finding}" for finding in whole.findings]
    found += [f"unreadable: {finding}" for finding in story.unreadable]
    found += history.findings
    found += _event_ids(story)
    found += _acknowledged(log, story, history)
    found += _unsent(story, history)
    found += _alerts_sent(story, history)
    found += _alerts_settled(story)
    found += _severity(story)
    found += _owners(story)
    found += _routed(story)
    found += _released(story)
    found += [f"parked: {fact.event.reason}" for fact in story.facts if isinstance(fact.event, EventParked)]
    found += [f"plain: {row.position} names a caller" for row in story.rows if NAME_THAT_MUST_BE_SEALED in row.state]
    return found


def _event_ids(story: Story) -> Iterator[str]:
    """An effect happens once: the same decision, recorded twice, would carry the same event ids."""
    times = Counter(fact.envelope.event_id for fact in story.facts)
    for fact in story.facts:
        if times[fact.envelope.event_id] > 1:
            yield f"I1: {fact.event.name} at {fact.position} is there {times[fact.envelope.event_id]} times"


def _acknowledged(log: EventLog, story: Story, history: History) -> Iterator[str]:
    """Every yes is in the log, and the stored answer is the one that was given."""
    for given in history.acknowledged:
        asked = given.asked
        stored = at_once(log.find_answer(caller=asked.actor.id, key=asked.key))
        if stored is None:
            yield f"I1: {asked.what} {asked.key} was acknowledged and is not known"
            continue
        said = json.loads(stored.answer)
        told = json.loads(json.dumps(dict(given.answer), default=str))
        # A partner is told every value as text.
        if told not in (said, {key: str(value) for key, value in said.items()}):
            yield f"I1: {asked.what} {asked.key} was answered {given.answer}, stored is {stored.answer!r}"
        if given.changed and not _is_there(story, given):
            yield f"I1: {asked.what} {asked.key} was acknowledged at {given.position} and is not in the log"


def _is_there(story: Story, given: Acknowledged) -> bool:
    if not 0 < given.position <= len(story.facts):
        return False
    return _is_of(story.facts[given.position - 1], given.asked.request_id)


def _is_of(fact: Fact[Event], request_id: UUID) -> bool:
    """Whether a request made this fact: event ids are functions of the request, the stream and the place in it."""
    return any(
        uuid5(request_id, f"{fact.stream_id}\x1f{index}\x1f{fact.event.name}") == fact.envelope.event_id
        for index in range(EVENTS_A_STREAM_MAX)
    )


def _unsent(story: Story, history: History) -> Iterator[str]:
    """I2: nothing of a person or a partner is there that nobody asked for."""
    asked_by: dict[str, deque[Asked]] = {}
    for asked in history.asked.values():
        asked_by.setdefault(asked.actor.id, deque()).append(asked)
    for fact in story.facts:
        actor = fact.envelope.actor
        if actor.kind in (ActorKind.OPERATOR, ActorKind.PARTNER) and not _was_asked(fact, asked_by.get(actor.id)):
            yield f"I2: {fact.event.name} at {fact.position} was asked by nobody ({actor.id})"


def _was_asked(fact: Fact[Event], asked: deque[Asked] | None) -> bool:
    """Whether one of these requests made the fact. The one found stays in front: the next fact is mostly its own."""
    for _ in range(len(asked or ())):
        assert asked is not None, "nothing was asked, then"
        if _is_of(fact, asked[0].request_id):
            return True
        asked.rotate(-1)
    return False


def _alerts_sent(story: Story, history: History) -> Iterator[str]:
    """Each content of each identity once, and only what was sent; what was receipted is where the receipt says."""
    recorded: dict[tuple[UUID, str], list[int]] = {}
    for fact in story.facts:
        if isinstance(fact.event, AlertReceived | AlertRevised):
            recorded.setdefault((fact.stream_id, fact.event.content.content_sha256), []).append(fact.position)
    sent = {(alert.alert_id, alert.content_sha256) for alert in history.sent_alerts}
    for key, positions in recorded.items():
        if len(positions) > 1:
            yield f"I1: alert {key[0]} is there at {positions}"
        if key not in sent:
            yield f"I2: alert {key[0]} at {positions} was sent by nobody"
    for alert, receipt in history.receipts:
        if receipt.position not in recorded.get((alert.alert_id, alert.content_sha256), ()):
            yield f"I1: alert {alert.alert_id} was acknowledged at {receipt.position} and is not there"


def _alerts_settled(story: Story) -> Iterator[str]:
    """Every alert opened, folded, waits or was left alone. Folded twice only if the first fold came after the end."""
    ends, looked_at = _ends(story)
    for fact in story.facts:
        if isinstance(fact.event, AlertReceived | AlertRevised):
            found = ends.get(fact.position, [])
            if not found and fact.position not in looked_at:
                yield f"lost: the alert at {fact.position} ended nowhere"
            if len(found) > 1:
                yield f"twice: the alert at {fact.position} was {' and '.join(found)}"


def _ends(story: Story) -> tuple[dict[int, list[str]], set[int]]:
    """What became of each alert, by its position; and those that wait, or came too late for their incident."""
    ends: dict[int, list[str]] = {}
    looked_at: set[int] = set()
    for fact in story.facts:
        match fact.event:
            case IncidentOpened(cause=cause):
                for position in cause.alert_positions:
                    ends.setdefault(position, []).append(f"opened {fact.stream_id}")
            case AlertsFolded(incident_id=incident_id, alerts=alerts):
                phase = story.state(incident_id, up_to=fact.position).phase
                if phase in LIVE:
                    for alert in alerts:
                        ends.setdefault(alert.position, []).append(f"folded into {incident_id}")
                else:
                    looked_at.update(alert.position for alert in alerts)
            case AlertsRecordedOnly(alerts=left):
                for each in left:
                    ends.setdefault(each.position, []).append("left alone")
            case AlertsWaited(alerts=waits):
                looked_at.update(each.position for each in waits)
            case _:
                pass
    return ends, looked_at


def _severity(story: Story) -> Iterator[str]:  # noqa: C901  # one case a fact
    """A fold leaves no incident less severe than its alerts, unless a person has classified it since they were judged,
    nor a report one less severe than the caller says; a merge hides nothing worse than its head."""
    severity: dict[UUID, Severity] = {}
    classified: dict[UUID, int] = {}
    owed: list[tuple[UUID, Severity, int, int]] = []
    for fact in story.facts:
        match fact.event:
            case IncidentOpened(severity=at_first):
                severity[fact.stream_id] = at_first
            case SeverityRaised(to_severity=worse, from_severity=before):
                if worse <= before:
                    yield f"severity: {fact.position} raises {before.name} to {worse.name}"
                severity[fact.stream_id] = worse
            case IncidentClassified(severity=said):
                severity[fact.stream_id] = said
                classified[fact.stream_id] = fact.position
            case IncidentMerged(into_incident_id=head):
                if severity[head] < severity[fact.stream_id]:
                    yield f"severity: the merge at {fact.position} hides {severity[fact.stream_id].name}"
            case AlertsFolded(incident_id=incident_id, alerts=alerts, known_up_to=known):
                worst = max(alert.severity for alert in alerts)
                owed.append((incident_id, worst, fact.position, known or 0))
            case ReportAttached(incident_id=incident_id, severity=said):
                owed.append((incident_id, said, fact.position, fact.position - 1))
            case _:
                pass
        # A rise follows its fold within the same command, hence before any other command's facts.
        still = []
        for incident_id, worst, position, known in owed:
            if severity[incident_id] >= worst or classified.get(incident_id, 0) > known:
                continue
            if fact.recorded_at > story.facts[position - 1].recorded_at:
                yield f"severity: what was folded at {position} hides {worst.name} in {incident_id}"
            else:
                still.append((incident_id, worst, position, known))
        owed = still


def _owners(story: Story) -> Iterator[str]:
    """Only the owner of that moment accepts an incident, and only what an offer says moves it."""
    owners: dict[UUID, UUID] = {}
    for fact in story.facts:
        match fact.event:
            case IncidentOpened(owner=owner) | IncidentRouted(owner=owner) | TransferAccepted(owner=owner):
                owners[fact.stream_id] = owner.center_id
            case IncidentAccepted(center_id=center_id) if owners.get(fact.stream_id) != center_id:
                yield f"owner: at {fact.position} {center_id} accepted what {owners.get(fact.stream_id)} owns"
            case _:
                pass


def _routed(story: Story) -> Iterator[str]:
    """Every incident that somebody must act on has been routed, to somebody."""
    for incident_id in story.incidents:
        facts = story.streams[incident_id]
        state = story.state(incident_id)
        routed = [fact for fact in facts if isinstance(fact.event, IncidentRouted)]
        if state.phase in LIVE and not routed:
            yield f"routing: {state.number} was never routed"
        if routed and not state.recipients:
            yield f"routing: {state.number} has no recipient"
        if state.owner is None:
            yield f"owner: {state.number} has none"
        if state.phase is IncidentPhase.MERGED and state.merge is None:
            yield f"merge: {state.number} is merged into nothing"


def _released(story: Story) -> Iterator[str]:
    """Once all is at rest, no unit is on an incident that has ended, itself or where its merges lead."""
    for unit_id, facts in story.streams.items():
        state = unit.INITIAL
        for fact in facts:
            state = unit.evolve(state, fact.event)
        for assignment in state.open_assignments:
            incident = story.state(assignment.incident_id)
            while incident.merge is not None:
                incident = story.state(incident.merge.into_incident_id)
            if incident.phase in ENDED:
                yield f"released: {unit_id} is still on {assignment.incident_number}, whose head is {incident.phase}"
