"""The pages of what is refused about units that are diverted, stacked, reserved or standing by."""

from __future__ import annotations

ARRANGEMENTS: dict[str, tuple[int, str, str, str]] = {
    "unit.needed_more": (
        409,
        "The unit is on the more urgent incident",
        "A unit is not taken off for a less urgent incident; `priority` and `other_priority` say which is which.",
        "Choose another unit, or have a supervisor divert it with `override`.",
    ),
    "unit.reserved": (
        409,
        "The unit is reserved",
        "It is kept for `purpose` until `ends_at`.",
        "Choose another unit, release the reservation, or say in `override` why it is sent all the same.",
    ),
    "unit.not_free": (
        409,
        "The unit is not free to stand by",
        "It is off duty, on an incident, or kept for something.",
        "Choose another unit.",
    ),
    "unit.posted_already": (
        409,
        "The unit stands by elsewhere",
        "A unit stands by for one center at a time.",
        "Recall it first.",
    ),
    "assignment.waits": (
        409,
        "The assignment waits for the unit",
        "Only what a unit is on is diverted; this one is in its stack.",
        "Assign the unit, or cancel this assignment.",
    ),
    "cover.no_such_suggestion": (
        404,
        "There is no such suggestion",
        "Nobody is asked to move up under this id.",
        "Read the cover of the center again.",
    ),
    "cover.already_answered": (
        409,
        "The suggestion was answered",
        "It was accepted, declined or withdrawn; `answer` says which.",
        "Read the cover of the center again.",
    ),
    "stack.full": (
        409,
        "Enough waits for this unit",
        "The rulebook limits how many assignments may wait for one unit; `limit` says how many.",
        "Choose another unit.",
    ),
    "stack.too_urgent": (
        409,
        "The incident is too urgent to wait",
        "By the rulebook an incident of this priority never waits for a unit that is elsewhere.",
        "Choose another unit, or divert this one.",
    ),
    "stack.changed": (
        409,
        "Something else waits for the unit",
        "An order names each assignment that waits, once; `waiting` says how many there are.",
        "Read the unit again.",
    ),
    "reservation.unknown": (
        404,
        "There is no such reservation",
        "This unit has no reservation under the id, or it ended long ago.",
        "Look at the unit's `reservations`.",
    ),
    "reservation.no_period": (
        422,
        "The times of the reservation cannot be",
        "It ends after it begins, and in the future.",
        "Correct `begins_at` and `ends_at`.",
    ),
    "reservation.overlaps": (
        409,
        "The unit is reserved for that time",
        "Two reservations of a unit do not overlap; `purpose` says what the other one is for.",
        "Choose another time or unit, or release the other reservation.",
    ),
    "reservation.too_many": (
        409,
        "Too many reservations",
        "A unit has a written limit of open reservations.",
        "Release one.",
    ),
}
