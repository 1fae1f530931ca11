"""Changes of the tree: said ahead or now, applied whole, each center's fact and the change's own in one append."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from dispatch.directory import Directory
from dispatch.directory_entries import CenterEntry
from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe
from dispatch.territory import after, judged
from domain.center import decider as center
from domain.center.changes import (
    INITIAL,
    ApplyTree,
    CallOffTree,
    RefuseTree,
    ScheduleTree,
    TreeChangeState,
    decide,
    evolve,
)
from domain.center.commands import CenterCommand, ChangeGround, CloseCenter, EstablishCenter, MoveCenter
from domain.center.events import CenterChange, TreeChangeScheduled, TreeRedrawn
from domain.event import Event
from domain.identifiers import tree_stream
from domain.refusals import Refusal

Attempt: TypeAlias = tuple[Sequence[Change], Mapping[str, Any]] | Refusal
Left: TypeAlias = Mapping[UUID, Mapping[str, int]]
"""What a center that is to be closed would leave behind: counts by the names of `CloseCenter`."""
LeftBehind: TypeAlias = Callable[[Collection[UUID]], Awaitable[Left | None]]
"""Counts it for these centers; None while that cannot be said."""


async def nobody_counts(_center_ids: Collection[UUID]) -> Left | None:
    """Then nothing is closed ahead."""
    return None


class TreeDesk:
    """Schedules, applies and calls off. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe, directory: Directory, left: LeftBehind = nobody_counts) -> None:
        self._scribe = scribe
        self._directory = directory
        self._left = left

    async def schedule(self, change: TreeChangeScheduled, request: Request, *, left: Left) -> Outcome:
        """Judge it on the tree of now; apply it in the same append if its instant has come. The answer says which.

        What is to be closed ahead may have anything left by now: `left` is asked for again when its instant comes.
        """
        change_id = change_id_of(request)
        is_now = change.effective_at <= request.received_at

        async def attempt() -> Attempt:
            loaded = await self._load(change_id)
            decided = decide(ScheduleTree(change=change, asked_at=request.received_at), loaded.state)
            if isinstance(decided, Refusal):
                return decided
            facts = await self._facts(change, change_id, left if is_now else {})
            if isinstance(facts, Refusal):
                return facts
            answer = {"change_id": str(change_id), "state": "applied" if is_now else "scheduled"}
            if not is_now:
                return [Change(change_id, loaded.version, decided)], answer
            applied = decide(ApplyTree(applied_at=request.received_at), evolve(loaded.state, change))
            assert not isinstance(applied, Refusal), "its instant has come"
            return [Change(change_id, loaded.version, (*decided, *applied)), *facts], answer

        return await self._scribe.decide(attempt, request)

    async def call_off(self, change_id: UUID, reason: str, request: Request) -> Outcome:
        """Let it be after all."""

        async def attempt() -> Attempt:
            loaded = await self._load(change_id)
            decided = decide(CallOffTree(reason=reason), loaded.state)
            if isinstance(decided, Refusal):
                return decided
            changes = [Change(change_id, loaded.version, decided)] if decided else []
            return changes, {"change_id": str(change_id), "state": "called_off"}

        return await self._scribe.decide(attempt, request)

    async def apply(self, change_id: UUID, request: Request) -> Sequence[Change] | None:
        """What makes it so when its instant has come, for the timers to record; or why it cannot be, which is recorded
        instead: somebody may still have work where a center was to be closed. Nothing if there is nothing left to say,
        None if nobody can say yet what is left.
        """
        loaded = await self._load(change_id)
        change = loaded.state.scheduled
        if change is None:
            return ()
        decided = decide(ApplyTree(applied_at=request.received_at), loaded.state)
        if isinstance(decided, Refusal) or not decided:
            return ()
        closing = [one.center_id for one in change.changes if one.closes]
        left = await self._left(closing) if closing else {}
        if left is None:
            return None
        facts = await self._facts(change, change_id, left)
        if isinstance(facts, Refusal):
            refused = decide(RefuseTree(code=facts.code, detail=facts.detail), loaded.state)
            assert not isinstance(refused, Refusal), "it waits"
            return [Change(change_id, loaded.version, refused)]
        return [Change(change_id, loaded.version, decided), *facts]

    async def _facts(self, change: TreeChangeScheduled, change_id: UUID, left: Left) -> list[Change] | Refusal:
        """The facts of all centers that it touches, on the directory's tree; or what stands in the way.

        The edition is read first: a change that is recorded after that makes the append fail, and it is judged anew.
        """
        tree = tree_stream(change.city)
        head = (await self._scribe.log.heads([tree])).get(tree)
        await self._directory.catch_up()
        before = dict(self._directory.centers)
        then = after(before, change.changes)
        if isinstance(then, Refusal):
            return then
        found = judged(before, then, change.changes)
        if found.refused:
            return found.refused[0].as_refusal()
        said = {one.center_id: one for one in change.changes}
        repathed = [one for one, entry in then.items() if one in before and before[one].path != entry.path]
        changes = [Change(tree, head.version if head is not None else 0, (TreeRedrawn(change_id=change_id),))]
        for center_id in dict.fromkeys((*said, *repathed)):
            commands = _commands(change, change_id, said.get(center_id), before.get(center_id), then, center_id, left)
            decided = await self._decided(center_id, commands, change_id)
            if isinstance(decided, Refusal):
                return decided
            changes += decided
        return changes

    async def _decided(
        self, center_id: UUID, commands: Sequence[CenterCommand], change_id: UUID
    ) -> list[Change] | Refusal:
        loaded = await self._scribe.load(center_id, center.INITIAL, center.evolve)
        state, events = loaded.state, list[Event]()
        for command in commands:
            decided = center.decide(center_id, command, state)
            if isinstance(decided, Refusal):
                return decided
            for event in decided:
                state = center.evolve(state, event)
                events.append(event)
        return [Change(center_id, loaded.version, tuple(events), correlation_id=change_id)] if events else []

    async def _load(self, change_id: UUID) -> Loaded[TreeChangeState]:
        return await self._scribe.load(change_id, INITIAL, evolve)


def change_id_of(request: Request) -> UUID:
    """The change that a request makes: the same one at every repeat."""
    return uuid5(request.request_id, "tree-change")


def _commands(
    change: TreeChangeScheduled,
    change_id: UUID,
    said: CenterChange | None,
    before: CenterEntry | None,
    then: Mapping[UUID, CenterEntry],
    center_id: UUID,
    left: Left,
) -> list[CenterCommand]:
    """What is asked of one center; `said` None: it only follows those above it."""
    at = change.effective_at
    if said is not None and said.closes:
        below = sum(one.parent_id == center_id for one in then.values())
        counts = {"open_incidents": 0, **left.get(center_id, {}), "centers_below": below}
        return [CloseCenter(valid_to=at.date(), reason=change.reason, effective_at=at, **counts)]
    entry = then[center_id]
    if said is not None and said.opens is not None:
        opened = said.opens.model_copy(update={"path": entry.path, "effective_at": at})
        return [EstablishCenter(center=opened)]
    assert before is not None, "a center that stays was there"
    commands: list[CenterCommand] = []
    when = {"effective_at": at, "change_id": change_id, "is_correction": change.is_correction}
    if entry.area != before.area:
        commands.append(ChangeGround(area=entry.area, **when))
    if entry.path != before.path and entry.parent_id is not None:
        commands.append(MoveCenter(parent_id=entry.parent_id, path=entry.path, **when))
    return commands
