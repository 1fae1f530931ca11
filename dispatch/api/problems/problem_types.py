"""Every way this API says no, said once: the problem's permanent code, status, meaning, and what to do next.

`python -m dispatch.api.problems.problem_types` writes one page a type to `docs/problems/`; a test compares
them. The running system serves the same pages under `/docs/problems/<code>`, which is what the `type` of a problem
points to. A refusal of the domain (`incident.already_closed`) is a type like any other: its code is its page's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dispatch.api.problems.refusal_types import REFUSALS

PAGES = "/docs/problems"
REFUSED_STATUS = 409
"""Status of a refusal whose code has no entry: a rule about the present state said no."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of failure. `code` is permanent; `remedy` tells a program's author what to do."""

    code: str
    status: int
    title: str
    meaning: str
    remedy: str

    @property
    def uri(self) -> str:
        """The problem's `type`: a page this server serves itself."""
        return f"{PAGES}/{self.code}"

    def page(self) -> str:
        """The page as Markdown."""
        return (
            f"# {self.title}\n\n| | |\n|---|---|\n| type | `{self.uri}` |\n| status | {self.status} |\n\n"
            f"{self.meaning}\n\n## What to do\n\n{self.remedy}\n"
        )


_EDGE: tuple[tuple[str, int, str, str, str], ...] = (
    (
        "bad_request",
        400,
        "The request could not be understood",
        "The request line, a header or the body's syntax is broken.",
        "Correct what `detail` and `errors` name, then send it again.",
    ),
    (
        "malformed_body",
        400,
        "The body is not what its content type says",
        "The bytes are not valid JSON (or XML) in the stated character set.",
        "Check the encoding and the syntax near the place that `detail` names.",
    ),
    (
        "bad_cursor",
        400,
        "The cursor is not one of ours",
        "`cursor` was altered, belongs to another list or filter, or is from another server.",
        "Start again without `cursor`, and follow the `Link` header with `rel=next` from there.",
    ),
    (
        "idempotency_key_missing",
        400,
        "This request needs an Idempotency-Key",
        "A POST that creates or dispatches must be safe to repeat, so that a lost answer never doubles its effect.",
        "Send `Idempotency-Key` with a fresh value (a UUID) and keep it for every repeat of the same request.",
    ),
    (
        "unauthenticated",
        401,
        "No valid credential",
        "The bearer token is missing, expired, signed by an unknown key, or names an audience or issuer not ours.",
        "Get a new token (`dispatch token`, or your identity provider) and send `Authorization: Bearer <token>`.",
    ),
    (
        "unknown_operator",
        401,
        "The token names nobody we know",
        "Operators are people in the log; the token's operator is not enrolled in this city.",
        "Enrol the operator first, or ask for a token that names an enrolled one.",
    ),
    (
        "forbidden",
        403,
        "Your role may not do this",
        "The credential is good, but the access matrix gives this operation to other roles.",
        "Ask somebody whose role is listed in `roles`, or use a token of such a role.",
    ),
    (
        "not_the_owner",
        403,
        "Another center owns this incident",
        "You may see the incident; deciding its life is its owner's, and that of the centers above it.",
        "Ask the owner for a transfer, or add a note.",
    ),
    (
        "not_found",
        404,
        "There is nothing here that you may see",
        (
            "The address names nothing, or something that belongs to a center or an agency other than yours. "
            "The two are answered alike on purpose."
        ),
        "Check the id; if you were told it by somebody of another center, ask them for a transfer.",
    ),
    (
        "method_not_allowed",
        405,
        "This address does not answer to that method",
        "The path exists, the method does not.",
        "Use one of the methods in the `Allow` header.",
    ),
    (
        "request_running",
        409,
        "The same request is still being worked on",
        "Another request with this Idempotency-Key has not been answered yet.",
        "Wait as long as `Retry-After` says, then repeat the same request: it will get the first one's answer.",
    ),
    (
        "key_reused",
        422,
        "This Idempotency-Key was used for another request",
        "The key is known with a different operation, target or body; nothing was done.",
        "Use a new key for a new request. Repeat an old one byte for byte.",
    ),
    (
        "stale_version",
        412,
        "Somebody was first",
        "The version in `If-Match` is no longer the current one; `events` lists what happened since.",
        "Look at `events`, read the card again, and decide with its new `ETag` if you still want to.",
    ),
    (
        "precondition_required",
        428,
        "A decision needs If-Match",
        "Decisions are made on a version that somebody has seen; without `If-Match` two people could decide blindly.",
        'Read the card, take its `ETag`, and send it as `If-Match: "<version>"`.',
    ),
    (
        "bad_precondition",
        400,
        "If-Match does not hold a version",
        "`If-Match` must hold one entity tag as this API gives it out.",
        'Send the `ETag` of the card unchanged, for instance `If-Match: "7"`.',
    ),
    (
        "body_too_slow",
        408,
        "The body did not arrive in time",
        "The head of the request came and its body did not follow; nothing of it was looked at.",
        "Send the request again, with the same Idempotency-Key; send a large batch in parts.",
    ),
    (
        "body_too_large",
        413,
        "The body is too large",
        "The body exceeds the limit; it was not read to its end.",
        "Send less at once: split a batch, or refer to media instead of sending them.",
    ),
    (
        "unsupported_media_type",
        415,
        "This content type is not understood here",
        "The operation reads other content types.",
        "Use a content type the API description lists for this operation.",
    ),
    (
        "invalid",
        422,
        "Some values are not acceptable",
        "The syntax is right, some values are not; each is listed in `errors` with a JSON pointer.",
        "Correct the values at the pointers, then send the request again.",
    ),
    (
        "too_many_requests",
        429,
        "You are calling too often",
        "Each caller has a rate; yours is used up for the moment. Nothing was done.",
        "Wait as long as `Retry-After` says; the `RateLimit` header tells what is left.",
    ),
    (
        "internal_error",
        500,
        "We made a mistake",
        "The server failed in a way nobody foresaw. A write may or may not have been recorded.",
        "Repeat the request with the same Idempotency-Key, and report the `trace_id`.",
    ),
    (
        "unavailable",
        503,
        "Something we depend on does not answer",
        "The database or another dependency is away. Nothing is lost; a write was not accepted.",
        "Repeat the same request after `Retry-After` seconds.",
    ),
    (
        "overloaded",
        503,
        "Too much at once",
        "The server keeps its strength for what is more urgent than this request. It was not started.",
        "Repeat the same request after `Retry-After` seconds.",
    ),
    (
        "projection_behind",
        503,
        "The view has not caught up with your position",
        "You asked for at least `min_position`; the projection that `lagging` names did not get there in time.",
        "Repeat the request, or read without `min_position` and accept an older view.",
    ),
    (
        "too_many_streams",
        503,
        "No room for another live stream",
        "The number of live streams one process serves is limited.",
        "Try again after `Retry-After` seconds, or close a stream that nobody watches.",
    ),
)

PROBLEM_TYPES: dict[str, ProblemType] = {
    entry[0]: ProblemType(*entry) for entry in (*_EDGE, *((code, *rest) for code, rest in REFUSALS.items()))
}

BY_STATUS: dict[int, str] = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_too_slow",
    409: "request_running",
    412: "stale_version",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "invalid",
    428: "precondition_required",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}
"""The type that stands for a status when the framework raised it, not we."""


def problem_type(code: str) -> ProblemType:
    """The type of a code; an unlisted refusal of the domain becomes a conflict that still carries its code."""
    found = PROBLEM_TYPES.get(code)
    if found is not None:
        return found
    words = code.replace(".", ": ").replace("_", " ")
    return ProblemType(
        code, REFUSED_STATUS, words[:1].upper() + words[1:], "A rule of the domain said no.", "Read `detail`."
    )


def write_pages(folder: Path) -> None:
    """Write one Markdown page a type, and an index."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in PROBLEM_TYPES.values():
        (folder / f"{kind.code}.md").write_text(kind.page(), encoding="utf-8")
    (folder / "README.md").write_text(index(), encoding="utf-8")


def index() -> str:
    """The list of all types, by status."""
    lines = [
        "# Problems",
        "",
        "Every 4xx and 5xx answer is `application/problem+json`; its `type` is one of these.",
        "",
    ]
    lines += ["| status | type | title |", "|---|---|---|"]
    lines += [
        f"| {kind.status} | [`{kind.code}`]({kind.code}.md) | {kind.title} |"
        for kind in sorted(PROBLEM_TYPES.values(), key=lambda kind: (kind.status, kind.code))
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_pages(Path("docs/problems"))
