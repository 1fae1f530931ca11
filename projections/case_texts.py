"""Sentences about cases of the urban management, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping

from projections.code_texts import Pair

CASES: Mapping[str, Pair] = {
    "case.filed": ("城管立案：{class_code}{note_after}", "Urban-management case filed: {class_code}{note_after}"),
    "case.assigned": (
        "案件派遣至{department}，须于{red_at}前处置{note_after}",
        "Case assigned to {department}, to be handled by {red_at}{note_after}",
    ),
    "case.returned": (
        "{department}回退案件（第{returns}次）：{reason}",
        "{department} returns the case (number {returns}): {reason}",
    ),
    "case.sent_to_arbiter": (
        "案件已回退{returns}次，提请{arbiter}裁定",
        "Returned {returns} times: {arbiter} decides whose the case is",
    ),
    "case.arbitrated": (
        "裁定由{department}处置，须于{red_at}前完成：{reason}",
        "Given to {department} by the arbiter, binding, to be handled by {red_at}: {reason}",
    ),
    "case.handled": ("案件已处置：{outcome}", "Case handled: {outcome}"),
    "case.checked": ("案件核查{verdict}{note_after}", "Case checked: {verdict}{note_after}"),
    "case.paused": ("案件挂账：{reason}", "Case paused: {reason}"),
    "case.resumed": ("案件恢复计时，须于{red_at}前处置", "Case resumed, to be handled by {red_at}"),
    "case.extension_requested": (
        "申请延时{extra_s}秒：{reason}",
        "{extra_s} s more asked for: {reason}",
    ),
    "case.extension_granted": (
        "同意延时{extra_s}秒，须于{red_at}前处置",
        "{extra_s} s more granted, to be handled by {red_at}",
    ),
    "case.extension_refused": ("不同意延时：{reason}", "No more time: {reason}"),
    "case.voided": ("案件作废：{reason}", "Case voided: {reason}"),
    "case.supervised": ("案件督办：{demand}", "Pressed from above: {demand}"),
    "case.lamp_turned": ("案件{stage}时限{lamp}", "Time to {stage} the case: {lamp}"),
    "case.closed": ("案件结案{note_after}", "Case closed{note_after}"),
}
