"""The story of one stream, read from the log: every fact with its values and as a sentence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from fastapi import Query

from dispatch.api.access.permissions import Caller
from dispatch.api.access.visibility import hidden_among
from dispatch.api.http.names import DirectoryNames
from dispatch.api.http.paging import Paging
from dispatch.api.http.shapes import Listing
from dispatch.api.wiring import Services
from dispatch.handling.scribe import as_fact
from domain.event import Event, Fact
from projections import texts
from projections.queries import aid as of_aid
from projections.queries import orders as of_orders
from projections.shown import shown

Language = Annotated[Literal["zh", "en"], Query(description="Of the sentences.")]


ABOUT = ("incident_id", "order_id", "aid_id")
"""By which ids of its own something can be hidden: the incident's, or of what stands beside it."""
Said: TypeAlias = Callable[[dict[str, Any], Collection[UUID]], dict[str, Any] | None]


async def hidden_in(services: Services, caller: Caller, documents: Sequence[Any]) -> frozenset[UUID]:
    """Incidents, and orders and requests for aid beside them, that these documents name and that are hidden."""
    named: dict[str, set[UUID]] = {name: set() for name in ABOUT}
    for name, one in _named(documents):
        named[name].add(one)
    hidden = await hidden_among(services, caller, named["incident_id"])
    if caller.sees_everything:
        return hidden
    if named["order_id"]:
        rows = await services.database.rows(of_orders.hidden(named["order_id"], sight=caller.sight))
        hidden |= {row["order_id"] for row in rows}
    if named["aid_id"]:
        rows = await services.database.rows(of_aid.hidden(named["aid_id"], sight=caller.sight))
        hidden |= {row["aid_id"] for row in rows}
    return hidden


def without_hidden(values: dict[str, Any], hidden: Collection[UUID]) -> dict[str, Any] | None:
    """The values without entries of lists that are hidden; None if they are about one thing, and that is."""
    if not hidden:
        return values
    if _is_hidden(values, hidden) or any(
        isinstance(one, Mapping) and _is_hidden(one, hidden) for one in values.values()
    ):
        return None
    return {name: _rest(value, hidden) if isinstance(value, list | tuple) else value for name, value in values.items()}


def _rest(entries: Sequence[Any], hidden: Collection[UUID]) -> list[Any]:
    ids = {str(one) for one in hidden}
    return [one for one in entries if not (_is_hidden(one, hidden) if isinstance(one, Mapping) else str(one) in ids)]


def _is_hidden(document: Mapping[str, Any], hidden: Collection[UUID]) -> bool:
    ids = {str(one) for one in hidden}
    return any(str(document.get(name)) in ids for name in ABOUT)


def _named(document: Any) -> Iterator[tuple[str, UUID]]:
    if isinstance(document, list | tuple):
        for each in document:
            yield from _named(each)
        return
    if not isinstance(document, Mapping):
        return
    for name, value in document.items():
        if name in ABOUT and value is not None:
            yield name, UUID(str(value))
        elif name in LISTED:
            yield from (("incident_id", UUID(str(each))) for each in value)
        else:
            yield from _named(value)


LISTED = frozenset({"incident_ids", "claims_moved"})
"""Lists of nothing but ids of incidents."""


async def history_of(
    services: Services,
    caller: Caller,
    paging: Paging,
    stream_id: UUID,
    language: str,
    *,
    said: Said = without_hidden,
) -> Listing:
    """Oldest first, page by page. Whether the caller may read it is the route's to ask before.

    `said`: the values of a fact as they are told, None for a fact that is left out, given what is hidden.
    """
    page = paging.of("history", {"history": stream_id})
    rows = await services.log.read_stream(stream_id, after_version=page.after(int) or 0, limit=page.limit + 1)
    names = DirectoryNames(services.directory)
    facts = [as_fact(row) for row in page.cut(rows, "version")]
    hidden = await hidden_in(services, caller, [fact.plain() for fact in facts])
    told = [(fact, said(dict(fact.plain()), hidden)) for fact in facts]
    items = [_told(fact, values, language, names) for fact, values in told if values is not None]
    return Listing(items=items, position=(await services.log.tip()).position)


def _told(fact: Fact[Event], values: dict[str, Any], language: str, names: DirectoryNames) -> dict[str, Any]:
    document: dict[str, Any] = shown(
        {
            "position": fact.position,
            "version": fact.version,
            "event": fact.name,
            "occurred_at": fact.occurred_at,
            "recorded_at": fact.recorded_at,
            "actor": fact.actor.model_dump(mode="json"),
            "values": values,
            "text": texts.sentence(fact.name, values, language, names),
        }
    )
    return document
