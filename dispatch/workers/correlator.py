"""The correlator: alerts become incidents, page by page, exactly once.

One owner with one index (splitting it by place would double incidents on the border). The index is a fold of the log:
before a page is judged it is brought up to the tip that we have heard of, so what people did meanwhile counts; after a
restart it is rebuilt from the facts of the retention time before the mark, older incidents being read when something
names them.

What is recorded goes in one command with the mark. Openings demand a new stream and the next number, rises the
decision version they were judged on. A plain fold carries no version (folds must not disturb dispatchers): if somebody
ended the incident in the moment between, the index sees a fold after the end and judges those alerts again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.labels import labelled
from dispatch.handling.opening import Numbering, Opening, first_owner, numbers_used, open_incident_changes
from dispatch.handling.scribe import Change
from dispatch.ports import Clock, EventLog, RecordedEvent
from domain.alert.events import AlertReceived, AlertRevised, AlertsRecordedOnly, AlertsWaited
from domain.codec import Undecodable, for_fold
from domain.event import Event, Explanation, Fact, Reason
from domain.identifiers import companion_of, named
from domain.incident.events import (
    AlertsFolded,
    Cause,
    IncidentClosed,
    IncidentDismissed,
    IncidentOpened,
    IncidentResolved,
    ReportAttached,
    SeverityRaised,
)
from domain.policies import judgement as judged
from domain.policies.correlation import POLICY, correlate
from domain.policies.correlation_index import TOPICS, CorrelationIndex
from domain.policies.correlation_rules import CorrelationRules
from domain.policies.judgement import Alert, Folding, Judgement, alert_of

ALERTS = (AlertReceived, AlertRevised)
ENDS = (IncidentResolved, IncidentClosed, IncidentDismissed)
"""After an end the index is looked at again, for folds that came after it: they must not wait for the next alert."""
PAGE_ALERTS_MAX = 500
"""An alert gives at most two events of its own, and few two more with their label (`dispatch.handling.labels`), so a
page stays below the limit of one command."""
LATE_FOLDS_MAX = 200
"""Late folds judged again with one page."""
INDEX_PAGE_EVENTS = 2_000
CLOCK_SLACK = timedelta(hours=1)
"""How much earlier than its own time an alert may have been recorded: a device clock within tolerance, and to spare."""


class Correlator:
    """The reactor. `journal` is the stream of waits and of what was left alone."""

    name = "correlator"
    topics = frozenset(event.name for event in (*ALERTS, *ENDS))
    page_events = PAGE_ALERTS_MAX
    linger_s = 0.0

    def __init__(self, *, log: EventLog, directory: Directory, clock: Clock) -> None:
        self._log = log
        self._directory = directory
        self._clock = clock
        self._rules: CorrelationRules | None = None
        self.index = CorrelationIndex()
        self.journal = named("correlation-journal", directory.city)

    async def prepare(self, mark: int) -> None:
        """Rebuild the index from the log."""
        await self._directory.catch_up()
        self.index = CorrelationIndex()
        self.index.position = await self._begin(mark)
        await self.fold_up_to(mark)

    async def decide(self, page: Sequence[Fact[Event]]) -> Sequence[Change]:
        """Judge the page on everything recorded until now."""
        end = page[-1].position if page else self.index.position
        await self._directory.reach(end)
        # Heard of, not asked for: a look at the database is a fifth of the time in which an alert is judged.
        await self.fold_up_to(max(end, await self._log.wait_beyond(end, timeout_s=0)))
        rules = self._current_rules()
        self.index.sweep(rules)
        return await self._changes(await self.judge(page, rules), rules)

    async def judge(self, page: Sequence[Fact[Event]], rules: CorrelationRules) -> Judgement:
        """What becomes of a page's alerts by the index as it is."""
        return correlate(self.index, await self._alerts(page), rules)

    def _current_rules(self) -> CorrelationRules:
        """The active rulebook's rules, compiled again only when it changed."""
        rulebook = self._directory.rulebook()
        if self._rules is None or self._rules.version != rulebook.version:
            self._rules = CorrelationRules(rulebook)
        return self._rules

    # Reading.

    async def _begin(self, mark: int) -> int:
        """Where the facts that can still matter begin."""
        if mark == 0 or self._directory.active_rulebook_version is None:
            return 0
        (last,) = await self._log.read_after(mark - 1, limit=1)
        retention = timedelta(seconds=self._current_rules().retention_s)
        return await self._log.position_at(last.recorded_at - retention - CLOCK_SLACK)

    async def fold_up_to(self, position: int) -> None:
        """Bring the index up to a position."""
        while self.index.position < position:
            if not await self._fold_page(position):
                self.index.position = position

    async def _fold_page(self, up_to_position: int) -> bool:
        """Fold one page of the log; whether there may be more."""
        rows = await self._log.read_after(
            self.index.position, limit=INDEX_PAGE_EVENTS, up_to_position=up_to_position, topics=TOPICS
        )
        facts = [fact for row in rows if (fact := self._readable(row)) is not None]
        await self._fetch_unknown(facts)
        for fact in facts:
            self.index.apply(fact)
        if rows:
            self.index.position = rows[-1].position
        return len(rows) == INDEX_PAGE_EVENTS

    async def _fetch_unknown(self, facts: Sequence[Fact[Event]]) -> None:
        """Incidents opened before the retention time that something names now: what was decided on them so far."""
        opened = {fact.stream_id for fact in facts if isinstance(fact.gist(), IncidentOpened)}
        named_here = {incident for fact in facts for incident in _incident_named(fact)} - opened
        unknown = sorted(incident for incident in named_here if incident not in self.index.incidents)
        if not unknown:
            return
        position = self.index.position
        before = await self._log.read_streams(unknown, up_to_position=facts[0].position - 1)
        for row in (row for rows in before.values() for row in rows):
            fact = self._readable(row)
            if fact is not None:
                self.index.apply(fact)
        self.index.position = position

    def _readable(self, row: RecordedEvent) -> Fact[Event] | None:
        """An incident with a fact that nobody can read leaves the index: nothing folds into what is not understood."""
        try:
            fact = for_fold(row)
            fact.occurred_at  # noqa: B018  # looked at here, for the index asks for it
        except Undecodable:
            self.index.drop(row.stream_id)
            return None
        return fact

    async def _alerts(self, page: Sequence[Fact[Event]]) -> list[Alert]:
        """The page's alerts, after those whose fold came too late."""
        late = dict(sorted(self.index.late_folds.items())[:LATE_FOLDS_MAX])
        facts = []
        if late:
            streams = await self._log.read_streams(sorted(set(late.values())))
            facts = [for_fold(row) for rows in streams.values() for row in rows if row.position in late]
        alerts = [fact for fact in page if isinstance(fact.gist(), ALERTS)]
        return [alert_seen(fact, self._directory) for fact in (*sorted(facts, key=lambda fact: fact.position), *alerts)]

    # Writing.

    async def _changes(self, judgement: Judgement, rules: CorrelationRules) -> list[Change]:
        # The journal comes first: an alert that waited and was met within one page waits before its opening settles it,
        # or an index folded from the log would let it open a second incident.
        changes = self._journal(judgement, rules)
        changes += await self._openings(judgement, rules)
        for folding in judgement.foldings.values():
            changes.append(_folded(folding, rules.version, self.index.position))
            if folding.rises and folding.version:
                changes.append(_raised(folding, rules.version))
        return changes

    def _journal(self, judgement: Judgement, rules: CorrelationRules) -> list[Change]:
        """What waits, and what was left alone."""
        journal: list[Event] = []
        if judgement.waits:
            journal.append(AlertsWaited(alerts=tuple(judgement.waits), known_up_to=self.index.position))
        if judgement.left_alone:
            left_alone = tuple(judgement.left_alone)
            journal.append(AlertsRecordedOnly(alerts=left_alone, known_up_to=self.index.position))
        return [Change(self.journal, None, tuple(journal), rule_version=rules.version)] if journal else []

    async def _openings(self, judgement: Judgement, rules: CorrelationRules) -> list[Change]:
        """New incidents with their numbers; what got worse within the page is said right after the opening."""
        if not judgement.openings:
            return []
        now = self._clock.now()
        numbering = Numbering.of(rules.rulebook)
        changes = open_incident_changes(
            [self._opening(opening, rules, now) for opening in judgement.openings],
            numbering=numbering,
            used=await numbers_used(self._log, numbering, [now]),
            rule_version=rules.version,
        )
        changes = await labelled(changes, self._directory, log=self._log, now=now)
        return [_with_rises(change, judgement.foldings.get(change.stream_id)) for change in changes]

    def _opening(self, opening: judged.Opening, rules: CorrelationRules, now: datetime) -> Opening:
        positions, alert_ids = zip(*opening.causes, strict=True)
        return Opening(
            incident_id=opening.incident_id,
            opened_at=now,
            cause=Cause(
                alert_ids=alert_ids,
                alert_positions=positions,
                first_occurred_at=opening.first_at,
                last_occurred_at=opening.last_at,
                source=opening.source,
                warnings=opening.warnings,
            ),
            category=opening.category,
            severity=opening.severity,
            priority=rules.rulebook.priority_of(opening.category, opening.severity),
            place=opening.place,
            owner=first_owner(self._directory, opening.category, opening.place, without_point=None),
            camera_id=opening.camera_id,
            status=opening.status,
            headline=opening.headline,
            explanation=opening.explanation,
            occurred_at=opening.first_at,
            causation_id=alert_ids[-1],
        )


def alert_seen(fact: Fact[Event], directory: Directory) -> Alert:
    """The alert behind a fact, at its camera's place if the message names none."""
    alert = alert_of(fact)
    camera_id = alert.content.camera_id
    if alert.place.point is not None or camera_id is None:
        return alert
    camera = directory.camera_by_id(camera_id)
    if camera is None:
        return alert
    return replace(alert, place=alert.place.model_copy(update={"point": camera.location}))


def _incident_named(fact: Fact[Event]) -> Iterable[UUID]:
    """The incident a fact is about; the journal's facts are about none."""
    match fact.gist():
        case AlertsFolded(incident_id=incident_id) | ReportAttached(incident_id=incident_id):
            return (incident_id,)
        case AlertsWaited() | AlertsRecordedOnly():
            return ()
        case _:
            return (fact.stream_id,)


def _folded(folding: Folding, rule_version: int, known_up_to: int) -> Change:
    event = AlertsFolded(
        incident_id=folding.incident_id,
        alerts=tuple(folding.alerts),
        first_occurred_at=folding.first_at,
        last_occurred_at=folding.last_at,
        known_up_to=known_up_to,
    )
    return Change(
        companion_of(folding.incident_id),
        None,
        (event,),
        occurred_at=folding.last_at,
        correlation_id=folding.incident_id,
        rule_version=rule_version,
    )


def _rises(folding: Folding) -> tuple[SeverityRaised, ...]:
    return tuple(
        SeverityRaised(
            from_severity=rise.from_severity,
            to_severity=rise.to_severity,
            priority=rise.priority,
            alert_position=rise.alert_position,
            explanation=Explanation(
                policy=POLICY,
                input_positions=(rise.alert_position,),
                reasons=(
                    Reason(
                        code="correlation.alert_is_worse",
                        values={"from": rise.from_severity.name.lower(), "to": rise.to_severity.name.lower()},
                    ),
                ),
            ),
        )
        for rise in folding.rises
    )


def _raised(folding: Folding, rule_version: int) -> Change:
    return Change(
        folding.incident_id,
        folding.version,
        _rises(folding),
        occurred_at=folding.last_at,
        correlation_id=folding.incident_id,
        rule_version=rule_version,
    )


def _with_rises(change: Change, folding: Folding | None) -> Change:
    if folding is None or not folding.rises:
        return change
    return replace(change, events=(*change.events, *_rises(folding)))
