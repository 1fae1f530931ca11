"""What is due and is said on many streams at once: a headquarters that ends with all that it had (record 0034), and a
change of the tree with each of its centers (record 0035). Each is one append that demands the version of every stream.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from dispatch.directory import Directory
from dispatch.handling.headquarters import HeadquartersDesk
from dispatch.handling.scribe import Change, Request, Scribe
from dispatch.handling.tree import LeftBehind, TreeDesk
from dispatch.ports import EventLog
from dispatch.workers.timers.mechanism import record, request
from domain.codec import Undecodable
from domain.policies import headquarters_ends, tree_changes
from domain.policies.dues import DueQueue

LOOK_AGAIN_AFTER = timedelta(seconds=5)
"""What cannot be known yet is known when the rows have caught up."""

logger = logging.getLogger(__name__)


class ManyStreamsPart:
    """A part whose answer a desk makes: `follows` loads what it needs and gives all changes, or none; None if that
    cannot be known yet."""

    def __init__(
        self,
        name: str,
        topics: Sequence[str],
        dues: Callable[[], DueQueue[Any, Any]],
        follows: Callable[[UUID, Request], Awaitable[Sequence[Change] | None]],
        log: EventLog,
        scribe: Scribe,
    ) -> None:
        self.topics = topics
        self.dues = dues()
        self._name = name
        self._new_dues = dues
        self._follows = follows
        self._log = log
        self._scribe = scribe

    def forget(self) -> None:
        """Know nothing: the log is read again."""
        self.dues = self._new_dues()

    async def answer(self, now: datetime, known_up_to: int, limit: int) -> int:
        """Record what has passed; how many. Whoever was first makes the append fail, and it is decided anew."""
        commands = []
        for due in self.dues.until(now, limit):
            asked = request(self._name, f"{due.stream_id}\x1f{due.due_at}", now)
            try:
                changes = await self._follows(due.stream_id, asked)
            except Undecodable:
                extra = {"stream_id": str(due.stream_id), "deadline": due.kind}
                logger.exception("deadline given up: its facts are unreadable", extra=extra)
                self.dues.drop(due.key)
                continue
            if changes is None:
                self.dues.postpone(due.key, now + LOOK_AGAIN_AFTER)
            elif changes:
                commands.append((due, await self._scribe.command(changes, asked)))
            else:
                head = (await self._log.heads([due.stream_id])).get(due.stream_id)
                if head is None or head.last_position <= known_up_to:
                    self.dues.drop(due.key)
        return await record(self._log, commands)


def headquarters_part(log: EventLog, scribe: Scribe, directory: Directory) -> ManyStreamsPart:
    """Headquarters whose time is over."""
    desk = HeadquartersDesk(scribe, directory)
    topics, dues = headquarters_ends.TOPICS, headquarters_ends.HeadquartersDues
    return ManyStreamsPart("headquarters-ends", topics, dues, desk.expire, log, scribe)


def tree_part(log: EventLog, scribe: Scribe, directory: Directory, left: LeftBehind) -> ManyStreamsPart:
    """Changes of the tree whose instant has come. Of two at once the second is judged anew on the tree of the first."""
    desk = TreeDesk(scribe, directory, left)
    topics, dues = tree_changes.TOPICS, tree_changes.TreeDues
    return ManyStreamsPart("tree-changes", topics, dues, desk.apply, log, scribe)
