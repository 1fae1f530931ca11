"""The pages of what is refused about hand-overs of shifts."""

from __future__ import annotations

HANDOVERS: dict[str, tuple[int, str, str, str]] = {
    "handover.unknown": (
        404,
        "There is no such hand-over",
        "Nobody offered a hand-over under this id.",
        "Look at /v1/centers/{center}/handovers.",
    ),
    "handover.not_on_shift": (
        409,
        "You are not on shift at this center",
        "Only who is on duty hands over and takes over.",
        "Begin a shift with POST /v1/me/shift/start, then try again.",
    ),
    "handover.to_self": (
        422,
        "A shift is handed over to somebody else",
        "Giver and taker are one person.",
        "Name who comes on duty.",
    ),
    "handover.taker_elsewhere": (
        422,
        "The taker does not work at this center",
        "Whoever signs must be enrolled at the same center with a role that may decide there.",
        "Name a dispatcher or supervisor of the center.",
    ),
    "handover.too_many": (
        409,
        "More is open than one hand-over may list",
        "A list is never cut, because what is not on it would be nobody's.",
        "Close or transfer incidents, or end cases, then hand over.",
    ),
    "handover.item_unknown": (
        409,
        "A note is about something that is not open here",
        "It ended, was acknowledged or moved since you looked, or it is another center's.",
        "Read /v1/centers/{center}/open-items again, then write the notes.",
    ),
    "handover.not_the_taker": (
        403,
        "Somebody else is named to sign",
        "Nobody signs for another. A supervisor of the center may call a hand-over off, not sign it.",
        "Have it declined and offered to you.",
    ),
    "handover.already_signed": (
        409,
        "It was signed for",
        "What was signed for cannot be declined any more.",
        "Hand over anew.",
    ),
    "handover.already_declined": (
        409,
        "It was declined or called off",
        "What was declined cannot be signed for any more.",
        "Have it offered anew.",
    ),
}
