"""What all public messages are made of."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """Base of all public shapes: unknown fields are an error on our side, to be ignored on the partner's."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Contract):
    """Base of what is sent: its permanent type and what it means."""

    type: ClassVar[str]
    meaning: ClassVar[str]


class PublicCenter(Contract):
    """A center by its permanent code."""

    code: str
    name_zh: str
    name_en: str
