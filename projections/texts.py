"""What people read: sentences of the timeline in Chinese and English, made from codes and values at read time.

Events hold codes and ids only, so a better sentence is better for the past as well. Names (a center's, a category's)
come from whoever asks, through `Names`; without one the code stands in.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from projections.case_texts import CASES
from projections.code_texts import CODES, REASONS, Pair
from projections.order_texts import ORDERS
from projections.people_texts import PEOPLE
from projections.plan_texts import PLAN_SENTENCES
from projections.unit_texts import UNITS

LANGUAGES = ("zh", "en")
UNKNOWN = "—"
LISTED_MAX = 5
"""Names listed in one sentence."""


class Names(Protocol):
    """Names of things, in a language."""

    def name(self, kind: str, key: str, language: str) -> str:
        """`kind` is center, agency, operator, category, unit or incident; `key` its id or code."""


class PlainNames:
    """Ids and codes as they are."""

    def name(self, kind: str, key: str, language: str) -> str:  # the protocol's signature
        """The key itself."""
        return key


SENTENCES: Mapping[str, Pair] = {
    "incident.opened": (
        "立案：{number}，{category}，严重程度{severity}，归属{owner}",
        "Opened as {number}: {category}, severity {severity}, owned by {owner}",
    ),
    "incident.verified": ("已核实属实{note_after}", "Verified as real{note_after}"),
    "incident.dismissed": ("作废：{reason}{note_after}", "Dismissed: {reason}{note_after}"),
    "incident.classified": (
        "定为{category}，严重程度{severity}，优先级{priority}{note_after}",
        "Classified as {category}, severity {severity}, priority {priority}{note_after}",
    ),
    "incident.severity_raised": (
        "严重程度由{from_severity}升为{to_severity}，优先级{priority}",
        "Severity raised from {from_severity} to {to_severity}, priority {priority}",
    ),
    "incident.relocated": ("地点更正为{place}", "Place set to {place}"),
    "incident.routed": ("派遣至{owner}；通知{recipients}", "Routed to {owner}; told {recipients}"),
    "incident.accepted": ("{center}已接受", "Accepted by {center}"),
    "incident.claimed": ("{operator}接手处理", "{operator} has it"),
    "incident.claim_released": ("{operator}不再处理", "{operator} no longer has it"),
    "incident.transfer_offered": ("{from_center}请求移交至{to}：{reason}", "{from_center} offers it to {to}: {reason}"),
    "incident.transfer_accepted": ("已由{from_center}移交至{owner}", "Moved from {from_center} to {owner}"),
    "incident.transfer_declined": ("{to_center}拒绝移交：{reason}", "{to_center} declines the transfer: {reason}"),
    "incident.transfer_timed_out": (
        "{to_center}逾期未答复移交，归属不变",
        "{to_center} did not answer the transfer in time; the owner keeps it",
    ),
    "incident.escalated": (
        "超时未{deadline}，升级第{level}级，告知{to}",
        "No {deadline} in time: level {level}, {to} told",
    ),
    "incident.agency_accepted": ("{agency}已接受{reference_after}", "{agency} takes its part{reference_after}"),
    "incident.agency_declined": ("{agency}拒绝：{reason}", "{agency} declines: {reason}"),
    "incident.merged": ("并入案件{into_incident}{note_after}", "Merged into incident {into_incident}{note_after}"),
    "incident.absorbed": ("并入了案件{incident}", "Incident {incident} was merged into this one"),
    "incident.unmerged": (
        "撤销并案，与案件{from_incident}分开{note_after}",
        "Merge undone: separate from incident {from_incident} again{note_after}",
    ),
    "incident.released": ("案件{incident}已分出", "Incident {incident} is separate again"),
    "incident.resolved": ("处置完毕：{disposition}{note_after}", "Resolved: {disposition}{note_after}"),
    "incident.closed": ("结案{note_after}", "Closed{note_after}"),
    "incident.reopened": ("重新立案：{reason}", "Reopened: {reason}"),
    "incident.alerts_folded": (
        "归并报警{alert_count}条，最高严重程度{severity}",
        "{alert_count} more alerts, at worst {severity}",
    ),
    "incident.report_attached": ("{channel}报告（{relation}）：{text}", "Report by {channel} ({relation}): {text}"),
    "incident.note_added": ("备注：{text}", "Note: {text}"),
    "incident.note_struck": ("划去一条备注：{reason}", "A note was struck: {reason}"),
    "incident.evidence_attached": ("附证据：{evidence}", "Evidence attached: {evidence}"),
    "incident_number.allocated": ("编号{number}已分配", "Number {number} allocated"),
    "outcome.external_case_linked": (
        "关联{case_kind}案件{case_number}{note_after}",
        "Linked to {case_kind} case {case_number}{note_after}",
    ),
    "outcome.external_case_unlinked": (
        "解除与案件{case_number}的关联：{reason}",
        "No longer linked to case {case_number}: {reason}",
    ),
    "outcome.people_counted": ("{people}人{outcome}{note_after}", "{people} people {outcome}{note_after}"),
    "outcome.count_struck": ("划去一条人数：{reason}", "A count of people was struck: {reason}"),
    "outcome.campaign_joined": ("计入专项行动", "Counted for a campaign"),
    "outcome.campaign_left": ("不计入专项行动：{reason}", "Not counted for a campaign: {reason}"),
    "checklist.item_done": ("清单完成：{item}{note_after}", "Done: {item}{note_after}"),
    "checklist.item_undone": ("清单撤回：{item}：{reason}", "Not done after all: {item}: {reason}"),
    "report.filed": ("收到{channel}报告：{text}", "Report by {channel}: {text}"),
    "report.linked": ("报告归入案件{incident}（{relation}）", "Report linked to incident {incident} ({relation})"),
    "report.personal_fields_read": ("查看了个人信息，用途：{purpose}", "Personal data was read, for: {purpose}"),
    **CASES,
    **ORDERS,
    **PEOPLE,
    **UNITS,
    **PLAN_SENTENCES,
}
"""Event name → (zh, en)."""


def sentence(event: str, values: Mapping[str, Any], language: str, names: Names | None = None) -> str:
    """One fact in words. `values` is the event's body as the timeline keeps it. Total: what is missing is a dash."""
    pair = SENTENCES.get(event)
    if pair is None:
        return event
    words = _Words(values, language, names or PlainNames(), event)
    return string.Formatter().vformat(pair[LANGUAGES.index(language)], (), words).replace(_NOTHING, "")


def reason(code: str, values: Mapping[str, str], language: str) -> str:
    """One reason of a decision in words; an unknown code with its values as they are."""
    pair = REASONS.get(code)
    if pair is None:
        return " ".join([code, *(f"{name}={value}" for name, value in values.items())])
    shown = {name: code_text(value, language) for name, value in values.items()}
    return string.Formatter().vformat(pair[LANGUAGES.index(language)], (), _Dashed(shown))


def code_text(code: str, language: str) -> str:
    """A code of the vocabulary in words; an unknown one as it is."""
    pair = CODES.get(code)
    return code if pair is None else pair[LANGUAGES.index(language)]


class _Dashed(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return UNKNOWN


class _Words(Mapping[str, Any]):
    """The words of one event, made when a sentence asks for them."""

    def __init__(self, values: Mapping[str, Any], language: str, names: Names, event: str) -> None:
        self._values = values
        self._language = language
        self._names = names
        self._event = event

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, word: str) -> str:
        found = self._found(word)
        return UNKNOWN if found is None or found == "" else str(found)

    def _found(self, word: str) -> Any:
        values = self._values
        if word in _SPECIAL:
            return _SPECIAL[word](self)
        if word in _COUNTED:
            return self.count(word)
        if word in _OWNED:
            return self.owned(_OWNED[word])
        if word in _NAMED:
            kind, field = _NAMED[word]
            return self.named(kind, values.get(field))
        if word.endswith("_after"):
            text = values.get(word.removesuffix("_after"))
            return f"：{text}" if text and self._language == "zh" else (f": {text}" if text else _NOTHING)
        if word in ("severity", "from_severity", "to_severity"):
            return code_text(f"severity.{values.get(word)}", self._language)
        value = values[word] if word in values else self.in_order(word)
        if word in _CODED or (word == "reason" and self._event == "incident.dismissed"):
            return code_text(f"{_CODED.get(word, word)}.{value}", self._language)
        return value

    def named(self, kind: str, key: Any) -> str | None:
        """A thing by its name."""
        return None if key is None else self._names.name(kind, str(key), self._language)

    def owned(self, field: str) -> str | None:
        """The center of an ownership."""
        return self.named("center", (self._values.get(field) or {}).get("center_id"))

    def place(self) -> str | None:
        """Address, else coordinates."""
        place = self._values.get("place") or {}
        point = place.get("point")
        return place.get("address") or (f"{point['lon']:.5f}, {point['lat']:.5f}" if point else None)

    def recipients(self) -> str | None:
        """Agencies with their roles."""
        said = [
            f"{self.named('agency', one['agency'])}（{code_text('role.' + one['role'], self._language)}）"
            if self._language == "zh"
            else f"{self.named('agency', one['agency'])} ({code_text('role.' + one['role'], self._language)})"
            for one in self._values.get("recipients", [])
        ]
        return self.listed(said)

    def shortfalls(self) -> str:
        """What is missing, or nothing."""
        missing: Sequence[Mapping[str, Any]] = self._values.get("shortfalls", [])
        said = self.listed([reason(one["code"], one.get("values", {}), self._language) for one in missing])
        if said is None:
            return _NOTHING
        return f"；缺：{said}" if self._language == "zh" else f"; missing: {said}"

    def order_kind(self) -> str | None:
        """What is commanded."""
        kind = (self._values.get("order") or self._values).get("kind")
        return None if kind is None else code_text(f"order_kind.{kind}", self._language)

    def in_order(self, field: str) -> Any:
        """What the order that a fact carries says."""
        return (self._values.get("order") or self._values).get(field)

    def centers(self, field: str) -> str | None:
        """The centers of a list."""
        said = [self.named("center", one.get("center_id")) for one in self._values.get(field, [])]
        return self.listed([one for one in said if one is not None])

    def warning(self) -> str | None:
        """Its headline, else what it is about."""
        warning = self._values.get("warning") or {}
        return warning.get("headline") or warning.get("event")

    def department(self) -> str | None:
        """The agency of a department."""
        return self.named("agency", (self._values.get("department") or {}).get("agency"))

    def red_at(self) -> str | None:
        """When the time that a fact sets running is used up."""
        found: str | None = (self._values.get("limit") or {}).get("red_at")
        return found

    def verdict(self) -> str:
        """Passed or not."""
        return code_text("verdict.passed" if self._values.get("passed") else "verdict.failed", self._language)

    def listed(self, said: Sequence[str]) -> str | None:
        """The first few, joined."""
        if not said:
            return None
        more = "…" if len(said) > LISTED_MAX else ""
        return ("、" if self._language == "zh" else ", ").join(said[:LISTED_MAX]) + more

    def stacked(self) -> str:
        """On purpose behind another assignment, or nothing."""
        if not self._values.get("stacked"):
            return _NOTHING
        return "，排在其他任务之后" if self._language == "zh" else ", behind another assignment"

    def place_in_stack(self) -> str:
        """How many come before it, itself counted."""
        return str(self._values.get("place", UNKNOWN))

    def diverted(self) -> str:
        """Where to, or nothing."""
        number = self._values.get("diverted_to_number")
        if number is None:
            return _NOTHING
        return f"，改派至{number}" if self._language == "zh" else f", diverted to {number}"

    def evidence(self) -> str | None:
        """Its description, else where it is."""
        return self._values.get("description") or (self._values.get("media") or {}).get("uri")

    def count(self, field: str) -> str:
        """How many a list has."""
        return str(len(self._values.get(field) or ()))

    def returned_number(self) -> str | None:
        """Of the one incident that goes back."""
        return (self._values.get("returned") or {}).get("number")

    def case_number(self) -> str | None:
        """As the other system numbers it."""
        return (self._values.get("case") or {}).get("number")

    def case_kind(self) -> str:
        """What kind of case."""
        return code_text(f"external_case.{self._values.get('kind')}", self._language)

    def unit_count(self) -> str:
        """How many units."""
        return str(len(self._values.get("unit_ids", [])))


_NOTHING = "\u200b"
"""A word that is rightly absent, unlike one that is missing (a dash); it is taken out of the finished sentence."""

_NAMED: Mapping[str, tuple[str, str]] = {
    "category": ("category", "category"),
    "agency": ("agency", "agency"),
    "center": ("center", "center_id"),
    "from_center": ("center", "from_center_id"),
    "to_center": ("center", "to_center_id"),
    "operator": ("operator", "operator_id"),
    "giver": ("operator", "giver_id"),
    "taker": ("operator", "taker_id"),
    "incident": ("incident", "incident_id"),
    "into_incident": ("incident", "into_incident_id"),
    "from_incident": ("incident", "from_incident_id"),
}
_CODED: Mapping[str, str] = {
    "disposition": "disposition",
    "deadline": "deadline",
    "relation": "relation",
    "channel": "channel",
    "outcome": "people",
    "stage": "stage",
    "lamp": "lamp",
    "claims": "claims",
}
_COUNTED = frozenset({"incidents", "orders", "cases", "aid", "units", "returned"})
_OWNED: Mapping[str, str] = {
    **{field: field for field in ("owner", "to", "arbiter", "asker", "asked")},
    "giver_center": "giver",
    "covered": "center",
}
_SPECIAL: Mapping[str, Any] = {
    "returned_number": _Words.returned_number,
    "place": _Words.place,
    "recipients": _Words.recipients,
    "shortfalls": _Words.shortfalls,
    "stacked": _Words.stacked,
    "diverted": _Words.diverted,
    "place_in_stack": _Words.place_in_stack,
    "evidence": _Words.evidence,
    "unit_count": _Words.unit_count,
    "case_number": _Words.case_number,
    "case_kind": _Words.case_kind,
    "order_kind": _Words.order_kind,
    "missing": lambda words: words.centers("missing"),
    "told": lambda words: words.centers("told"),
    "warning": _Words.warning,
    "department": _Words.department,
    "red_at": _Words.red_at,
    "verdict": _Words.verdict,
    "centers": lambda words: words.count("center_ids"),
}
