"""The plain `eventsourcing` library works on our log: its suites through our facade, its own reader on our table."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from eventsourcing.tests.persistence import (
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
)

from dispatch.store.eventsourcing_facade import OwnLoopRecorder

UNIT, INCIDENT = UUID(int=1), UUID(int=2)


@pytest.fixture
def recorder(dsn: str) -> Iterator[OwnLoopRecorder]:
    opened = OwnLoopRecorder.open(dsn)
    yield opened
    opened.close()


class OnOurLog:
    """Gives the library's unittest cases a recorder."""

    @pytest.fixture(autouse=True)
    def _on_a_fresh_log(self, recorder: OwnLoopRecorder) -> None:
        self.recorder = recorder

    def create_recorder(self) -> OwnLoopRecorder:
        return self.recorder


class TestApplicationRecorder(OnOurLog, ApplicationRecorderTestCase[OwnLoopRecorder]):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNonInterleaving(OnOurLog, NonInterleavingNotificationIDsBaseCase):
    pass


def stored(originator_id: UUID, version: int, state: bytes = b"{}") -> StoredEvent:
    return StoredEvent(originator_id, version, "topic", state)


def test_events_of_several_streams_get_their_positions_in_the_order_given(recorder: OwnLoopRecorder) -> None:
    events = [stored(UNIT, 0), stored(INCIDENT, 1), stored(UNIT, 1)]
    assert recorder.insert_events(events) == [1, 3, 2]
    assert recorder.insert_events([]) == []


def test_a_stream_may_begin_at_0_but_only_once(recorder: OwnLoopRecorder) -> None:
    recorder.insert_events([stored(UNIT, 0)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(UNIT, 0)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(UNIT, 3)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(UNIT, 1), stored(UNIT, 3)])
    assert recorder.insert_events([stored(UNIT, 1)]) == [2]
    assert [e.originator_version for e in recorder.select_events(UNIT)] == [0, 1]


def test_a_stream_is_read_by_range_and_backwards(recorder: OwnLoopRecorder) -> None:
    recorder.insert_events([stored(UNIT, version) for version in range(1, 8)])

    def versions(**range_: object) -> list[int]:
        return [e.originator_version for e in recorder.select_events(UNIT, **range_)]

    assert versions(gt=2, lte=5) == [3, 4, 5]
    assert versions(gt=2, limit=2) == [3, 4]
    assert versions(desc=True, limit=1) == [7]
    assert versions(lte=4, desc=True, limit=2) == [4, 3]


def test_a_stopped_subscription_ends(recorder: OwnLoopRecorder) -> None:
    seen: list[int] = []
    with recorder.subscribe(gt=0, topics=["topic"]) as subscription:

        def follow() -> None:
            for notification in subscription:
                seen.append(notification.id)
                if notification.id == 2:
                    subscription.stop()

        follower = Thread(target=follow)
        follower.start()
        recorder.insert_events([stored(UNIT, 0), stored(UNIT, 1)])
        follower.join()
    assert seen == [1, 2]


def test_the_librarys_own_reader_reads_our_table(dsn: str, recorder: OwnLoopRecorder) -> None:
    recorder.insert_events([stored(UNIT, 1, b'{"a": 1}'), stored(UNIT, 2), stored(INCIDENT, 1)])
    parts = urlsplit(dsn)
    datastore = PostgresDatastore(
        dbname=parts.path[1:],
        host=parse_qs(parts.query).get("host", [parts.hostname])[0],
        port=parts.port or parse_qs(parts.query).get("port", [5432])[0],
        user=parts.username,
        password=parts.password or "",
        schema="log",
    )
    theirs = PostgresApplicationRecorder(datastore, events_table_name="events")
    assert list(theirs.select_events(UNIT)) == [stored(UNIT, 1, b'{"a": 1}'), stored(UNIT, 2)]
    assert [e.originator_version for e in theirs.select_events(UNIT, gt=1)] == [2]
    notifications = theirs.select_notifications(start=2, limit=10, topics=["topic"])
    assert [(n.id, n.originator_id, n.originator_version) for n in notifications] == [(2, UNIT, 2), (3, INCIDENT, 1)]
    assert theirs.max_notification_id() == 3
    datastore.close()
