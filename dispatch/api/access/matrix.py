"""Who may do what, as one table: operation id → the roles that may, and the scope within which the role holds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from dispatch.ingest.adapters import ADAPTERS
from domain.vocabulary import Role


class Scope(StrEnum):
    """Within what the role holds."""

    CITY = "city"
    """City-wide, the same for every caller of the role: the directory, the rulebook."""
    CENTER = "center"
    """The caller's center and what lies below it."""
    INCIDENT = "incident"
    """Incidents that a center in the caller's subtree owns or has received, or the caller's agency has."""
    AGENCY = "agency"
    """The caller's own agency."""
    UNIT = "unit"
    """Units based in the caller's subtree, or of the caller's agency."""
    GATEWAY = "gateway"
    """What the caller's own cameras said."""
    CASE = "case"
    """Cases that the caller's center or one below it filed, that its department has, or that it arbitrates."""
    OWN = "own"
    """About the caller and what the caller started."""


D, S, U, A, G, P, M = (
    Role.DISPATCHER,
    Role.SUPERVISOR,
    Role.AUDITOR,
    Role.ADMINISTRATOR,
    Role.GATEWAY,
    Role.PARTNER,
    Role.MAINTAINER,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the matrix."""

    roles: frozenset[Role]
    scope: Scope


def _lines(scope: Scope, roles: Collection[Role], *operations: str) -> dict[str, Rule]:
    rule = Rule(frozenset(roles), scope)
    return dict.fromkeys(operations, rule)


EVERYONE = frozenset(Role)
PEOPLE = frozenset({D, S, U, A})
DECIDERS = frozenset({D, S})

MATRIX: dict[str, Rule] = {
    **_lines(Scope.OWN, EVERYONE, "me_get"),
    **_lines(Scope.OWN, {S, U, A}, "operations_get"),
    **_lines(Scope.OWN, DECIDERS, "shifts_start", "shifts_end"),
    # The city as it is: who is who and where.
    **_lines(Scope.CITY, {*PEOPLE, P}, "centers_list", "centers_get", "agencies_list"),
    **_lines(Scope.CITY, {*PEOPLE, M}, "cameras_list", "sites_list", "cameras_get", "cameras_history", "gateways_list"),
    **_lines(Scope.CENTER, {D, S, M}, "cameras_report_condition"),
    **_lines(Scope.GATEWAY, {G}, "cameras_report_states"),
    **_lines(Scope.CITY, {A}, "gateways_promise", "gateways_withdraw_promise"),
    **_lines(Scope.CITY, PEOPLE, "coverage_route", "coverage_growth"),
    **_lines(Scope.CENTER, PEOPLE, "coverage_area"),
    **_lines(Scope.CENTER, {S}, "cameras_attach", "cameras_detach"),
    **_lines(Scope.CITY, PEOPLE, "rulebook_get", "rulebook_versions", "rulebook_version_get"),
    **_lines(Scope.CITY, {A}, "rulebook_publish", "rulebook_activate", "rulebook_schedule", "rulebook_unschedule"),
    # Boards, queues and the live streams.
    **_lines(Scope.CENTER, PEOPLE, "centers_board", "centers_inbox", "centers_stream"),
    **_lines(Scope.AGENCY, {P, D, S, U, A}, "agencies_queue"),
    # A partner hears of changes through its feed on NATS; these rows hold what no feed tells.
    **_lines(Scope.AGENCY, PEOPLE, "agencies_stream"),
    **_lines(
        Scope.CENTER,
        {S, U, A},
        "statistics_response_times",
        "statistics_counters",
        "statistics_cameras",
        "statistics_outages",
        "statistics_service_times",
    ),
    # Incidents: reading.
    **_lines(Scope.INCIDENT, {*PEOPLE, P}, "incidents_get"),
    **_lines(Scope.INCIDENT, PEOPLE, "incidents_timeline", "incidents_list", "search", "incidents_cameras"),
    # Incidents: deciding.
    **_lines(
        Scope.INCIDENT,
        DECIDERS,
        "incidents_verify",
        "incidents_dismiss",
        "incidents_classify",
        "incidents_relocate",
        "incidents_accept",
        "incidents_claim",
        "incidents_release_claim",
        "incidents_offer_transfer",
        "incidents_accept_transfer",
        "incidents_decline_transfer",
        "incidents_resolve",
        "incidents_close",
        "incidents_add_note",
        "incidents_strike_note",
        "incidents_attach_evidence",
        "incidents_assign",
        "incidents_assign_plan",
        "incidents_raise_alarm",
        "incidents_lower_alarm",
    ),
    # What came of them: whoever sees an incident may say it, as with notes.
    **_lines(Scope.INCIDENT, PEOPLE, "outcomes_list", "external_cases_incidents", "checklists_get"),
    **_lines(
        Scope.INCIDENT,
        DECIDERS,
        "outcomes_link_external_case",
        "outcomes_unlink_external_case",
        "outcomes_count_people",
        "outcomes_strike_count",
        "outcomes_join_campaign",
        "outcomes_leave_campaign",
        "checklists_tick",
        "checklists_untick",
    ),
    # Operations: a restricted one is nobody's who is not of it.
    **_lines(
        Scope.CENTER,
        PEOPLE,
        "city_operations_list",
        "city_operations_get",
        "city_operations_coverage",
        "city_operations_points",
        "city_operations_incidents",
    ),
    **_lines(
        Scope.CENTER,
        {S},
        "city_operations_plan",
        "city_operations_add_member",
        "city_operations_remove_member",
        "city_operations_set_checkpoint",
        "city_operations_assign_camera",
        "city_operations_release_camera",
        "city_operations_start",
        "city_operations_end",
        "city_operations_attach_incident",
        "city_operations_detach_incident",
        "city_operations_set_labels",
    ),
    **_lines(
        Scope.CENTER,
        DECIDERS,
        "city_operations_pass_checkpoint",
        "city_operations_report_point",
        "city_operations_report_situation",
    ),
    # Watches: whoever is asked reads whom they are about, for a purpose that is recorded.
    **_lines(Scope.CENTER, PEOPLE, "watches_list", "watches_get"),
    **_lines(
        Scope.CENTER,
        DECIDERS,
        "watches_open",
        "watches_acknowledge",
        "watches_read",
        "watches_report_sighting",
        "watches_extend",
        "watches_end",
    ),
    # Recordings: who asks and who provides are of different centers; neither sees the other's other requests.
    **_lines(Scope.CENTER, PEOPLE, "evidence_list", "evidence_get"),
    **_lines(
        Scope.CENTER,
        DECIDERS,
        "evidence_request",
        "evidence_provide",
        "evidence_decline",
        "evidence_hand_over",
        "evidence_read",
    ),
    **_lines(Scope.CITY, PEOPLE, "campaigns_list", "campaigns_get"),
    **_lines(Scope.CITY, {S}, "campaigns_open", "campaigns_prolong"),
    **_lines(Scope.INCIDENT, {S}, "incidents_reopen", "incidents_merge", "incidents_unmerge"),
    **_lines(Scope.AGENCY, {P, D, S}, "agencies_accept", "agencies_decline"),
    # Units and their progress; a partner speaks for its own units.
    **_lines(
        Scope.UNIT,
        {D, S, P},
        "assignments_acknowledge",
        "assignments_decline",
        "assignments_en_route",
        "assignments_on_scene",
        "assignments_clear",
        "units_set_position",
        "units_on_duty",
        "units_off_duty",
    ),
    **_lines(Scope.UNIT, DECIDERS, "assignments_cancel", "assignments_take", "units_order_stack"),
    # Off the more urgent incident only by a supervisor's word: the route checks it.
    **_lines(Scope.UNIT, DECIDERS, "assignments_divert"),
    **_lines(Scope.UNIT, {S}, "units_reserve", "units_release_reservation", "units_recall"),
    # Who moves up is said by the center that lacks units, or one above it, even if the unit is another center's.
    **_lines(Scope.CENTER, PEOPLE, "cover_list"),
    **_lines(Scope.CENTER, {S}, "cover_accept", "cover_decline"),
    **_lines(Scope.UNIT, {*PEOPLE, P}, "units_list", "units_get"),
    # Casework; which of the three parties a decision is for, the route checks.
    **_lines(Scope.CASE, PEOPLE, "cases_list", "cases_get"),
    **_lines(
        Scope.CASE,
        DECIDERS,
        "cases_file",
        "cases_assign",
        "cases_return",
        "cases_arbitrate",
        "cases_handle",
        "cases_check",
        "cases_close",
        "cases_request_extension",
    ),
    **_lines(
        Scope.CASE,
        {S},
        "cases_pause",
        "cases_resume",
        "cases_grant_extension",
        "cases_refuse_extension",
        "cases_void",
        "cases_supervise",
    ),
    **_lines(Scope.CENTER, {S, U, A}, "statistics_cases"),
    # Hand-overs of a shift, mutual aid; which person or which of two centers a step is for, the route checks.
    **_lines(Scope.CENTER, PEOPLE, "centers_open_items", "handovers_list", "handovers_get", "aid_list", "aid_get"),
    **_lines(Scope.CENTER, PEOPLE, "handovers_history", "aid_history"),
    **_lines(Scope.CENTER, {S}, "operators_end_shift"),
    **_lines(Scope.CENTER, DECIDERS, "handovers_offer", "handovers_sign", "handovers_decline", "aid_ask"),
    **_lines(Scope.CENTER, DECIDERS, "aid_acknowledge", "aid_accept", "aid_decline", "aid_commit"),
    **_lines(Scope.CENTER, DECIDERS, "aid_release", "aid_withdraw"),
    # The tree; that the city draws it, the route checks.
    **_lines(Scope.CITY, PEOPLE, "tree_get", "tree_changes"),
    **_lines(Scope.CITY, {S, A}, "tree_plan", "tree_change", "tree_call_off"),
    **_lines(Scope.CENTER, PEOPLE, "centers_misplaced"),
    **_lines(Scope.CENTER, {S}, "centers_transfer_misplaced"),
    # Temporary headquarters; who acts for one, and that the city forms it, the route checks.
    **_lines(Scope.CITY, PEOPLE, "headquarters_list", "headquarters_get"),
    **_lines(Scope.CENTER, PEOPLE, "headquarters_history"),
    **_lines(Scope.CITY, {S}, "headquarters_open", "headquarters_change", "headquarters_extend"),
    **_lines(Scope.CENTER, {S}, "headquarters_stand_down"),
    **_lines(Scope.CENTER, DECIDERS, "headquarters_take", "headquarters_give_back"),
    # Reports; opening personal fields needs a purpose and is itself recorded.
    **_lines(Scope.CENTER, DECIDERS, "reports_file"),
    **_lines(Scope.CENTER, PEOPLE, "reports_get"),
    **_lines(Scope.CENTER, {S, U}, "reports_read_personal_fields"),
    # Open311: a citizens' front end is a partner; it sees what it filed, people see what their center sees.
    **_lines(Scope.CITY, {*PEOPLE, P}, "open311_discovery", "open311_services", "open311_service"),
    **_lines(Scope.CENTER, {D, S, P}, "open311_file"),
    **_lines(Scope.CENTER, {*PEOPLE, P}, "open311_requests", "open311_request", "open311_token"),
    # Orders: commanded by supervisors, answered by whoever is on duty; a partner answers over NATS.
    **_lines(Scope.CENTER, {S}, "orders_issue", "orders_amend", "orders_extend", "orders_lift"),
    **_lines(Scope.CENTER, DECIDERS, "orders_acknowledge", "orders_decline"),
    **_lines(Scope.CENTER, {*PEOPLE, P}, "orders_get"),
    **_lines(Scope.CENTER, PEOPLE, "orders_list", "orders_stream", "orders_history", "orders_cap"),
    # Public warnings are public.
    **_lines(Scope.CITY, PEOPLE, "warnings_list", "warnings_get"),
    # Machines.
    **_lines(
        Scope.GATEWAY,
        {G, A},
        "alerts_ingest",
        "alerts_ingest_batch",
        *(f"alerts_ingest_{name}" for name in ADAPTERS if name != "native"),
    ),
    **_lines(Scope.INCIDENT, PEOPLE, "alerts_get"),
    **_lines(Scope.CITY, {A, U}, "quarantine_list", "quarantine_get"),
    **_lines(Scope.CITY, {A}, "quarantine_redrive", "quarantine_redrive_all"),
    # The record.
    **_lines(Scope.CITY, {U, A}, "audit_board", "audit_incident", "audit_decision", "audit_events", "audit_verify"),
    **_lines(Scope.CITY, {U, A}, "audit_orders", "audit_warnings"),
}
"""Operation id → who. The tests walk every route of the application against it."""
