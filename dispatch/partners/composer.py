"""From facts to numbered messages: pure, shared by the live feed and by the proof that it is what the log says."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from pydantic_core import to_json

from dispatch.partners.cloudevents import headers_of
from dispatch.partners.contracts import MESSAGE_BYTES_MAX, subject_token
from dispatch.partners.sharing import TOPICS, Notice, SharedIncident, after, incident_of, notices
from dispatch.partners.subjects import feed_subject
from dispatch.partners.tree import Tree
from domain.event import Event, Fact
from domain.identifiers import within
from domain.ownership import Ownership
from domain.vocabulary import ActorKind

HEADER_BYTES_RESERVED = 2_048
"""Room for what the relay adds to a message: batch headers, sequence, epoch."""
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_Places: TypeAlias = tuple[str | None, str | None]
"""Codes of the center and of the station that a subject names."""


@dataclass(frozen=True, slots=True)
class Entry:
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


class Composer:
    """Folds facts in the order of the log. Numbers go on from `last`, which holds every agency with a feed."""

    def __init__(self, city: str, tree: Tree, last: MutableMapping[str, int]) -> None:
        self._city = city
        self._tree = tree
        self._last = last

    def take(self, fact: Fact[Event], incidents: MutableMapping[UUID, SharedIncident]) -> list[Entry]:
        """Fold one fact into the tree and `incidents`; the messages that follow from it."""
        self._tree.take(fact.gist())
        if fact.name not in TOPICS:
            return []
        incident_id = incident_of(fact)
        before = incidents.get(incident_id, SharedIncident())
        shared, heard = notices(before, after(before, fact), fact, self._tree)
        incidents[incident_id] = shared
        if not heard:
            return []
        headers, places = self._headers(fact, incident_id), self._places(shared.state.owner)
        return [self._entry(notice, fact, incident_id, headers, places) for notice in heard]

    def _headers(self, fact: Fact[Event], incident_id: UUID) -> dict[str, str]:
        """Those of all messages that follow from a fact; what is empty is each message's own."""
        return headers_of(
            {
                "specversion": "1.0",
                "id": "",
                "type": "",
                "source": f"/city/{self._city}/dispatch",
                "subject": f"incident/{incident_id}",
                "time": fact.envelope.occurred_at.isoformat(),
                "recordedtime": fact.recorded_at.isoformat(),
                "datacontenttype": "application/json",
                "sequence": "",
                "correlationid": str(incident_id),
                "causationid": "",
            }
        )

    def _entry(
        self, notice: Notice, fact: Fact[Event], incident_id: UUID, shared_headers: Mapping[str, str], places: _Places
    ) -> Entry:
        sequence = self._last[notice.agency] = self._last[notice.agency] + 1
        kind = notice.contract.type
        message_id = within(fact.envelope.event_id, f"{notice.agency}\x1f{kind}")
        actor = fact.envelope.actor
        own = actor.kind is ActorKind.PARTNER and actor.agency == notice.agency
        causation = fact.envelope.causation_id if own and fact.envelope.causation_id else fact.envelope.event_id
        own_headers = {"id": str(message_id), "type": kind, "sequence": str(sequence), "causationid": str(causation)}
        headers = to_json({**shared_headers, **headers_of(own_headers)})  # plain ASCII: the same as `as_json`, sooner
        center, station = places
        subject = feed_subject(self._city, notice.agency, center=center, station=station, message=subject_token(kind))
        body = as_json(notice.body)
        if len(body) + len(headers) + len(subject) + HEADER_BYTES_RESERVED > MESSAGE_BYTES_MAX:
            body = _by_reference(notice.body, incident_id, fact.position)
        return Entry(
            notice.agency,
            sequence,
            fact.position,
            message_id,
            kind,
            subject,
            headers.decode(),
            body,
            from_partner=own,
        )

    def _places(self, owner: Ownership | None) -> _Places:
        return self._tree.places(owner) if owner else (None, None)


def _by_reference(body: Mapping[str, object], incident_id: UUID, position: int) -> bytes:
    address = {key: body[key] for key in ("incident_id", "assignment_id") if key in body}
    return as_json({**address, "reference": f"/v1/incidents/{incident_id}?min_position={position}"})


def as_json(value: object) -> bytes:
    """Compact UTF-8 JSON, as sent."""
    return _JSON(value).encode()
