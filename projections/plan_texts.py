"""Words for response plans: kinds of units, what they can do, and why a rule raised an alarm, each as (zh, en)."""

from __future__ import annotations

from collections.abc import Mapping

Pair = tuple[str, str]

PLAN_SENTENCES: Mapping[str, Pair] = {
    "incident.alarm_raised": (
        "警级由{from_level}级升为{to_level}级{reason_after}",
        "Alarm raised from {from_level} to {to_level}{reason_after}",
    ),
    "incident.alarm_lowered": (
        "警级由{from_level}级降为{to_level}级{reason_after}",
        "Alarm lowered from {from_level} to {to_level}{reason_after}",
    ),
}
PLAN_CODES: Mapping[str, Pair] = {
    "unit_kind.patrol_car": ("巡逻车", "patrol cars"),
    "unit_kind.foot_patrol": ("步巡组", "foot patrols"),
    "unit_kind.motorcycle": ("摩托车", "motorcycles"),
    "unit_kind.inspection_crew": ("检查组", "inspection crews"),
    "unit_kind.pump_truck": ("排水车", "pump trucks"),
    "unit_kind.rescue_boat": ("救援艇", "rescue boats"),
    "unit_kind.fire_engine": ("消防车", "fire engines"),
    "unit_kind.ambulance": ("救护车", "ambulances"),
    "unit_kind.tow_truck": ("清障车", "tow trucks"),
    "unit_kind.repair_crew": ("抢修组", "repair crews"),
    "skill.public_order": ("治安", "public order"),
    "skill.first_aid": ("急救", "first aid"),
    "skill.traffic_control": ("交通疏导", "traffic control"),
    "skill.accident_survey": ("事故勘查", "accident survey"),
    "skill.recovery": ("清障", "recovery"),
    "skill.enforcement": ("执法", "enforcement"),
    "skill.facility_repair": ("设施维修", "repair of facilities"),
    "skill.drainage": ("排水", "drainage"),
    "skill.water_rescue": ("水上救援", "water rescue"),
    "skill.fire_fighting": ("灭火", "fire fighting"),
    "skill.aerial_ladder": ("登高", "aerial ladder"),
    "skill.rescue": ("救援", "rescue"),
    "skill.on_call": ("值守", "on call"),
}
PLAN_REASONS: Mapping[str, Pair] = {
    "alarm.by_severity": (
        "严重程度{severity}达到预案{plan}第{level}级的启动线（{from_severity}）",
        "severity {severity} reaches level {level} of plan {plan} (from {from_severity})",
    ),
    "alarm.by_missed": (
        "超时未{deadline}，按预案{plan}启动第{level}级",
        "no {deadline} in time: level {level} of plan {plan}",
    ),
}
