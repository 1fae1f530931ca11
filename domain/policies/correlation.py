"""Which incident is an alert about? An alert opens one, folds into one, waits below the threshold, or is left alone.

Every alert ends in exactly one of these, with a reason. The rules, in order:

1. What is no alert is left alone: a test, a draft, a camera's health (category null), an acknowledgement.
2. An update or cancellation of a public warning goes to the incident of the message that it names.
3. The nearest live incident of its category within radius and window of its last sign of life takes it; equally near,
   the oldest. An incident merged into another one hands the alert to its head.
4. A false alarm that was dismissed takes repeats for a while, unless they are worse: a rise always opens or raises.
5. Severe enough, or enough of them together: a new incident, with those that waited in its cause.
6. Otherwise it waits. So does a detection that is already over, and a cancellation of something we do not know.

A folded alert worse than its incident raises it, in the same command. An exercise meets exercises only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from domain.alert.events import AlertContent, JudgedAlert, WaitingAlert
from domain.event import Candidate, Explanation, GeoPoint, Reason
from domain.identifiers import incident_id_for
from domain.incident.events import FoldedAlert
from domain.policies.correlation_index import CorrelationIndex, Standing, Tracked
from domain.policies.correlation_rules import CorrelationRules
from domain.policies.judgement import Alert, Folding, Judgement, Opening, Rise
from domain.policies.proximity import distance_m
from domain.rulebook.content import CorrelationRule
from domain.vocabulary import AlertPhase, MessageStatus, Severity

POLICY = "correlation"
CANDIDATES_MAX = 5
"""Incidents that an opening names as looked at and not taken."""


@dataclass(frozen=True, slots=True)
class Match:
    """An incident that takes an alert."""

    tracked: Tracked
    reason: str
    distance_m: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """An alert with what the rulebook makes of it."""

    alert: Alert
    category: str
    severity: Severity
    rule: CorrelationRule
    rules: CorrelationRules


def correlate(index: CorrelationIndex, alerts: Iterable[Alert], rules: CorrelationRules) -> Judgement:
    """Judge a page in order. The index is left as it was: it changes by facts only."""
    with index.tentatively():
        return correlate_for_good(index, alerts, rules)


def correlate_for_good(index: CorrelationIndex, alerts: Iterable[Alert], rules: CorrelationRules) -> Judgement:
    """The same, and the index keeps what came of it: for trials, of which no fact ever comes back."""
    judgement = Judgement()
    for alert in alerts:
        _judge(index, alert, rules, judgement)
    return judgement


def _judge(index: CorrelationIndex, alert: Alert, rules: CorrelationRules, judgement: Judgement) -> None:
    category = rules.category_of(alert.content)
    reason = _left_alone(alert.content)
    if category is None or reason is not None:
        _leave(alert, reason or "correlation.no_category", judgement)
        return
    case = Case(alert, category, rules.severity_of(alert.content), rules.correlation(category), rules)
    if alert.is_cancellation:
        # How bad it was is no news any more, and it belongs to what it cancels, not to what happens to be near.
        match = _referenced(index, alert, category, rules)
        if match is None:
            _leave(alert, "correlation.cancels_nothing_known", judgement)
        else:
            _fold(index, replace(case, severity=Severity.UNKNOWN), match, judgement)
        return
    match = _referenced(index, alert, category, rules) or _nearest(index, case)
    if match is not None:
        _fold(index, case, match, judgement)
        return
    together = _together(index, case)
    hold = _why_wait(case, len({waiting.alert_id for waiting in together} | {alert.alert_id}))
    if hold is not None:
        _wait(index, case, hold, judgement)
    else:
        _open(index, case, together, judgement)


def _leave(alert: Alert, reason: str, judgement: Judgement) -> None:
    judgement.left_alone.append(JudgedAlert(position=alert.position, alert_id=alert.alert_id, reason=reason))


def _left_alone(content: AlertContent) -> str | None:
    """Why an alert is nothing to correlate. An exercise is something: it opens an exercise, which sends nobody."""
    if content.status not in (MessageStatus.ACTUAL, MessageStatus.EXERCISE):
        return f"correlation.status_{content.status}"
    if content.warning is not None and content.warning.message_type.casefold() in ("ack", "error"):
        return "correlation.no_alert"
    return None


def _referenced(index: CorrelationIndex, alert: Alert, category: str, rules: CorrelationRules) -> Match | None:
    """The live incident of the public warning that this one updates or cancels; of its own category if there is one.

    One message may say several things and have opened several incidents. A message revised under its own name
    refers to itself.
    """
    details = alert.content.warning
    if details is None:
        return None
    own = (alert.warning or "",) if alert.revision else ()
    found = []
    for reference in (*details.references, *own):
        for incident_id in index.by_warning.get(",".join(reference.split(",")[:2]), ()):
            tracked = index.incidents.get(incident_id)
            if tracked is None or index.is_forgotten(tracked, rules):
                continue
            head = index.head_of(tracked)
            if head is not None and head.standing is Standing.LIVE and head.status is alert.content.status:
                found.append(head)
    if not found:
        return None
    return Match(
        next((head for head in found if head.category == category), found[0]), "correlation.referenced_warning"
    )


def _nearest(index: CorrelationIndex, case: Case) -> Match | None:
    """The nearest incident that takes it; live before quiet, then near before far, then old before new."""
    point, source = case.alert.place.point, case.alert.spot
    lane = (case.category, case.alert.content.status)
    best: tuple[tuple[bool, float, int], Match] | None = None
    for tracked in index.incidents_near(lane, point, source, case.rule.radius_m):
        distance = _distance(point, tracked.point)
        head = index.head_of(tracked) if distance <= case.rule.radius_m else None
        if head is None or _why_not(index, case, tracked, head) is not None:
            continue
        rank = (head.standing is Standing.QUIET, distance, tracked.opened_position)
        if best is None or rank < best[0]:
            best = (rank, Match(head, _why_fold(tracked, head, point), distance if point is not None else None))
    return best[1] if best is not None else None


def _why_not(index: CorrelationIndex, case: Case, tracked: Tracked, head: Tracked) -> str | None:
    """Why an incident within the radius does not take the alert; None if it does.

    The window runs from the last sign of life, and back from the first for what arrives out of order.
    """
    at, window = case.alert.at, case.rules.window(case.category)
    first, last = min(tracked.first_at, head.first_at), max(tracked.last_at, head.last_at)
    if index.is_forgotten(tracked, case.rules):
        return "correlation.too_old"
    if not first - window <= at <= last + window:
        return "correlation.outside_window"
    if head.standing is Standing.OVER:
        return "correlation.incident_over"
    if head.standing is Standing.QUIET:
        if case.severity > head.severity:
            return "correlation.worse_than_dismissed"
        quiet = timedelta(seconds=case.rule.quiet_after_dismissal_s)
        if head.dismissed_at is None or at > head.dismissed_at + quiet:
            return "correlation.quiet_time_over"
    return None


def _distance(point: GeoPoint | None, other: GeoPoint | None) -> float:
    return distance_m(point, other) if point is not None and other is not None else 0.0


def _why_fold(tracked: Tracked, head: Tracked, point: GeoPoint | None) -> str:
    if head.standing is Standing.QUIET:
        return "correlation.quiet_after_dismissal"
    if head is not tracked:
        return "correlation.head_of_merged"
    return "correlation.near" if point is not None else "correlation.same_source"


def _fold(index: CorrelationIndex, case: Case, match: Match, judgement: Judgement) -> None:
    alert, tracked = case.alert, match.tracked
    folding = judgement.foldings.get(tracked.incident_id)
    if folding is None:
        folding = judgement.foldings[tracked.incident_id] = Folding(
            tracked.incident_id, tracked.version, alert.at, alert.at
        )
    folding.alerts.append(
        FoldedAlert(
            position=alert.position,
            alert_id=alert.alert_id,
            severity=case.severity,
            reason=match.reason,
            distance_m=round(match.distance_m, 1) if match.distance_m is not None else None,
            warning=alert.warning,
        )
    )
    folding.first_at, folding.last_at = min(folding.first_at, alert.at), max(folding.last_at, alert.at)
    risen = None
    if case.severity > tracked.severity:
        priority = min(tracked.priority, case.rules.rulebook.priority_of(tracked.category, case.severity))
        folding.rises.append(Rise(tracked.severity, case.severity, priority, alert.position))
        risen = case.severity, priority
    if alert.warning is not None:
        index.announce(alert.warning, tracked.incident_id)
    index.settle(alert.position)
    index.put(tracked.seen(alert.at, alert.at, risen))


def _together(index: CorrelationIndex, case: Case) -> list[WaitingAlert]:
    """Waiting alerts that this one meets, in log order. An exercise meets none: it opens at once."""
    alert, rule = case.alert, case.rule
    if alert.content.status is not MessageStatus.ACTUAL:
        return []
    point, window = alert.place.point, timedelta(seconds=rule.window_s)
    found = [
        waiting
        for waiting in index.waiting_near(case.category, point, alert.spot, rule.radius_m)
        if abs(alert.at - waiting.occurred_at) <= window
        and _distance(point, waiting.point) <= rule.radius_m
        and not (index.horizon is not None and case.rules.is_past(waiting, index.horizon))
    ]
    return sorted(found, key=lambda waiting: waiting.position)


def _why_wait(case: Case, count: int) -> str | None:
    """Why it does not open an incident; None if it does."""
    if case.severity >= case.rule.open_at_severity or case.alert.content.status is MessageStatus.EXERCISE:
        return None
    if case.alert.content.phase is AlertPhase.END:
        return "correlation.already_over"
    return "correlation.below_threshold" if count < case.rule.min_alerts else None


def _wait(index: CorrelationIndex, case: Case, reason: str, judgement: Judgement) -> None:
    alert = case.alert
    waiting = WaitingAlert(
        position=alert.position,
        alert_id=alert.alert_id,
        category=case.category,
        severity=case.severity,
        occurred_at=alert.at,
        point=alert.place.point,
        source=alert.spot,
        reason=reason,
    )
    judgement.waits.append(waiting)
    index.wait(waiting)


def _open(index: CorrelationIndex, case: Case, together: Sequence[WaitingAlert], judgement: Judgement) -> None:
    alert, content = case.alert, case.alert.content
    times = [alert.at, *(waiting.occurred_at for waiting in together)]
    opening = Opening(
        incident_id=incident_id_for(alert.alert_id, alert.revision),
        category=case.category,
        severity=max([case.severity, *(waiting.severity for waiting in together)]),
        status=content.status,
        place=alert.place,
        camera_id=content.camera_id,
        headline=_headline(content),
        causes=(*((waiting.position, waiting.alert_id) for waiting in together), (alert.position, alert.alert_id)),
        first_at=min(times),
        last_at=max(times),
        source=alert.spot,
        warnings=(alert.warning,) if alert.warning is not None else (),
        explanation=_why_open(index, case, together),
    )
    judgement.openings.append(opening)
    if alert.warning is not None:
        index.announce(alert.warning, opening.incident_id)
    for position, _ in opening.causes:
        index.settle(position)
    index.put(
        Tracked(
            incident_id=opening.incident_id,
            version=0,
            opened_position=alert.position,
            status=opening.status,
            category=opening.category,
            severity=opening.severity,
            priority=case.rules.rulebook.priority_of(opening.category, opening.severity),
            first_at=opening.first_at,
            last_at=opening.last_at,
            point=opening.place.point,
            source=opening.source,
        )
    )


def _headline(content: AlertContent) -> str | None:
    said = (content.warning.headline if content.warning is not None else None) or content.text
    return said[:500] if said else None


def _why_open(index: CorrelationIndex, case: Case, together: Sequence[WaitingAlert]) -> Explanation:
    rule, count = case.rule, len({waiting.alert_id for waiting in together} | {case.alert.alert_id})
    if case.alert.content.status is not MessageStatus.ACTUAL:
        code = "correlation.opened_exercise"
    elif case.severity >= rule.open_at_severity:
        code = "correlation.opened_by_severity"
    else:
        code = "correlation.opened_by_count"
    values = {
        "severity": case.severity.name.lower(),
        "open_at_severity": rule.open_at_severity.name.lower(),
        "alerts": str(count),
        "min_alerts": str(rule.min_alerts),
        "radius_m": f"{rule.radius_m:g}",
        "window_s": str(rule.window_s),
        "known_up_to": str(index.position),
    }
    positions = (*(waiting.position for waiting in together), case.alert.position)
    return Explanation(
        policy=POLICY,
        input_positions=positions,
        candidates=_passed_over(index, case),
        reasons=(Reason(code=code, values=values),),
    )


def _passed_over(index: CorrelationIndex, case: Case) -> tuple[Candidate, ...]:
    """The nearest incidents that did not take it, and why: what a dispatcher asks who sees two on one corner."""
    point, source = case.alert.place.point, case.alert.spot
    lane = (case.category, case.alert.content.status)
    seen = []
    for tracked in index.incidents_near(lane, point, source, case.rule.radius_m):
        distance = _distance(point, tracked.point)
        head = index.head_of(tracked)
        if distance > case.rule.radius_m:
            reason = "correlation.outside_radius"
        else:
            reason = (_why_not(index, case, tracked, head) if head is not None else None) or "correlation.incident_over"
        seen.append((distance, tracked.opened_position, tracked.incident_id, reason))
    return tuple(
        Candidate(id=str(incident_id), chosen=False, reasons=(Reason(code=reason),), distance_m=round(distance, 1))
        for distance, _, incident_id, reason in sorted(seen)[:CANDIDATES_MAX]
    )
