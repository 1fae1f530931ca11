"""One word, one meaning. Every state is defined here, including what it is *not*.

Category and agency codes are data of the rulebook and the city. Text for people lives in `projections.texts`.
"""

from __future__ import annotations

from enum import IntEnum

from domain.word import Word


class ActorKind(Word):
    """Who caused a fact."""

    OPERATOR = "operator"
    GATEWAY = "gateway"
    PARTNER = "partner"
    REACTOR = "reactor"
    SYSTEM = "system"


class Severity(IntEnum):
    """How bad it is said to be (CAP 1.2 severity, ordered). Not the priority, which says what we answer first."""

    UNKNOWN = 0
    MINOR = 1
    MODERATE = 2
    SEVERE = 3
    EXTREME = 4


class AlertKind(Word):
    """What a machine says it saw. A vendor type without a mapping is `other`, with the vendor's word kept beside it."""

    MOTION = "motion"
    INTRUSION = "intrusion"
    LINE_CROSSING = "line_crossing"
    LOITERING = "loitering"
    CROWD = "crowd"
    PERSON = "person"
    VEHICLE = "vehicle"
    CONGESTION = "congestion"
    ACCIDENT = "accident"
    SIGNAL_FAILURE = "signal_failure"
    ROAD_BLOCKED = "road_blocked"
    """Something on a road that nobody, or not everybody, gets past; a queue alone is congestion."""
    ROADWORKS = "roadworks"
    SMOKE_FIRE = "smoke_fire"
    WATER_LEVEL = "water_level"
    WATERLOGGING = "waterlogging"
    LANDSLIDE = "landslide"
    ILLEGAL_STALL = "illegal_stall"
    LITTERING = "littering"
    FACILITY_DAMAGE = "facility_damage"
    IO_ALARM = "io_alarm"
    PANIC_BUTTON = "panic_button"
    VIDEO_LOSS = "video_loss"
    TAMPER = "tamper"
    PUBLIC_WARNING = "public_warning"
    OTHER = "other"


class CameraHealth(Word):
    """Whether a camera can see. `degraded`: it sees, and not well (dirt, a lamp that blinds it, a slow line)."""

    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"


class AlertPhase(Word):
    """Where in its own life the source says the detection is. Not the life of any incident."""

    SINGLE = "single"
    START = "start"
    UPDATE = "update"
    END = "end"


class MessageStatus(Word):
    """CAP 1.2 status. Only `actual` may ever dispatch anybody."""

    ACTUAL = "actual"
    EXERCISE = "exercise"
    SYSTEM = "system"
    TEST = "test"
    DRAFT = "draft"


class ClockQuality(Word):
    """What we may believe of a device's time."""

    ZONED = "zoned"
    """The message carried an offset."""
    ZONE_ASSUMED = "zone_assumed"
    """No offset: the city's zone was assumed."""
    IN_FUTURE = "in_future"
    """Ahead of receipt by more than the tolerance; kept as said, ordered by receipt."""
    LATE = "late"
    """More than a day older than its receipt; recorded, correlated by its own time."""
    MISSING = "missing"
    """The message said no time: the receipt stands in."""


class CenterKind(Word):
    """What kind of node owns work. A kind is not a level: branch command rooms are no districts."""

    CITY = "city"
    DISTRICT = "district"
    BRANCH = "branch"
    STATION = "station"
    FUNCTIONAL = "functional"
    HEADQUARTERS = "headquarters"


class AgencyRole(Word):
    """Why an agency is on an incident. Exactly one recipient is `responsible`: the dispatcher of record."""

    RESPONSIBLE = "responsible"
    SUPPORTING = "supporting"
    INFORMED = "informed"


class IncidentPhase(Word):
    """Life of an incident as decided by people. Unit progress is derived from assignments, never stored here.

    `merged` is not closed: the incident's facts stay, its head is another incident, and it can be un-merged.
    """

    OPEN = "open"
    VERIFIED = "verified"
    ACCEPTED = "accepted"
    RESOLVED = "resolved"
    CLOSED = "closed"
    DISMISSED = "dismissed"
    MERGED = "merged"


class ResponseStatus(Word):
    """How far units have come on an incident; derived from its assignments."""

    NONE = "none"
    ASSIGNED = "assigned"
    ACKNOWLEDGED = "acknowledged"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    CLEARED = "cleared"


class AssignmentPhase(Word):
    """Life of one unit on one incident. `cleared`, `declined` and `cancelled` are ends."""

    MADE = "made"
    ACKNOWLEDGED = "acknowledged"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    CLEARED = "cleared"
    DECLINED = "declined"
    CANCELLED = "cancelled"


class UnitStatus(Word):
    """What a screen shows of a unit: derived from duty and open assignments, never written by anybody."""

    OFF_DUTY = "off_duty"
    AVAILABLE = "available"
    ASSIGNED = "assigned"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"


class UnitKind(Word):
    """Vehicle or crew type."""

    PATROL_CAR = "patrol_car"
    FOOT_PATROL = "foot_patrol"
    MOTORCYCLE = "motorcycle"
    INSPECTION_CREW = "inspection_crew"
    PUMP_TRUCK = "pump_truck"
    RESCUE_BOAT = "rescue_boat"
    FIRE_ENGINE = "fire_engine"
    AMBULANCE = "ambulance"
    TOW_TRUCK = "tow_truck"
    REPAIR_CREW = "repair_crew"


class SiteClass(Word):
    """Location classes of camera sites (the city's own list)."""

    GOVERNMENT = "government"
    KEY_UNIT = "key_unit"
    MAIN_JUNCTION = "main_junction"
    STREET = "street"
    CRIME_HOT_SPOT = "crime_hot_spot"
    HOSPITAL = "hospital"
    SCHOOL = "school"
    SQUARE = "square"
    TRANSPORT_STATION = "transport_station"
    BACK_LANE = "back_lane"
    FLOOD_POINT = "flood_point"
    KEY_TARGET = "key_target"


class DismissReason(Word):
    """Why an incident needed no answer. A duplicate is merged, not dismissed."""

    FALSE_ALARM = "false_alarm"
    UNFOUNDED = "unfounded"
    GONE_ON_ARRIVAL = "gone_on_arrival"
    TEST = "test"


class Disposition(Word):
    """How an incident ended."""

    HANDLED = "handled"
    HANDED_OVER = "handed_over"
    SETTLED = "settled"
    NO_ACTION_NEEDED = "no_action_needed"
    UNABLE_TO_LOCATE = "unable_to_locate"


class ExternalCaseKind(Word):
    """What kind of case of another system an incident led to. Not the incident's category, which says what was seen."""

    CRIMINAL = "criminal"
    PUBLIC_ORDER = "public_order"
    DISPUTE = "dispute"
    TRAFFIC = "traffic"
    ADMINISTRATIVE = "administrative"
    CIVIL = "civil"


class PeopleOutcome(Word):
    """What became of people, counted apart from incidents and never by name."""

    CAUGHT = "caught"
    HELPED = "helped"
    FOUND = "found"
    RESCUED = "rescued"
    EVACUATED = "evacuated"
    SHELTERED = "sheltered"
    INJURED = "injured"
    DIED = "died"


class PointKind(Word):
    """What is found at a place during an operation. Not an incident: nobody need answer it, everybody must know it."""

    FLOODED = "flooded"
    BREACH = "breach"
    LANDSLIDE = "landslide"
    COLLAPSE = "collapse"
    ROAD_BLOCKED = "road_blocked"
    PEOPLE_TRAPPED = "people_trapped"
    DISASTER_AREA = "disaster_area"
    SHELTER = "shelter"
    SUPPLIES = "supplies"


class PointStatus(Word):
    """How it stands there. A shelter that is full is `watched`: it takes nobody more, and is not over."""

    ACTIVE = "active"
    WATCHED = "watched"
    OVER = "over"


class WatchSubject(Word):
    """For whom eyes are kept open: people who need help. Not suspects: this system identifies and tracks nobody."""

    CHILD = "child"
    ELDER = "elder"
    PERSON_IN_DANGER = "person_in_danger"


class WatchOutcome(Word):
    """How a watch ended before its time."""

    FOUND = "found"
    CALLED_OFF = "called_off"


class RoutingClass(Word):
    """GB/T 30428: a component goes to its owner first, an event to its locality first."""

    COMPONENT = "component"
    EVENT = "event"


class OwnerRule(Word):
    """Which center owns a new incident of a category."""

    STATION = "station"
    DISTRICT = "district"
    CITY = "city"
    AGENCY = "agency"


class Role(Word):
    """What a caller may do; with center and agency it decides every request (`dispatch.api.access.permissions`)."""

    DISPATCHER = "dispatcher"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    GATEWAY = "gateway"
    PARTNER = "partner"
    MAINTAINER = "maintainer"
    """Looks after sites and cameras: sees the directory, and says how a camera is."""


class CoordinateSystem(Word):
    """Datum of coordinates as they came. Inside, everything is WGS 84."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"


class OrderKind(Word):
    """What is commanded. `suspension` stops work, classes or gatherings; what none of these fits is `other`."""

    TRAFFIC_CONTROL = "traffic_control"
    BRIDGE_CLOSURE = "bridge_closure"
    ROAD_CLOSURE = "road_closure"
    EVACUATION = "evacuation"
    SHELTER_OPENING = "shelter_opening"
    SUSPENSION = "suspension"
    OTHER = "other"


class OrderPhase(Word):
    """An order's life as recorded. "In force" at an hour is no phase. `lifted`: before its time; `expired`: by it."""

    ISSUED = "issued"
    LIFTED = "lifted"
    EXPIRED = "expired"


class OrderAnswer(Word):
    """What an addressee said of one edition of an order. Not an agency's answer to an incident."""

    ACKNOWLEDGED = "acknowledged"
    DECLINED = "declined"


class CasePhase(Word):
    """Life of an urban-management case (CJJ/T 106). Not the incident's: closing a case resolves nothing by itself.

    `passed` is not closed: the check found it done, and the file waits to be closed. `returned` is back with the
    supervision center; `arbitration` waits for the arbiter, and no dispatcher may pass it on.
    """

    FILED = "filed"
    ASSIGNED = "assigned"
    RETURNED = "returned"
    ARBITRATION = "arbitration"
    PAUSED = "paused"
    HANDLED = "handled"
    PASSED = "passed"
    CLOSED = "closed"
    VOIDED = "voided"


class CaseStage(Word):
    """Whose time runs: the department's that handles, or the supervision center's that checks."""

    HANDLE = "handle"
    CHECK = "check"


class Lamp(Word):
    """How much of the time allowed is used: green, from 80 % amber, from 100 % red."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


class TimeCounting(Word):
    """Which seconds count of a time allowed."""

    AROUND_THE_CLOCK = "around_the_clock"
    WORKING_HOURS = "working_hours"


class CasePart(Word):
    """What a center has to do with a case: it filed and checks it, handles it, or is to say who does."""

    SUPERVISION = "supervision"
    DEPARTMENT = "department"
    ARBITER = "arbiter"


class ClaimsOnSigning(Word):
    """Who has what the giver had once a hand-over is signed: nobody until it is claimed, or the taker."""

    RELEASE = "release"
    TAKE = "take"
