"""Every projection there is, by its permanent name. The projector, the rebuild and the replay all start from here."""

from __future__ import annotations

from collections.abc import Mapping

from projections.aid import Aid
from projections.board import Board
from projections.camera_spells import CameraSpells
from projections.cameras import Cameras, Sites
from projections.campaigns import Campaigns
from projections.cards import IncidentCards
from projections.cases import Cases
from projections.checklists import Checklists
from projections.cover import Cover
from projections.evidence import EvidenceRequests
from projections.gateways import Gateways
from projections.handovers import Handovers
from projections.incident_alerts import IncidentAlerts
from projections.operations import OperationPoints, Operations
from projections.orders import Orders
from projections.outcomes import Outcomes
from projections.projection import Projection
from projections.reports import Reports
from projections.response_times import ResponseTimes
from projections.search import Search
from projections.service_times import ServiceTimes
from projections.timeline import Timeline
from projections.units import Units
from projections.warnings import Warnings
from projections.watches import Watches

PROJECTIONS: Mapping[str, Projection] = {
    projection.name: projection
    for projection in (
        Board(),
        IncidentCards(),
        IncidentAlerts(),
        Timeline(),
        Reports(),
        ResponseTimes(),
        ServiceTimes(),
        Search(),
        Units(),
        Cameras(),
        CameraSpells(),
        Gateways(),
        Sites(),
        Outcomes(),
        Campaigns(),
        Checklists(),
        EvidenceRequests(),
        Operations(),
        OperationPoints(),
        Watches(),
        Orders(),
        Warnings(),
        Cases(),
        Handovers(),
        Aid(),
        Cover(),
    )
}
