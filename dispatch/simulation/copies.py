"""Everything that is a copy of the log is the log's: screens, replays, decisions made again, and partners' feeds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from dispatch.audit.replay import AsOf, board_as_of
from dispatch.directory import Directory
from dispatch.directory_baseline import unpacked
from dispatch.partners.contracts import ADDRESS_FIELDS
from dispatch.partners.proof import feed_differences
from dispatch.partners.sharing import incident_of
from dispatch.partners.subjects import feed_stream
from dispatch.simulation.agencies import Agency
from dispatch.simulation.city import CITY, FEEDS, FIELDS
from dispatch.simulation.feed_tables import Reading
from dispatch.simulation.reading import Story
from dispatch.simulation.screens import differences, rebuilt
from dispatch.simulation.world import World
from dispatch.workers.repeat import Repeater
from domain.casework.events import CaseArbitrated, CaseAssigned, CaseReturned
from domain.event import Event, Fact
from domain.incident.events import IncidentRouted
from domain.incident.restriction_events import IncidentRestricted
from domain.order.events import OrderContent
from domain.vocabulary import MessageStatus
from projections.registry import PROJECTIONS

SCREENS_MAX = 3
"""Screens asked for again, as of then."""
REPEATED_EVERY = 4
"""Decisions are made again in one seed of so many: it costs as much as the run itself."""


async def wrong_copies(world: World, story: Story, agencies: Sequence[Agency]) -> list[str]:
    """What any copy says otherwise than the log."""
    found = list(_screens(world, story))
    found += await _replays(world)
    found += await _directories(world)
    if world.seed % REPEATED_EVERY == 0:
        found += await _decisions(world)
    found += await feed_differences(world.log, Reading(world.feeds), CITY)
    found += _feeds(world, story)
    for agency in agencies:
        found += _carried(world, agency)
    return found


def _screens(world: World, story: Story) -> Iterator[str]:
    """I4: rebuilt equals live, for every projection."""
    page = story.page()
    for name, projection in PROJECTIONS.items():
        for difference in differences(name, world.screens.rows[name], rebuilt([page], projection)):
            yield f"I4: {difference}"
    for parked in world.screens.parked:
        yield f"parked: {parked.projection} set {parked.position} aside: {parked.reason}"


async def _replays(world: World) -> list[str]:
    """The board as of a position is the board that was seen at it."""
    found = []
    for position, seen in world.history.screens[:: max(1, len(world.history.screens) // SCREENS_MAX)][:SCREENS_MAX]:
        then = await board_as_of(world.log, AsOf(position, None))
        rows = {row["incident_id"]: row for row in then.rows if row["is_on_board"]}
        if rows != seen:
            changed = sorted(str(each) for each in {*rows, *seen} if rows.get(each) != seen.get(each))
            found.append(f"replay: the board at {position} was another one: {', '.join(changed)}")
    return found


async def _directories(world: World) -> list[str]:
    """What a process that starts would have the city from is the city."""
    found = []
    for kept in world.directories.values():
        whole = Directory(world.log, CITY)
        await whole.catch_up(up_to_position=kept.read_to)
        if unpacked(kept) != whole.contents():
            found.append(f"directory: the baseline of {kept.read_to} is another city")
    return found


async def _decisions(world: World) -> list[str]:
    """Every automatic decision comes out the same when it is made again."""
    directory = Directory(world.log, CITY)
    await directory.catch_up()
    repeater = Repeater(log=world.log, directory=directory, clock=world.clock)
    _, otherwise = await repeater.differing()
    return [f"decision: {position} comes out otherwise when made again" for position in otherwise]


def _told(story: Story) -> dict[UUID, dict[str, int]]:
    """Who was told of which incident, and from which position on."""
    told: dict[UUID, dict[str, int]] = {}
    for fact in story.facts:
        if isinstance(fact.event, IncidentRouted):
            for recipient in fact.event.recipients:
                told.setdefault(fact.stream_id, {}).setdefault(recipient.agency, fact.position)
    return told


def _feeds(world: World, story: Story) -> Iterator[str]:
    """I5: each message is addressed to an agency that was told of its incident, and says only what may leave."""
    told = _told(story)
    restricted = {fact.stream_id for fact in story.facts if isinstance(fact.event, IncidentRestricted)}
    heard: set[tuple[UUID, str]] = set()
    by_position = {fact.position: fact for fact in story.facts}
    for agency, entries in world.feeds.entries.items():
        for number, entry in enumerate(entries, start=1):
            if entry["sequence"] != number:
                yield f"I5: message {number} of {agency} has the number {entry['sequence']}"
            body: dict[str, Any] = json.loads(entry["body"])
            fact = by_position[entry["position"]]
            incident_id = incident_of(fact)
            since = told.get(incident_id, {}).get(agency)
            if "order_id" in body:
                yield from _of_an_order(fact, agency, number)
            elif "case_id" in body:
                yield from _of_a_case(story, fact, agency, number)
            elif since is None or since > entry["position"]:
                yield f"I5: {agency} {number} is about {incident_id}, which {agency} was not told of"
            if body.keys() - set(FIELDS) - ADDRESS_FIELDS:
                yield f"I5: {agency} {number} says more than it may: {sorted(body)}"
            if "case_id" not in body:
                heard.add((incident_id, agency))
    for incident_id, agencies in told.items():
        # One that was restricted may have been so before the agency could hear: what that one hears has its own oracle.
        if story.state(incident_id).status is MessageStatus.ACTUAL and incident_id not in restricted:
            deaf = [each for each in FEEDS if each in agencies and (incident_id, each) not in heard]
            yield from (f"I5: {agency} never heard of {incident_id}" for agency in deaf)
    for parked in world.feeds.parked:
        yield f"parked: the feed set {parked['position']} aside: {parked['reason']}"


def _of_an_order(fact: Fact[Event], agency: str, number: int) -> Iterator[str]:
    """An order goes to the agencies that it is addressed to, and an exercise to none."""
    order: OrderContent = fact.event.order  # type: ignore[attr-defined]  # every message about an order is of such a fact
    addressed = agency in {one.agency for one in order.addressees}
    if not addressed or order.status is not MessageStatus.ACTUAL:
        yield f"I5: {agency} {number} is about {order.number}, which is not for {agency}"


def _of_a_case(story: Story, fact: Fact[Event], agency: str, number: int) -> Iterator[str]:
    """A case goes to the department that has it, or had it when it ended."""
    department = None
    for step in story.streams[fact.stream_id]:
        if step.position > fact.position:
            break
        match step.event:
            case CaseAssigned(department=given) | CaseArbitrated(department=given):
                department = given.agency
            case CaseReturned():
                department = None
            case _:
                pass
    if department != agency:
        yield f"I5: {agency} {number} is about a case that {department} has"


def _carried(world: World, agency: Agency) -> Iterator[str]:
    """I5: what lies in the stream and what the partner read is the feed, from the first message to the last."""
    entries = world.feeds.entries.get(agency.code, [])
    written = [(entry["sequence"], str(entry["message_id"]), entry["subject"]) for entry in entries]
    if agency.received != written:
        yield f"I5: {agency.code} read {len(agency.received)} messages, its feed has {len(written)} or other ones"
    stream = world.jetstream.streams.get(feed_stream(agency.code))
    lies = [] if stream is None else [message.data for message in stream.messages]
    if lies != [entry["body"] for entry in entries]:
        yield f"I5: the stream of {agency.code} holds {len(lies)} messages, its feed {len(entries)}, or other ones"
