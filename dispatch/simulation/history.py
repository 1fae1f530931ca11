"""What was asked and what was answered: the memory of everybody outside, against which the log is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from dispatch.handling.alerts import AlertReceipt
from domain.event import Actor


@dataclass(frozen=True, slots=True)
class Asked:
    """A command somebody sent, whatever became of it."""

    actor: Actor
    key: str
    request_id: UUID
    what: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A command that was answered with a yes."""

    asked: Asked
    position: int
    changed: bool
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SentAlert:
    """An alert as a gateway sent it: its digest tells it from every other content."""

    alert_id: UUID
    content_sha256: str


@dataclass(frozen=True, slots=True)
class Looked:
    """Which operations, or incidents, a center was shown when it asked for the list, and at which position."""

    position: int
    center_id: UUID
    shown: frozenset[UUID]


@dataclass(slots=True)
class History:
    """Everything said from outside."""

    asked: dict[UUID, Asked] = field(default_factory=dict)
    """By request id."""
    acknowledged: list[Acknowledged] = field(default_factory=list)
    sent_alerts: set[SentAlert] = field(default_factory=set)
    receipts: list[tuple[SentAlert, AlertReceipt]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    """What contradicted itself already while it was said."""
    screens: list[tuple[int, dict[UUID, Mapping[str, Any]]]] = field(default_factory=list)
    """Boards as they were seen: the position, and the rows that were on it."""
    looked: list[Looked] = field(default_factory=list)
    """At operations."""
    boards: list[Looked] = field(default_factory=list)
    """At boards."""
