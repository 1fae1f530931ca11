"""The pages of what is refused about orders."""

from __future__ import annotations

ORDERS: dict[str, tuple[int, str, str, str]] = {
    "order.unknown": (
        404,
        "There is no such order",
        "No order was ever issued under this id, or none that is addressed to you.",
        "Check the id, or look it up in the list of orders.",
    ),
    "order.already_issued": (
        409,
        "The order was issued before",
        "An order is issued once; `number` is the one it has.",
        "Go on with the order that is there.",
    ),
    "order.issuer_not_entitled": (
        422,
        "This center issues no orders",
        "Cities, districts, headquarters and departments command; stations and branch rooms do not.",
        "Ask the center above it to issue the order.",
    ),
    "order.status_not_possible": (
        422,
        "An order cannot have this status",
        "An order is actual, an exercise or a test.",
        "Say which of the three it is.",
    ),
    "order.incident_of_another_status": (
        409,
        "Order and incident are of different status",
        "An actual order about an exercise, or the other way round, would send real crews to nothing.",
        "Leave the incident out, or issue the order with the incident's status.",
    ),
    "order.no_area": (
        422,
        "The order holds nowhere",
        "An order has an area: polygons, circles or words.",
        "Say where it holds.",
    ),
    "order.no_addressee": (
        422,
        "The order is for nobody",
        "An order has at least one addressee that must acknowledge it.",
        "Name the centers or agencies that must carry it out.",
    ),
    "order.nobody_addressed": (
        422,
        "An addressee does not exist",
        "`addressee` is no center or agency of this city, or an agency without a center of its own.",
        "Name a center that exists, or an agency together with the center that acts for it.",
    ),
    "order.addressed_twice": (
        422,
        "One center is named for two agencies",
        "Each center answers once, so its answer could not tell for which agency it is.",
        "Name the center once, or other centers for the agencies.",
    ),
    "order.expires_too_early": (
        422,
        "The order would be over before it holds",
        "`expires_at` is in the past, or not after `effective_at`.",
        "Let it expire later. Every order has an end; it can be extended.",
    ),
    "order.acknowledge_by_out_of_range": (
        422,
        "The acknowledgement would be due at no possible time",
        "`acknowledge_by` is in the past, or after the order's end.",
        "Set it between now and `expires_at`.",
    ),
    "order.not_the_issuer": (
        409,
        "Another center issued the order",
        "Only the issuing center and those above it amend, extend or lift an order.",
        "Ask the issuer, or decline the order with your reason.",
    ),
    "order.already_lifted": (
        409,
        "The order was lifted",
        "It ended by its issuer's word; nothing more can be decided about it.",
        "Issue another order if it is needed again.",
    ),
    "order.already_expired": (
        409,
        "The order has expired",
        "Its time is over; nothing more can be decided about it.",
        "Issue another order if it is needed again.",
    ),
    "order.in_force": (
        409,
        "The order is in force already",
        "Since when an order holds cannot be changed afterwards.",
        "Leave `effective_at` out, or lift the order and issue another.",
    ),
    "order.nothing_amended": (
        422,
        "The amendment changes nothing",
        "Text, area and times are what they were; every addressee would have to acknowledge the same again.",
        "Say what is to change, or extend the order.",
    ),
    "order.not_longer": (
        409,
        "The order holds longer already",
        "An extension only ever makes an order hold longer.",
        "Name a later end; to end it sooner, amend or lift it.",
    ),
    "order.not_addressed": (
        409,
        "The order is not addressed to you",
        "Each addressee answers for itself; those above it and the issuer do not.",
        "Ask the addressee to answer.",
    ),
    "order.superseded": (
        409,
        "Another edition holds now",
        "The order was amended after the edition that you answer; `edition` is the present one.",
        "Read the order as it stands, then answer that edition.",
    ),
    "order.already_acknowledged": (
        409,
        "The order was acknowledged before",
        "What was taken on cannot be declined afterwards.",
        "Tell the issuer what stands in the way; it can amend or lift the order.",
    ),
    "order.acknowledgement_not_missed": (
        409,
        "The acknowledgement is not due yet",
        "Only the timers record missed acknowledgements, after the deadline.",
        "Wait until the deadline has passed.",
    ),
    "order.not_expired": (
        409,
        "The order has not expired yet",
        "Only the timers record that an order is over, after its end.",
        "Wait until then, or lift the order.",
    ),
}
