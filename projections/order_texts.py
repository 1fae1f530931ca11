"""Sentences about headquarters' orders and public warnings, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping

from projections.code_texts import Pair

ORDERS: Mapping[str, Pair] = {
    "order.issued": (
        "发布指令{number}（{order_kind}）：{text}，{effective_at}起至{expires_at}",
        "Order {number} issued ({order_kind}): {text}; from {effective_at} until {expires_at}",
    ),
    "order.amended": (
        "指令修订为第{edition}版：{text}（{reason}）",
        "Order amended, edition {edition}: {text} ({reason})",
    ),
    "order.extended": ("指令延长至{expires_at}：{reason}", "Order extended until {expires_at}: {reason}"),
    "order.lifted": ("指令解除：{reason}", "Order lifted: {reason}"),
    "order.expired": ("指令到期失效（{due_at}）", "Order expired at {due_at}"),
    "order.acknowledged": (
        "{center}已签收第{edition}版{reference_after}",
        "{center} acknowledged edition {edition}{reference_after}",
    ),
    "order.declined": ("{center}拒绝第{edition}版：{reason}", "{center} declined edition {edition}: {reason}"),
    "order.acknowledgement_missed": (
        "第{edition}版逾期未签收：{missing}；已告知{told}",
        "Edition {edition} not acknowledged in time by {missing}; {told} told",
    ),
    "order_number.allocated": ("指令编号{number}已分配", "Order number {number} allocated"),
    "warning.received": ("收到公众预警：{warning}", "Public warning received: {warning}"),
}
