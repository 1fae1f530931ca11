"""The pages of what deciders refuse: incidents, reports, units and the slow-moving city.

409: a rule about the present state said no; look again and decide again. 422: the request can never be right.
404: it is not there. A test reads every refusal code out of the source and finds it here.
"""

from __future__ import annotations

INCIDENTS: dict[str, tuple[int, str, str, str]] = {
    "incident.unknown": (
        404,
        "There is no such incident",
        "No incident was ever opened under this id.",
        "Check the id, or search by the number that people say.",
    ),
    "incident.already_opened": (
        409,
        "The incident was opened before",
        "An incident is opened once; `number` is the one it has.",
        "Go on with the incident that is there.",
    ),
    "incident.unknown_category": (
        422,
        "The rulebook has no such category",
        "Categories are data of the active rulebook; routing and deadlines depend on them.",
        "Choose a category that the rulebook has.",
    ),
    "incident.no_such_alarm_level": (
        422,
        "The plan has no such alarm level",
        "How many alarm levels there are is said by the response plan for the category and severity; without one, one.",
        "Raise the alarm to one of the plan's levels; `highest` is the last.",
    ),
    "incident.alarm_other_way": (
        409,
        "The alarm level lies on the other side",
        "An alarm is raised by raising it and lowered by lowering it, so that nobody lowers what another has raised.",
        "Read the alarm level again; lower it on purpose if less is needed.",
    ),
    "incident.already_closed": (
        409,
        "The incident is closed",
        "Its file is closed; notes and evidence are still welcome, decisions are not.",
        "Reopen it first, if it came back or was closed in error.",
    ),
    "incident.already_dismissed": (
        409,
        "The incident was dismissed",
        "Somebody said that it needs no answer.",
        "Reopen it first, if that was wrong.",
    ),
    "incident.already_resolved": (
        409,
        "The incident is resolved",
        "What had to be done is done; only classification, place, notes and closing are left.",
        "Reopen it to go on working on it.",
    ),
    "incident.not_accepted": (
        409,
        "The incident was not accepted yet",
        "Its owner has not said that it is theirs, so nobody can have resolved it.",
        "Accept it in the owner's name first.",
    ),
    "incident.not_resolved": (
        409,
        "The incident is not resolved yet",
        "A file is closed after the matter was resolved.",
        "Resolve it first, with its disposition.",
    ),
    "incident.units_committed": (
        409,
        "Units are still on the incident",
        "An incident ends when nobody is on it or on one merged into it; `call_signs` names the units that are.",
        "Have each crew clear, or cancel its assignment and say why; then decide again.",
    ),
    "incident.not_ended": (
        409,
        "The incident has not ended",
        "Only what was resolved, closed or dismissed can be reopened.",
        "Go on working on it as it is.",
    ),
    "incident.not_owner": (
        409,
        "The incident belongs to another center",
        "Only its owner accepts or offers it; `owner_center_id` says who that is.",
        "Ask that center, or have the incident transferred.",
    ),
    "incident.claimed_by_another": (
        409,
        "Another operator has claimed it",
        "Only who holds a claim gives it up; `claimed_by` says who that is.",
        "Claim it yourself: a claim is no lock, and taking it over is recorded.",
    ),
    "incident.already_offered": (
        409,
        "The incident is on offer already",
        "One offer at a time; `to_center_id` has not answered yet.",
        "Wait for the answer or until `expires_at`.",
    ),
    "incident.transfer_to_self": (
        422,
        "An incident cannot be offered to its owner",
        "The center it is offered to owns it already.",
        "Offer it to another center.",
    ),
    "incident.transfer_expires_too_early": (
        422,
        "The offer would end before it began",
        "`expires_at` is not after the moment of the offer.",
        "Give the other center time to answer.",
    ),
    "incident.no_such_offer": (
        409,
        "That offer is not open",
        "It was answered, it timed out, or it was never made.",
        "Look at the incident again.",
    ),
    "incident.offer_to_another": (
        409,
        "The offer is addressed to another center",
        "Only the center in `to_center_id` answers it.",
        "Leave the answer to that center.",
    ),
    "incident.transfer_not_expired": (
        409,
        "The offer still runs",
        "It times out at `expires_at`, and not before.",
        "Wait until then.",
    ),
    "incident.deadline_not_missed": (
        409,
        "The deadline is not over yet",
        "An escalation tells of a missed deadline; this one is at `due_at`.",
        "Wait until then.",
    ),
    "incident.agency_not_involved": (
        409,
        "The agency was never told of this incident",
        "Only an agency that a routing named accepts or declines its part.",
        "Check the incident's id; it may have been merged into another that the agency knows.",
    ),
    "incident.not_actual": (
        409,
        "The incident is not actual",
        "An exercise, a test or a draft never sends anybody and asks nobody to act.",
        "Practise with notes and classification, or report the real incident as one of its own.",
    ),
    "incident.owner_not_cleared": (
        409,
        "The owner has no part in the operation",
        "An incident is restricted under an owner that knows of it, or nobody could act; `owner_center_id` owns it.",
        "Let that center take part in the operation, or have the incident transferred first.",
    ),
    "incident.not_cleared": (
        409,
        "The other center has no part in the operation",
        "The incident belongs to a restricted operation and stays with the centers of that operation.",
        "Let the center take part first, or offer the incident to one that does.",
    ),
    "incident.already_restricted": (
        409,
        "The incident belongs to a restricted operation already",
        "An incident belongs to one operation at most.",
        "Have it taken off that operation first.",
    ),
    "incident.merge_across_restriction": (
        409,
        "The two incidents are not known to the same people",
        "One belongs to a restricted operation and the other does not: each would tell of the other.",
        "Attach both to the operation, or take both off it; then merge them.",
    ),
    "incident.merged": (
        409,
        "The incident is merged into another",
        "Decisions are made on its head, which `into_incident_id` names.",
        "Decide there, or undo the merge first.",
    ),
    "incident.merge_into_itself": (
        422,
        "An incident cannot be merged into itself",
        "Both ids are the same.",
        "Name the other incident.",
    ),
    "incident.merge_cycle": (
        409,
        "The merge would close a ring",
        "The other incident is already merged, directly or over others, into this one.",
        "Undo that merge first.",
    ),
    "incident.merge_hides_severity": (
        409,
        "The merge would hide a worse severity",
        "The incident is worse than the one it would disappear into.",
        "Merge the other way round, or classify the head first.",
    ),
    "incident.merge_hides_actual": (
        409,
        "The merge would hide a real incident",
        "The other one is an exercise, a test or a draft.",
        "Merge it into an actual incident.",
    ),
    "incident.not_merged": (
        409,
        "The incident is not part of that merge",
        "There is no merge to undo, or it was undone and another one made.",
        "Look at the incident again.",
    ),
    "incident.not_absorbed": (
        409,
        "The other incident is not part of that merge",
        "The head has let go of it already.",
        "Look at both incidents again.",
    ),
    "note.unknown": (
        404,
        "There is no such note",
        "This incident has no note with that id.",
        "Check the note's id on the incident's card.",
    ),
    "note.already_struck": (
        409,
        "The note was struck before",
        "A note is struck once, and stays readable.",
        "Nothing is left to do.",
    ),
}
REPORTS: dict[str, tuple[int, str, str, str]] = {
    "report.unknown": (
        404,
        "There is no such report",
        "No report was filed under this id.",
        "Check the id on the incident's card.",
    ),
    "report.already_filed": (
        409,
        "The report was filed before",
        "The same request was carried out already.",
        "Send an `Idempotency-Key` with every report; its repeat then gets the first answer.",
    ),
    "report.already_linked": (
        409,
        "The report is about another incident",
        "A report is about one incident; `incident_id` names it.",
        "Merge the two incidents instead.",
    ),
    "report.no_place": (
        422,
        "The report does not say where",
        "There is no point, no address or landmark, and no camera.",
        "Give one of them: somebody must find it.",
    ),
    "report.unknown_category": (
        422,
        "The rulebook has no such category",
        "Categories are data of the active rulebook.",
        "Choose a category that the rulebook has.",
    ),
    "report.no_purpose": (
        422,
        "Personal fields are not read without a purpose",
        "Every reading is recorded with what it is for.",
        "Say in `purpose` what the fields are needed for.",
    ),
    "report.no_such_field": (
        422,
        "The report has no such personal field",
        "`fields` names those that are not there.",
        "Ask for fields that the report has.",
    ),
}
UNITS: dict[str, tuple[int, str, str, str]] = {
    "unit.of_others": (
        409,
        "The unit is another office's to send",
        "A recommendation looks at the whole city; a unit is sent by the centers above its base and by its agency.",
        "Ask the other office to send it, or ask its center for mutual aid.",
    ),
    "assignment.not_asked_for": (
        409,
        "The plan does not lack such a unit",
        "What it asks for is there, or the unit is of another agency or kind, or has not all the skills.",
        "Assign the unit by itself if it is needed all the same.",
    ),
    "assignment.nobody_can_go": (
        409,
        "None of the units can be sent by the plan",
        "Each was refused for a reason of its own: busy, off duty, or nothing that the plan asks for is missing.",
        "Read the card again for a newer recommendation, or assign other units.",
    ),
    "assignment.nothing_recommended": (
        409,
        "No units are recommended",
        "The incident's latest recommendation names none: nothing is missing, or nobody is free.",
        "Name the units, or look at the recommendation's shortfalls.",
    ),
    "unit.unknown": (
        404,
        "There is no such unit",
        "No unit is registered under this id.",
        "Check the id in the roster.",
    ),
    "unit.already_registered": (
        409,
        "The call sign is taken",
        "A unit with other particulars has this call sign.",
        "Give the new unit another call sign.",
    ),
    "unit.off_duty": (
        409,
        "The unit is off duty",
        "Only units on duty are sent.",
        "Choose another unit.",
    ),
    "unit.already_assigned": (
        409,
        "The unit is taken",
        "It is on the incident in `incident_number`; of two dispatchers one was second.",
        "Choose another unit, or send `stacked` to put this behind that on purpose.",
    ),
    "unit.already_on_incident": (
        409,
        "The unit is on this incident already",
        "One unit is on one incident once.",
        "Nothing is left to do; `assignment_id` is the one it has.",
    ),
    "unit.busy_elsewhere": (
        409,
        "The unit moves for another assignment",
        "Of stacked assignments a unit drives to one at a time; `incident_number` has it now.",
        "Clear that one first.",
    ),
    "unit.has_open_assignments": (
        409,
        "The unit still has work",
        "Nobody goes off duty with an open assignment; `incident_number` is the first.",
        "Clear or cancel it first.",
    ),
    "assignment.unknown": (
        404,
        "There is no such assignment",
        "This unit was never given an assignment with that id.",
        "Check the ids of unit and assignment.",
    ),
    "assignment.ended": (
        409,
        "The assignment is over",
        "It was cleared, declined or cancelled; `phase` says which.",
        "Assign the unit again if it is needed again.",
    ),
    "assignment.already_moving": (
        409,
        "The unit is on its way or there",
        "An assignment is declined before the unit moves.",
        "Clear it, or have it cancelled.",
    ),
    "assignment.never_back": (
        409,
        "An assignment never steps back",
        "The unit is on scene already.",
        "Clear this assignment and make a new one if the unit leaves again.",
    ),
}
CITY: dict[str, tuple[int, str, str, str]] = {
    "center.unknown": (
        404,
        "There is no such center",
        "No center in being has this id.",
        "Check the id in the list of centers.",
    ),
    "camera.unknown": (
        404,
        "There is no such camera",
        "No camera in being has this id or code.",
        "Check the id in the camera directory.",
    ),
    "operator.unknown": (
        404,
        "There is no such operator",
        "Nobody is enrolled under this id.",
        "Check the id, or enrol the operator.",
    ),
}
DECISIONS: dict[str, tuple[int, str, str, str]] = {**INCIDENTS, **REPORTS, **UNITS, **CITY}
