"""The pages of what is refused about temporary headquarters."""

from __future__ import annotations

HEADQUARTERS: dict[str, tuple[int, str, str, str]] = {
    "headquarters.unknown": (
        404,
        "There is no such headquarters",
        "Nobody opened a headquarters under this code.",
        "Look at /v1/headquarters.",
    ),
    "headquarters.code_taken": (
        409,
        "The code is taken",
        "Another center or headquarters has or had this code, and what it did is filed under it.",
        "Choose another code.",
    ),
    "headquarters.over": (
        409,
        "The headquarters has stood down",
        "It ended by somebody's word or because its time was over; what it had went to the owners it names.",
        "Open another one.",
    ),
    "headquarters.no_time": (
        422,
        "A headquarters cannot last until then",
        "It ends after now and within thirty days; it is prolonged again and again, each time by somebody's word.",
        "Choose a nearer `ends_at`.",
    ),
    "headquarters.not_longer": (
        409,
        "The headquarters lasts longer already",
        "Prolonging it only ever makes it last longer.",
        "Name a later end; to end it sooner, stand it down.",
    ),
    "headquarters.not_commanded": (
        409,
        "The incident is of a center that it does not command",
        "A headquarters takes over only what lies below it.",
        "Have the scope changed, or ask the owner for a transfer.",
    ),
    "headquarters.not_held": (
        409,
        "The headquarters does not have this incident",
        "It never took it, gave it back, or transferred it since.",
        "Read the headquarters again: `held` lists what it has.",
    ),
    "headquarters.too_many": (
        409,
        "The headquarters has too many incidents",
        "What it has goes back in one decision when it ends, and that has a limit.",
        "Give some back, or leave them with their owners and direct them.",
    ),
    "headquarters.to_itself": (
        422,
        "A headquarters cannot be its own successor",
        "It is about to end; its incidents need an owner that stays.",
        "Name a center of the tree.",
    ),
    "headquarters.has_open_work": (
        409,
        "The headquarters still has open work",
        "Cases, requests for aid and people on shift there do not move by themselves.",
        "End, withdraw or hand over what `detail` counts, then stand it down.",
    ),
    "headquarters.takes_over": (
        409,
        "A headquarters is not offered incidents",
        "It takes over what it wants to have, on the record, so that all of it goes back when it ends.",
        "Ask its commander to take the incident over.",
    ),
}
