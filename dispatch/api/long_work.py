"""Long work: started with 202, watched at /v1/operations/{id}. Kept in the memory of the process that does it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from dispatch.api.problems.problem import Problem
from dispatch.ports import Clock, Ids
from domain.refusals import DispatchError

log = logging.getLogger(__name__)

OPERATIONS_MAX = 1_000
"""Remembered; the oldest ended ones are forgotten first."""
RUNNING_MAX = 4

State = Literal["running", "done", "failed"]


@dataclass(slots=True)
class Operation:
    """One piece of long work. `done` of `total` units; `total` None while unknown."""

    id: UUID
    kind: str
    started_by: str
    started_at: datetime
    state: State = "running"
    done: int = 0
    total: int | None = None
    ended_at: datetime | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    detail: str | None = None

    def advance(self, done: int, total: int | None = None) -> None:
        """Say how far it is."""
        self.done, self.total = done, total if total is not None else self.total


Work = Callable[[Operation], Awaitable[Mapping[str, Any]]]


class Operations:
    """The long work of this process."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._known: OrderedDict[UUID, Operation] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, operation_id: UUID) -> Operation | None:
        """An operation by id."""
        return self._known.get(operation_id)

    def start(self, kind: str, started_by: str, work: Work) -> Operation:
        """Begin. Raises `Problem` overloaded when enough is running already."""
        if len(self._tasks) >= RUNNING_MAX:
            raise Problem("overloaded", f"{RUNNING_MAX} long operations are running. Start yours when one has ended.")
        operation = Operation(self._ids.new(), kind, started_by, self._clock.now())
        self._known[operation.id] = operation
        self._forget()
        task = asyncio.create_task(self._run(operation, work), name=f"operation-{kind}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return operation

    async def settled(self) -> None:
        """Return when nothing that was started so far runs any more."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, operation: Operation, work: Work) -> None:
        try:
            operation.result = await work(operation)
            operation.state = "done"
        except DispatchError as error:
            operation.state, operation.detail = "failed", error.detail
        except Exception:  # whatever it was, the one who watches must see an end
            log.exception("operation failed", extra={"operation_id": str(operation.id), "kind": operation.kind})
            operation.state, operation.detail = "failed", "The operation failed; the logs say why."
        operation.ended_at = self._clock.now()

    def _forget(self) -> None:
        for operation_id, operation in list(self._known.items()):
            if len(self._known) <= OPERATIONS_MAX:
                return
            if operation.state != "running":
                del self._known[operation_id]

    async def close(self) -> None:
        """Stop all that runs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
