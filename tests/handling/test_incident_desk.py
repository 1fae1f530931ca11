"""Commands about incidents, recorded."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from dispatch.handling.scribe import Outcome
from domain.event import MediaReference
from domain.identifiers import companion_of
from domain.incident import commands as ask
from domain.incident import events as fact
from domain.refusals import Conflict, Refused
from domain.vocabulary import Disposition, IncidentPhase, Severity
from tests.handling.world import NEXT_STATION, STATION, Racing, Watch, World

NOBODY = UUID(int=999)


async def refused(awaitable) -> str:
    with pytest.raises(Refused) as caught:
        await awaitable
    return caught.value.code


async def test_a_decision_is_recorded_with_who_when_and_which_story(world: World):
    incident_id = await world.open()
    seen_at = world.watch.now() - timedelta(seconds=30)
    outcome = await world.incidents.execute(incident_id, ask.VerifyIncident(), world.request(occurred_at=seen_at))
    row = (await world.rows(incident_id))[-1]
    assert row.event == fact.IncidentVerified()
    assert row.envelope.actor.id == "alice"
    assert row.envelope.occurred_at == seen_at
    assert row.envelope.received_at == world.watch.now()
    assert row.envelope.correlation_id == incident_id
    assert (outcome.position, outcome.versions) == (row.position, {incident_id: 2})
    assert outcome.answer == {"incident_id": str(incident_id)}


async def test_an_incident_nobody_opened_is_unknown(world: World):
    assert await refused(world.incidents.state(NOBODY)) == "incident.unknown"
    assert await refused(world.incidents.execute(NOBODY, ask.VerifyIncident(), world.request())) == "incident.unknown"
    assert await refused(world.incidents.add_note(NOBODY, "?", world.request())) == "incident.unknown"
    assert await refused(world.incidents.unmerge(NOBODY, world.request())) == "incident.unknown"


async def test_a_stale_version_is_a_conflict_that_names_both(world: World):
    incident_id = await world.open()
    await world.incidents.execute(incident_id, ask.VerifyIncident(), world.request())
    before = await world.log.tip()
    with pytest.raises(Conflict) as caught:
        await world.incidents.execute(
            incident_id, ask.AcceptIncident(center_id=STATION), world.request(expected_version=1)
        )
    assert caught.value.code == "stale_version"
    assert caught.value.values["actual_version"] == "2"
    assert await world.log.tip() == before


async def test_a_stale_version_is_a_conflict_even_for_what_would_change_nothing(world: World):
    incident_id = await world.open()
    await world.incidents.execute(incident_id, ask.VerifyIncident(), world.request())
    with pytest.raises(Conflict):
        await world.incidents.execute(incident_id, ask.VerifyIncident(), world.request(expected_version=1))


async def test_the_present_version_decides(world: World):
    incident_id = await world.open()
    version = (await world.incidents.state(incident_id)).version
    outcome = await world.incidents.execute(
        incident_id, ask.AcceptIncident(center_id=STATION), world.request(expected_version=version)
    )
    assert outcome.versions[incident_id] == version + 1


async def test_what_is_so_already_changes_nothing_and_says_the_version(world: World):
    incident_id = await world.open()
    await world.incidents.execute(incident_id, ask.VerifyIncident(), world.request())
    before = await world.log.tip()
    outcome = await world.incidents.execute(incident_id, ask.VerifyIncident(), world.request())
    assert not outcome.changed
    assert outcome.versions == {incident_id: 2}
    assert await world.log.tip() == before


async def test_a_repeated_request_gets_its_first_answer_though_the_incident_moved_on(world: World):
    incident_id = await world.open()
    meaning = {"operation": "accept", "incident": str(incident_id)}
    first = await world.incidents.execute(
        incident_id, ask.AcceptIncident(center_id=STATION), world.keyed("k1", meaning)
    )
    await world.incidents.execute(incident_id, ask.ResolveIncident(disposition=Disposition.HANDLED), world.request())
    await world.incidents.execute(incident_id, ask.CloseIncident(), world.request())
    before = await world.log.tip()
    again = await world.incidents.execute(
        incident_id, ask.AcceptIncident(center_id=STATION), world.keyed("k1", meaning)
    )
    assert again.repeated
    assert (again.answer, again.position) == (first.answer, first.position)
    assert await world.log.tip() == before


async def test_a_key_is_not_used_for_two_requests(world: World):
    incident_id = await world.open()
    await world.incidents.execute(incident_id, ask.VerifyIncident(), world.keyed("k1", {"operation": "verify"}))
    with pytest.raises(Conflict) as caught:
        await world.incidents.execute(
            incident_id, ask.AcceptIncident(center_id=STATION), world.keyed("k1", {"operation": "accept"})
        )
    assert caught.value.code == "key_reused"


async def test_a_category_that_the_rulebook_does_not_have_is_refused(world: World):
    incident_id = await world.open()
    command = ask.ClassifyIncident(category="traffic.ufo", severity=Severity.MINOR, priority=5)
    assert await refused(world.incidents.execute(incident_id, command, world.request())) == "incident.unknown_category"


async def test_an_offer_runs_as_long_as_the_categorys_rule_allows(world: World):
    incident_id = await world.open()
    outcome = await world.incidents.offer_transfer(
        incident_id, to_center_id=NEXT_STATION, reason="nearer", request=world.request()
    )
    offered = (await world.facts(incident_id))[-1]
    assert isinstance(offered, fact.TransferOffered)
    assert offered.from_center_id == STATION
    assert offered.to.center_id == NEXT_STATION
    assert offered.expires_at == world.watch.now() + timedelta(seconds=240)
    assert outcome.answer["transfer_id"] == str(offered.transfer_id)


async def test_an_offer_to_a_center_that_does_not_exist_is_refused(world: World):
    incident_id = await world.open()
    offer = world.incidents.offer_transfer(incident_id, to_center_id=NOBODY, reason="?", request=world.request())
    assert await refused(offer) == "center.unknown"


async def test_a_merge_is_written_on_both_streams_with_both_versions(world: World):
    guest, head = await world.open(), await world.open()
    await world.incidents.execute(guest, ask.VerifyIncident(), world.request())
    outcome = await world.incidents.merge(guest, head, world.request(), note="same crash")
    merge_id = UUID(outcome.answer["merge_id"])
    assert (await world.facts(guest))[-1] == fact.IncidentMerged(
        merge_id=merge_id, into_incident_id=head, into_version=1, note="same crash"
    )
    assert (await world.facts(head))[-1] == fact.IncidentAbsorbed(
        merge_id=merge_id, incident_id=guest, incident_version=2
    )
    assert outcome.versions == {guest: 3, head: 2}
    assert await world.incidents.head_of(guest) == head


async def test_an_undone_merge_leaves_both_as_they_were(world: World):
    guest, head = await world.open(), await world.open()
    await world.incidents.execute(guest, ask.VerifyIncident(), world.request())
    before = [(await world.incidents.state(each)).state for each in (guest, head)]
    await world.incidents.merge(guest, head, world.request())
    await world.incidents.unmerge(guest, world.request())
    assert [(await world.incidents.state(each)).state for each in (guest, head)] == before
    assert await world.incidents.head_of(guest) == guest


async def test_an_incident_cannot_be_merged_into_itself(world: World):
    guest = await world.open()
    assert await refused(world.incidents.merge(guest, guest, world.request())) == "incident.merge_into_itself"


async def test_a_ring_of_merges_is_refused_at_any_length(world: World):
    first, second, third = [await world.open() for _ in range(3)]
    await world.incidents.merge(first, second, world.request())
    assert await refused(world.incidents.merge(second, first, world.request())) == "incident.merge_cycle"
    await world.incidents.merge(second, third, world.request())
    assert await refused(world.incidents.merge(third, first, world.request())) == "incident.merge_cycle"
    assert await world.incidents.head_of(first) == third


async def test_nothing_is_merged_into_what_is_merged_or_closed(world: World):
    guest, middle, head, done = [await world.open() for _ in range(4)]
    await world.incidents.merge(middle, head, world.request())
    assert await refused(world.incidents.merge(guest, middle, world.request())) == "incident.merged"
    await world.incidents.execute(done, ask.AcceptIncident(center_id=STATION), world.request())
    await world.incidents.execute(done, ask.ResolveIncident(disposition=Disposition.HANDLED), world.request())
    await world.incidents.execute(done, ask.CloseIncident(), world.request())
    assert await refused(world.incidents.merge(guest, done, world.request())) == "incident.already_closed"
    assert await refused(world.incidents.merge(guest, NOBODY, world.request())) == "incident.unknown"


async def test_a_merge_that_would_hide_a_rise_is_refused_whole(world: World):
    guest, head = await world.open(severity=Severity.EXTREME), await world.open()
    before = await world.log.tip()
    assert await refused(world.incidents.merge(guest, head, world.request())) == "incident.merge_hides_severity"
    assert await world.log.tip() == before


async def test_the_stated_version_of_a_merge_is_of_the_incident_that_is_merged(world: World):
    guest, head = await world.open(), await world.open()
    with pytest.raises(Conflict):
        await world.incidents.merge(guest, head, world.request(expected_version=7))
    await world.incidents.merge(guest, head, world.request(expected_version=1))


@pytest.mark.parametrize("is_undone", [False, True], ids=["merge", "unmerge"])
async def test_who_states_a_version_of_a_guest_loses_to_who_changed_the_guest_and_to_nobody_else(is_undone: bool):
    watch = Watch()
    log = Racing(watch)
    world = await World(log, watch).settle()
    guest, head = await world.open(severity=Severity.MODERATE), await world.open(severity=Severity.SEVERE)
    if is_undone:
        await world.incidents.merge(guest, head, world.request())

    async def worsens(incident_id: UUID, severity: Severity) -> None:
        """As the correlator says of an incident into which it folds worse alerts."""
        raised = fact.SeverityRaised(from_severity=Severity(severity - 1), to_severity=severity, priority=3)
        await world.tell(incident_id, raised)

    async def ask_it(version: int) -> Outcome:
        request = world.request(expected_version=version)
        if is_undone:
            return await world.incidents.unmerge(guest, request)
        return await world.incidents.merge(guest, head, request)

    stated = (await log.heads([guest]))[guest].version
    log.before_next = lambda: worsens(guest, Severity.SEVERE)
    with pytest.raises(Conflict) as conflict:
        await ask_it(stated)
    assert (conflict.value.code, conflict.value.values["stream_id"]) == ("stale_version", str(guest))
    log.before_next = lambda: worsens(head, Severity.EXTREME)
    assert (await ask_it(stated + 1)).changed
    assert isinstance((await world.facts(head))[-2], fact.SeverityRaised), "the race was really lost"


async def test_a_middle_incident_is_unmerged_with_what_it_absorbed(world: World):
    first, second, third = [await world.open() for _ in range(3)]
    await world.incidents.merge(first, second, world.request())
    await world.incidents.merge(second, third, world.request())
    await world.incidents.unmerge(second, world.request())
    assert await world.incidents.head_of(first) == second
    await world.incidents.unmerge(first, world.request())
    assert (await world.incidents.state(first)).state.phase is IncidentPhase.OPEN


async def test_notes_and_evidence_do_not_make_a_decision_stale(world: World):
    incident_id = await world.open()
    version = (await world.incidents.state(incident_id)).version
    note = await world.incidents.add_note(incident_id, "two lanes blocked", world.request())
    clip = MediaReference(uri="https://video.example/clip/1", sha256="0" * 64)
    evidence = await world.incidents.attach_evidence(incident_id, clip, world.request(), description="the crash")
    await world.incidents.execute(
        incident_id, ask.AcceptIncident(center_id=STATION), world.request(expected_version=version)
    )
    assert await world.facts(companion_of(incident_id)) == [
        fact.NoteAdded(incident_id=incident_id, note_id=UUID(note.answer["note_id"]), text="two lanes blocked"),
        fact.EvidenceAttached(
            incident_id=incident_id,
            evidence_id=UUID(evidence.answer["evidence_id"]),
            media=clip,
            description="the crash",
        ),
    ]


async def test_a_note_is_struck_once_and_stays(world: World):
    incident_id = await world.open()
    added = await world.incidents.add_note(incident_id, "wrong street", world.request())
    note_id = UUID(added.answer["note_id"])
    await world.incidents.strike_note(incident_id, note_id, "other street", world.request())
    again = world.incidents.strike_note(incident_id, note_id, "other street", world.request())
    assert await refused(again) == "note.already_struck"
    assert [type(event).__name__ for event in await world.facts(companion_of(incident_id))] == [
        "NoteAdded",
        "NoteStruck",
    ]


async def test_a_note_of_another_incident_is_not_struck(world: World):
    here, there = await world.open(), await world.open()
    added = await world.incidents.add_note(there, "a note", world.request())
    strike = world.incidents.strike_note(here, UUID(added.answer["note_id"]), "?", world.request())
    assert await refused(strike) == "note.unknown"


async def test_a_closed_incident_still_takes_notes(world: World):
    incident_id = await world.open()
    await world.incidents.execute(incident_id, ask.AcceptIncident(center_id=STATION), world.request())
    await world.incidents.execute(incident_id, ask.ResolveIncident(disposition=Disposition.HANDLED), world.request())
    await world.incidents.execute(incident_id, ask.CloseIncident(), world.request())
    assert (await world.incidents.add_note(incident_id, "the report is filed", world.request())).changed
