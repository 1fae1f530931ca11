"""Keyset pagination: every list goes on behind the last row that was shown, by the columns that it is in order of.

A list asks for one row more than it shows. That row is no part of the page; it says that there is a next one. To count
instead would read all that lies behind, and an offset would skip or repeat rows when others come or go in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, overload

from fastapi import Depends, Query, Request, Response

from dispatch.api.http.cursors import CURSOR_CHARACTERS_MAX, Cursors, next_link
from dispatch.api.http.shapes import LIMIT, Limit
from dispatch.api.wiring import ServicesOf

CursorParameter = Annotated[
    str | None,
    Query(max_length=CURSOR_CHARACTERS_MAX, description="From the `Link` header of the page before; opaque."),
]
Row = TypeVar("Row")
First = TypeVar("First")
Second = TypeVar("Second")


@dataclass(frozen=True, slots=True)
class Paging:
    """What a request says about the page it wants, and the answer that will link to the next one."""

    request: Request
    response: Response
    cursors: Cursors
    cursor: str | None
    limit: int

    def of(self, listing: str, filters: Mapping[str, Any]) -> Page:
        """The page of this list with these filters. Raises `Problem` bad_cursor if the cursor is of another one."""
        return Page(self, listing, filters, self.cursors.read(listing, filters, self.cursor))


@dataclass(frozen=True, slots=True)
class Page:
    """A page of one list, behind the row with this key; without a key it is the first one."""

    paging: Paging
    listing: str
    filters: Mapping[str, Any]
    key: Sequence[Any] | None

    @property
    def limit(self) -> int:
        """Rows that it shows at most. Statements ask for one more."""
        return self.paging.limit

    @overload
    def after(self, first: Callable[[Any], First], /) -> First | None: ...

    @overload
    def after(
        self, first: Callable[[Any], First], second: Callable[[Any], Second], /
    ) -> tuple[First, Second] | None: ...

    def after(self, *kinds: Callable[[Any], Any]) -> Any:
        """The key that the page begins behind: the value of one column, a pair of two; None on the first page.

        One kind for each column that `cut` is given, in the same order; it makes the value out of what JSON kept.
        """
        if self.key is None:
            return None
        values = tuple(kind(value) for kind, value in zip(kinds, self.key, strict=True))
        return values if len(values) > 1 else values[0]

    def cut(self, rows: Sequence[Row], *columns: str) -> list[Row]:
        """The rows to show. If there is one more, the answer links to the page behind the last of them.

        `columns`: what the list is in order of, together different for each row.
        """
        shown = list(rows[: self.limit])
        if len(rows) > self.limit:
            cursor = self.paging.cursors.make(self.listing, self.filters, [_value(shown[-1], name) for name in columns])
            self.paging.response.headers["Link"] = next_link(self.paging.request, cursor)
        return shown


def _value(row: Any, column: str) -> Any:
    return row[column] if isinstance(row, Mapping) else getattr(row, column)


async def _paging(
    request: Request,
    response: Response,
    services: ServicesOf,
    cursor: CursorParameter = None,
    limit: Limit = LIMIT,
) -> Paging:
    return Paging(request, response, services.cursors, cursor, limit)


PagingOf = Annotated[Paging, Depends(_paging)]
"""Write `paging: PagingOf` in the route of a list that has pages: it then takes `cursor` and `limit`."""
