"""Whose it is."""

from __future__ import annotations

from uuid import UUID

from domain.event import Frozen


class Ownership(Frozen):
    """A center and its ancestors, root first, the owner last: copied, so that no reader needs the tree of that day."""

    center_id: UUID
    path: tuple[UUID, ...]
