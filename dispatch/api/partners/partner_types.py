"""What partners hear when we say no to a command over NATS. The same codes and pages as everywhere else."""

from __future__ import annotations

PARTNER: dict[str, tuple[int, str, str, str]] = {
    "partner.invalid": (
        422,
        "The command is not of its shape",
        "The body is no JSON of this verb's shape, or a header that must be a UUID is none.",
        "Compare it with the AsyncAPI description. An unknown field is an error: it may be a misspelt one.",
    ),
    "partner.message_id_missing": (
        422,
        "The command has no id",
        "Without the header `ce-id` a repeat could not be told from a second command.",
        "Set `ce-id` to a UUID, and to the same one whenever you repeat this command.",
    ),
    "partner.unknown_verb": (
        422,
        "There is no such command",
        "The last token of the subject is not one of the commands.",
        "Use one of the commands that `detail` lists.",
    ),
    "partner.unknown": (
        404,
        "This is no partner agency",
        "The agency in the subject is not registered, or has no feed.",
        "Ask the city's administrator to register the agency with a feed.",
    ),
    "partner.command_loop": (
        409,
        "Two machines are answering each other",
        "`ce-causationid` names a message that your own command caused.",
        "Do not answer messages automatically whose `ce-causationid` is the id of a command of yours.",
    ),
    "partner.not_responsible": (
        409,
        "Another agency is responsible",
        "Only the responsible agency may resolve or close an incident.",
        "Report your units clear, or send a note; the responsible agency and the owning center see both.",
    ),
}
