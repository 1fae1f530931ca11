"""What may be asked of a request for a recording."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, Field

from domain.event import Frozen
from domain.evidence.events import HASH, OFFSET_S_MAX

Purpose = Annotated[str, Field(min_length=1, max_length=500)]
Holder = Annotated[str, Field(min_length=1, max_length=200)]
Hash = Annotated[str, Field(pattern=HASH)]


class RequestEvidence(Frozen):
    """Ask for a recording."""

    camera_id: UUID
    camera_path: tuple[UUID, ...]
    center_id: UUID
    begins_at: AwareDatetime
    ends_at: AwareDatetime
    purpose: Purpose
    asked_at: AwareDatetime
    incident_id: UUID | None = None
    case_number: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class ProvideEvidence(Frozen):
    """Say where it is and what it is."""

    uri: Annotated[str, Field(min_length=1, max_length=2_000)]
    sha256: Hash
    clock_offset_s: Annotated[float, Field(ge=-OFFSET_S_MAX, le=OFFSET_S_MAX)]
    clock_checked_by: Annotated[str, Field(min_length=1, max_length=200)]
    holder: Holder


class DeclineEvidence(Frozen):
    """Say that there is none, and why."""

    reason: Annotated[str, Field(min_length=1, max_length=2_000)]


class HandOverEvidence(Frozen):
    """Let somebody else answer for it. `sha256` is what the taker computed."""

    to_holder: Holder
    sha256: Hash
    purpose: Purpose


class ReadEvidence(Frozen):
    """Look where it is."""

    purpose: Purpose


EvidenceCommand: TypeAlias = RequestEvidence | ProvideEvidence | DeclineEvidence | HandOverEvidence | ReadEvidence
