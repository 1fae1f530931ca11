"""Temporary headquarters. Opening one puts its center into the tree, ending one takes it out and moves all that it had,
each in one append: there is no position of the log at which it is half there, or at which an incident is nobody's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from dispatch.directory import Directory
from dispatch.directory_entries import CenterEntry
from dispatch.handling.scribe import Change, Loaded, Outcome, Request, Scribe, check_version
from domain.center import decider as center
from domain.center.commands import CloseCenter, EstablishCenter
from domain.center.events import CenterEstablished
from domain.event import Event, GeoPoint
from domain.headquarters.commands import (
    ChangeHeadquarters,
    ExpireHeadquarters,
    ExtendHeadquarters,
    GiveIncidentBack,
    OpenHeadquarters,
    StandDown,
    TakeIncident,
)
from domain.headquarters.decider import INITIAL, HeadquartersState, decide, evolve, unknown
from domain.headquarters.events import HeadquartersOpened, Returned, Scope
from domain.identifiers import center_id as center_id_of
from domain.identifiers import headquarters_id
from domain.incident import restricting
from domain.incident.admission import unknown_incident
from domain.incident.commands import MoveIncident
from domain.incident.decider import INITIAL as INCIDENT
from domain.incident.decider import IncidentState
from domain.incident.decider import decide as decide_incident
from domain.incident.decider import evolve as evolve_incident
from domain.ownership import Ownership
from domain.refusals import Refusal, Refused
from domain.vocabulary import CenterKind

Attempt: TypeAlias = tuple[Sequence[Change], Mapping[str, Any]] | Refusal


@dataclass(frozen=True, slots=True)
class HeadquartersDraft:
    """A headquarters as it is asked for. Its place is that of the city's center unless one is said."""

    code: str
    name_zh: str
    name_en: str
    purpose: str
    scope: Scope
    commander_id: UUID
    deputy_ids: tuple[UUID, ...]
    ends_at: datetime
    location: GeoPoint | None = None


@dataclass(frozen=True, slots=True)
class Leftover:
    """What only a decision of its own ends, counted by who asks."""

    cases: int = 0
    aid: int = 0
    on_shift: int = 0


NOTHING_LEFT = Leftover()


class HeadquartersDesk:
    """Opens, changes and ends headquarters, and moves incidents to and from them.

    Raises `Refused`, `Conflict`, `Unavailable`.
    """

    def __init__(self, scribe: Scribe, directory: Directory) -> None:
        self._scribe = scribe
        self._directory = directory

    async def state(self, stream_id: UUID) -> Loaded[HeadquartersState]:
        """The headquarters as decided so far. Refused `headquarters.unknown`."""
        loaded = await self._load(stream_id)
        if loaded.state.opened is None:
            raise Refused.by(unknown())
        return loaded

    async def open(self, draft: HeadquartersDraft, request: Request) -> Outcome:
        """It is a center below the city's own, which is above whom it names. The answer has `center_id`."""
        city, root = self._directory.city, self._directory.root()
        node, stream_id = center_id_of(city, draft.code), headquarters_id(city, draft.code)
        place = Ownership(center_id=node, path=(*root.path, node))
        opened = HeadquartersOpened(
            city=city,
            code=draft.code,
            center=place,
            purpose=draft.purpose,
            scope=draft.scope,
            commander_id=draft.commander_id,
            deputy_ids=draft.deputy_ids,
            ends_at=draft.ends_at,
        )
        answer = {"code": draft.code, "center_id": str(node)}

        async def attempt() -> Attempt:
            loaded, tree = await self._load(stream_id), await self._scribe.load(node, center.INITIAL, center.evolve)
            decided = decide(OpenHeadquarters(headquarters=opened, opened_at=request.received_at), loaded.state)
            if isinstance(decided, Refusal) or not decided:
                return decided if isinstance(decided, Refusal) else ([], answer)
            namesake = self._directory.center_by_code(draft.code, known=True)
            if tree.state.established is not None or namesake is not None:
                detail = f"There is or was a center {draft.code}. Give the headquarters another code."
                return Refusal("headquarters.code_taken", detail, {"headquarters": draft.code})
            command = EstablishCenter(center=self._node(draft, place, root, request))
            established = center.decide(node, command, tree.state)
            if isinstance(established, Refusal):
                return established
            return [Change(node, tree.version, established), Change(stream_id, loaded.version, decided)], answer

        return await self._scribe.decide(attempt, request)

    async def execute(
        self, stream_id: UUID, command: ChangeHeadquarters | ExtendHeadquarters, request: Request
    ) -> Outcome:
        """Whom it commands, who acts for it, how long."""

        async def attempt() -> Attempt:
            loaded = await self._load(stream_id)
            check_version(loaded, request)
            decided = decide(command, loaded.state)
            return decided if isinstance(decided, Refusal) else ([Change(stream_id, loaded.version, decided)], {})

        return await self._scribe.decide(attempt, request)

    async def take(self, stream_id: UUID, incident_id: UUID, reason: str, request: Request) -> Outcome:
        """Take an incident over: it is offered, moved and accepted in the append that says it is taken."""

        async def attempt() -> Attempt:
            loaded, found = await self._load(stream_id), await self._incident(incident_id)
            if isinstance(found, Refusal):
                return found
            assert found.state.owner is not None, "an incident is never ownerless"
            command = TakeIncident(
                incident_id=incident_id, number=found.state.number, owner=found.state.owner, reason=reason
            )
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal) or loaded.state.opened is None:
                return decided if isinstance(decided, Refusal) else unknown()
            outside = restricting.outside(loaded.state.opened.center.center_id, found.state)
            if outside is not None:
                return outside
            moved = self._moved(found, loaded.state.opened.center, reason, request, is_taken=True)
            answer = {"incident_id": str(incident_id), "number": found.state.number}
            return [Change(stream_id, loaded.version, decided), moved] if decided else [], answer

        return await self._scribe.decide(attempt, request)

    async def give_back(
        self, stream_id: UUID, incident_id: UUID, to: CenterEntry | None, reason: str, request: Request
    ) -> Outcome:
        """Let an incident go, to a center by name or to the one it was taken from."""

        async def attempt() -> Attempt:
            # The incident first: whoever takes it meanwhile says so to the headquarters in the same append.
            found = await self._incident(incident_id)
            if isinstance(found, Refusal):
                return found
            loaded = await self._load(stream_id)
            opened, owner = loaded.state.opened, found.state.owner
            is_there = opened is not None and owner is not None and owner.center_id == opened.center.center_id
            if not is_there or incident_id not in loaded.state.held:
                detail = f"Incident {found.state.number} is not the headquarters'. Read who owns it."
                return Refusal("headquarters.not_held", detail, {"number": found.state.number})
            outside = restricting.outside(to.id, found.state) if to is not None else None
            if outside is not None:
                return outside
            returned = self._returned(found, loaded.state, {} if to is None else {incident_id: to})
            decided = decide(GiveIncidentBack(returned=returned, reason=reason), loaded.state)
            if isinstance(decided, Refusal):
                return decided
            moved = self._moved(found, returned.to, reason, request)
            return [Change(stream_id, loaded.version, decided), moved], {"incident_id": str(incident_id)}

        return await self._scribe.decide(attempt, request)

    async def stand_down(
        self,
        stream_id: UUID,
        reason: str,
        request: Request,
        *,
        to: Mapping[UUID, CenterEntry],
        left: Leftover = NOTHING_LEFT,
    ) -> Outcome:
        """End it. `to`: incidents that go to another center than they came from."""

        async def attempt() -> Attempt:
            loaded = await self._load(stream_id)
            held = await self._held(loaded.state)
            strange = to.keys() - {one.stream_id for one in held}
            if strange:
                incident_id = str(min(strange))
                detail = f"The headquarters does not have incident {incident_id}. Leave it out."
                return Refusal("headquarters.not_held", detail, {"incident_id": incident_id})
            for one in held:
                named = to.get(one.stream_id)
                outside = restricting.outside(named.id, one.state) if named is not None else None
                if outside is not None:
                    return outside
            returned = tuple(self._returned(one, loaded.state, to) for one in held)
            command = StandDown(
                reason=reason,
                returned=returned,
                open_cases=left.cases,
                open_aid=left.aid,
                on_shift=left.on_shift,
            )
            decided = decide(command, loaded.state)
            if isinstance(decided, Refusal):
                return decided
            changes = await self._ended(loaded, decided, held, returned, reason, request) if decided else []
            return changes, {"returned": str(len(returned) if decided else 0)}

        return await self._scribe.decide(attempt, request)

    async def expire(self, stream_id: UUID, request: Request) -> Sequence[Change]:
        """What ends it when its time is over, for the timers to record; nothing if it is over or was prolonged.

        Whoever was first makes the append fail: it demands the version of each stream that was read.
        """
        loaded = await self._load(stream_id)
        held = await self._held(loaded.state)
        returned = tuple(self._returned(one, loaded.state, {}) for one in held)
        decided = decide(ExpireHeadquarters(noticed_at=request.received_at, returned=returned), loaded.state)
        if isinstance(decided, Refusal) or not decided:
            return ()
        return await self._ended(loaded, decided, held, returned, "the headquarters' time is over", request)

    async def _ended(
        self,
        loaded: Loaded[HeadquartersState],
        decided: tuple[Event, ...],
        held: Sequence[Loaded[IncidentState]],
        returned: Sequence[Returned],
        reason: str,
        request: Request,
    ) -> Sequence[Change]:
        opened = loaded.state.opened
        assert opened is not None, "one that ends was opened"
        node = await self._scribe.load(opened.center.center_id, center.INITIAL, center.evolve)
        close = CloseCenter(valid_to=request.received_at.date(), reason=reason, open_incidents=0)
        closed = center.decide(node.stream_id, close, node.state)
        assert not isinstance(closed, Refusal), "a center whose incidents all moved may close"
        moved = [self._moved(one, back.to, reason, request) for one, back in zip(held, returned, strict=True)]
        return [Change(loaded.stream_id, loaded.version, decided), Change(node.stream_id, node.version, closed), *moved]

    async def _load(self, stream_id: UUID) -> Loaded[HeadquartersState]:
        return await self._scribe.load(stream_id, INITIAL, evolve)

    async def _incident(self, incident_id: UUID) -> Loaded[IncidentState] | Refusal:
        found = await self._scribe.load(incident_id, INCIDENT, evolve_incident)
        return unknown_incident() if found.state.phase is None else found

    async def _held(self, state: HeadquartersState) -> list[Loaded[IncidentState]]:
        """What it took and still owns, as the log says now: what went elsewhere by a transfer is not its any more."""
        if state.opened is None:
            return []
        node = state.opened.center.center_id
        loaded = await self._scribe.load_many(sorted(state.held), INCIDENT, evolve_incident)
        return [one for one in loaded.values() if one.state.owner is not None and one.state.owner.center_id == node]

    def _returned(
        self, found: Loaded[IncidentState], state: HeadquartersState, to: Mapping[UUID, CenterEntry]
    ) -> Returned:
        """To whom it goes: the one who is named, else the giver, else the nearest above the giver that still is.

        One that is restricted goes to who may know of it: the city's center is always among these.
        """
        named = to.get(found.stream_id)
        owner = (
            named.ownership if named is not None else self._still_there(state.held[found.stream_id].giver, found.state)
        )
        return Returned(incident_id=found.stream_id, number=found.state.number, to=owner)

    def _still_there(self, giver: Ownership, incident: IncidentState) -> Ownership:
        found = (self._directory.center(center_id) for center_id in reversed(giver.path))
        return next(
            (one.ownership for one in found if one is not None and incident.knows(one.id)),
            self._directory.root().ownership,
        )

    def _moved(
        self, found: Loaded[IncidentState], to: Ownership, reason: str, request: Request, *, is_taken: bool = False
    ) -> Change:
        command = MoveIncident(
            transfer_id=uuid5(request.request_id, f"transfer\x1f{found.stream_id}"),
            to=to,
            reason=reason,
            moved_at=request.received_at,
            is_taken=is_taken,
        )
        decided = decide_incident(command, found.state)
        assert not isinstance(decided, Refusal), (
            "an incident moves in every phase, and whoever may not know of it was refused"
        )
        return Change(found.stream_id, found.version, decided, correlation_id=found.stream_id)

    def _node(
        self, draft: HeadquartersDraft, place: Ownership, root: CenterEntry, request: Request
    ) -> CenterEstablished:
        return CenterEstablished(
            city=self._directory.city,
            code=draft.code,
            name_zh=draft.name_zh,
            name_en=draft.name_en,
            kind=CenterKind.HEADQUARTERS,
            level=0,
            parent_id=root.id,
            path=place.path,
            valid_from=request.received_at.date(),
            location=draft.location or root.location,
        )


def scope_of(
    directory: Directory, centers: Collection[UUID], agencies: Sequence[str], grounds: Collection[UUID]
) -> tuple[UUID, ...]:
    """The centers that are named, those of the agencies, and those whose ground was found; nobody twice, nobody who
    stands below another that is among them anyway.
    """
    named = list(centers)
    named += [found.id for code in agencies if (found := directory.functional_center(code)) is not None]
    wanted = dict.fromkeys([*named, *grounds])
    above = {one: set(entry.path[:-1]) for one in wanted if (entry := directory.center(one)) is not None}
    return tuple(one for one in wanted if one in above and above[one].isdisjoint(wanted))
