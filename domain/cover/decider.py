"""What people say about a suggestion. That cover fell and what is suggested, a policy says (`domain.policies.cover`).

    command      none  open  accepted  declined  withdrawn
    AcceptMove   -     x     .         -         -
    DeclineMove  -     x     -         .         -

`x` decides, `.` says nothing, `-` is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import Field

from domain.cover.events import CoverFell, CoverRestored, MoveAccepted, MoveDeclined, MoveSuggested, MoveWithdrawn
from domain.event import Event, Frozen
from domain.ownership import Ownership
from domain.refusals import Refusal
from domain.word import Word

ANSWERS_REMEMBERED = 100
"""To tell a repeat from a mistake."""


class AcceptMove(Frozen):
    """Let it move up."""

    suggestion_id: UUID


class DeclineMove(Frozen):
    """It shall not."""

    suggestion_id: UUID
    reason: Annotated[str, Field(min_length=1, max_length=2_000)]


CoverCommand: TypeAlias = AcceptMove | DeclineMove
Decision: TypeAlias = tuple[Event, ...] | Refusal


class Answer(Word):
    """What became of a suggestion."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class CoverState:
    """`center` None: it was never missed. `fell` while there is a gap, `suggested` while somebody is asked; those
    `declined` are not asked again.
    """

    center: Ownership | None = None
    fell: CoverFell | None = None
    suggested: MoveSuggested | None = None
    declined: frozenset[UUID] = frozenset()
    answers: Mapping[UUID, Answer] = field(default_factory=dict)


INITIAL = CoverState()


def evolve(state: CoverState, event: Event) -> CoverState:
    """The state after a fact. Never raises."""
    match event:
        case CoverFell():
            return replace(state, fell=event, center=event.center)
        case CoverRestored():
            return replace(state, fell=None, declined=frozenset())
        case MoveSuggested():
            return replace(state, suggested=event)
        case MoveWithdrawn(suggestion_id=key):
            return _answered(state, key, Answer.WITHDRAWN)
        case MoveAccepted(suggestion_id=key):
            return _answered(state, key, Answer.ACCEPTED)
        case MoveDeclined(suggestion_id=key, unit_id=unit_id):
            return replace(_answered(state, key, Answer.DECLINED), declined=state.declined | {unit_id})
        case _:
            return state


def decide(command: CoverCommand, state: CoverState) -> Decision:
    """Facts, nothing, or a refusal."""
    key = command.suggestion_id
    wanted = Answer.ACCEPTED if isinstance(command, AcceptMove) else Answer.DECLINED
    before = state.answers.get(key)
    if before is wanted:
        return ()
    if before is not None:
        detail = f"The suggestion was {before.value}. Read the cover of the center again."
        return Refusal("cover.already_answered", detail, {"answer": before.value})
    found = state.suggested
    if found is None or found.suggestion_id != key:
        return Refusal("cover.no_such_suggestion", "There is no such suggestion. Read the cover of the center again.")
    if isinstance(command, AcceptMove):
        return (MoveAccepted(suggestion_id=key, unit_id=found.unit_id),)
    return (MoveDeclined(suggestion_id=key, unit_id=found.unit_id, reason=command.reason),)


def _answered(state: CoverState, key: UUID, answer: Answer) -> CoverState:
    kept = list({**state.answers, key: answer}.items())[-ANSWERS_REMEMBERED:]
    return replace(state, suggested=None, answers=dict(kept))
