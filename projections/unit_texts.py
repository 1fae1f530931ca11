"""Sentences about units, their assignments and what they are kept for, each as (zh, en)."""

from __future__ import annotations

from collections.abc import Mapping

from projections.code_texts import Pair

UNITS: Mapping[str, Pair] = {
    "incident.unit_diverted": (
        "{call_sign}改派至{to_number}，此处可能需要另派：{reason}",
        "{call_sign} was diverted to {to_number}: {reason}; another unit may be needed here",
    ),
    "incident.units_recommended": (
        "建议派出{unit_count}个单位{shortfalls}",
        "{unit_count} units recommended{shortfalls}",
    ),
    "assignment.made": ("指派{call_sign}（{agency}）{stacked}", "{call_sign} ({agency}) assigned{stacked}"),
    "assignment.acknowledged": ("单位已确认任务", "The crew acknowledged"),
    "assignment.declined": ("单位无法前往：{reason}", "The crew cannot go: {reason}"),
    "assignment.en_route": ("单位已出发", "The crew is on its way"),
    "assignment.on_scene": ("单位已到达现场", "The crew is on scene"),
    "assignment.cleared": ("单位已完成{outcome_after}", "The crew is done there{outcome_after}"),
    "assignment.cancelled": ("撤回指派{diverted}：{reason}", "Assignment called back{diverted}: {reason}"),
    "assignment.promoted": ("单位转入此任务：{reason}", "The unit turns to this: {reason}"),
    "assignment.waits": (
        "排在单位任务的第{place_in_stack}位",
        "Waits for the unit: number {place_in_stack} in its stack",
    ),
    "unit.registered": ("单位{call_sign}登记（{agency}）", "Unit {call_sign} registered ({agency})"),
    "unit.went_on_duty": ("单位上勤", "On duty"),
    "unit.went_off_duty": ("单位下勤", "Off duty"),
    "unit.reserved": (
        "预留：{purpose}，{begins_at}至{ends_at}",
        "Reserved from {begins_at} until {ends_at}: {purpose}",
    ),
    "unit.reservation_began": ("预留生效（{due_at}）", "The reservation begins ({due_at})"),
    "unit.reservation_released": ("取消预留：{reason}", "Not reserved any more: {reason}"),
    "unit.reservation_expired": ("预留到期（{due_at}）", "The reservation is over ({due_at})"),
    "cover.fell": (
        "值守力量不足（{covered}，{code}）：需{required}，空闲{free}",
        "Too few units are free ({covered}, {code}): {free} of {required}",
    ),
    "cover.restored": ("值守力量恢复：需{required}，空闲{free}", "Enough units are free again: {free} of {required}"),
    "cover.move_suggested": (
        "建议{call_sign}前往{covered}备勤，距离{distance_m}米",
        "{call_sign} should stand by for {covered}, {distance_m} m away",
    ),
    "cover.move_withdrawn": ("撤回前置备勤建议", "Nobody needs to move up any more, or that unit cannot"),
    "cover.move_accepted": ("同意前置备勤", "The unit moves up"),
    "cover.move_declined": ("未同意前置备勤：{reason}", "The unit does not move up: {reason}"),
    "unit.posted": ("前置备勤至{covered}：{reason}", "Stands by for {covered}: {reason}"),
    "unit.recalled": ("结束前置备勤：{reason}", "Stands by no more: {reason}"),
}
