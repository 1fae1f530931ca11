"""What `dispatch bench storm --max` keeps account of: answers, and when each accepted alert was on the board."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from statistics import quantiles

import asyncpg

from dispatch.bench.wire import Answer
from dispatch.workers.correlator import Correlator

WATCH_EVERY_S = 0.05
SETTLE_S_MAX = 120.0
CLEAR = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
PROBLEM = "application/problem+json"
STANDS = f"""
SELECT (SELECT position FROM log.marks WHERE reactor = '{Correlator.name}'), (SELECT position FROM log.tip),
       (SELECT position FROM read.checkpoints WHERE name = 'board' AND state = 'live')
"""  # noqa: S608 - our own name


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request that was taken: alerts in it, the highest of their positions, when it was answered (monotonic).

    `distinct` are those that were not recorded before: the others are no work for anybody.
    """

    position: int
    alerts: int
    distinct: int
    at: float


@dataclass(slots=True)
class Accounts:
    """What was answered."""

    answers: list[bytes] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    unseen: deque[Accepted] = field(default_factory=deque)
    sent: list[tuple[float, int]] = field(default_factory=list)
    refused: int = 0
    unclear: int = 0
    """Refusals that are not 429 or 503, or no problem documents, or do not say when to come again."""

    def take(self, answer: Answer, alerts: int, began_at: float) -> bool:
        """Count one answer; whether its alerts were taken."""
        self.sent.append((began_at, alerts))
        if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.MULTI_STATUS):
            self.answers.append(answer.body)
            distinct = answer.body.count(b'"duplicate":false')
            taken = Accepted(int(answer.headers["dispatch-position"]), alerts, distinct, time.monotonic())
            self.accepted.append(taken)
            self.unseen.append(taken)
            return True
        if is_clear(answer):
            self.refused += alerts
        else:
            self.unclear += alerts
        return False

    def behind_s(self, shown: int) -> float:
        """For how long the oldest accepted alert has not been on the board. Answers come nearly in order."""
        while self.unseen and self.unseen[0].position <= shown:
            self.unseen.popleft()
        return time.monotonic() - self.unseen[0].at if self.unseen else 0.0

    def offered_per_s(self, begins_at: float, ends_at: float) -> float:
        """Alerts a second in requests that began between two instants and were answered."""
        return sum(alerts for at, alerts in self.sent if begins_at <= at < ends_at) / (ends_at - begins_at)


def is_clear(answer: Answer) -> bool:
    """Whether a refusal says all it must."""
    is_problem = answer.headers.get("content-type", "").startswith(PROBLEM)
    return answer.status in CLEAR and is_problem and answer.headers.get("retry-after", "").isdigit()


class Board:
    """Watches how far the board is: up to which position every alert is judged and the judgement is on it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._judged: deque[tuple[int, int]] = deque()
        self._seen: list[tuple[int, float]] = []
        self.shown = 0

    async def watch(self) -> None:
        """Look, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(WATCH_EVERY_S)

    async def look(self) -> int:
        """The position up to which alerts are on the board."""
        mark, tip, board = await self._pool.fetchrow(STANDS)
        self._judged.append((mark or 0, tip))
        while self._judged and (board or 0) >= self._judged[0][1]:
            self.shown = self._judged.popleft()[0]
        if not self._seen or self._seen[-1][0] < self.shown:
            self._seen.append((self.shown, time.monotonic()))
        return self.shown

    async def settle(self) -> None:
        """Look until every alert of the log is on the board."""
        last = await self._pool.fetchval("SELECT max(notification_id) FROM log.events WHERE topic LIKE 'alert.%'")
        async with asyncio.timeout(SETTLE_S_MAX):
            while await self.look() < last:  # noqa: ASYNC110  # a table is asked, it does not tell
                await asyncio.sleep(WATCH_EVERY_S)

    def shown_at(self, position: int) -> float:
        """When an alert was first seen on the board, after `settle`."""
        return self._seen[bisect_left(self._seen, (position, 0.0))][1]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a phase's window brought to the board: alerts a second within the bound, and how late they were."""

    per_s: float
    distinct_per_s: float
    too_late: int
    late_s_p50: float
    late_s_p99: float
    late_s_end: float
    """Median of the window's last second: what grew would show here."""
    first_position: int
    last_position: int


def outcome(accounts: Accounts, board: Board, *, begins_at: float, ends_at: float, late_s_max: float) -> Outcome:
    """Judge a phase by what came on the board between two instants."""
    shown = [(board.shown_at(one.position), one) for one in accounts.accepted]
    window = [(at, at - one.at, one) for at, one in shown if begins_at <= at < ends_at]
    late = [(late_s, one.alerts) for _, late_s, one in window]
    distinct = sum(one.distinct for _, late_s, one in window if late_s <= late_s_max)
    positions = [one.position for _, _, one in window]
    return Outcome(
        per_s=sum(alerts for late_s, alerts in late if late_s <= late_s_max) / (ends_at - begins_at),
        distinct_per_s=distinct / (ends_at - begins_at),
        too_late=sum(alerts for late_s, alerts in late if late_s > late_s_max),
        late_s_p50=_percentile([late_s for late_s, _ in late], 50),
        late_s_p99=_percentile([late_s for late_s, _ in late], 99),
        late_s_end=_percentile([late_s for at, late_s, _ in window if at >= ends_at - 1], 50),
        first_position=min(positions, default=0),
        last_position=max(positions, default=0),
    )


def _percentile(values: Sequence[float], percent: int) -> float:
    if len(values) < 2:
        return round(values[0], 3) if values else 0.0
    return round(quantiles(sorted(values), n=100, method="inclusive")[percent - 1], 3)
