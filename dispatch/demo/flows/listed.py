"""All flows of the city's own list. One without `play` cannot be played yet, and says so."""

from __future__ import annotations

from dispatch.demo.flow import Flow
from dispatch.demo.flows import (
    agencies,
    always,
    cameras,
    casework,
    floods,
    helping,
    measures,
    operations,
    traffic,
    watching,
)

FLOWS: tuple[Flow, ...] = (
    Flow(
        "F1",
        "视频巡查上报",
        "An operator sees it on a camera and reports it",
        "200,000+ items in 5 years",
        watching.seen_and_reported,
        "reporters",
    ),
    Flow("F2", "协助侦破刑事案件", "Helping to solve criminal cases", "669", watching.criminal_case, "cases"),
    Flow("F3", "协助查处治安案件", "Public-order cases", "1,248 since 2011", watching.public_order_case, "struck"),
    Flow("F4", "调解纠纷", "Disputes settled", "20,015", watching.dispute_settled, "dispositions"),
    Flow("F5", "交通事故", "Traffic accidents", "7,859", traffic.accident, "severity"),
    Flow("F6", "火灾报警", "Fire alarms", "204", agencies.fire, "alarm"),
    Flow("F7", "走失与求助", "Lost children and elders, help", "2,000+", helping.missing_person, "watch"),
    Flow("F8", "城市管理问题", "Urban management problems", "40,000+", casework.problem, "case_open"),
    Flow("F9", "乱扔垃圾等", "Littering and the like", "–", casework.littering, "lamps"),
    Flow("F10", "占道、开挖、违建", "Illegal stalls, digging, building", "–", casework.street, "configured"),
    Flow("F11", "公共设施盗损", "Theft and damage of public facilities", "–", casework.facility_theft, "routing"),
    Flow("F12", "执法监督与取证", "Supervising enforcement, evidence for it", "–", casework.enforcement, "supervision"),
    Flow("F13", "公安与城管联动", "Police and urban management together", "–", agencies.linkage, "answers"),
    Flow("F14", "交通异常", "Abnormal traffic: two centers at once", "140,000+", traffic.abnormal_traffic, "routing"),
    Flow("F15", "交通值守三项措施", "Three measures of live traffic watch", "3", measures.three_measures, "checklist"),
    Flow(
        "F16",
        "汛情预警",
        "Flood and mudslide early warning",
        "2010-08-13, 2010-08-19, 2011-07-03",
        floods.warning,
        "chain",
    ),
    Flow("F17", "指挥部命令", "Orders of the headquarters", "–", floods.orders, "acknowledged"),
    Flow("F18", "险情点", "Flood and disaster points", "–", operations.disaster_points, "found"),
    Flow("F19", "灾区与安置点", "Disaster area and shelters", "–", operations.disaster_area, "found"),
    Flow("F20", "火炬传递", "Torch relay", "–", operations.torch_relay, "released"),
    Flow("F21", "限制知悉的行动", "Restricted operations", "–", operations.restricted, "restricted"),
    Flow("F22", "防疫", "Epidemic control", "–", agencies.health, "configured"),
    Flow("F23", "旧案线索", "Clues for a past case", "–", cameras.past_case, "custody"),
    Flow("F24", "专项行动", "Campaign", "3,000+ items, 68 + 102 cases, 481 caught", watching.campaign, "campaign"),
    Flow(
        "F25", "专项行动战果", "What a campaign achieved", "68 + 102 cases, 481 caught", watching.achievements, "cases"
    ),
    Flow("F26", "覆盖增长与盲区", "Coverage growth and blind spots", "15,800 sites", cameras.growth, "detached"),
    Flow("F27", "群众满意度调查", "A survey among citizens", "–", asks_nothing=True),
    Flow("F28", "全天候", "24 hours, all weather", "–", always.around_the_clock, "rules"),
)
"""In the order of their numbers."""

NIGHTS: tuple[Flow, ...] = (
    Flow(
        "night",
        "二〇一一年七月三日夜",
        "The night of 2011-07-03",
        "warning to stand-down in one",
        floods.night,
        "fold",
    ),
)
"""Several flows in one story."""
