"""What the domain's refusals look like at the edge: code → status, title, meaning, remedy.

409 for a rule about the present state, 422 for a request that can never be right, 404 for something that is not there.
"""

from __future__ import annotations

REFUSALS: dict[str, tuple[int, str, str, str]] = {}
