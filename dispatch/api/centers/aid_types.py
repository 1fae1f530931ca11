"""The pages of what is refused about mutual aid."""

from __future__ import annotations

AID: dict[str, tuple[int, str, str, str]] = {
    "aid.unknown": (
        404,
        "There is no such request for aid",
        "Nobody asked for aid under this id.",
        "Look at /v1/centers/{center}/aid.",
    ),
    "aid.to_self": (
        422,
        "A center does not ask itself",
        "Its own units need no asking.",
        "Assign them, or ask another center.",
    ),
    "aid.no_time": (
        422,
        "The times of the request cannot be",
        "An answer is due after now and no later than the units are needed.",
        "Correct `answer_by` and `ends_at`.",
    ),
    "aid.over": (
        409,
        "The units are not needed any more",
        "The time until which the asker needed them is over.",
        "Have it asked anew.",
    ),
    "aid.too_many": (
        409,
        "Too many units for one request",
        "A request has a written limit of units.",
        "Have another request made.",
    ),
    "aid.unit_kept": (
        409,
        "The unit is kept for another request",
        "A unit is kept for one asker at a time, until somebody releases it.",
        "Commit another unit, or release this one where it is committed; `values` name it.",
    ),
    "aid.not_committed": (
        409,
        "The unit is not committed here",
        "Only what was committed can be released; perhaps it was released already.",
        "Read the request again.",
    ),
    "aid.not_possible": (
        409,
        "The request is not at that point",
        "To acknowledge, to accept and to commit are three steps; a declined or withdrawn request takes none of them.",
        "Read the request again; `phase` says where it is.",
    ),
}
