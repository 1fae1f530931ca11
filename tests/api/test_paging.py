"""Pages of a list: one row beyond those shown says that there is a next page; a cursor is good for its list only."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest
from starlette.requests import Request
from starlette.responses import Response

from dispatch.api.http.cursors import Cursors
from dispatch.api.http.paging import Page, Paging
from dispatch.api.problems.problem import Problem

CURSORS = Cursors(b"of this test")
FILTERS = {"state": "open"}
ROWS = [{"position": number} for number in range(1, 6)]


def asked(query: str) -> Paging:
    said = parse_qs(query)
    scope = {"type": "http", "path": "/v1/things", "query_string": query.encode(), "headers": []}
    cursor = said["cursor"][0] if "cursor" in said else None
    return Paging(Request(scope), Response(), CURSORS, cursor, int(said["limit"][0]))


def link(page: Page) -> str | None:
    found = page.paging.response.headers.get("Link")
    if found is None:
        return None
    assert found.startswith("</v1/things?")
    assert found.endswith('>; rel="next"')
    return found[len("</v1/things?") : found.index(">")]


def behind(row: Mapping[str, Any], *columns: str) -> Page:
    """The page behind this row, by the link of the page that it is the last one of."""
    page = asked("limit=1").of("things", FILTERS)
    page.cut([row, row], *columns)
    following = link(page)
    assert following is not None
    return asked(following).of("things", FILTERS)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_a_page_that_holds_all_rows_links_to_no_other(rows: int) -> None:
    page = asked("limit=2").of("things", FILTERS)
    assert page.after(int) is None
    assert page.cut(ROWS[:rows], "position") == ROWS[:rows]
    assert link(page) is None


def test_one_row_more_is_not_shown_and_begins_the_page_that_is_linked() -> None:
    page = asked("limit=2&state=open").of("things", FILTERS)
    assert page.cut(ROWS[:3], "position") == ROWS[:2]
    following = link(page)
    assert following is not None
    assert following.startswith("limit=2&state=open&cursor=")
    assert asked(following).of("things", FILTERS).after(int) == 2


def test_pages_end_where_the_rows_do() -> None:
    pages, query = [], "limit=2"
    while query:
        page = asked(query).of("things", FILTERS)
        rest = [row for row in ROWS if row["position"] > (page.after(int) or 0)]
        pages.append([row["position"] for row in page.cut(rest[: page.limit + 1], "position")])
        query = link(page) or ""
    assert pages == [[1, 2], [3, 4], [5]]


def test_a_key_of_two_columns_comes_back_as_a_pair_of_the_same_values() -> None:
    camera_id = UUID(int=7)
    page = behind({"seconds": Decimal("150.250000"), "camera_id": camera_id}, "seconds", "camera_id")
    assert page.after(Decimal, UUID) == (Decimal("150.250000"), camera_id)


def test_rows_of_the_log_and_of_the_directory_are_cut_as_rows_of_tables_are() -> None:
    rows = [SimpleNamespace(code="east"), SimpleNamespace(code="west")]
    page = asked("limit=1").of("things", FILTERS)
    assert page.cut(rows, "code") == rows[:1]
    assert asked(link(page) or "").of("things", FILTERS).after(str) == "east"


@pytest.mark.parametrize(("listing", "filters"), [("others", FILTERS), ("things", {"state": "ended"}), ("things", {})])
def test_a_cursor_of_another_list_or_of_other_filters_is_refused(listing: str, filters: dict[str, str]) -> None:
    paging = behind(ROWS[0], "position").paging
    with pytest.raises(Problem) as refused:
        paging.of(listing, filters)
    assert refused.value.kind.code == "bad_cursor"
