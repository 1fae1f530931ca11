"""Other rules tried on what has happened: which incidents would have been others, elsewhere, or too late.

The alerts of the period are judged again by the rules on trial, beginning with the incidents that were live then, each
alert knowing what was known when it was really judged: so the rules that were in force give what they gave. What people
did to an incident (dismissed, resolved, merged, classified it) is done to the one that the trial knows by the same id;
of what only the trial has, nobody did anything. Each incident is then routed twice on the tree of today, by the rules
that were in force and by those on trial, so that only the rules differ. A deadline is missed by the trial if what
really took so long is longer than it allows.

Nothing is recorded. The same log and the same rules give the same answer.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from dispatch.directory import Directory
from dispatch.ports import EventLog
from dispatch.rulebooks import history as past
from dispatch.rulebooks.history import ALERTS, Deadline, History, Story
from dispatch.workers.correlator import CLOCK_SLACK, alert_seen
from dispatch.workers.router import ground_of
from domain.event import Event, Fact, Place
from domain.incident.commands import RouteIncident
from domain.incident.events import (
    IncidentClassified,
    IncidentClosed,
    IncidentDismissed,
    IncidentMerged,
    IncidentOpened,
    IncidentRelocated,
    IncidentReopened,
    IncidentResolved,
    IncidentUnmerged,
    ReportAttached,
)
from domain.incident.plan_events import WantedUnits
from domain.incident.state import IncidentState
from domain.policies.correlation import correlate_for_good
from domain.policies.correlation_index import TOPICS, CorrelationIndex
from domain.policies.correlation_rules import CorrelationRules
from domain.policies.judgement import Opening
from domain.policies.plans import due_level, response_of, wanted_units
from domain.policies.routing import RoutingInput, route
from domain.rulebook.content import CategoryRule, Rulebook
from domain.vocabulary import IncidentPhase, MessageStatus, Severity

Advanced = Callable[[int, int], None]
"""Told (events read, events in all) after each page."""
OF_PEOPLE = (
    IncidentClassified,
    IncidentRelocated,
    IncidentDismissed,
    IncidentResolved,
    IncidentClosed,
    IncidentReopened,
    IncidentMerged,
    IncidentUnmerged,
    ReportAttached,
)
"""What changes where alerts fold, and no rule decides. A severity is raised by the trial itself."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An incident as some rules have it."""

    category: str
    severity: Severity
    priority: int
    owner: str
    """Code of the center."""
    told: frozenset[tuple[str, str, str]]
    """Agency, role and center of each recipient."""
    asked: tuple[WantedUnits, ...]
    """The units that are asked for at the alarm level it is at, so bad as it is."""


@dataclass(frozen=True, slots=True)
class Changed:
    """An incident that was opened then, and what the trial made of it. `now` is None where it opened none for it:
    `fate` says what became of its alerts (`folds` into another one, `waits`, `left_alone`)."""

    incident_id: UUID
    number: str
    fate: str
    then: Seen
    now: Seen | None

    @property
    def differs(self) -> bool:
        """Whether anything is another."""
        return self.then != self.now


@dataclass(frozen=True, slots=True)
class Missed:
    """Deadlines that were missed by the rules of then, and by those on trial."""

    then: int
    now: int
    newly: int
    no_longer: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial. `opened_only_now` are incidents that only the trial has."""

    events: int
    alerts: int
    unjudged: int
    """Alerts at the end of the period that were judged after it, and are not tried."""
    unreadable: int
    changed: tuple[Changed, ...]
    """Every incident of the period, in the order of opening, changed or not."""
    opened_only_now: tuple[tuple[UUID, Seen], ...]
    accept: Missed
    acknowledge: Missed

    def load(self) -> dict[str, tuple[int, int]]:
        """Center → incidents that it owned at first, then and now."""
        then = Counter(each.then.owner for each in self.changed)
        now = Counter(each.now.owner for each in self.changed if each.now is not None)
        now.update(seen.owner for _, seen in self.opened_only_now)
        return {code: (then[code], now[code]) for code in sorted(then.keys() | now.keys())}

    def figures(self) -> dict[str, int]:
        """Counts, by name."""
        both = [(each.then, each.now) for each in self.changed if each.now is not None]
        fates = Counter(each.fate for each in self.changed)
        return {
            "events": self.events,
            "alerts": self.alerts,
            "unjudged": self.unjudged,
            "unreadable": self.unreadable,
            "incidents_then": len(self.changed),
            "incidents_now": len(both) + len(self.opened_only_now),
            "same": sum(not each.differs for each in self.changed),
            "moved": sum(then.owner != now.owner for then, now in both),
            "asked_otherwise": sum(then.asked != now.asked for then, now in both),
            "told_otherwise": sum(then.told != now.told for then, now in both),
            "categorized_otherwise": sum(then.category != now.category for then, now in both),
            "prioritized_otherwise": sum(then.priority != now.priority for then, now in both),
            "folds": fates["folds"],
            "waits": fates["waits"],
            "left_alone": fates["left_alone"],
            "opened_only_now": len(self.opened_only_now),
            **{
                f"{kind}_missed_{when}": count
                for kind, missed in (("accept", self.accept), ("acknowledge", self.acknowledge))
                for when, count in (
                    ("then", missed.then),
                    ("now", missed.now),
                    ("newly", missed.newly),
                    ("no_longer", missed.no_longer),
                )
            },
        }


async def tried(
    rulebook: Rulebook,
    log: EventLog,
    directory: Directory,
    *,
    after_position: int,
    up_to_position: int,
    advanced: Advanced = lambda _done, _total: None,
) -> Outcome:
    """Try rules on the facts of some positions. `directory` is the tree on which all of it is routed."""
    rules = CorrelationRules(rulebook)
    index = await _index_at(log, after_position, rules, directory)
    known = await past.judged_knowing(log, after_position, up_to_position)
    judging = _Judging(index, rules, directory, known)
    judging.expect(await past.alerts_before(log, after_position, known.keys() - index.waiting.keys()))
    history = History()
    total = up_to_position - after_position
    async for facts, unreadable, position in past.pages(log, after_position, up_to_position):
        history.unreadable += unreadable
        for fact in facts:
            history.take(fact)
            judging.take(fact)
        advanced(position - after_position, total)
    judging.end()
    return _Comparison(history, judging, directory, rulebook).outcome()


async def _index_at(log: EventLog, position: int, rules: CorrelationRules, directory: Directory) -> CorrelationIndex:
    """The incidents that could still take alerts, as the log has them."""
    index = CorrelationIndex()
    if position > 0:
        (last,) = await log.read_after(position - 1, limit=1)
        begin = await log.position_at(last.recorded_at - timedelta(seconds=rules.retention_s) - CLOCK_SLACK)
        async for facts, _, _ in past.pages(log, min(begin, position), position, TOPICS):
            for fact in facts:
                index.apply(fact)
            await directory.reach(index.position)
    return index


@dataclass(slots=True)
class _Judging:
    """The alerts of the period, judged by the rules on trial."""

    index: CorrelationIndex
    rules: CorrelationRules
    directory: Directory
    known: Mapping[int, int]
    """Position of an alert → how far the log was known when it was judged."""
    waiting: list[tuple[int, int, Fact[Event]]] = field(default_factory=list)
    """A heap, by what was known and by position."""
    openings: dict[UUID, Opening] = field(default_factory=dict)
    incident_of: dict[int, UUID] = field(default_factory=dict)
    """Position of an alert → incident. Not its id: a revision of it is judged by itself."""
    left_alone: set[int] = field(default_factory=set)
    unjudged: int = 0
    """Alerts that nobody had judged by the end of the period: what would have come of them, nobody can compare."""

    def expect(self, alerts: Sequence[Fact[Event]]) -> None:
        """Alerts to be judged when their time comes."""
        for fact in alerts:
            heapq.heappush(self.waiting, (self.known[fact.position], fact.position, fact))

    def take(self, fact: Fact[Event]) -> None:
        """The next fact of the log."""
        event = fact.gist()
        if isinstance(event, ALERTS):
            if fact.position in self.known:
                self.expect([fact])
            else:
                self.unjudged += 1
        elif isinstance(event, OF_PEOPLE) or (isinstance(event, IncidentOpened) and event.cause.report_id is not None):
            self._judge(fact.position - 1)
            self.index.apply(fact)
            self.index.sweep(self.rules)

    def end(self) -> None:
        """No more facts."""
        self._judge(None)

    def _judge(self, knowing: int | None) -> None:
        """All alerts that were judged knowing no more than this; None: all."""
        alerts = []
        while self.waiting and (knowing is None or self.waiting[0][0] <= knowing):
            alerts.append(alert_seen(heapq.heappop(self.waiting)[2], self.directory))
        judgement = correlate_for_good(self.index, alerts, self.rules)
        for opening in judgement.openings:
            self.openings[opening.incident_id] = opening
            for position, _ in opening.causes:
                self.incident_of[position] = opening.incident_id
        for folding in judgement.foldings.values():
            for folded in folding.alerts:
                self.incident_of[folded.position] = folding.incident_id
        self.left_alone.update(judged.position for judged in judgement.left_alone)


class _Comparison:
    """Then and now, side by side."""

    def __init__(self, history: History, judging: _Judging, directory: Directory, rulebook: Rulebook) -> None:
        self._history = history
        self._judging = judging
        self._directory = directory
        self._rulebook = rulebook
        self._codes = {center.id: center.code for center in directory.centers.values()}

    def outcome(self) -> Outcome:
        """All of it."""
        claimed: set[UUID] = set()
        changed = [self._changed(story, claimed) for story in self._history.stories.values()]
        only_now = [
            (incident_id, self._seen_by_trial(opening, opening.first_at))
            for incident_id, opening in self._judging.openings.items()
            if incident_id not in claimed
        ]
        return Outcome(
            events=self._history.events,
            alerts=self._history.alerts,
            unjudged=self._judging.unjudged,
            unreadable=self._history.unreadable,
            changed=tuple(changed),
            opened_only_now=tuple(only_now),
            accept=self._missed(self._history.acceptances, lambda rule: rule.deadlines.accept_within_s),
            acknowledge=self._missed(self._history.acknowledgements, lambda rule: rule.deadlines.acknowledge_within_s),
        )

    def _changed(self, story: Story, claimed: set[UUID]) -> Changed:
        opened, at = story.opened, story.occurred_at
        rules_then = self._directory.rulebook(story.rule_version)
        then = self._seen(opened.category, opened.severity, opened.place, opened.status, rules_then, at, story)
        if opened.cause.report_id is not None:
            # What kind of incident it is was said by a person, and stays.
            now = self._seen(opened.category, opened.severity, opened.place, opened.status, self._rulebook, at, story)
            return Changed(story.incident_id, opened.number, "opens", then, now)
        counterpart = next(
            (found for alert in opened.cause.alert_positions if (found := self._judging.incident_of.get(alert))), None
        )
        if counterpart is None:
            fate = "left_alone" if self._judging.left_alone.issuperset(opened.cause.alert_positions) else "waits"
            return Changed(story.incident_id, opened.number, fate, then, None)
        opening = self._judging.openings.get(counterpart)
        if opening is None or counterpart in claimed:
            return Changed(story.incident_id, opened.number, "folds", then, None)
        claimed.add(counterpart)
        return Changed(story.incident_id, opened.number, "opens", then, self._seen_by_trial(opening, at, story))

    def _seen_by_trial(self, opening: Opening, at: datetime, story: Story | None = None) -> Seen:
        return self._seen(opening.category, opening.severity, opening.place, opening.status, self._rulebook, at, story)

    def _seen(
        self,
        category: str,
        severity: Severity,
        place: Place,
        status: MessageStatus,
        rulebook: Rulebook,
        at: datetime,
        story: Story | None,
    ) -> Seen:
        state = IncidentState(
            phase=IncidentPhase.OPEN,
            category=category,
            severity=severity,
            priority=rulebook.priority_of(category, severity),
            place=place,
            status=status,
            alarm_level=due_level(rulebook, category, severity),
            # Only of use where there is no ground: who has an address keeps it, by whatever rules.
            owner=story.opened.owner if story is not None else None,
        )
        routing = route(RoutingInput(state, ground_of(state, self._directory, rulebook), rulebook, at))
        return Seen(
            category,
            severity,
            state.priority,
            self._code(routing.owner.center_id),
            frozenset(self._told(routing)),
            wanted_units(response_of(rulebook, category, severity, state.alarm_level)),
        )

    def _told(self, routing: RouteIncident) -> Iterator[tuple[str, str, str]]:
        for recipient in routing.recipients:
            yield recipient.agency, recipient.role.value, self._code(recipient.center_id)

    def _code(self, center_id: UUID) -> str:
        return self._codes.get(center_id, str(center_id))

    def _missed(self, deadlines: Mapping[UUID, Deadline], allowed: Callable[[CategoryRule], int]) -> Missed:
        until = self._history.until
        then, now = set(), set()
        for key, deadline in deadlines.items():
            assert until is not None, "a deadline was read from some fact"
            story = self._history.stories[deadline.incident_id]
            category = story.opened.category
            if deadline.is_missed(allowed(self._directory.rulebook(deadline.rule_version).category(category)), until):
                then.add(key)
            if deadline.is_missed(allowed(self._rulebook.category(self._category_now(story))), until):
                now.add(key)
        return Missed(len(then), len(now), len(now - then), len(then - now))

    def _category_now(self, story: Story) -> str:
        for alert in story.opened.cause.alert_positions:
            opening = self._judging.openings.get(self._judging.incident_of.get(alert, story.incident_id))
            if opening is not None:
                return opening.category
        return story.opened.category
