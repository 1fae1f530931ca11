"""Whether one more alert is taken: by how long it would be until it is on the board.

The problem: the log takes alerts several times faster than they are judged and folded. What is taken beyond that is
safe, and later on the board with every second; in the end dispatchers look at what was an hour ago. A limit on the
queue's length means another delay on each machine, and one on the age of what waits notices a flood only after it.

The rule kept instead: each process watches the alerts that are in the log and not on the board yet, and how many get
there a second while there is a queue. Their quotient is what the next alert will wait. Up to a third of the permitted
wait nothing is refused; from there the refused share grows in a straight line until, at two thirds, it is all but
severe alerts, and at the whole of it those too. No state flips, so nothing swings: twice what can be done stands still
at half the permitted wait, and any number of processes find the same share without talking.

When workers stand still, refusing helps nobody: nothing that is taken makes anything later. Then only the number of
waiting alerts is limited. What an outage left may be worked off at half speed, so that a city that goes on as usual is
refused nothing after it (decision 0019).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dispatch.ingest.limits import ALERTS_WAITING_MAX
from dispatch.ingest.quarantine import EdgeStore
from dispatch.telemetry import counter, gauge
from domain.alert.events import AlertReceived, AlertRevised
from domain.refusals import Unavailable

LOOK_EVERY_S = 0.1
IDLE_LOOK_EVERY_S = 1.0
"""While nothing waits. A flood is noticed a second late, which is a fraction of what may wait."""
LOOK_BACK_POSITIONS_MAX = 1_000_000
"""How far a process that starts looks for alerts that wait already."""
DRAIN_PER_S = 1_000.0
"""Alerts a second that are taken to reach the board before it was measured."""
DRAIN_OVER_S = 3.0
"""Over which time the rate is smoothed: a page of openings takes longer than one of folds."""
BUSY_ALERTS = 250
"""With fewer waiting, what reaches the board says how many came, not how many could: it only raises the rate."""
STANDING_AFTER_S = 3.0
"""No page takes that long: workers that show nothing for this time are away."""
VIEW_S_MAX = 10.0
"""Nothing is refused for what was the case before this."""
RETRY_AFTER_S_MAX = 30
GOLDEN_RATIO = (5**0.5 - 1) / 2
"""Its multiples fill the line from 0 to 1 evenly at any time, also for each of several senders who take turns."""

REFUSED = counter("alerts_refused_total", "Messages that were not taken, to be sent again.", ("reason",))
_waiting = gauge("alerts_waiting", "Alerts in the log that are not on the board yet.")
_wait = gauge("alerts_wait_seconds", "How long an alert taken now is expected to wait for the board.")
_lag = gauge("alerts_lag_seconds", "For how long the oldest of the waiting alerts has been seen waiting.")
_drain = gauge("alerts_drain_per_second", "Alerts that reach the board in a second while there is a queue.")
_share = gauge("alerts_refused_share", "Share of messages refused; above 1 also of severe ones.")

ENDS = """
SELECT t.position AS tip,
    coalesce((SELECT m.position FROM log.marks m WHERE m.reactor = $1), 0) AS judged,
    coalesce((SELECT min(c.position) FROM read.checkpoints c WHERE c.name = 'board' AND c.state <> 'building'), 0)
        AS board
FROM log.tip t
"""
ARRIVED = """
SELECT e.notification_id AS position FROM log.events e
WHERE e.notification_id >= $1::bigint AND e.notification_id <= $2::bigint AND e.topic = ANY ($3::text[])
ORDER BY e.notification_id
"""
"""Bounded on both sides, which prunes the partitions; each position is looked at once."""
ALERT_TOPICS = [AlertReceived.name, AlertRevised.name]
_SEVERE = re.compile(rb'everity"?\s{0,8}[:>]\s{0,8}"?(?:[sS]evere|[eE]xtreme|[34]\b)')


@dataclass(frozen=True, slots=True)
class Stand:
    """Where everything is at one instant; `alerts` are the positions of those recorded since the look before."""

    tip: int
    judged: int
    board: int
    alerts: Sequence[int] = ()


class Admission:
    """One for a process. `wait_s_max`: how long an alert may have to wait for the board."""

    def __init__(self, wait_s_max: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._free_s_least = wait_s_max / 3
        self._monotonic = monotonic
        self._drawn = 0
        self._entering = self._entered = self._coming = 0
        self.begin()

    def begin(self) -> None:
        """Know nothing: at the start, and when the log is another one."""
        self._waiting: deque[tuple[int, float]] = deque()
        self._judged: deque[tuple[int, int]] = deque()
        self._shown = 0
        self._looked_at: float | None = None
        self._moved_at = 0.0
        self._free_s = self._free_s_least
        self._measured_s = 0.0
        self.looked_up_to: int | None = None
        """The tip of the last look."""
        self.drain_per_s = DRAIN_PER_S

    @property
    def waiting(self) -> int:
        """Alerts that are not on the board: those in the log, and those this process is about to read or record."""
        return len(self._waiting) + self._entering + self._coming

    @property
    def wait_s(self) -> float:
        """What an alert that is taken now is expected to wait."""
        return self.waiting / self.drain_per_s

    @property
    def is_standing(self) -> bool:
        """Whether workers have shown nothing for a while although there is something to show."""
        return (
            bool(self._waiting) and self._looked_at is not None and self._looked_at - self._moved_at > STANDING_AFTER_S
        )

    def admit(self, body: bytes) -> None:
        """Let a message in. Raises `Unavailable` with `retry_after_s` if it has to come again later."""
        share = self.refused_share()
        if share <= 0 or self._looked_at is None or self._monotonic() - self._looked_at > VIEW_S_MAX:
            return
        if _SEVERE.search(body):
            share -= 1
        self._drawn += 1
        draw = self._drawn * GOLDEN_RATIO % 1.0
        if draw >= share:
            return
        reason = "standing" if self.is_standing else "behind"
        REFUSED.labels(reason).inc()
        # Spread, or all that are refused now come again at the same moment.
        pause_s = max(self.wait_s - self._free_s_least, 0.0) * (1 + draw / share)
        raise Unavailable(
            "ingest.behind",
            f"{self.waiting} alerts wait for the board, about {self.wait_s:.1f} s. Nothing of yours was taken: send the"
            " very same message again after `retry_after_s`.",
            retry_after_s=str(min(RETRY_AFTER_S_MAX, 1 + int(pause_s))),
            workers="away" if self.is_standing else "at work",
        )

    def refused_share(self) -> float:
        """Of ordinary messages; what exceeds 1 is the share of severe ones. At most 2."""
        behind = self.wait_s / self._free_s - 1
        full = 2 * self.waiting / ALERTS_WAITING_MAX - 1
        return min(2.0, max(0.0, behind, full))

    @contextmanager
    def entering(self, alerts: int) -> Iterator[None]:
        """While so many are being recorded, and until the next look finds them in the log."""
        self._entering += alerts
        try:
            yield
        finally:
            self._entered += alerts

    @contextmanager
    def coming(self, alerts: int) -> Iterator[None]:
        """While about so many wait to be read."""
        self._coming += alerts
        try:
            yield
        finally:
            self._coming -= alerts

    def observe(self, stand: Stand) -> None:
        """Take note of where everything is."""
        now = self._monotonic()
        self._entering, self._entered = self._entering - self._entered, 0
        before = len(self._waiting)
        self._waiting.extend((position, now) for position in stand.alerts)
        shown = self._shown_by(stand)
        while self._waiting and self._waiting[0][0] <= shown:
            self._waiting.popleft()
        gone = before + len(stand.alerts) - len(self._waiting)
        if gone:
            self._measure(gone, now - self._moved_at, is_queue=before >= BUSY_ALERTS)
        if gone or not before:
            self._moved_at = now
        self.looked_up_to = stand.tip
        self._judge(now)

    def _shown_by(self, stand: Stand) -> int:
        """Up to where every alert is on the board: judged, and the board beyond the judgement."""
        if not self._judged or self._judged[-1][0] != stand.judged:
            self._judged.append((stand.judged, stand.tip))
        while self._judged and stand.board >= self._judged[0][1]:
            self._shown = self._judged.popleft()[0]
        return self._shown

    def _measure(self, gone: int, took_s: float, *, is_queue: bool) -> None:
        if not 0 < took_s <= STANDING_AFTER_S:
            return  # a pause of the workers says nothing of their speed
        if not is_queue and gone / took_s <= self.drain_per_s:
            return
        self._measured_s += took_s
        weight = min(1.0, took_s / min(DRAIN_OVER_S, self._measured_s))
        self.drain_per_s += (gone / took_s - self.drain_per_s) * weight

    def _judge(self, now: float) -> None:
        is_first, passed_s = self._looked_at is None, now - (self._looked_at or now)
        if is_first:
            self._moved_at = now
        self._looked_at = now
        if is_first or self.is_standing:
            self._free_s = max(self._free_s_least, self.wait_s + self._free_s_least)
        else:
            self._free_s = max(self._free_s_least, self._free_s - passed_s / 2)
        _waiting.set(self.waiting)
        _wait.set(self.wait_s)
        _lag.set(now - self._waiting[0][1] if self._waiting else 0.0)
        _drain.set(self.drain_per_s)
        _share.set(self.refused_share())


async def watch(store: EdgeStore, admission: Admission, *, judge: str) -> None:
    """Look, until cancelled. `judge` is the name of the reactor that judges alerts.

    While the database is away the last view stands: nothing can be recorded then, and senders hear that instead.
    """
    while True:
        with contextlib.suppress(Unavailable):
            await look(store, admission, judge=judge)
        await asyncio.sleep(LOOK_EVERY_S if admission.waiting else IDLE_LOOK_EVERY_S)


async def look(store: EdgeStore, admission: Admission, *, judge: str) -> None:
    """One look. Raises `Unavailable`."""
    (ends,) = await store.rows(ENDS, judge)
    tip, judged = int(ends["tip"]), int(ends["judged"])
    if admission.looked_up_to is not None and tip < admission.looked_up_to:
        admission.begin()  # another log than we knew: it was restored
    after = admission.looked_up_to
    if after is None:
        after = max(judged, tip - LOOK_BACK_POSITIONS_MAX)
    rows = await store.rows(ARRIVED, after + 1, tip, ALERT_TOPICS) if tip > after else ()
    admission.observe(Stand(tip, judged, int(ends["board"]), [int(row["position"]) for row in rows]))
