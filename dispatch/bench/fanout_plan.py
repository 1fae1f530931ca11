"""What happens on boards during the fan-out measurement: a standing city of incidents, then facts at a steady rate.

Every fact changes one board row, seen at its station, district, city and the centers of the agencies told. Same seed,
same facts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from dispatch.bench.storm_plan import Dice
from dispatch.directory import Directory
from dispatch.directory_entries import CenterEntry
from dispatch.handling.scribe import Change
from domain.event import Event, Explanation, Place, Reason
from domain.identifiers import companion_of, named, operator_id
from domain.incident import events as incident
from domain.vocabulary import AgencyRole, Severity

TOLD = ("police", "traffic_police")
"""Agencies whose own centers see every incident of the plan."""
CATEGORY = "traffic.accident"
HEADLINE = "Two cars have collided at the junction and block the right lane; one person says their neck hurts"


@dataclass(slots=True)
class Standing:
    """An incident on the board."""

    id: UUID
    owner: CenterEntry
    claimed: bool = False
    offered: incident.TransferOffered | None = None


class Plan:
    """Makes facts that fit one another."""

    def __init__(self, directory: Directory, *, seed: int) -> None:
        self._directory = directory
        self._dice = Dice(seed)
        stations = [center for center in directory.centers.values() if center.level == max(_levels(directory))]
        self._stations = sorted(stations, key=lambda center: center.code)
        self._standing: list[Standing] = []
        self._opened = 0

    def opening(self, incidents: int, at: datetime) -> Iterator[Change]:
        """The incidents that stand on the boards before the measurement."""
        for _ in range(incidents):
            yield self._open(at)

    def next(self, at: datetime) -> Change:
        """One more fact, or an ending."""
        place = self._dice.below(len(self._standing))
        chosen = self._standing[place]
        throw = self._dice.below(100)
        if chosen.offered is not None:
            return self._accept(chosen, chosen.offered)
        if throw < 45:
            return self._claim(chosen)
        if throw < 70:
            return self._note(chosen, at)
        if throw < 80:
            return self._offer(chosen, at)
        if throw < 90:
            return self._open(at)
        if throw < 98 or len(self._standing) < 2:
            return _decided(chosen.id, _classified(self._dice.below(8)))
        self._standing.pop(place)
        return _decided(chosen.id, incident.IncidentClosed())

    def _open(self, at: datetime) -> Change:
        self._opened += 1
        station = self._stations[self._dice.below(len(self._stations))]
        fresh = Standing(named("fanout", at.isoformat(), str(self._opened)), station)
        self._standing.append(fresh)
        opened = incident.IncidentOpened(
            number=f"BENCH-{self._opened:06d}",
            city=self._directory.city,
            cause=incident.Cause(report_id=named("fanout-report", str(self._opened))),
            category=CATEGORY,
            severity=Severity.MODERATE,
            priority=3,
            place=Place(point=station.location, address=f"{station.name_zh} {self._opened}"),
            owner=station.ownership,
            headline=HEADLINE,
        )
        routed = incident.IncidentRouted(
            owner=station.ownership, recipients=self._recipients(), explanation=Explanation(policy="routing")
        )
        return Change(fresh.id, 0, (opened, routed))

    def _recipients(self) -> tuple[incident.Recipient, ...]:
        found = []
        for agency in TOLD:
            center = self._directory.functional_center(agency)
            if center is not None:
                reason = Reason(code="routing.category")
                found.append(
                    incident.Recipient(
                        agency=agency, center_id=center.id, path=center.path, role=AgencyRole.INFORMED, reason=reason
                    )
                )
        return tuple(found)

    def _claim(self, chosen: Standing) -> Change:
        who = operator_id(self._directory.city, f"{chosen.owner.code}.01")
        chosen.claimed = not chosen.claimed
        claim = incident.IncidentClaimed if chosen.claimed else incident.ClaimReleased
        return _decided(chosen.id, claim(operator_id=who))

    def _note(self, chosen: Standing, at: datetime) -> Change:
        note_id = named("fanout-note", str(chosen.id), at.isoformat())
        note = incident.NoteAdded(incident_id=chosen.id, note_id=note_id, text="traffic moves again on one lane")
        return Change(companion_of(chosen.id), None, (note,))

    def _offer(self, chosen: Standing, at: datetime) -> Change:
        to = self._stations[self._dice.below(len(self._stations))]
        chosen.offered = incident.TransferOffered(
            transfer_id=named("fanout-transfer", str(chosen.id), at.isoformat()),
            from_center_id=chosen.owner.id,
            to=to.ownership,
            reason="the place is across the border",
            expires_at=at + timedelta(hours=1),
        )
        return _decided(chosen.id, chosen.offered)

    def _accept(self, chosen: Standing, offered: incident.TransferOffered) -> Change:
        taker = self._directory.center(offered.to.center_id)
        assert taker is not None, "offered to a center of the city"
        accepted = incident.TransferAccepted(
            transfer_id=offered.transfer_id, from_center_id=offered.from_center_id, owner=taker.ownership
        )
        chosen.owner, chosen.offered = taker, None
        return _decided(chosen.id, accepted)


def _levels(directory: Directory) -> Sequence[int]:
    return [center.level for center in directory.centers.values()]


def _classified(priority: int) -> incident.IncidentClassified:
    return incident.IncidentClassified(category=CATEGORY, severity=Severity.SEVERE, priority=priority)


def _decided(stream_id: UUID, event: Event) -> Change:
    return Change(stream_id, None, (event,))
