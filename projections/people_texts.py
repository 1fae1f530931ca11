"""Sentences about hand-overs of shifts, about mutual aid, and about who may know, each as (zh, en)."""

from __future__ import annotations

from collections.abc import Mapping

from projections.code_texts import Pair

PEOPLE: Mapping[str, Pair] = {
    "incident.restricted": (
        "列入保密行动，限{centers}个中心知悉：{reason}",
        "Restricted to {centers} centers: {reason}",
    ),
    "incident.clearance_changed": ("知悉范围调整为{centers}个中心", "Known to {centers} centers from here on"),
    "incident.restriction_lifted": ("解除保密：{reason}", "No longer restricted: {reason}"),
    "handover.offered": (
        "{giver}向{taker}交班（{center}）：案件{incidents}件、指令{orders}件、城管案件{cases}件、增援{aid}件{note_after}",
        "{giver} to {taker} at {center}: incidents {incidents}, orders {orders}, cases {cases}, aid {aid}{note_after}",
    ),
    "handover.signed": ("{operator}签收接班，{claims}", "Signed for by {operator}; {claims}"),
    "handover.declined": ("{operator}未接班：{reason}", "Not taken, says {operator}: {reason}"),
    "headquarters.opened": ("成立指挥部：{purpose}，至{ends_at}", "Headquarters formed until {ends_at}: {purpose}"),
    "headquarters.changed": ("指挥部调整指挥范围或人员：{reason}", "The headquarters commands others now: {reason}"),
    "headquarters.extended": ("指挥部延长至{ends_at}：{reason}", "The headquarters lasts until {ends_at}: {reason}"),
    "headquarters.incident_taken": (
        "指挥部接管案件{number}（原属{giver_center}）：{reason}",
        "The headquarters takes incident {number} from {giver_center}: {reason}",
    ),
    "headquarters.incident_given_back": (
        "指挥部交还案件{returned_number}：{reason}",
        "The headquarters gives incident {returned_number} back: {reason}",
    ),
    "headquarters.stood_down": (
        "指挥部撤销，交还案件{returned}件：{reason}",
        "The headquarters stands down, incidents returned: {returned}. {reason}",
    ),
    "headquarters.expired": (
        "指挥部到期（{due_at}）自行撤销，交还案件{returned}件",
        "The headquarters ended at {due_at} by itself, incidents returned: {returned}",
    ),
    "aid.requested": ("{asker}向{asked}请求增援：{reason}", "{asker} asks {asked} for aid: {reason}"),
    "aid.acknowledged": ("{center}已收到增援请求", "{center} has read the request for aid"),
    "aid.accepted": ("{center}同意增援{note_after}", "{center} will help{note_after}"),
    "aid.declined": ("{center}无法增援：{reason}", "{center} cannot help: {reason}"),
    "aid.committed": ("{center}派定{units}个单位增援", "{center} commits {units} units"),
    "aid.released": (
        "{center}解除{unit_count}个增援单位{note_after}",
        "{center} releases {unit_count} units{note_after}",
    ),
    "aid.withdrawn": ("{center}撤回增援请求：{reason}", "{center} withdraws the request: {reason}"),
    "aid.unit_kept": ("单位{unit_id}留作增援", "Unit {unit_id} kept for a request for aid"),
    "aid.unit_freed": ("单位{unit_id}不再留作增援", "Unit {unit_id} no longer kept for a request for aid"),
    "aid.answer_missed": ("增援请求逾期未答复（{due_at}）", "No answer to the request for aid by {due_at}"),
}
