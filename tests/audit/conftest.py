"""The same city as the projections' tests: live rows to compare a replay with."""

from __future__ import annotations

from tests.projections.conftest import city, hand

__all__ = ["city", "hand"]
