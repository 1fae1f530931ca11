"""Headquarters: in the tree as long as they command, taking from whom they command, ending once and whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from uuid import UUID

from dispatch.simulation.oracles.clocks import wrong_lateness
from dispatch.simulation.reading import Story
from domain.center.events import CenterClosed, CenterEstablished
from domain.event import Event, Fact
from domain.headquarters import events as headquarters
from domain.incident import events as incident
from domain.ownership import Ownership
from domain.vocabulary import CenterKind


@dataclass(slots=True)
class Post:
    """A headquarters as its facts tell it."""

    opened: Fact[Event]
    center_id: UUID
    scope: frozenset[UUID]
    ends_at: datetime
    ended: Fact[Event] | None = None


@dataclass(slots=True)
class Commanded:
    """Who has which incident, and which headquarters there are, by the facts so far."""

    posts: dict[UUID, Post] = field(default_factory=dict)
    owners: dict[UUID, Ownership] = field(default_factory=dict)
    due: dict[UUID, tuple[int, UUID]] = field(default_factory=dict)
    """Incident → the fact that says whose it is once its decision is recorded whole."""
    nodes: set[UUID] = field(default_factory=set)
    """Centers of headquarters that are in the tree."""


def broken_headquarters(story: Story, now: datetime) -> Iterator[str]:
    """What does not hold of any headquarters."""
    known = Commanded()
    for fact, following in zip_longest(story.facts, story.facts[1:]):
        _owned(known, fact)
        _in_the_tree(known, fact)
        yield from _step(known, fact)
        if following is None or following.recorded_at != fact.recorded_at:
            yield from _whole(known, fact)
    for stream_id, post in known.posts.items():
        if post.ended is None and post.ends_at <= now:
            yield f"headquarters: {stream_id} was to end at {post.ends_at}, and nobody recorded that"


def _owned(known: Commanded, fact: Fact[Event]) -> None:
    match fact.event:
        case incident.IncidentOpened(owner=owner) | incident.IncidentRouted(owner=owner):
            known.owners[fact.stream_id] = owner
        case incident.TransferAccepted(owner=owner):
            known.owners[fact.stream_id] = owner
        case _:
            pass


def _in_the_tree(known: Commanded, fact: Fact[Event]) -> None:
    match fact.event:
        case CenterEstablished(kind=CenterKind.HEADQUARTERS):
            known.nodes.add(fact.stream_id)
        case CenterClosed():
            known.nodes.discard(fact.stream_id)
        case _:
            pass


def _step(known: Commanded, fact: Fact[Event]) -> Iterator[str]:
    event, at, post = fact.event, f"{fact.event.name} at {fact.position}", known.posts.get(fact.stream_id)
    if isinstance(event, headquarters.HeadquartersOpened):
        if post is not None:
            yield f"headquarters: {at} forms what was formed"
        scope = frozenset(event.scope.centers)
        known.posts[fact.stream_id] = Post(fact, event.center.center_id, scope, event.ends_at)
        return
    if not event.name.startswith("headquarters."):
        return
    if post is None or post.ended is not None:
        yield f"headquarters: {at} is of one that is not open"
        return
    match event:
        case headquarters.HeadquartersChanged(scope=changed):
            post.scope = frozenset(changed.centers)
        case headquarters.HeadquartersExtended(ended_before_at=before_at, ends_at=ends_at):
            if before_at != post.ends_at or ends_at <= before_at:
                yield f"headquarters: {at} goes from {before_at} to {ends_at}, it was to end at {post.ends_at}"
            post.ends_at = ends_at
        case headquarters.IncidentTaken():
            known.due[event.incident_id] = fact.position, post.center_id
            if not post.scope & set(event.giver.path):
                yield f"headquarters: {at} takes from {event.giver.center_id}, which it does not command"
        case headquarters.IncidentGivenBack(returned=returned):
            known.due[returned.incident_id] = fact.position, returned.to.center_id
        case headquarters.HeadquartersStoodDown() | headquarters.HeadquartersExpired():
            yield from _ended(known, post, fact, event)
        case _:
            pass


def _ended(
    known: Commanded,
    post: Post,
    fact: Fact[Event],
    event: headquarters.HeadquartersStoodDown | headquarters.HeadquartersExpired,
) -> Iterator[str]:
    """It names all that it has."""
    post.ended = fact
    held = {one for one, owner in known.owners.items() if owner.center_id == post.center_id}
    if held != {one.incident_id for one in event.returned}:
        yield f"headquarters: {event.name} at {fact.position} returns {len(event.returned)}, it had {len(held)}"
    for one in event.returned:
        known.due[one.incident_id] = fact.position, one.to.center_id
    if isinstance(event, headquarters.HeadquartersExpired):
        if event.due_at != post.ends_at:
            yield f"headquarters: that at {fact.position} is due {event.due_at}, it was to end at {post.ends_at}"
        yield from wrong_lateness(fact, event.due_at, event.late_s)


def _whole(known: Commanded, fact: Fact[Event]) -> Iterator[str]:
    """After each decision incidents are whose they were said to be, and who commands is in the tree."""
    for incident_id, (position, center_id) in known.due.items():
        owner = known.owners[incident_id].center_id
        if owner != center_id:
            yield f"headquarters: {incident_id} was to be {center_id}'s by {position}, it is {owner}'s"
    known.due.clear()
    open_ones = {post.center_id for post in known.posts.values() if post.ended is None}
    if open_ones != known.nodes:
        yield f"headquarters: after {fact.position} {open_ones} are open, {known.nodes} are in the tree"
    over = {post.center_id for post in known.posts.values() if post.ended is not None}
    if lost := [one for one, owner in known.owners.items() if owner.center_id in over]:
        yield f"headquarters: after {fact.position} {len(lost)} incidents are owned by one that is over"
