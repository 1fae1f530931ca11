"""Decisions about incidents: load the stream, let the decider decide, record once.

A merge and its undoing are recorded on both streams in one command, each with the version it was decided on.
Notes and evidence go to the companion stream without a version check, so they never make a dispatcher's decision stale.
An incident ends only when no unit is on it any more (`domain.policies.commitment`, decision record 0012).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from dispatch.directory import Directory
from dispatch.handling.commitments import Commitments
from dispatch.handling.merges import head_of, with_guests
from dispatch.handling.open_cases import open_case
from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe, check_version
from domain.event import Event, MediaReference
from domain.identifiers import companion_of
from domain.incident import companion, merging
from domain.incident.admission import LIVE, phase_refusal, unknown_incident
from domain.incident.commands import (
    AbsorbIncident,
    AddNote,
    AnyIncidentCommand,
    ClassifyIncident,
    CloseIncident,
    DismissIncident,
    IncidentCommand,
    MergeIncident,
    MoveIncident,
    OfferTransfer,
    ReleaseIncident,
    ResolveIncident,
    StrikeNote,
    UnmergeIncident,
)
from domain.incident.decider import INITIAL, IncidentState, decide, evolve
from domain.incident.events import EvidenceAttached
from domain.ownership import Ownership
from domain.policies.commitment import still_committed, still_in_casework
from domain.refusals import Refusal, Refused
from domain.vocabulary import ActorKind, CenterKind, IncidentPhase

Attempt: TypeAlias = tuple[Sequence[Change], Mapping[str, Any]] | Refusal


@dataclass(frozen=True, slots=True)
class Move:
    """An incident to another owner: at once, or as an offer. `owner_id` had it when that was decided."""

    incident_id: UUID
    owner_id: UUID
    to: Ownership
    is_offer: bool


class IncidentDesk:
    """Everything that may be asked of incidents. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, scribe: Scribe, directory: Directory, commitments: Commitments) -> None:
        self._scribe = scribe
        self._directory = directory
        self.commitments = commitments

    async def state(self, incident_id: UUID) -> Loaded[IncidentState]:
        """The incident as decided so far, with the version that is its ETag. Refused `incident.unknown`."""
        loaded = await self._load(incident_id)
        if loaded.state.phase is None:
            raise Refused.by(unknown_incident())
        return loaded

    async def execute(self, incident_id: UUID, command: IncidentCommand, request: Request) -> Outcome:
        """Decide one command. A decision that changes nothing is an outcome with `changed` False."""
        return await self._one(incident_id, command, request, {"incident_id": str(incident_id)})

    async def offer_transfer(self, incident_id: UUID, *, to_center_id: UUID, reason: str, request: Request) -> Outcome:
        """Offer the incident from its owner to another center, for as long as the category's rule allows."""
        to = self._directory.center(to_center_id)
        if to is None:
            detail = "There is no center with this id to offer the incident to."
            raise Refused("center.unknown", detail, center_id=str(to_center_id))
        if to.kind is CenterKind.HEADQUARTERS:
            detail = "A headquarters takes incidents over itself. Ask its commander."
            raise Refused("headquarters.takes_over", detail, center_id=str(to_center_id))
        loaded = await self.state(incident_id)
        assert loaded.state.owner is not None, "an incident is never ownerless"
        deadlines = self._directory.rulebook().category(loaded.state.category).deadlines
        offered_at = request.received_at
        command = OfferTransfer(
            transfer_id=uuid5(request.request_id, "transfer"),
            from_center_id=loaded.state.owner.center_id,
            to=to.ownership,
            reason=reason,
            offered_at=offered_at,
            expires_at=offered_at + timedelta(seconds=deadlines.transfer_within_s),
        )
        answer = {"incident_id": str(incident_id), "transfer_id": str(command.transfer_id)}
        return await self._one(incident_id, command, request, answer)

    async def move_many(self, moves: Sequence[Move], reason: str, request: Request) -> Outcome:
        """Move or offer many incidents in one append. The answer counts both.

        What ended, or has another owner than whoever decided saw, is left out: somebody was first.
        """
        rulebook = self._directory.rulebook()

        async def attempt() -> Attempt:
            loaded = await self._scribe.load_many([one.incident_id for one in moves], INITIAL, evolve)
            changes, counted = [], {"moved": 0, "offered": 0}
            for one in moves:
                here = loaded[one.incident_id]
                owner = here.state.owner
                if owner is None or owner.center_id != one.owner_id or here.state.phase not in LIVE:
                    continue
                span = rulebook.category(here.state.category).deadlines.transfer_within_s
                decided = decide(_moving(one, reason, request, span), here.state)
                if not isinstance(decided, Refusal) and decided:
                    changes.append(_change(here, decided))
                    counted["offered" if one.is_offer else "moved"] += 1
            return changes, {name: str(count) for name, count in counted.items()}

        return await self._scribe.decide(attempt, request)

    async def merge(self, incident_id: UUID, into_id: UUID, request: Request, *, note: str | None = None) -> Outcome:
        """Merge `incident_id` into `into_id`. The stated version, if any, is of the incident that is merged."""
        merge_id = uuid5(request.request_id, "merge")
        answer = {"incident_id": str(incident_id), "into_incident_id": str(into_id), "merge_id": str(merge_id)}

        async def attempt() -> Attempt:
            if incident_id == into_id:
                return Refusal("incident.merge_into_itself", "An incident cannot be merged into itself.")
            loaded = await self._scribe.load_many([incident_id, into_id], INITIAL, evolve)
            here, head = loaded[incident_id], loaded[into_id]
            check_version(here, request)
            if here.state.phase is None or head.state.phase is None:
                return unknown_incident()
            if head.state.phase is IncidentPhase.MERGED and await self.head_of(into_id) == incident_id:
                return merging.cycle(here.state.number, head.state.number)
            halves: tuple[tuple[Loaded[IncidentState], AnyIncidentCommand], ...] = (
                (head, AbsorbIncident(merge_id=merge_id, incident_id=incident_id, incident_version=here.version)),
                (
                    here,
                    MergeIncident(
                        merge_id=merge_id,
                        into_incident_id=into_id,
                        into_version=head.version,
                        into_severity=head.state.severity,
                        into_status=head.state.status,
                        into_operation_id=head.state.restriction.operation_id if head.state.restriction else None,
                        note=note,
                    ),
                ),
            )
            return _both(halves, answer)

        # Each attempt looks at the stated version itself: a race that was lost on the other incident is none on this.
        return await self._scribe.decide(attempt, replace(request, expected_version=None))

    async def unmerge(self, incident_id: UUID, request: Request, *, note: str | None = None) -> Outcome:
        """Undo the merge of `incident_id`: it is itself again, in the phase it had, and its former head lets go."""

        async def attempt() -> Attempt:
            here = await self._load(incident_id)
            check_version(here, request)
            merge = here.state.merge
            if here.state.phase is None:
                return unknown_incident()
            if merge is None:
                return phase_refusal(UnmergeIncident(merge_id=UUID(int=0)), here.state)
            head = await self._load(merge.into_incident_id)
            answer = {
                "incident_id": str(incident_id),
                "from_incident_id": str(merge.into_incident_id),
                "merge_id": str(merge.merge_id),
            }
            halves: tuple[tuple[Loaded[IncidentState], AnyIncidentCommand], ...] = (
                (head, ReleaseIncident(merge_id=merge.merge_id, incident_id=incident_id)),
                (here, UnmergeIncident(merge_id=merge.merge_id, note=note)),
            )
            return _both(halves, answer)

        # Each attempt looks at the stated version itself: a race that was lost on the other incident is none on this.
        return await self._scribe.decide(attempt, replace(request, expected_version=None))

    async def head_of(self, incident_id: UUID) -> UUID:
        """The incident on which decisions are made: itself, or where its merges lead."""
        return (await head_of(self._scribe, await self._load(incident_id))).stream_id

    async def add_note(self, incident_id: UUID, text: str, request: Request, *, is_known: bool = False) -> Outcome:
        """Write something down, in any phase. The answer names the `note_id`. `is_known`: the caller has just read the
        incident, which need not be looked for again.
        """
        if not is_known:
            await self._check_exists(incident_id)
        note_id = uuid5(request.request_id, "note")
        decided = companion.decide(AddNote(incident_id=incident_id, note_id=note_id, text=text), companion.INITIAL)
        assert not isinstance(decided, Refusal), "a new note is always welcome"
        return await self._append(incident_id, decided, request, {"note_id": str(note_id)})

    async def strike_note(self, incident_id: UUID, note_id: UUID, reason: str, request: Request) -> Outcome:
        """Strike a wrong note, once. Decided on the companion stream's own version; a stated version is ignored."""
        request = replace(request, expected_version=None)
        await self._check_exists(incident_id)
        command = StrikeNote(incident_id=incident_id, note_id=note_id, reason=reason)
        answer = {"incident_id": str(incident_id), "note_id": str(note_id)}

        async def attempt() -> Attempt:
            loaded = await self._scribe.load(companion_of(incident_id), companion.INITIAL, companion.evolve)
            decided = companion.decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            return [Change(loaded.stream_id, loaded.version, decided, correlation_id=incident_id)], answer

        return await self._scribe.decide(attempt, request)

    async def attach_evidence(
        self, incident_id: UUID, media: MediaReference, request: Request, *, description: str | None = None
    ) -> Outcome:
        """Refer to a clip, a picture or a document, in any phase. The answer names the `evidence_id`."""
        await self._check_exists(incident_id)
        evidence_id = uuid5(request.request_id, "evidence")
        attached = EvidenceAttached(
            incident_id=incident_id, evidence_id=evidence_id, media=media, description=description
        )
        return await self._append(incident_id, (attached,), request, {"evidence_id": str(evidence_id)})

    async def _load(self, incident_id: UUID) -> Loaded[IncidentState]:
        return await self._scribe.load(incident_id, INITIAL, evolve)

    async def _one(
        self, incident_id: UUID, command: AnyIncidentCommand, request: Request, answer: Mapping[str, Any]
    ) -> Outcome:
        version = 0

        async def attempt() -> Attempt:
            nonlocal version
            loaded = await self._load(incident_id)
            version = loaded.version
            check_version(loaded, request)
            if isinstance(command, ClassifyIncident):
                self._check_category(command.category)
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            if isinstance(command, ResolveIncident | CloseIncident | DismissIncident):
                refusal = await self._still_committed(loaded, request, ends=not isinstance(command, ResolveIncident))
                if refusal is not None:
                    return refusal
            return [_change(loaded, decided)], answer

        outcome = await self._scribe.decide(attempt, request)
        if outcome.versions or outcome.repeated:
            return outcome
        return replace(outcome, versions={incident_id: version})

    async def _still_committed(
        self, incident: Loaded[IncidentState], request: Request, *, ends: bool
    ) -> Refusal | None:
        """Why it cannot end: units of its own or of its guests are on it, or (`ends`) a case of theirs is open."""
        together = (await with_guests(self._scribe, incident)).keys()
        found = await self.commitments.of(together)
        told = request.actor.id if request.actor.kind is ActorKind.PARTNER else None
        refusal = still_committed(incident.state.number, found, told=told)
        if refusal is not None or not ends:
            return refusal
        case = await open_case(self._scribe, together)
        return None if case is None else still_in_casework(incident.state.number, case.stream_id, case.state)

    async def _append(
        self, incident_id: UUID, events: tuple[Event, ...], request: Request, answer: Mapping[str, Any]
    ) -> Outcome:
        change = Change(companion_of(incident_id), None, events, correlation_id=incident_id)

        async def attempt() -> Attempt:
            return [change], {"incident_id": str(incident_id), **answer}

        return await self._scribe.decide(attempt, request)

    async def _check_exists(self, incident_id: UUID) -> None:
        if not await self._scribe.log.heads([incident_id]):
            raise Refused.by(unknown_incident())

    def _check_category(self, category: str) -> None:
        if category not in {rule.code for rule in self._directory.rulebook().categories}:
            detail = f"The rulebook has no category {category}. Choose one of its categories."
            raise Refused("incident.unknown_category", detail, category=category)


def _change(loaded: Loaded[IncidentState], events: tuple[Event, ...]) -> Change:
    return Change(loaded.stream_id, loaded.version, events, correlation_id=loaded.stream_id)


def _moving(one: Move, reason: str, request: Request, transfer_within_s: int) -> IncidentCommand:
    transfer_id = uuid5(request.request_id, f"transfer\x1f{one.incident_id}")
    at = request.received_at
    if not one.is_offer:
        return MoveIncident(transfer_id=transfer_id, to=one.to, reason=reason, moved_at=at)
    return OfferTransfer(
        transfer_id=transfer_id,
        from_center_id=one.owner_id,
        to=one.to,
        reason=reason,
        offered_at=at,
        expires_at=at + timedelta(seconds=transfer_within_s),
    )


def _both(halves: Sequence[tuple[Loaded[IncidentState], AnyIncidentCommand]], answer: Mapping[str, Any]) -> Attempt:
    """Both halves decided, or the first refusal."""
    changes = []
    for loaded, command in halves:
        decided = decide(command, loaded.state)
        if isinstance(decided, Refusal):
            return decided
        changes.append(_change(loaded, decided))
    return changes, answer
