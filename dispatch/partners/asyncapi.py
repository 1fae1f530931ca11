"""Writes `docs/asyncapi.yaml`: everything a partner or a gateway may send or receive, from the contracts themselves.

`python -m dispatch.partners.asyncapi` writes the file; a test compares it, and another compares it with what is really
on the wire.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from dispatch.partners.contracts import CONTRACTS, FEED_FIELDS, MESSAGE_BYTES_MAX, Message, subject_token
from dispatch.partners.verbs import VERBS, ProblemReply, Recorded, Verb

PATH = Path("docs") / "asyncapi.yaml"
REFERENCE = "#/components/schemas/{model}"

FEED_HEADERS: dict[str, str] = {
    "ce-specversion": "Always 1.0.",
    "ce-id": "UUID; the same at every delivery and after every rebuild: what you have seen, you may drop.",
    "ce-type": "Name and version of the public contract.",
    "ce-source": "/city/<city>/dispatch",
    "ce-subject": "incident/<incident_id>, or order/<order_id>",
    "ce-time": "When it happened (RFC 3339).",
    "ce-recordedtime": "When it was recorded here (RFC 3339); replay by date goes by this.",
    "ce-datacontenttype": "application/json",
    "ce-sequence": "Your feed's number of this message: contiguous, equal to the stream's sequence.",
    "ce-correlationid": "The incident's or the order's id: one story.",
    "ce-causationid": "Your own command's ce-id if that caused it, else the id of our fact.",
    "ce-epoch": "Changes when we were restored from a backup: then read the feed again from its start.",
}
COMMAND_HEADERS: dict[str, tuple[bool, str]] = {
    "ce-id": (
        True,
        "A UUID of yours; repeat a command with the same one and you get the same answer, for 7 days at least.",
    ),
    "ce-time": (False, "When it happened (RFC 3339); without it, the time of receipt."),
    "ce-causationid": (False, "ce-id of the feed message that a machine answers without a person looking."),
}
REPLY_HEADERS = {
    "Dispatch-Position": "Where the log stands after the command; only on an acknowledgement.",
    "Dispatch-Status": "HTTP-like status; only on a problem.",
}


def document() -> dict[str, Any]:
    """The whole description."""
    schemas: dict[str, Any] = {}
    messages = {name_of(contract.type): _feed_message(contract, schemas) for contract in CONTRACTS.values()}
    for verb in VERBS.values():
        messages[_command_name(verb)] = _command_message(verb, schemas)
    messages["recorded"] = _reply("Recorded: committed in our database.", Recorded, schemas)
    messages["problem"] = _reply("Not recorded, and why (RFC 9457).", ProblemReply, schemas)
    messages["alert"] = {
        "name": "alert",
        "summary": "An alert as its source says it: our own JSON, or the format of the adapter in the subject.",
        "payload": {},
    }
    messages["states"] = {
        "name": "states",
        "summary": "How your cameras are: `health` and `armed`, each only where you know it.",
        "payload": {},
        "examples": [{"payload": {"states": [{"camera": "cam-17", "health": "offline", "reason": "no signal"}]}}],
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "City dispatch: partners and gateways over NATS", "version": "1.0.0", "description": ABOUT},
        "defaultContentType": "application/json",
        "channels": _channels(),
        "operations": _operations(),
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


ABOUT = f"""\
Each agency has a NATS account of its own (nkey). It hears `city.<city>.<agency>.*.*.*`, reads its stream
`FEED_<agency>` by Direct Get, and sends commands by request/reply. Nothing else is permitted.

Following the feed: keep one integer, the sequence of the last message you have dealt with. Request
`$JS.API.DIRECT.GET.FEED_<agency>` with `{{"seq": <last + 1>, "batch": 500}}`: the messages come to your inbox, then
an empty one with Status 204; Status 404 means nothing new. `{{"start_time": "<RFC 3339>", "batch": 500}}` replays from
a date (after a loss it may begin earlier: drop what has an older `ce-recordedtime`). Live copies on your subjects are
only a wake-up: a copy may be of a batch that was never committed. Delivery is effectively once: the numbers have no
gaps, a message read twice has the same `ce-id`, and one that may not leave is a tombstone under its number.

Headers are CloudEvents 1.0 in binary mode; values are percent-encoded (space, quote, percent sign and all non-ASCII).
Headers and body have at most {MESSAGE_BYTES_MAX} bytes; a larger message carries `reference` instead of its fields.
Ignore fields you do not know. A field is there only if your registration lists it; it may list
{", ".join(f"`{name}`" for name in sorted(FEED_FIELDS))}.
Exercises and tests never reach a feed.
"""


def name_of(message_type: str) -> str:
    """`dispatch.incident.routed.v1` → `incident_routed_v1`: the message's key in this file."""
    return message_type.removeprefix("dispatch.").replace(".", "_")


def _channels() -> dict[str, Any]:
    city = {"city": {"description": "Code of the city, e.g. chengdu."}}
    agency = city | {"agency": {"description": "Code of your agency."}}
    feed = {
        "address": "city.{city}.{agency}.{center}.{station}.{message}",
        "description": "Your feed. Kept in the stream FEED_<agency>, whose sequence is `ce-sequence`.",
        "parameters": agency
        | {
            "center": {"description": "Code of the second-level (or lateral) center that owns it; `-` if none."},
            "station": {"description": "Code of the station that owns it; `-` if none."},
            "message": {"description": "Public name.", "enum": [subject_token(each) for each in CONTRACTS]},
        },
        "messages": {name_of(each): _message_ref(name_of(each)) for each in CONTRACTS},
    }
    channels: dict[str, Any] = {"feed": feed}
    for verb in VERBS.values():
        channels[_command_name(verb)] = {
            "address": f"city.{{city}}.{{agency}}.command.{verb.verb}",
            "description": verb.meaning,
            "parameters": agency,
            "messages": {_command_name(verb): _message_ref(_command_name(verb))},
        }
    channels["reply"] = {
        "address": None,
        "description": "Your inbox. The reply comes after our database's commit; no reply: send it again, same ce-id.",
        "messages": {each: _message_ref(each) for each in ("recorded", "problem")},
    }
    gateway = city | {"gateway": {"description": "Name of your gateway."}}
    channels["alerts"] = {
        "address": "city.{city}.gateway.{gateway}.alerts",
        "description": "Alerts in our own JSON, as request/reply.",
        "parameters": gateway,
        "messages": {"alert": _message_ref("alert")},
    }
    channels["alertsOfAdapter"] = {
        "address": "city.{city}.gateway.{gateway}.alerts.{adapter}",
        "description": "Alerts in a vendor's format, as request/reply.",
        "parameters": gateway | {"adapter": {"description": "Name of the adapter that understands it."}},
        "messages": {"alert": _message_ref("alert")},
    }
    channels["states"] = {
        "address": "city.{city}.gateway.{gateway}.states",
        "description": "How your cameras are, as request/reply. An empty list is a sign of life.",
        "parameters": gateway,
        "messages": {"states": _message_ref("states")},
    }
    return channels


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {
        "sendFeed": {"action": "send", "channel": {"$ref": "#/channels/feed"}, "summary": "We tell you what happened."}
    }
    reply = {"channel": {"$ref": "#/channels/reply"}, "address": {"location": "$message.header#/reply"}}
    for verb in VERBS.values():
        operations[f"receive{_camel(_command_name(verb))}"] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{_command_name(verb)}"},
            "summary": verb.meaning,
            "reply": reply,
        }
    for channel in ("alerts", "alertsOfAdapter", "states"):
        operations[f"receive{_camel(channel)}"] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{channel}"},
            "reply": reply,
        }
    return operations


def _feed_message(contract: type[Message], schemas: dict[str, Any]) -> dict[str, Any]:
    schemas["FeedHeaders"] = {
        "type": "object",
        "required": sorted(FEED_HEADERS),
        "properties": {name: {"type": "string", "description": meaning} for name, meaning in FEED_HEADERS.items()},
    }
    its_type = {"properties": {"ce-type": {"const": contract.type}}}
    return {
        "name": contract.type,
        "summary": contract.meaning,
        "contentType": "application/json",
        "headers": {"allOf": [{"$ref": REFERENCE.format(model="FeedHeaders")}, its_type]},
        "payload": _schema(_shape_of(contract), schemas),
    }


def _shape_of(contract: type[Message]) -> type[BaseModel]:
    """The base that has all its fields: most contracts differ in their meaning only."""
    for base in contract.__mro__[-1:0:-1]:
        if issubclass(base, Message) and base is not Message and set(base.model_fields) == set(contract.model_fields):
            return base
    return contract


def _command_message(verb: type[Verb], schemas: dict[str, Any]) -> dict[str, Any]:
    required = [name for name, (is_required, _) in COMMAND_HEADERS.items() if is_required]
    properties = {name: {"type": "string", "description": text} for name, (_, text) in COMMAND_HEADERS.items()}
    return {
        "name": f"dispatch.command.{verb.verb}.v1",
        "summary": verb.meaning,
        "contentType": "application/json",
        "headers": {"type": "object", "required": required, "properties": properties},
        "payload": _schema(verb, schemas, prefix="Command"),
    }


def _reply(summary: str, shape: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": text} for name, text in REPLY_HEADERS.items()}
    return {
        "name": shape.__name__,
        "summary": summary,
        "headers": {"type": "object", "properties": properties},
        "payload": _schema(shape, schemas),
    }


def _schema(shape: type[BaseModel], schemas: dict[str, Any], *, prefix: str = "") -> dict[str, str]:
    """Put a shape's JSON Schema among the components; a reference to it. A command gets a prefix: names overlap."""
    mode: Literal["validation", "serialization"] = "validation" if issubclass(shape, Verb) else "serialization"
    schema = shape.model_json_schema(ref_template=REFERENCE, mode=mode)
    schemas.update(schema.pop("$defs", {}))
    schema.pop("description", None)
    schemas[prefix + shape.__name__] = schema
    return {"$ref": REFERENCE.format(model=prefix + shape.__name__)}


def _message_ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/messages/{name}"}


def _command_name(verb: type[Verb]) -> str:
    return "command_" + verb.verb.replace("-", "_")


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def as_yaml(value: Any, indent: int = 0) -> str:
    """JSON values as YAML in block style: every string quoted as in JSON, long text as a literal block."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(f"{pad}{_key(key)}:{_nested(item, indent)}" for key, item in value.items())
    if isinstance(value, list) and value:
        return "".join(f"{pad}-{_nested(item, indent)}" for item in value)
    return f"{pad}{json.dumps(value, ensure_ascii=False)}\n"


def _nested(item: Any, indent: int) -> str:
    if isinstance(item, (dict, list)) and item:
        return "\n" + as_yaml(item, indent + 1)
    if isinstance(item, str) and "\n" in item:
        pad = "  " * (indent + 1)
        return " |\n" + "".join(f"{pad}{line}\n" if line else "\n" for line in item.rstrip("\n").split("\n"))
    return " " + as_yaml(item)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z_][\w-]*", key) else json.dumps(key)


def text() -> str:
    """The file's text."""
    return "# Written by `python -m dispatch.partners.asyncapi`; a test compares it.\n" + as_yaml(document())


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
