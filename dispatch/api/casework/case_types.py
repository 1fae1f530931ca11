"""The pages of what the casework refuses. See `dispatch.api.problems.refusal_types` for the statuses."""

from __future__ import annotations

CASES: dict[str, tuple[int, str, str, str]] = {
    "case.unknown": (
        404,
        "There is no such case",
        "No case was ever filed under this id.",
        "Check the id, or look at the card of its incident.",
    ),
    "case.not_yours": (
        403,
        "The decision is another's",
        "The supervision center, the department and the arbiter of a case each decide their own part.",
        "Ask the one that `detail` names, or add a note to the incident.",
    ),
    "case.already_filed": (
        409,
        "The case was filed before",
        "A case is filed once.",
        "Go on with the case that is there.",
    ),
    "case.already_open": (
        409,
        "The incident has an open case",
        "An incident has one case at a time; `case_id` is the one that is open.",
        "Go on with that one, or void it first.",
    ),
    "case.not_reopened": (
        409,
        "The incident's case was closed",
        "What was handled, checked and closed is not filed again while nothing has changed.",
        "Reopen the incident if the matter came back; then file.",
    ),
    "case.too_many": (
        409,
        "The incident has had too many cases",
        "Each was voided or closed; no real matter needs more.",
        "Report the matter anew.",
    ),
    "case.unknown_class": (
        422,
        "The rulebook has no such class of cases",
        "Classes, with their times and departments, are data of the active rulebook.",
        "Choose one of its classes.",
    ),
    "case.other_category": (
        409,
        "The class belongs to another category",
        "A category decides which agencies are told; `category` is the one this class belongs to.",
        "Classify the incident first, or choose a class of its category.",
    ),
    "case.unknown_department": (
        422,
        "There is no such department",
        "A department is an agency with a center of its own, or a center with its agency.",
        "Name an agency or a center of the city's configuration.",
    ),
    "case.ended": (
        409,
        "The case has ended",
        "It was closed or voided, as `phase` says.",
        "File another one if the incident needs it.",
    ),
    "case.in_arbitration": (
        409,
        "The case is with its arbiter",
        "Departments returned it as often as the rules allow; no dispatcher passes it on any more.",
        "Have the center in `arbiter_center_id` arbitrate it.",
    ),
    "case.not_in_arbitration": (
        409,
        "The case is not with its arbiter",
        "The arbiter is asked after too many returns, and not before.",
        "Assign it.",
    ),
    "case.binding": (
        409,
        "The arbiter assigned the case",
        "What was arbitrated is not returned, or it would bounce for ever.",
        "Handle it; ask for more time if that is needed.",
    ),
    "case.paused": (
        409,
        "The case is paused",
        "While its time stands still, nobody works on it.",
        "Have a supervisor resume it first.",
    ),
    "case.not_paused": (
        409,
        "The case is not paused",
        "Its time runs, or nobody has it.",
        "Look at the case again.",
    ),
    "case.may_not_pause": (
        409,
        "Cases of this class may not be paused",
        "The rulebook says so of the class in `class_code`.",
        "Let the department ask for more time.",
    ),
    "case.already_assigned": (
        409,
        "The case is not there to be assigned",
        "One department has it at a time, and keeps it until it returns it.",
        "Wait for its answer; press if that is needed.",
    ),
    "case.not_assigned": (
        409,
        "No department is at work on the case",
        "It is in the phase that `phase` says.",
        "Look at the case again.",
    ),
    "case.not_handled": (
        409,
        "The case is not handled yet",
        "There is nothing to check until its department says that it is done.",
        "Wait for the department.",
    ),
    "case.not_passed": (
        409,
        "The case did not pass its check yet",
        "A case is closed after a check that it passed.",
        "Check it first.",
    ),
    "case.already_passed": (
        409,
        "The case passed its check",
        "What was handled and checked was a case.",
        "Close it instead.",
    ),
    "case.extension_already_requested": (
        409,
        "An extension waits for an answer",
        "One request at a time.",
        "Wait until it is granted or refused.",
    ),
    "case.no_extension_requested": (
        409,
        "No extension waits for an answer",
        "It was answered, or never asked for.",
        "Look at the case again.",
    ),
    "case.extension_too_long": (
        409,
        "The class does not allow that much more time",
        "`extension_s_max` is the most in all, `extension_s_left` what is left of it.",
        "Ask for less.",
    ),
    "case.time_is_up": (
        409,
        "The time is up",
        "More time is asked for before it is used up.",
        "Handle it; that it is late stays on record.",
    ),
    "case.lamp_too_early": (
        409,
        "The lamp is not due yet",
        "It turns at `due_at`, and not before.",
        "Wait until then.",
    ),
    "incident.case_open": (
        409,
        "The incident has an open case",
        "An incident is not closed or dismissed while a case of it, or of one merged into it, is open.",
        "Close or void the case in `case_id` first.",
    ),
    "rulebook.holidays_unknown": (
        409,
        "The holidays of this year are not known",
        "These rules count working days, and the calendar in use ends before this year.",
        "Renew the package chinesecalendar, or set `casework.holidays` to none and publish that.",
    ),
}
