"""Pages begin at once while little comes, apart while much comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.pace import BUSY_PER_S, REMEMBERED_S, Pace

APART_S = 0.02
LEAST_S = 0.004


def after(items_per_page: int, pages_per_s: float, *, seconds: float) -> tuple[Pace, float]:
    """A pace after pages of that size have come for so long, and the instant of the last."""
    pace, now = Pace(APART_S, least_apart_s=LEAST_S), 0.0
    for number in range(round(seconds * pages_per_s)):
        now = number / pages_per_s
        pace.took(items_per_page, now)
    return pace, now


def test_the_first_page_begins_at_once() -> None:
    assert Pace(APART_S).pause_s(0.0) <= 0


@pytest.mark.parametrize(("items", "pages_per_s"), [(1, 500.0), (2, 250.0), (1, 0.9 * BUSY_PER_S)])
def test_what_is_no_flood_waits_no_longer_than_ever(items: int, pages_per_s: float) -> None:
    pace, now = after(items, pages_per_s, seconds=5)
    assert pace.apart_s == LEAST_S
    assert pace.pause_s(now + LEAST_S) <= 0


@pytest.mark.parametrize(("items", "pages_per_s"), [(2, 700.0), (50, 80.0), (500, 10.0)])
def test_a_flood_comes_in_larger_pages(items: int, pages_per_s: float) -> None:
    pace, now = after(items, pages_per_s, seconds=5)
    assert pace.pause_s(now) == pytest.approx(APART_S)
    assert pace.pause_s(now + APART_S) <= 1e-9, "a page that took longer than that is followed at once"


def test_a_flood_that_is_over_is_forgotten() -> None:
    pace, now = after(50, 80.0, seconds=5)
    later = now + 10 * REMEMBERED_S
    pace.took(1, later)
    assert pace.apart_s == LEAST_S


@given(st.lists(st.tuples(st.integers(0, 1_000), st.floats(0.0, 10.0)), max_size=50))
def test_nobody_ever_waits_longer_than_apart(pages: list[tuple[int, float]]) -> None:
    pace, now = Pace(APART_S, least_apart_s=LEAST_S), 0.0
    for items, passed_s in pages:
        now += passed_s
        pace.took(items, now)
        assert pace.pause_s(now) <= APART_S + 1e-9
