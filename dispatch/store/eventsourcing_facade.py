"""Our log seen through the plain `eventsourcing` library: a synchronous recorder that passes its conformance suites.

For tools written against that library, and as the proof that the log keeps what its users may expect. The system
itself never goes this way: the library is synchronous, one call a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import groupby
from threading import Thread
from typing import Any, Self, TypeVar
from uuid import UUID

from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Notification,
    OperationalError,
    StoredEvent,
    Subscription,
)

from dispatch.ports import AppendCommand, Appended, EventLog, NewEvent, RecordedEvent, StreamAppend
from dispatch.store.postgres import PostgresLog
from domain.refusals import Unavailable

CALL_TIMEOUT_S = 30.0
BEFORE_ALL = -1
"""Below every version: the library's streams may begin at 0."""
PAGE = 10_000
SUBSCRIPTION_PAGE = 500
LOOK_WHETHER_STOPPED_EVERY_S = 0.2

T = TypeVar("T")


class FacadeRecorder(ApplicationRecorder):
    """An `ApplicationRecorder` over an `EventLog` that lives on the event loop of another thread."""

    def __init__(self, log: EventLog, loop: asyncio.AbstractEventLoop) -> None:
        self._log = log
        self._loop = loop

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """Record all of them or none, each stream's together; their positions in the order given."""
        assert not kwargs, f"not known here: {', '.join(kwargs)}"
        if not stored_events:
            return []
        streams = _by_stream(stored_events)
        command = AppendCommand(tuple(_append_of(events) for events in streams))
        verdict = self.call(self._log.append(command))
        if not isinstance(verdict, Appended):
            raise IntegrityError(str(verdict))
        recorded = [(event.originator_id, event.originator_version) for events in streams for event in events]
        position_of = {identity: verdict.first_position + offset for offset, identity in enumerate(recorded)}
        return [position_of[event.originator_id, event.originator_version] for event in stored_events]

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Events of one stream."""
        found: list[RecordedEvent] = []
        after = BEFORE_ALL if gt is None else gt
        while page := self.call(self._log.read_stream(_uuid(originator_id), after_version=after, limit=PAGE)):
            found += [event for event in page if lte is None or event.version <= lte]
            after = page[-1].version
            enough = limit is not None and not desc and len(found) >= limit
            if enough or len(page) < PAGE or (lte is not None and after >= lte):
                break
        if desc:
            found.reverse()
        return [StoredEvent(event.stream_id, event.version, event.topic, event.state) for event in found[:limit]]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """A page of the log."""
        after = 0 if start is None else start - inclusive_of_start
        page = self._log.read_after(max(after, 0), limit=limit, up_to_position=stop, topics=list(topics) or None)
        return [
            Notification(event.stream_id, event.version, event.topic, event.state, event.position)
            for event in self.call(page)
        ]

    def max_notification_id(self) -> int | None:
        """The last position, None while the log is empty."""
        return self.call(self._log.tip()).position or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Everything after `gt`, then everything new, until stopped."""
        return LogSubscription(self, gt, topics)

    def wait_beyond(self, position: int, *, timeout_s: float) -> int:
        """The last position, as soon as it exceeds `position` or the time is up."""
        return self.call(self._log.wait_beyond(position, timeout_s=timeout_s))

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` on the log's loop and wait for it."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_TIMEOUT_S)
        except Unavailable as away:
            raise OperationalError(str(away)) from away


class OwnLoopRecorder(FacadeRecorder):
    """The facade with a log, a loop and a thread of its own."""

    def __init__(self, log: PostgresLog, loop: asyncio.AbstractEventLoop, thread: Thread) -> None:
        super().__init__(log, loop)
        self._postgres = log
        self._thread = thread

    @classmethod
    def open(cls, dsn: str) -> Self:
        """Connect to a migrated database."""
        loop = asyncio.new_event_loop()
        thread = Thread(target=loop.run_forever, name="eventsourcing facade", daemon=True)
        thread.start()
        log = asyncio.run_coroutine_threadsafe(PostgresLog.open(dsn), loop).result(CALL_TIMEOUT_S)
        return cls(log, loop, thread)

    def close(self) -> None:
        """Let the connections and the thread go."""
        self.call(self._postgres.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class LogSubscription(Subscription[FacadeRecorder]):
    """Pages of the log, then waiting."""

    def __init__(self, recorder: FacadeRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._page: list[Notification] = []

    def __next__(self) -> Notification:
        """The next event; waits for one that is not there yet. Ends when stopped."""
        while not self._has_been_stopped:
            if self._page:
                notification = self._page.pop(0)
                self._last_notification_id = notification.id
                return notification
            after = self._last_notification_id or 0
            tip = self._recorder.wait_beyond(after, timeout_s=LOOK_WHETHER_STOPPED_EVERY_S)
            self._page = list(
                self._recorder.select_notifications(
                    after, SUBSCRIPTION_PAGE, tip, self._topics, inclusive_of_start=False
                )
            )
            if not self._page:
                self._last_notification_id = max(after, tip)
        raise StopIteration


def _by_stream(stored_events: Sequence[StoredEvent]) -> list[list[StoredEvent]]:
    """The events of each stream together, streams in the order of their first event."""
    order = {originator_id: number for number, originator_id in enumerate(dict.fromkeys(map(_owner, stored_events)))}
    together = sorted(stored_events, key=lambda event: order[_owner(event)])
    return [list(events) for _, events in groupby(together, key=_owner)]


def _append_of(events: list[StoredEvent]) -> StreamAppend:
    first = events[0].originator_version
    if [event.originator_version for event in events] != list(range(first, first + len(events))):
        raise IntegrityError(f"The versions of {events[0].originator_id} are not dense")
    new = tuple(NewEvent(event.topic, event.state) for event in events)
    return StreamAppend(_uuid(events[0].originator_id), first - 1, new)


def _owner(event: StoredEvent) -> UUID | str:
    return event.originator_id


def _uuid(originator_id: UUID | str) -> UUID:
    return originator_id if isinstance(originator_id, UUID) else UUID(originator_id)
