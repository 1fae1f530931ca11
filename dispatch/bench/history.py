"""A long history of a city, filled in fast: towns that were simulated, each again and again with ids of its own.

What is recorded are whole simulated towns: machines, dispatchers, agencies, crews, the real deciders and reactors, with
everything breaking (`dispatch.simulation`). A repeat of a town is another town: every id in it is shifted by the number
of the repeat, so that no two meet on a stream or a row, and nothing else is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from dispatch.ports import (
    MAX_COMMANDS_PER_CALL,
    AppendCommand,
    Appended,
    EventLog,
    NewEvent,
    RecordedEvent,
    StreamAppend,
)

_ID = re.compile(rb"([0-9a-f]{8})(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_MASK = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Pattern:
    """One recorded event, taken apart at its ids."""

    topic: str
    stream: int
    texts: tuple[bytes, ...]
    ids: tuple[int, ...]
    """The first 32 bits of each; one fewer than texts."""

    @classmethod
    def of(cls, row: RecordedEvent) -> Pattern:
        """Take it apart."""
        parts = _ID.split(row.state)
        return cls(row.topic, row.stream_id.int, tuple(parts[::2]), tuple(int(part, 16) for part in parts[1::2]))

    def again(self, repeat: int) -> AppendCommand:
        """The event of another town."""
        parts = [self.texts[0]]
        for first, text in zip(self.ids, self.texts[1:], strict=True):
            parts += (b"%08x" % ((first + repeat) & _MASK), text)
        stream = (((self.stream >> 96) + repeat & _MASK) << 96) | (self.stream & (1 << 96) - 1)
        event = NewEvent(self.topic, b"".join(parts))
        return AppendCommand((StreamAppend(UUID(int=stream), None, (event,)),))


def repeated(rows: Sequence[RecordedEvent], *, first: int = 0) -> Iterator[AppendCommand]:
    """The recorded events, again and again, without end."""
    patterns = [Pattern.of(row) for row in rows]
    repeat = first
    while True:
        for pattern in patterns:
            yield pattern.again(repeat)
        repeat += 1


async def fill(log: EventLog, commands: Iterator[AppendCommand], events: int) -> None:
    """Record so many, whole calls at a time."""
    while events > 0:
        call = list(islice(commands, min(events, MAX_COMMANDS_PER_CALL)))
        verdicts = await log.append_many(call)
        assert all(isinstance(verdict, Appended) for verdict in verdicts), "a fresh id met another"
        events -= len(call)
