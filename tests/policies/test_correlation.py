"""Given what is open, when an alert comes: it opens, folds, waits or is left alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from domain.alert.events import WaitingAlert
from domain.event import GeoPoint
from domain.identifiers import named
from domain.policies.correlation import correlate
from domain.policies.correlation_index import CorrelationIndex, Standing, Tracked
from domain.policies.correlation_rules import CorrelationRules
from domain.policies.judgement import Alert, Judgement
from domain.vocabulary import AlertKind, AlertPhase, ClockQuality, MessageStatus, Severity
from tests.workers.town import NOON, WEST, content, north_of, sample_rulebook, warning, with_rule

RULES = CorrelationRules(sample_rulebook())
INTRUSION = RULES.correlation("security.intrusion")


def open_incident(name: str, **given: Any) -> Tracked:
    defaults: dict[str, Any] = {
        "incident_id": named("test", name),
        "version": 3,
        "opened_position": 10,
        "status": MessageStatus.ACTUAL,
        "category": "security.intrusion",
        "severity": Severity.MODERATE,
        "priority": 4,
        "first_at": NOON,
        "last_at": NOON,
        "point": WEST,
    }
    return Tracked(**{**defaults, **given})


def an_alert(number: int = 1, *, at: datetime = NOON, kind: AlertKind = AlertKind.INTRUSION, **given: Any) -> Alert:
    said = content(kind, source_event_id=given.pop("source_event_id", f"event-{number}"), **given)
    return Alert(100 + number, named("alert", str(number)), at, said, said.place)


def judged(known: list[Tracked], *alerts: Alert, rules: CorrelationRules = RULES) -> Judgement:
    index = CorrelationIndex()
    for tracked in known:
        index.put(tracked)
    return correlate(index, alerts, rules)


def folded_into(judgement: Judgement) -> list[object]:
    assert not judgement.openings
    return list(judgement.foldings)


def test_the_nearest_incident_takes_it():
    near, far = open_incident("near", point=north_of(WEST, 40)), open_incident("far", point=north_of(WEST, -60))
    assert folded_into(judged([far, near], an_alert())) == [near.incident_id]


def test_of_two_equally_near_the_older_takes_it():
    old, young = open_incident("old", opened_position=5), open_incident("young", opened_position=9)
    assert folded_into(judged([young, old], an_alert())) == [old.incident_id]


def test_a_live_incident_goes_before_a_nearer_quiet_one():
    live = open_incident("live", point=north_of(WEST, 90))
    quiet = open_incident("quiet", standing=Standing.QUIET, dismissed_at=NOON)
    assert folded_into(judged([quiet, live], an_alert())) == [live.incident_id]


def test_beyond_the_radius_it_opens_and_says_what_it_passed_over():
    far = open_incident("far", point=north_of(WEST, INTRUSION.radius_m + 5))
    (opening,) = judged([far], an_alert()).openings
    (candidate,) = opening.explanation.candidates
    assert (candidate.id, candidate.chosen) == (str(far.incident_id), False)
    assert [reason.code for reason in candidate.reasons] == ["correlation.outside_radius"]


def test_the_window_runs_from_the_last_sign_of_life():
    known = open_incident("known", first_at=NOON - timedelta(hours=3))
    window = timedelta(seconds=INTRUSION.window_s)
    assert folded_into(judged([known], an_alert(at=NOON + window)))
    (opening,) = judged([known], an_alert(at=NOON + window + timedelta(seconds=1))).openings
    assert opening.explanation.candidates[0].reasons[0].code == "correlation.outside_window"


def test_each_fold_is_a_sign_of_life():
    step = timedelta(seconds=INTRUSION.window_s - 1)
    alerts = [an_alert(number, at=NOON + number * step) for number in range(1, 6)]
    judgement = judged([open_incident("known")], *alerts)
    (folding,) = judgement.foldings.values()
    assert len(folding.alerts) == 5


def test_an_alert_that_arrives_out_of_order_finds_its_incident():
    assert folded_into(judged([open_incident("known")], an_alert(at=NOON - timedelta(seconds=500))))


def test_another_category_is_another_matter():
    assert judged([open_incident("known")], an_alert(kind=AlertKind.SMOKE_FIRE)).openings


def test_a_merged_incident_hands_it_to_its_head():
    head = open_incident("head", point=north_of(WEST, 5_000))
    merged = open_incident("merged", standing=Standing.MERGED, head_id=head.incident_id)
    judgement = judged([head, merged], an_alert())
    assert folded_into(judgement) == [head.incident_id]
    assert judgement.foldings[head.incident_id].alerts[0].reason == "correlation.head_of_merged"


def test_an_incident_merged_away_too_long_ago_hands_nothing_to_its_head_swept_or_not():
    long_ago = NOON - timedelta(seconds=RULES.retention_s + 1)
    head = open_incident("head", point=north_of(WEST, 5_000))
    guest = open_incident(
        "guest", standing=Standing.MERGED, head_id=head.incident_id, first_at=long_ago, last_at=long_ago
    )
    for known in ([head], [head, guest]):
        index = CorrelationIndex()
        index.horizon = NOON
        for tracked in known:
            index.put(tracked)
        assert correlate(index, [an_alert()], RULES).foldings == {}


def test_a_rise_is_said_once_a_step_and_at_the_version_it_was_judged_on():
    alerts = [
        an_alert(1, severity=Severity.SEVERE),
        an_alert(2, severity=Severity.SEVERE),
        an_alert(3, severity=Severity.EXTREME),
    ]
    (folding,) = judged([open_incident("known")], *alerts).foldings.values()
    assert folding.version == 3
    assert [(rise.from_severity, rise.to_severity, rise.alert_position) for rise in folding.rises] == [
        (Severity.MODERATE, Severity.SEVERE, 101),
        (Severity.SEVERE, Severity.EXTREME, 103),
    ]


def test_a_rise_never_makes_an_incident_less_urgent():
    (folding,) = judged([open_incident("known", priority=0)], an_alert(severity=Severity.EXTREME)).foldings.values()
    assert folding.rises[0].priority == 0


def test_the_same_alert_revised_counts_once_toward_the_threshold():
    alerts = [an_alert(kind=AlertKind.MOTION) for _ in range(5)]
    judgement = judged([], *alerts)
    assert not judgement.openings
    assert len(judgement.waits) == 5


def test_severe_enough_opens_at_once_whatever_the_count():
    (opening,) = judged([], an_alert(kind=AlertKind.MOTION, severity=Severity.SEVERE)).openings
    assert opening.explanation.reasons[0].code == "correlation.opened_by_severity"


def test_what_waited_too_long_ago_does_not_count():
    alerts = [an_alert(number, kind=AlertKind.MOTION, at=NOON + timedelta(hours=number)) for number in range(4)]
    assert not judged([], *alerts).openings


def test_a_detection_that_is_over_opens_nothing_but_counts():
    over = [
        an_alert(number, kind=AlertKind.SMOKE_FIRE, phase=AlertPhase.END, severity=Severity.UNKNOWN)
        for number in (1, 2)
    ]
    rules = CorrelationRules(with_rule(sample_rulebook(), "fire.alarm", correlation__open_at_severity=4))
    judgement = judged([], *over, rules=rules)
    assert [waiting.reason for waiting in judgement.waits] == ["correlation.already_over"] * 2
    (opening,) = judged([], *over, an_alert(3, kind=AlertKind.SMOKE_FIRE), rules=rules).openings
    assert len(opening.causes) == 3


def test_a_device_clock_that_is_ahead_is_not_believed():
    from domain.alert.events import AlertReceived
    from domain.event import Actor, Envelope, Fact
    from domain.policies.judgement import alert_of
    from domain.vocabulary import ActorKind

    envelope = Envelope(
        event_id=named("test", "1"),
        occurred_at=NOON + timedelta(days=400),
        received_at=NOON,
        actor=Actor(kind=ActorKind.GATEWAY, id="g"),
    )
    for clock, expected in ((ClockQuality.IN_FUTURE, NOON), (ClockQuality.ZONED, NOON + timedelta(days=400))):
        event = AlertReceived(content=content(clock=clock))
        assert alert_of(Fact(1, named("alert", "1"), 1, NOON, envelope, event)).at == expected


def public(number: int, identifier: str, **given: Any) -> Alert:
    fields = warning(identifier, **given)
    return an_alert(number, kind=AlertKind.PUBLIC_WARNING, point=given.get("point", WEST), **fields)


REFERENCE = ("weather@example,w-1,2026-07-01T04:00:00+00:00",)


def test_an_update_of_a_warning_goes_to_the_incident_of_the_message_it_names():
    elsewhere = GeoPoint(lon=100.0, lat=25.0)
    first = public(1, "w-1")
    update = an_alert(
        2,
        kind=AlertKind.PUBLIC_WARNING,
        point=elsewhere,
        severity=Severity.EXTREME,
        **warning("w-2", message_type="Update", references=REFERENCE),
    )
    again = an_alert(
        3,
        kind=AlertKind.PUBLIC_WARNING,
        point=elsewhere,
        **warning("w-3", message_type="Update", references=("weather@example,w-2,2026-07-01T05:00:00+00:00",)),
    )
    judgement = judged([], first, update, again)
    (opening,) = judgement.openings
    assert opening.category == "flood.warning"
    assert opening.warnings == ("weather@example,w-1",)
    (folding,) = judgement.foldings.values()
    assert [alert.reason for alert in folding.alerts] == ["correlation.referenced_warning"] * 2
    assert len(folding.rises) == 1


def test_a_cancellation_belongs_to_what_it_cancels_or_to_nothing():
    cancel = public(2, "w-2", message_type="Cancel", references=REFERENCE)
    judgement = judged([], public(1, "w-1"), cancel)
    (folding,) = judgement.foldings.values()
    assert folding.alerts[0].alert_id == cancel.alert_id
    unknown = public(3, "w-3", message_type="Cancel", references=("somebody@else,x,2026-07-01T04:00:00+00:00",))
    judgement = judged([], public(1, "w-1"), unknown)
    assert [left.reason for left in judgement.left_alone] == ["correlation.cancels_nothing_known"]


def test_a_message_that_says_two_things_opens_two_incidents_and_an_update_finds_its_own():
    flood = public(1, "weather@example,w-1")
    heat = public(2, "weather@example,w-1", event="Heat wave", headline="Heat")
    update = an_alert(
        3,
        kind=AlertKind.PUBLIC_WARNING,
        **warning("weather@example,w-2", message_type="Update", event="Heat wave", references=REFERENCE),
    )
    judgement = judged([], flood, heat, update)
    assert [opening.category for opening in judgement.openings] == ["flood.warning", "warning.other"]
    assert list(judgement.foldings) == [judgement.openings[1].incident_id]


def test_warnings_without_a_point_meet_at_their_area():
    alerts = [
        an_alert(number, kind=AlertKind.PUBLIC_WARNING, point=None, **warning(f"w-{number}", area_description=area))
        for number, area in enumerate(["Wuhou", "Jinjiang", "Wuhou"])
    ]
    judgement = judged([], *alerts)
    assert len(judgement.openings) == 2
    assert list(judgement.foldings) == [judgement.openings[0].incident_id]


def test_other_warnings_are_told_apart_by_their_words():
    (opening,) = judged([], public(1, "w-1", event="Heat wave")).openings
    assert opening.category == "warning.other"
    (opening,) = judged([], public(1, "w-1", event="暴雨橙色预警")).openings
    assert opening.category == "flood.warning"


def test_an_acknowledgement_and_a_draft_are_no_alerts():
    acknowledgement = public(1, "w-1", message_type="Ack")
    draft = an_alert(2, status=MessageStatus.DRAFT)
    reasons = [left.reason for left in judged([], acknowledgement, draft).left_alone]
    assert reasons == ["correlation.no_alert", "correlation.status_draft"]


def test_judging_leaves_the_index_as_it_was():
    index = CorrelationIndex()
    known = open_incident("known")
    index.put(known)
    index.wait(
        WaitingAlert(
            position=1,
            alert_id=named("alert", "w"),
            category="security.intrusion",
            severity=Severity.MINOR,
            occurred_at=NOON,
            point=north_of(WEST, 2_000),
            source="gateway-1",
            reason="correlation.below_threshold",
        )
    )
    before = (dict(index.incidents), dict(index.waiting), index.horizon, dict(index.by_warning))
    alerts = [
        an_alert(number, at=NOON + timedelta(minutes=number), severity=Severity(number % 5)) for number in range(9)
    ]
    alerts += [an_alert(20 + number, kind=AlertKind.MOTION, point=north_of(WEST, 2_000)) for number in range(3)]
    alerts.append(public(30, "w-1"))
    first = correlate(index, alerts, RULES)
    assert (index.incidents, index.waiting, index.horizon, index.by_warning) == before
    assert correlate(index, alerts, RULES) == first
    assert len(first.openings) == 2
