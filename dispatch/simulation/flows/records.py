"""What stands beside an incident: its checklist, what came of it, campaigns that count it, recordings asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from dispatch.handling.scribe import Outcome, Request
from dispatch.simulation.city import CHECKLISTS, CITY
from dispatch.simulation.flows.flow import ASTRAY, Acts, Flow
from dispatch.simulation.people import Row, Run
from dispatch.simulation.serving import ApiProcess
from domain.campaign.commands import CampaignCommand, OpenCampaign, ProlongCampaign
from domain.campaign.events import CampaignOpened
from domain.checklist.decider import UntickItem
from domain.evidence import commands as evidence
from domain.identifiers import campaign_id
from domain.outcome import commands as outcome
from domain.outcome.events import ExternalCase
from domain.vocabulary import ExternalCaseKind, PeopleOutcome

NUMBERS = ("A-1", "A-2", "A-3")
"""Few cases, so that many incidents lead to one."""
CAMPAIGNS = ("summer", "night")
HASH, OTHER_HASH = "ab" * 32, "cd" * 32
HOLDERS = ("station", "detective", "court")


class Checklists(Flow):
    """Items ticked off, also such as are on another version's list."""

    async def tick(self) -> None:
        """It was done."""
        row = self.row("board")
        if row is None:
            return
        listed = sorted({*CHECKLISTS[0], *CHECKLISTS[1], "watched_live"})
        item, incident_id = self.chance.one_of(listed), row["incident_id"]
        await self.seat.command(
            "tick an item",
            {"tick": incident_id, "item": item},
            lambda api, asked: api.checklists.tick(incident_id, item, asked),
        )

    async def untick(self) -> None:
        """It was not."""
        row = self.row("checklists")
        if row is None:
            return await self.tick()
        command = UntickItem(incident_id=row["incident_id"], item=row["item"], reason="not yet")
        meaning = command.model_dump(mode="json")
        await self.seat.command("untick", meaning, lambda api, asked: api.checklists.execute(command, asked))
        return None

    acts: ClassVar[Acts] = {tick: 4, untick: 1}


class Outcomes(Flow):
    """Cases of other systems, people, campaigns."""

    async def link(self) -> None:
        """The incident is part of a case; said again, it is of another kind."""
        row = self.row("board")
        if row is not None:
            kind = self.chance.one_of((ExternalCaseKind.CRIMINAL, ExternalCaseKind.TRAFFIC))
            command = outcome.LinkExternalCase(incident_id=row["incident_id"], case=self._case(), kind=kind)
            await self._say(command, lambda api, asked: api.outcomes.link_case(command, asked))

    async def unlink(self) -> None:
        """It was not."""
        row = self._entry("external_case")
        if row is None:
            return await self.link()
        case = ExternalCase(system=row["system"], number=row["number"])
        command = outcome.UnlinkExternalCase(incident_id=row["incident_id"], case=case, reason="another number")
        return await self._say(command, lambda api, asked: api.outcomes.execute(command, asked, {}))

    async def count(self) -> None:
        """So many people, under a case of the incident, of none, or of one that is not linked."""
        linked = self._entry("external_case")
        row = linked or self.row("board")
        if row is None:
            return
        case = self._case() if self.chance.happens(ASTRAY) else None
        if linked is not None and self.chance.happens(0.7):
            case = ExternalCase(system=linked["system"], number=linked["number"])
        people, became = self.chance.whole(1, 9), self.chance.one_of(tuple(PeopleOutcome))
        incident_id = row["incident_id"]
        await self.seat.command(
            "count people",
            {"count on": incident_id, "people": people, "outcome": became, "case": case},
            lambda api, asked: api.outcomes.count_people(incident_id, became, people, asked, case=case),
        )

    async def strike(self) -> None:
        """A count was wrong."""
        row = self._entry("people")
        if row is None:
            return await self.count()
        command = outcome.StrikeCount(incident_id=row["incident_id"], count_id=row["entry_id"], reason="twice")
        return await self._say(command, lambda api, asked: api.outcomes.execute(command, asked, {}))

    async def campaign(self) -> None:
        """Open one, or let it end at another time."""
        code = self.chance.one_of(CAMPAIGNS)
        target = campaign_id(CITY, code)
        begins_at = self.world.city.log[0].recorded_at + timedelta(seconds=self.chance.whole(0, 1) * 20)
        command: CampaignCommand = ProlongCampaign(ends_at=self.in_s(-30.0, 60.0), reason="as ordered")
        if target not in {row["campaign_id"] for row in self.rows("campaigns")} or self.chance.happens(0.2):
            command = OpenCampaign(
                campaign=CampaignOpened(
                    city=CITY, code=code, name_zh=code, name_en=code, purpose="a quiet summer",
                    begins_at=begins_at, ends_at=begins_at + timedelta(seconds=60),
                )
            )  # fmt: skip

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            return await api.campaigns.execute(target, command, asked)

        await self.seat.command(type(command).__name__, {"campaign": code, **command.model_dump(mode="json")}, run)

    async def join(self) -> None:
        """Count an incident for a campaign."""
        row = self.row("board")
        if row is None:
            return
        code, incident_id = self.chance.one_of(CAMPAIGNS), row["incident_id"]
        target = campaign_id(CITY, code)
        await self.seat.command(
            "join a campaign",
            {"join": incident_id, "campaign": code},
            lambda api, asked: api.outcomes.join_campaign(incident_id, target, asked),
        )

    async def leave(self) -> None:
        """Count it no longer."""
        row = self._entry("campaign")
        if row is None:
            return await self.join()
        command = outcome.LeaveCampaign(
            incident_id=row["incident_id"], campaign_id=row["campaign_id"], reason="another matter"
        )
        return await self._say(command, lambda api, asked: api.outcomes.execute(command, asked, {}))

    acts: ClassVar[Acts] = {link: 3, unlink: 2, count: 3, strike: 1, campaign: 2, join: 3, leave: 1}

    def _case(self) -> ExternalCase:
        return ExternalCase(system="police-cases", number=self.chance.one_of(NUMBERS))

    def _entry(self, kind: str) -> Row | None:
        return self.row("outcomes", lambda row: row["kind"] == kind)

    async def _say(self, command: outcome.OutcomeCommand, run: Run) -> None:
        await self.seat.command(type(command).__name__, command.model_dump(mode="json"), run)


class Recordings(Flow):
    """Asked for after the fact, provided with a hash, handed on, looked at."""

    async def ask(self) -> None:
        """A camera, a minute of the past (or, wrongly, of the future), a purpose."""
        camera_id = self.chance.one_of(tuple(self.world.city.cameras))
        station = self.world.city.cameras[camera_id]
        ends_at = self.in_s(-60.0, 0.5 if self.chance.happens(ASTRAY) else -1.0)
        row = self.row("board")

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            command = evidence.RequestEvidence(
                camera_id=camera_id,
                camera_path=station.path,
                center_id=station.path[0],
                begins_at=ends_at - timedelta(seconds=60),
                ends_at=ends_at,
                purpose="whose car it was",
                asked_at=asked.received_at,
                incident_id=row["incident_id"] if row is not None else None,
            )
            return await api.evidence.ask(command, asked)

        await self.seat.command("ask for a recording", {"camera": camera_id, "until": ends_at}, run)

    async def go_on(self) -> None:
        """Provide it or not, hand it on, look."""
        row = self.row("evidence_requests")
        if row is None:
            return await self.ask()
        command = self._step(row)
        target: UUID = row["request_id"]

        async def run(api: ApiProcess, asked: Request) -> Outcome:
            return await api.evidence.execute(target, command, asked)

        meaning = {"recording": target, "command": command.model_dump(mode="json")}
        return await self.seat.command(type(command).__name__, meaning, run, expected_version=self.stated(row))

    acts: ClassVar[Acts] = {ask: 2, go_on: 5}

    def _step(self, row: Row) -> evidence.EvidenceCommand:
        sha256 = OTHER_HASH if self.chance.happens(2 * ASTRAY) else HASH
        provide = evidence.ProvideEvidence(
            uri="file://store/7.mp4", sha256=sha256, clock_offset_s=-3.0, clock_checked_by="the bell", holder=HOLDERS[0]
        )
        hand_over = evidence.HandOverEvidence(to_holder=self.chance.one_of(HOLDERS), sha256=sha256, purpose="the case")
        decline = evidence.DeclineEvidence(reason="overwritten")
        read = evidence.ReadEvidence(purpose="the times")
        admitted: Mapping[evidence.EvidenceCommand, int] = {hand_over: 5, read: 3, provide: 1}
        if row["phase"] == "requested":
            admitted = {provide: 5, decline: 1, hand_over: 1}
        return self.chance.weighted(admitted)
