"""Streams that were read a moment ago, kept for the next who asks.

The problem: what becomes of an incident is decided by several reactors of a process within a second (a deadline passes,
an alarm is raised, it is routed anew, units are recommended), and each reads the incident's stream: a statement and a
decoding each, for facts that the process has already or has just recorded itself. The rule kept instead: a stream that
was read is kept as far as it was read; what came since lies in the held end of the log (`store.tail`), as long as that
reaches back to there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from dispatch.ports import RecordedEvent

STREAMS_MAX = 2_000
STREAM_EVENTS_MAX = 50
"""Of one stream; a longer one would take the place of many, and is read again."""
BYTES_MAX = 8 * 1024 * 1024
"""State bytes of all that is kept; the facts decoded from them take several times that."""


@dataclass(frozen=True, slots=True)
class Kept:
    """All rows of a stream up to a position of the log."""

    rows: Sequence[RecordedEvent]
    up_to_position: int
    size_bytes: int


class HeldStreams:
    """Those asked for last."""

    def __init__(
        self, streams_max: int = STREAMS_MAX, events_max: int = STREAM_EVENTS_MAX, bytes_max: int = BYTES_MAX
    ) -> None:
        self._streams_max = streams_max
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._kept: OrderedDict[UUID, Kept] = OrderedDict()
        self._bytes = 0

    def since(self, stream_id: UUID, position: int) -> Kept | None:
        """What is kept of a stream, if it is all there was of it up to `position` at least."""
        kept = self._kept.get(stream_id)
        return kept if kept is not None and kept.up_to_position >= position else None

    def keep(self, stream_id: UUID, rows: Sequence[RecordedEvent], up_to_position: int) -> None:
        """Keep all rows of a stream up to a position; those not asked for the longest go first."""
        self._let_go(stream_id)
        if not rows or len(rows) > self._events_max:
            return
        kept = Kept(tuple(rows), up_to_position, sum(len(row.state) for row in rows))
        self._kept[stream_id] = kept
        self._bytes += kept.size_bytes
        while len(self._kept) > self._streams_max or self._bytes > self._bytes_max:
            self._let_go(next(iter(self._kept)))

    def clear(self) -> None:
        """Keep nothing: the log is another one."""
        self._kept.clear()
        self._bytes = 0

    def _let_go(self, stream_id: UUID) -> None:
        kept = self._kept.pop(stream_id, None)
        if kept is not None:
            self._bytes -= kept.size_bytes
