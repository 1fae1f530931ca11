"""What the feed must know of agencies and centers, as of one position of the log.

The process-wide directory runs ahead of the feed; a message must be made with the registration in force when its fact
was recorded, so that the same log always gives the same feed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from dispatch.partners.contracts import FEED_FIELDS, PublicCenter
from domain.center.events import AgencyRegistered, CenterEstablished
from domain.event import Event
from domain.ownership import Ownership

TOPICS = (AgencyRegistered.name, CenterEstablished.name)
SECOND_LEVEL, STATION_LEVEL, LATERAL = 2, 3, 0


@dataclass(frozen=True, slots=True)
class _Center:
    public: PublicCenter
    level: int


@dataclass
class Tree:
    """Agencies with a feed and their fields; centers by id."""

    fields: dict[str, frozenset[str]] = field(default_factory=dict)
    """Agency with a feed → the fields that may leave. A name that is no field of a contract allows nothing."""
    _centers: dict[UUID, _Center] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Fold one fact; others change nothing."""
        match event:
            case AgencyRegistered(code=code, has_feed=True):
                self.fields[code] = frozenset(event.feed_fields) & FEED_FIELDS
            case AgencyRegistered(code=code):
                self.fields.pop(code, None)
            case CenterEstablished(code=code):
                # `path` ends with the center itself: the event's stream id is the center's id.
                public = PublicCenter(code=code, name_zh=event.name_zh, name_en=event.name_en)
                self._centers[event.path[-1]] = _Center(public, event.level)
            case _:
                pass

    def center(self, center_id: UUID) -> PublicCenter | None:
        """A center as partners may see it."""
        found = self._centers.get(center_id)
        return found.public if found else None

    def places(self, owner: Ownership) -> tuple[str | None, str | None]:
        """Codes of the second-level (or lateral) center and of the station above or at `owner`."""
        center = station = None
        for center_id in owner.path:
            found = self._centers.get(center_id)
            if found is None:
                continue
            if found.level in (SECOND_LEVEL, LATERAL):
                center = found.public.code
            elif found.level == STATION_LEVEL:
                station = found.public.code
        return center, station
