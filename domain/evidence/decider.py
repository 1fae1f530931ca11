"""Rules of evidence: provided once, its hash never another, its chain of holders never broken.

    command             requested  provided  unavailable
    ProvideEvidence     x          .         -
    DeclineEvidence     x          -         .
    HandOverEvidence    -          x         -
    ReadEvidence        -          x         -

`x` decides, `.` says nothing if it is the same again and is refused otherwise, `-` is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from domain.event import Event
from domain.evidence.commands import (
    DeclineEvidence,
    EvidenceCommand,
    HandOverEvidence,
    ProvideEvidence,
    ReadEvidence,
    RequestEvidence,
)
from domain.evidence.events import (
    EvidenceHandedOver,
    EvidenceProvided,
    EvidenceRead,
    EvidenceRequested,
    EvidenceUnavailable,
)
from domain.refusals import Refusal
from domain.word import Word

Decision: TypeAlias = tuple[Event, ...] | Refusal


class EvidencePhase(Word):
    """Life of a request. Handing over moves the holder, not the phase."""

    REQUESTED = "requested"
    PROVIDED = "provided"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class EvidenceState:
    """What a rule reads. `phase` None: nobody asked."""

    phase: EvidencePhase | None = None
    asked: EvidenceRequested | None = None
    provided: EvidenceProvided | None = None
    holder: str = ""


INITIAL = EvidenceState()


def evolve(state: EvidenceState, event: Event) -> EvidenceState:
    """The request after a fact. Never raises."""
    match event:
        case EvidenceRequested():
            return EvidenceState(EvidencePhase.REQUESTED, event)
        case EvidenceProvided(holder=holder):
            return replace(state, phase=EvidencePhase.PROVIDED, provided=event, holder=holder)
        case EvidenceUnavailable():
            return replace(state, phase=EvidencePhase.UNAVAILABLE)
        case EvidenceHandedOver(to_holder=holder):
            return replace(state, holder=holder)
        case _:
            return state


def decide(command: EvidenceCommand, state: EvidenceState) -> Decision:
    """Facts, nothing, or a refusal."""
    if isinstance(command, RequestEvidence):
        return _request(command, state)
    if state.phase is None:
        return Refusal("evidence.unknown", "There is no such request. Check its id.")
    match command:
        case ProvideEvidence():
            return _provide(command, state)
        case DeclineEvidence():
            return _decline(command, state)
        case HandOverEvidence():
            return _hand_over(command, state)
        case ReadEvidence():
            return (EvidenceRead(purpose=command.purpose),) if state.provided is not None else _not_there(state)
        case _:
            assert_never(command)


def _request(command: RequestEvidence, state: EvidenceState) -> Decision:
    if state.phase is not None:
        return ()
    if not command.begins_at < command.ends_at <= command.asked_at:
        detail = "A recording is asked for after the fact: `ends_at` lies after `begins_at`, and not ahead of now."
        return Refusal("evidence.no_period", detail, {"ends_at": command.ends_at.isoformat()})
    said = {name: getattr(command, name) for name in RequestEvidence.model_fields if name != "asked_at"}
    return (EvidenceRequested(**said),)


def _provide(command: ProvideEvidence, state: EvidenceState) -> Decision:
    provided = EvidenceProvided(**{name: getattr(command, name) for name in ProvideEvidence.model_fields})
    if state.phase is EvidencePhase.REQUESTED:
        return (provided,)
    if state.provided == provided:
        return ()
    detail = f"The request was answered before ({state.phase}). What was provided does not change; ask anew."
    return Refusal("evidence.already_answered", detail, {"phase": str(state.phase)})


def _decline(command: DeclineEvidence, state: EvidenceState) -> Decision:
    if state.phase is EvidencePhase.REQUESTED:
        return (EvidenceUnavailable(reason=command.reason),)
    if state.phase is EvidencePhase.UNAVAILABLE:
        return ()
    detail = "The recording was provided. It cannot be made undone; hand it over to whom it belongs."
    return Refusal("evidence.already_answered", detail, {"phase": str(state.phase)})


def _hand_over(command: HandOverEvidence, state: EvidenceState) -> Decision:
    if state.provided is None:
        return _not_there(state)
    if command.sha256 != state.provided.sha256:
        detail = "The taker computed another hash than the provider: it is not the same recording. Do not take it."
        values = {"provided": state.provided.sha256, "computed": command.sha256}
        return Refusal("evidence.hash_differs", detail, values)
    if command.to_holder == state.holder:
        return ()
    return (
        EvidenceHandedOver(
            from_holder=state.holder, to_holder=command.to_holder, sha256=command.sha256, purpose=command.purpose
        ),
    )


def _not_there(state: EvidenceState) -> Refusal:
    detail = f"There is no recording ({state.phase}). Wait until it is provided."
    return Refusal("evidence.not_provided", detail, {"phase": str(state.phase)})
