"""Who listens, by what they look at: an index from a change to all who must hear of it."""

from __future__ import annotations

from collections.abc import Iterable

from dispatch.api.live.board_feed import Above, Categories, Key, Told, centers_of
from dispatch.api.live.client import Audience, Wanted


class Audiences:
    """All audiences of a process. One without a listener is forgotten."""

    def __init__(self) -> None:
        self._by_key: dict[Key, dict[tuple[Categories, Above], Audience]] = {}
        self._together: dict[Key, set[Key]] = {}
        """The board of a center → keys that look at it together with others; empty while there is no headquarters."""

    def of(self, wanted: Wanted) -> Audience:
        """The audience that is told just this."""
        key, categories, above = wanted
        if key[0] == "centers":
            for center_id in centers_of(key):
                self._together.setdefault(("center", center_id), set()).add(key)
        return self._by_key.setdefault(key, {}).setdefault((categories, above), Audience(key, categories, above))

    def drop(self, audience: Audience) -> None:
        """Forget an audience that nobody belongs to any more."""
        same_key = self._by_key[audience.key]
        kind = audience.categories, audience.above
        if same_key.get(kind) is audience:
            del same_key[kind]
        if not same_key:
            del self._by_key[audience.key]
            for center_id in centers_of(audience.key):
                found = self._together.get(("center", center_id), set())
                found.discard(audience.key)
                if not found:
                    self._together.pop(("center", center_id), None)

    def concerned(self, changes: Iterable[Told]) -> dict[Audience, list[Told]]:
        """Who is to hear of which of these changes."""
        found: dict[Audience, list[Told]] = {}
        for change in changes:
            keys = change.concerns(self._by_key)
            if self._together:
                keys = {*keys, *(many for key in keys for many in self._together.get(key, ()))}
            for key in keys:
                for audience in self._by_key.get(key, {}).values():
                    found.setdefault(audience, []).append(change)
        return found
