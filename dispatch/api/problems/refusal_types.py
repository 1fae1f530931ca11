"""What the domain's refusals look like at the edge: code → status, title, meaning, remedy.

409 for a rule about the present state, 422 for a request that can never be right, 404 for something that is not there.
"""

from __future__ import annotations

from dispatch.api.casework.case_types import CASES
from dispatch.api.centers.aid_types import AID
from dispatch.api.centers.handover_types import HANDOVERS
from dispatch.api.city.city_types import CITY
from dispatch.api.city.tree_types import TREE
from dispatch.api.headquarters.headquarters_types import HEADQUARTERS
from dispatch.api.incidents.decision_types import DECISIONS
from dispatch.api.orders.order_types import ORDERS
from dispatch.api.outcomes.outcome_types import OUTCOMES
from dispatch.api.partners.partner_types import PARTNER
from dispatch.api.units.unit_types import ARRANGEMENTS

REFUSALS: dict[str, tuple[int, str, str, str]] = {
    **AID,
    **ARRANGEMENTS,
    **CASES,
    **CITY,
    **DECISIONS,
    **HANDOVERS,
    **HEADQUARTERS,
    **OUTCOMES,
    **PARTNER,
    **ORDERS,
    **TREE,
    # Machine messages. `dispatch.ingest.answers` gives the same statuses to entries of a batch; a test compares them.
    "ingest.malformed": (
        400,
        "The message's syntax or shape is broken",
        "It is not valid JSON, XML or multipart, or a field it must have is missing or of another kind.",
        "Correct what `errors` points at. The bytes were kept aside; `quarantine` is their reference.",
    ),
    "ingest.encoding": (
        400,
        "The character set cannot be told",
        "The bytes are neither what the message declares nor UTF-8 nor GB 18030.",
        "Send UTF-8, or declare GB2312, GBK or GB18030 and mean it.",
    ),
    "ingest.hostile": (
        400,
        "The message could do harm",
        "It has a document type, an entity, or nesting or a number of elements that no honest device sends.",
        "Send it without. If a real device sends this, report it: the bytes were kept aside.",
    ),
    "ingest.too_large": (
        413,
        "The message is too large",
        "It exceeds the limit of a body; only its head was kept aside.",
        "Send pictures by reference, split batches.",
    ),
    "ingest.wrong_document": (
        422,
        "This is another kind of document",
        "It is well-formed, and not a message of this adapter's format: an index, a schema, another vendor's event.",
        "Send it to the adapter of its format; fetch the warnings that an index lists and send each.",
    ),
    "ingest.not_an_alarm": (
        422,
        "By its own word this is no alarm",
        "A catalogue, a position, a keep-alive, a level below its threshold: understood, not recorded and not kept.",
        "Configure the sender to send alarms only.",
    ),
    "ingest.out_of_range": (
        422,
        "The coordinates are nowhere on earth",
        "Longitude is −180…180, latitude −90…90.",
        "Check whether they were exchanged: GeoJSON writes longitude first, CAP latitude first.",
    ),
    "ingest.too_many": (
        422,
        "More than the written limit",
        "A batch, a list of parts or the corners of an area exceed their limit.",
        "Split the message; `detail` says the limit.",
    ),
    "ingest.identification": (
        422,
        "This system does not identify people",
        "The event tells who somebody is, by face or by card. It was not recorded and not kept.",
        "Switch the event off for this receiver.",
    ),
    "ingest.foreign_camera": (
        403,
        "The camera belongs to another gateway",
        "A gateway's credential speaks for its own cameras only; nothing was recorded.",
        "Send it with the camera's own gateway, or have the camera registered for this one.",
    ),
    "ingest.too_many_revisions": (
        409,
        "One identity was used for too many contents",
        "A device in a loop reuses an identity; a rise in severity is still recorded.",
        "Give each message an id, or each new statement a revision, of its own.",
    ),
    "ingest.contended": (
        409,
        "Others keep writing to the same alert",
        "Several senders repeat one identity with different contents at this moment.",
        "Send the same message again.",
    ),
    "ingest.behind": (
        503,
        "Alerts come faster than they reach the board",
        (
            "What is in the log already would keep this message from the board for too long, so it was not taken."
            " Ordinary alerts are refused first, severe ones last; what people report and decide never is."
        ),
        "Keep the message and send the very same bytes again after `Retry-After` seconds (by NATS: `retry_after_s`).",
    ),
    "ingest.unknown_adapter": (
        404,
        "There is no such adapter",
        "The address names a format that is not understood here.",
        "Use one of those that `detail` lists.",
    ),
    "quarantine.not_whole": (
        409,
        "Only the head of the message was kept",
        "It was too large to keep, so it cannot be tried again from here.",
        "Have its sender send it again.",
    ),
}
