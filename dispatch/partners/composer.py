"""From facts to numbered messages: pure, shared by the live feed and by the proof that it is what the log says."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import NamedTuple
from uuid import UUID

from pydantic_core import from_json, to_json

from dispatch.partners import tree as trees
from dispatch.partners.cloudevents import headers_of
from dispatch.partners.contracts import MESSAGE_BYTES_MAX, Message, subject_token
from dispatch.partners.order_sharing import ORDER_MESSAGES, order_notices, order_of
from dispatch.partners.sharing import NOTHING, TOPICS, SharedIncident, after, as_json, incident_of, notices, seen_by
from dispatch.partners.subjects import feed_subject
from dispatch.partners.tree import Tree
from domain.event import Event, Fact
from domain.identifiers import within
from domain.ownership import Ownership
from domain.vocabulary import ActorKind

HEADER_BYTES_RESERVED = 2_048
"""Room for what the relay adds to a message: batch headers, sequence, epoch."""


class Entry(NamedTuple):
    """One numbered message as it will be sent. `headers` are the CloudEvents headers, a JSON object."""

    agency: str
    sequence: int
    position: int
    message_id: UUID
    type: str
    subject: str
    headers: str
    body: bytes
    from_partner: bool


class _Said(NamedTuple):
    """What all messages that follow from a fact have in common."""

    position: int
    noun: str
    """What they are about: an incident or an order."""
    about: str
    event_id: UUID
    cause: str
    """What caused the messages: the fact itself."""
    partner: str | None
    """Whose command caused the fact."""
    command: str
    """What that partner calls it."""
    center: str | None
    station: str | None
    headers: tuple[str, str, str]
    """Their texts before the type, the sequence and the cause; what comes after each is the message's own."""


class Composer:
    """Folds facts in the order of the log. Numbers go on from `last`, which holds every agency with a feed."""

    def __init__(self, city: str, tree: Tree, last: MutableMapping[str, int]) -> None:
        self._city = city
        self._tree = tree
        self._last = last
        self._headers = _headers(city)

    def take(self, fact: Fact[Event], incidents: MutableMapping[UUID, SharedIncident]) -> list[Entry]:
        """Fold one fact into the tree and `incidents`; the messages that follow from it."""
        if fact.name in trees.TOPICS:
            self._tree.take(fact.gist())
        if fact.name not in TOPICS:
            return self._of_order(fact, incidents) if fact.name in ORDER_MESSAGES else []
        incident_id = incident_of(fact)
        before = incidents.get(incident_id, NOTHING)
        shared, heard = notices(before, after(before, fact), fact, self._tree)
        incidents[incident_id] = shared
        if not heard:
            return []
        said = self._said(fact, "incident", incident_id, shared.state.owner)
        return [self._entry(notice.agency, notice.contract, notice.body, said) for notice in heard]

    def _of_order(self, fact: Fact[Event], incidents: Mapping[UUID, SharedIncident]) -> list[Entry]:
        """An order's fact says all that is told: nothing is remembered of it from page to page.

        Who is addressed and may not know of the incident hears the order without it.
        """
        heard = order_notices(fact, self._tree)
        if not heard:
            return []
        order = order_of(fact.event)
        about = incidents.get(order.incident_id, NOTHING) if order.incident_id is not None else NOTHING
        seeing = seen_by(about)
        said = self._said(fact, "order", fact.stream_id, order.issuer)
        entries = []
        for notice in heard:
            body = dict(notice.body)
            if seeing is not None and notice.agency not in seeing:
                body.pop("incident_id", None)
            entries.append(self._entry(notice.agency, notice.contract, as_json(body), said))
        return entries

    def _said(self, fact: Fact[Event], noun: str, about_id: UUID, owner: Ownership | None) -> _Said:
        envelope, about = fact.envelope, str(about_id)
        by_partner = envelope.actor.kind is ActorKind.PARTNER
        center, station = self._tree.places(owner) if owner else (None, None)
        _, kind, subject, time, recorded_time, sequence, correlation, cause, _ = self._headers
        said_at, recorded_at = envelope.occurred_at.isoformat(), fact.recorded_at.isoformat()
        return _Said(
            fact.position,
            noun,
            about,
            envelope.event_id,
            str(envelope.event_id),
            envelope.actor.agency if by_partner else None,
            str(envelope.causation_id or envelope.event_id) if by_partner else "",
            center,
            station,
            (
                kind,
                f"{subject}{noun}/{about}{time}{said_at}{recorded_time}{recorded_at}{sequence}",
                f"{correlation}{about}{cause}",
            ),
        )

    def _entry(self, agency: str, contract: type[Message], body: bytes, said: _Said) -> Entry:
        kind = contract.type
        sequence = self._last[agency] = self._last[agency] + 1
        message_id = within(said.event_id, f"{agency}\x1f{kind}")
        own = said.partner == agency
        before_type, before_sequence, before_cause = said.headers
        # Ids, numbers and names of ours are plain ASCII: they need no encoding.
        headers = (
            f"{self._headers[0]}{message_id}{before_type}{kind}{before_sequence}{sequence}{before_cause}"
            f"{said.command if own else said.cause}{self._headers[-1]}"
        )
        message = subject_token(kind)
        subject = feed_subject(self._city, agency, center=said.center, station=said.station, message=message)
        if len(body) + len(headers) + len(subject) + HEADER_BYTES_RESERVED > MESSAGE_BYTES_MAX:
            reference = f"/v1/{said.noun}s/{said.about}?min_position={said.position}"
            body = _by_reference(from_json(body), reference)
        return Entry(agency, sequence, said.position, message_id, kind, subject, headers, body, own)


def _headers(city: str) -> list[str]:
    """The text of a message's headers, cut where its own values go: id, type, subject, both times, sequence, what it
    is about, cause."""
    headers = headers_of(
        {
            "specversion": "1.0",
            "id": "",
            "type": "",
            "source": f"/city/{city}/dispatch",
            "subject": "",
            "time": "",
            "recordedtime": "",
            "datacontenttype": "application/json",
            "sequence": "",
            "correlationid": "",
            "causationid": "",
        }
    )
    return to_json(headers).decode().replace('""', '"\0"').split("\0")


def _by_reference(body: Mapping[str, object], reference: str) -> bytes:
    address = {key: body[key] for key in ("incident_id", "assignment_id", "case_id", "order_id") if key in body}
    return as_json({**address, "reference": reference})
