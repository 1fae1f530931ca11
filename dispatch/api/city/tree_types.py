"""The pages of what is refused about changes of the tree."""

from __future__ import annotations

TREE: dict[str, tuple[int, str, str, str]] = {
    "tree.unknown_change": (
        404,
        "There is no such change of the tree",
        "Nobody scheduled a change under this id.",
        "Look at /v1/tree/changes.",
    ),
    "tree.already_decided": (
        409,
        "The change was applied or refused",
        "What is so already is undone by another change, not by calling it off.",
        "Schedule a change that undoes it.",
    ),
    "tree.in_the_past": (
        422,
        "The instant has passed",
        "What happened since was routed by the borders of then, and stays so.",
        "Say a later `effective_at`, or `is_correction` if the record was wrong.",
    ),
    "tree.correction_ahead": (
        422,
        "A correction cannot be of what is to come",
        "Corrections say how it has been all along.",
        "Leave `is_correction` out.",
    ),
    "tree.not_one_each": (
        422,
        "A center is named twice, or with nothing that is to become of it",
        "A change says once of each center all that is to become of it.",
        "Put all of a center in one place: a ground, a parent, `closes` or `opens`.",
    ),
    "tree.too_large": (
        422,
        "The grounds have too many corners",
        "A change is one fact, and facts are read whole.",
        "Simplify the rings, or change the tree in steps.",
    ),
    "tree.overlap": (
        409,
        "Two centers of one kind would have the same ground",
        "Which of them owned what happens there would be a matter of their codes.",
        "Take the ground from one of them in the same change.",
    ),
    "tree.outside_parent": (
        409,
        "Ground would be outside the parent's",
        "What happens there would be escalated to somebody who has no business there.",
        "Change the parent's ground, or the parent, in the same change.",
    ),
    "tree.invalid_ground": (
        422,
        "The ground crosses or touches itself",
        "Of such a shape nobody can say what is inside.",
        "Draw rings that do not cross themselves or each other.",
    ),
    "tree.orphan": (
        409,
        "A center would stand below one that is not there",
        "Escalations from it would end nowhere.",
        "Move or close it in the same change.",
    ),
    "tree.circle": (
        409,
        "A center would stand below itself",
        "A tree has no circles.",
        "Choose another parent.",
    ),
    "tree.not_yet": (
        409,
        "The instant has not come",
        "A change is applied from its instant on.",
        "Wait, or call it off.",
    ),
    "center.closed": (
        409,
        "The center is closed",
        "Nothing becomes of a center that is no more.",
        "Name a center that is in being.",
    ),
    "center.root_stays": (
        409,
        "The city's center stays where it is",
        "It is the root of the tree.",
        "Move what is below it.",
    ),
}
