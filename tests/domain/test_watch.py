"""Nobody is watched for longer than is said, and after the end nobody is told whom it was about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.event import Personal, Place
from domain.vocabulary import WatchOutcome, WatchSubject
from domain.watch import commands as ask
from domain.watch import events as fact
from domain.watch.decider import INITIAL, LASTS_MAX, decide, evolve
from tests.domain.deciding import Decider

watch = Decider(decide, evolve, INITIAL)

NOW = datetime(2026, 7, 3, 20, 0, tzinfo=UTC)
EXPIRES = NOW + timedelta(hours=12)
CENTER, SIGHTING = UUID(int=1), UUID(int=2)
OPENED = fact.WatchOpened(
    incident_id=UUID(int=3),
    subject=WatchSubject.ELDER,
    description=Personal(subject_id=UUID(int=4), sealed="c2VhbGVk"),
    purpose="a missing father",
    center_id=CENTER,
    path=(CENTER,),
    expires_at=EXPIRES,
)
OPEN = ask.OpenWatch(watch=OPENED, at=NOW)
ACKNOWLEDGE = ask.AcknowledgeWatch(center_id=CENTER, at=NOW)
ACKNOWLEDGED = fact.WatchAcknowledged(center_id=CENTER)
READ = ask.ReadWatch(center_id=CENTER, purpose="tell the shift", at=NOW)
SIGHT = ask.ReportSighting(
    sighting_id=SIGHTING, center_id=CENTER, place=Place(address="station"), text="blue coat", at=NOW
)
SEEN = fact.WatchSighting(sighting_id=SIGHTING, center_id=CENTER, place=Place(address="station"), text="blue coat")
EXTEND = ask.ExtendWatch(expires_at=EXPIRES + timedelta(days=1), reason="not found yet", at=NOW)
EXTENDED = fact.WatchExtended(expires_at=EXPIRES + timedelta(days=1), reason="not found yet")
END = ask.EndWatch(outcome=WatchOutcome.FOUND)
ENDED = fact.WatchEnded(outcome=WatchOutcome.FOUND)


def test_a_watch_is_opened_once_for_a_week_at_most():
    watch.given().when(OPEN).then(OPENED)
    watch.given(OPENED).when(OPEN).then_nothing()
    for expires_at in (NOW, NOW - timedelta(hours=1), NOW + LASTS_MAX + timedelta(seconds=1)):
        wrong = ask.OpenWatch(watch=OPENED.model_copy(update={"expires_at": expires_at}), at=NOW)
        watch.given().when(wrong).then_refused("watch.no_period")


def test_nothing_is_done_about_one_that_is_not_there():
    for command in (ACKNOWLEDGE, READ, SIGHT, EXTEND, END):
        watch.given().when(command).then_refused("watch.unknown")


def test_a_center_acknowledges_once():
    watch.given(OPENED).when(ACKNOWLEDGE).then(ACKNOWLEDGED)
    watch.given(OPENED, ACKNOWLEDGED).when(ACKNOWLEDGE).then_nothing()


def test_every_reading_is_a_fact():
    read = fact.WatchRead(center_id=CENTER, purpose="tell the shift")
    watch.given(OPENED).when(READ).then(read)
    watch.given(OPENED, read).when(READ).then(read)


def test_after_its_time_nobody_reads_and_nobody_extends():
    for command in (READ, EXTEND, ACKNOWLEDGE):
        late = command.model_copy(update={"at": EXPIRES})
        watch.given(OPENED).when(late).then_refused("watch.expired")
    watch.given(OPENED, EXTENDED).when(READ.model_copy(update={"at": EXPIRES})).then(
        fact.WatchRead(center_id=CENTER, purpose="tell the shift")
    )


def test_after_its_end_nothing_is_told():
    for command in (READ, EXTEND, ACKNOWLEDGE, SIGHT):
        watch.given(OPENED, ENDED).when(command).then_refused("watch.over", outcome="found")


def test_a_sighting_that_comes_too_late_is_still_told():
    watch.given(OPENED).when(SIGHT).then(SEEN)
    watch.given(OPENED).when(SIGHT.model_copy(update={"at": EXPIRES})).then(SEEN)


def test_it_is_extended_while_it_goes_on_by_a_week_at_most():
    watch.given(OPENED).when(EXTEND).then(EXTENDED)
    watch.given(OPENED, EXTENDED).when(EXTEND).then_nothing()
    long = EXTEND.model_copy(update={"expires_at": NOW + timedelta(days=8)})
    watch.given(OPENED).when(long).then_refused("watch.no_period")


def test_it_ends_once_also_after_its_time():
    watch.given(OPENED).when(END).then(ENDED)
    watch.given(OPENED, ENDED).when(END).then_nothing()
