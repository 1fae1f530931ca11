"""Sealing without secrets: the same text for the same subject gives the same seal, so that a run can be replayed.

It keeps what matters to everybody else: nothing plain reaches the log, and only the subject's key opens it. It is no
cipher and is used nowhere but here.
"""

from __future__ import annotations

import base64
import hashlib
from uuid import UUID


class SimulatedSealer:
    """`dispatch.ports.Sealer` whose keys follow from the subject."""

    async def seal(self, subject_id: UUID, text: str) -> str:
        """The text under the subject's key."""
        return base64.urlsafe_b64encode(_mixed(subject_id, text.encode())).decode()

    async def open(self, subject_id: UUID, sealed: str) -> str | None:
        """The plain text."""
        return _mixed(subject_id, base64.urlsafe_b64decode(sealed)).decode()


def _mixed(subject_id: UUID, content: bytes) -> bytes:
    key = hashlib.shake_256(subject_id.bytes).digest(len(content))
    return bytes(one ^ other for one, other in zip(content, key, strict=True))
