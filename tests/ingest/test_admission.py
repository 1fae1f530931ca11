"""When an alert is taken and when it has to come again: by how long it would wait for the board."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pytest

from dispatch.ingest.admission import DRAIN_PER_S, LOOK_EVERY_S, VIEW_S_MAX, Admission, Stand
from dispatch.ingest.limits import ALERTS_WAITING_MAX
from domain.refusals import Unavailable

WAIT_S_MAX = 5.0
ORDINARY = b'{"id":"1","kind":"motion","severity":"moderate"}'
SEVERE = b'{"id":"1","kind":"motion","severity": "severe"}'


@dataclass
class City:
    """Alerts are sent `offered_per_s`, workers bring `drain_per_s` of them to the board; time goes look by look."""

    drain_per_s: float
    at_s: float = 100.0
    tip: int = 0
    board: int = 0
    sent: float = 0.0
    brought: float = 0.0
    waiting: deque[int] = field(default_factory=deque)
    shares: list[float] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    taken: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        self.admission = Admission(WAIT_S_MAX, monotonic=lambda: self.at_s)

    def run(self, seconds: float, *, offered_per_s: float, body: bytes = ORDINARY) -> None:
        self.shares, self.waits_s, self.taken, self.refused = [], [], 0, 0
        for _ in range(round(seconds / LOOK_EVERY_S)):
            self.sent += offered_per_s * LOOK_EVERY_S
            arrived = []
            while self.sent >= 1:
                self.sent -= 1
                if takes(self.admission, body):
                    with self.admission.entering(1):
                        self.tip += 1
                    arrived.append(self.tip)
                else:
                    self.refused += 1
            self.waiting.extend(arrived)
            self.taken += len(arrived)
            self.brought = min(self.brought + self.drain_per_s * LOOK_EVERY_S, len(self.waiting))
            while self.brought >= 1:
                self.brought -= 1
                self.board = self.waiting.popleft()
            self.at_s += LOOK_EVERY_S
            self.look(arrived)

    def look(self, arrived: list[int]) -> None:
        self.admission.observe(Stand(self.tip, self.board, self.tip if self.drain_per_s else 0, arrived))
        self.shares.append(self.admission.refused_share())
        self.waits_s.append(len(self.waiting) / (self.drain_per_s or 1))


def takes(admission: Admission, body: bytes = ORDINARY) -> bool:
    try:
        admission.admit(body)
    except Unavailable:
        return False
    return True


@pytest.mark.parametrize("drain_per_s", [200, 1_000, 3_000])
def test_what_the_workers_can_do_is_never_refused(drain_per_s: int) -> None:
    city = City(drain_per_s)
    city.run(20, offered_per_s=drain_per_s * 0.95)
    assert city.refused == 0


@pytest.mark.parametrize("drain_per_s", [200, 1_000, 2_000])
def test_twice_what_they_can_do_stands_still_within_the_permitted_wait(drain_per_s: int) -> None:
    city = City(drain_per_s)
    city.run(20, offered_per_s=2 * drain_per_s)
    city.run(10, offered_per_s=2 * drain_per_s)
    assert 0.45 * WAIT_S_MAX < min(city.waits_s) < max(city.waits_s) < 0.55 * WAIT_S_MAX
    assert 0.45 < min(city.shares) < max(city.shares) < 0.55
    assert city.taken == pytest.approx(10 * drain_per_s, rel=0.01), "the workers are kept busy and no more"


def test_ten_times_what_they_can_do_waits_no_longer_than_permitted() -> None:
    city = City(300)
    city.run(20, offered_per_s=3_000)
    assert max(city.waits_s) < 0.75 * WAIT_S_MAX
    city.run(10, offered_per_s=3_000)
    assert max(city.waits_s) < 0.7 * WAIT_S_MAX


def test_it_is_over_as_soon_as_the_queue_is() -> None:
    city = City(1_000)
    city.run(20, offered_per_s=3_000)
    assert city.refused
    city.run(2 * WAIT_S_MAX, offered_per_s=500)
    city.run(30, offered_per_s=900)
    assert city.refused == 0


def test_severe_alerts_are_the_last_to_be_refused() -> None:
    city = City(300)
    city.run(20, offered_per_s=3_000)
    assert takes(city.admission, SEVERE)
    city.run(20, offered_per_s=3_000, body=SEVERE)
    assert min(city.shares) > 1, "nothing ordinary is taken then"
    assert max(city.waits_s) < 1.1 * WAIT_S_MAX


@pytest.mark.parametrize(
    ("body", "is_severe"),
    [
        (b'{"severity": "extreme"}', True),
        (b'{"severity":4}', True),
        (b'[{"severity":"minor"},{"severity":"severe"}]', True),
        (b"<cap:severity>Severe</cap:severity>", True),
        (b'{"severity":"moderate","text":"severe"}', False),
        (b'{"severity":2}', False),
        (b"\xff\xfe", False),
    ],
)
def test_how_severe_is_read_without_understanding_the_message(body: bytes, is_severe: bool) -> None:
    city = City(300)
    city.run(10, offered_per_s=3_000)
    answers = [takes(city.admission, body) for _ in range(100)]
    assert sum(answers) == (100 if is_severe else pytest.approx(10, abs=10))


def test_senders_who_take_turns_are_refused_alike() -> None:
    city = City(1_000)
    city.run(30, offered_per_s=2_000)
    assert city.shares[-1] == pytest.approx(0.5, abs=0.05)
    answers = [takes(city.admission) for _ in range(300)]
    for turn in range(3):
        assert sum(answers[turn::3]) == pytest.approx(50, abs=10)


def test_what_is_being_recorded_waits_already() -> None:
    admission = Admission(WAIT_S_MAX, monotonic=lambda: 0.0)
    admission.observe(Stand(0, 0, 0))
    with admission.entering(int(2 * WAIT_S_MAX * DRAIN_PER_S)):
        with pytest.raises(Unavailable) as later:
            admission.admit(ORDINARY)
        assert later.value.code == "ingest.behind"
        assert 1 <= int(later.value.values["retry_after_s"]) <= 30
    assert not takes(admission), "until the log was looked at"
    admission.observe(Stand(0, 0, 0))
    assert takes(admission)


def test_while_workers_are_away_alerts_are_taken() -> None:
    city = City(1_000)
    city.run(10, offered_per_s=900)
    city.drain_per_s = 0
    city.run(120, offered_per_s=460)
    assert city.admission.is_standing
    assert city.refused == 0


def test_what_an_outage_left_refuses_nothing_to_a_city_that_goes_on_as_usual() -> None:
    city = City(400)
    city.run(10, offered_per_s=800)
    city.drain_per_s = 0
    city.run(60, offered_per_s=115)
    city.drain_per_s = 400
    city.run(60, offered_per_s=115)
    assert city.refused == 0
    assert city.waits_s[-1] < 0.1
    city.run(30, offered_per_s=800)
    assert max(city.waits_s) < 0.55 * WAIT_S_MAX, "then the permitted wait is as before"


def test_a_log_without_workers_is_not_filled_for_ever() -> None:
    city = City(0)
    city.look([])
    city.look(list(range(1, ALERTS_WAITING_MAX * 3 // 4)))
    city.at_s += 10
    city.look([])
    assert city.admission.is_standing
    assert sum(takes(city.admission) for _ in range(100)) == pytest.approx(50, abs=5)
    assert takes(city.admission, SEVERE)


def test_nothing_is_refused_for_what_was_the_case_long_ago() -> None:
    city = City(0)
    city.look([])
    city.look(list(range(10_000)))
    assert not takes(city.admission)
    city.at_s += VIEW_S_MAX + 1
    assert takes(city.admission)


def test_a_process_that_starts_behind_a_queue_lets_it_shrink_first() -> None:
    city = City(2_000)
    city.tip = 20_000
    city.waiting.extend(range(1, 20_001))
    city.look(list(city.waiting))
    city.run(30, offered_per_s=500)
    assert city.refused == 0


def test_what_waits_to_be_read_counts_as_if_it_were_in_the_log() -> None:
    admission = Admission(3.0, monotonic=lambda: 0.0)
    admission.observe(Stand(0, 0, 0))
    with admission.coming(round(10 * DRAIN_PER_S)):
        assert admission.refused_share() >= 1
        with pytest.raises(Unavailable):
            admission.admit(ORDINARY)
    assert admission.refused_share() == 0
    admission.admit(ORDINARY)
