"""The pages of what is refused about the slow-moving city, its rules and its record."""

from __future__ import annotations

CITY: dict[str, tuple[int, str, str, str]] = {
    "audit.position_ahead": (
        422,
        "The log does not reach that far yet",
        "A moment can be replayed once it is recorded; the position asked for lies ahead of the log.",
        "Ask for the position that `detail` names, or less.",
    ),
    "center.code_is_permanent": (
        409,
        "A center's code never changes",
        "The center was established under another code; ids and subjects are made from it.",
        "Establish a new center and close the old one.",
    ),
    "center.path_must_end_in_itself": (
        422,
        "The path of a center ends in itself",
        "A path lists the centers from the root down to this one.",
        "Write the root first and the center itself last.",
    ),
    "center.path_must_pass_parent": (
        422,
        "The path of a center passes its parent",
        "The last but one of the path is the parent.",
        "Take the parent's path and add the center.",
    ),
    "center.parent_missing": (
        422,
        "Only the city's center has no parent",
        "Every other center belongs somewhere, or escalation would end nowhere.",
        "Name the parent.",
    ),
    "center.has_open_work": (
        409,
        "The center still has open work",
        "A closed center owns nothing: its incidents, cases, orders, shifts and units are somebody else's first.",
        "Transfer or hand over what `detail` counts, then close it.",
    ),
    "rulebook.not_ahead": (
        422,
        "The instant is not ahead",
        "A version is scheduled for later; what is to hold now is activated.",
        "Choose a later `effective_at`, or activate it.",
    ),
    "camera.is_social": (
        409,
        "The code belongs to an attached social camera",
        "An own camera cannot take over the code of an attached one.",
        "Detach that camera and use a new code.",
    ),
    "camera.unknown": (
        404,
        "No such camera is in use",
        "It was never attached, or it was detached or ran out.",
        "Check its code, or attach it first.",
    ),
    "camera.is_own": (
        409,
        "This is one of the city's own cameras",
        "Only social cameras are attached and detached, with a reason and an approver.",
        "Choose a social camera.",
    ),
    "operator.login_is_permanent": (
        409,
        "A login never changes",
        "The operator is enrolled under another login; the timeline shows logins for ever.",
        "Enrol the person anew under the new login.",
    ),
    "operator.shift_not_handed_over": (
        409,
        "The shift is not handed over",
        "Something is open at the center, and its rules ask for a hand-over that somebody has signed.",
        "Offer a hand-over, have it signed, then end the shift; or a supervisor ends it with `without_handover`.",
    ),
    "operator.already_on_shift": (
        409,
        "The operator is on shift at another center",
        "One person sits at one place at a time.",
        "End the shift there first.",
    ),
    "rulebook.version_taken": (
        409,
        "That version was published with other rules",
        "A published version never changes: decisions name it as their reason.",
        "Publish these rules under the next version, which `values` names.",
    ),
    "rulebook.version_skipped": (
        409,
        "Versions of the rules follow one another",
        "There is no gap between versions, so that nobody wonders what the missing one said.",
        "Publish under the next version, which `values` names.",
    ),
    "rulebook.foreign_city": (
        422,
        "These are the rules of another city",
        "A rulebook belongs to one city.",
        "Check `city` in the rules.",
    ),
    "rulebook.not_published": (
        409,
        "That version is not published",
        "Only a published version can be put in force.",
        "Publish it first.",
    ),
}
