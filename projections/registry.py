"""Every projection there is, by its permanent name. The projector, the rebuild and the replay all start from here."""

from __future__ import annotations

from collections.abc import Mapping

from projections.board import Board
from projections.cameras import Cameras, Sites
from projections.cards import IncidentCards
from projections.incident_alerts import IncidentAlerts
from projections.projection import Projection
from projections.reports import Reports
from projections.response_times import ResponseTimes
from projections.search import Search
from projections.timeline import Timeline
from projections.units import Units

PROJECTIONS: Mapping[str, Projection] = {
    projection.name: projection
    for projection in (
        Board(),
        IncidentCards(),
        IncidentAlerts(),
        Timeline(),
        Reports(),
        ResponseTimes(),
        Search(),
        Units(),
        Cameras(),
        Sites(),
    )
}
