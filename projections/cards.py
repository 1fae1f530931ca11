"""The incident's card: everything about one incident but its folded alerts and its timeline, as one document.

Folded alerts are rows of their own (`projections.incident_alerts`): a flood night adds thousands to one incident, and
rewriting its document for each page of them would cost the square of their number. Lists in the document are bounded
by `LIST_MAX`; what was dropped is counted in `omitted` and stands in the timeline for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.event import Event, Fact
from domain.incident import events as incident
from projections import card_rules, tables
from projections.addressing import ASSIGNMENTS, CASES, COMPANIONS, DECISIONS, incident_key, incident_of, names
from projections.board import item
from projections.case_card import CASE_RULES
from projections.plan_rules import lacking
from projections.projection import Key, Projection, Row
from projections.texts import LANGUAGES

LIST_MAX = 500
"""Entries of one list in a document; the newest stay."""

LISTS = (
    "reports",
    "decisions",
    "assignments",
    "notes",
    "evidence",
    "merges",
    "transfers",
    "escalations",
    "claims",
    "answers",
    "outcomes",
)
_BOUNDED = frozenset(LISTS)

PLAIN_RULES = card_rules.PLAIN_RULES
RULES = {**card_rules.RULES, **CASE_RULES}


class IncidentCards(Projection):
    """One document an incident."""

    name = "incident_cards"
    version = 3
    table = tables.incident_cards
    topics = names(DECISIONS, COMPANIONS, ASSIGNMENTS, CASES) - {incident.AlertsFolded.name}
    is_append_only = False
    entity = staticmethod(incident_of)

    def keys(self, fact: Fact[Event]) -> Sequence[Key]:
        """The incident."""
        return incident_key(fact)

    def apply(self, key: Key, row: Row | None, fact: Fact[Event]) -> Row | None:
        """The document after the fact."""
        if row is None:
            if fact.name != incident.IncidentOpened.name:
                return None
            row = {"incident_id": fact.stream_id, "document": empty(), "updated_position": fact.position}
        document, name = row["document"], fact.name
        if name in PLAIN_RULES:
            document = _with(document, PLAIN_RULES[name](document, fact.plain(), fact))
        elif name in RULES:
            document = _with(document, RULES[name](document, fact.gist(), fact))
        return {**row, "document": document, "updated_position": fact.position}


def empty() -> dict[str, Any]:
    """A document nothing was said in."""
    return {"cause": None, "places": [], "recommendation": None, "omitted": {}, **{name: [] for name in LISTS}}


def card(board_row: Row, card_row: Row | None, alerts: Sequence[Row] = ()) -> dict[str, Any]:
    """The whole card as JSON shows it; the one shape of a live read and of a replay. `alerts` are the newest linked."""
    document = empty() if card_row is None else card_row["document"]
    return {
        **item(board_row),
        "is_on_board": board_row["is_on_board"],
        **document,
        "cases": document.get("cases", []),
        "lacking": {language: lacking(board_row["wanted"], language) for language in LANGUAGES},
        "alerts": [
            {
                "alert_id": str(alert["alert_id"]),
                "position": alert["alert_position"],
                "severity": alert["severity"],
                "reason": alert["reason"],
                "linked_position": alert["linked_position"],
            }
            for alert in alerts
        ],
    }


def _with(document: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The document after a change. Lists that did not change were bounded when they did."""
    after = {**document, **change}
    for name in change:
        too_many = len(change[name]) - LIST_MAX if name in _BOUNDED else 0
        if too_many > 0:
            after[name] = change[name][too_many:]
            omitted = after["omitted"]
            after["omitted"] = {**omitted, name: omitted.get(name, 0) + too_many}
    return after
