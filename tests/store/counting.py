"""A log that counts what is read of it."""

from __future__ import annotations

from typing import Any

from dispatch.ports import EventLog, RecordedEvent


class CountingLog:
    """Counts the events that are read, of streams and by position."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.events_read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def read_stream(self, *arguments: Any, **options: Any) -> list[RecordedEvent]:
        return self._counted(await self._log.read_stream(*arguments, **options))

    async def read_after(self, *arguments: Any, **options: Any) -> list[RecordedEvent]:
        return self._counted(await self._log.read_after(*arguments, **options))

    def _counted(self, rows: list[RecordedEvent]) -> list[RecordedEvent]:
        self.events_read += len(rows)
        return rows
