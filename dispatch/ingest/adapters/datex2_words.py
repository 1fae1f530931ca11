"""What DATEX II calls what happens on roads, and what it is to us."""

from __future__ import annotations

from collections.abc import Mapping

from domain.vocabulary import AlertKind, MessageStatus, Severity

SEVERITIES: Mapping[str, Severity] = {
    "none": Severity.MINOR,
    "lowest": Severity.MINOR,
    "low": Severity.MINOR,
    "medium": Severity.MODERATE,
    "high": Severity.SEVERE,
    "highest": Severity.EXTREME,
}
STATUSES: Mapping[str, MessageStatus] = {
    "real": MessageStatus.ACTUAL,
    "test": MessageStatus.TEST,
    "securityExercise": MessageStatus.EXERCISE,
    "technicalExercise": MessageStatus.EXERCISE,
}
KINDS: Mapping[str, AlertKind] = {
    "Accident": AlertKind.ACCIDENT,
    "EnvironmentalObstruction": AlertKind.ROAD_BLOCKED,
    "InfrastructureDamageObstruction": AlertKind.FACILITY_DAMAGE,
    "EquipmentOrSystemFault": AlertKind.FACILITY_DAMAGE,
    "AnimalPresenceObstruction": AlertKind.ROAD_BLOCKED,
    "GeneralObstruction": AlertKind.ROAD_BLOCKED,
    "VehicleObstruction": AlertKind.ROAD_BLOCKED,
    "AbnormalTraffic": AlertKind.CONGESTION,
    "ConstructionWorks": AlertKind.ROADWORKS,
    "MaintenanceWorks": AlertKind.ROADWORKS,
}
"""Classes of records, the most telling first: of a situation the first of these is what happened, the others follow
from it. A class that is neither here nor a measure is `other`, with its name beside it."""
SUBTYPES: Mapping[str, AlertKind] = {
    **dict.fromkeys(("flooding", "flashFloods", "sewerOverflow", "burstWaterMain"), AlertKind.WATERLOGGING),
    **dict.fromkeys(("landslips", "mudSlide", "rockfalls"), AlertKind.LANDSLIDE),
    **dict.fromkeys(("seriousFire", "forestFire", "grassFire", "smokeOrFumes"), AlertKind.SMOKE_FIRE),
    **dict.fromkeys(("trafficLightSets", "trafficSignals", "temporaryTrafficLights"), AlertKind.SIGNAL_FAILURE),
}
"""Their own words that say more than the class."""
SUBTYPE_FIELDS = (
    "accidentType",
    "environmentalObstructionType",
    "infrastructureDamageType",
    "faultyEquipmentOrSystemType",
    "equipmentOrSystemType",
    "animalPresenceType",
    "obstructionType",
    "vehicleObstructionType",
    "abnormalTrafficType",
    "constructionWorkType",
    "roadMaintenanceType",
    "roadOrCarriagewayOrLaneManagementType",
)
"""Where a record says which of its class it is; the first that it has."""
MEASURES = frozenset(
    {
        "GeneralInstructionOrMessageToRoadUsers",
        "GeneralNetworkManagement",
        "PublicEvent",
        "ReroutingManagement",
        "RoadOperatorServiceDisruption",
        "RoadOrCarriagewayOrLaneManagement",
        "RoadsideAssistance",
        "RoadsideServiceDisruption",
        "ServiceDisruption",
        "SpeedManagement",
        "TransitInformation",
        "WinterDrivingManagement",
    }
)
"""What is done or offered, not what happened. A measure alone is an alarm only by the cause that it names."""
CAUSES: Mapping[str, AlertKind] = {
    "accident": AlertKind.ACCIDENT,
    "environmentalObstruction": AlertKind.ROAD_BLOCKED,
    "infrastructureDamageObstruction": AlertKind.FACILITY_DAMAGE,
    "equipmentOrSystemFault": AlertKind.FACILITY_DAMAGE,
    "animalPresence": AlertKind.ROAD_BLOCKED,
    "obstruction": AlertKind.ROAD_BLOCKED,
    "vehicleObstruction": AlertKind.ROAD_BLOCKED,
    "abnormalTraffic": AlertKind.CONGESTION,
    "constructionWork": AlertKind.ROADWORKS,
    "roadMaintenance": AlertKind.ROADWORKS,
}
CLOSURES = frozenset({"roadClosed", "carriagewayClosures"})
"""Measures after which nobody gets through: a closed road is more than the works it is closed for."""
WGS84_NAMES = frozenset({"", "wgs84", "wgs 84", "epsg:4326", "urn:ogc:def:crs:epsg::4326", "epsg:4258"})
"""How a line names the datum that the standard prescribes anyway. EPSG:4258 (ETRS 89) is WGS 84 within a metre."""
