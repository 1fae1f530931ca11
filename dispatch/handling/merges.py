"""Where the merges of an incident lead: up to the one that decides for it, and down to all that follow it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from dispatch.handling.scribe import Loaded, Scribe
from domain.incident.decider import INITIAL, IncidentState, evolve

MERGE_DEPTH_MAX = 1_000
"""Merges followed to a head; more than any real story has."""


async def head_of(scribe: Scribe, incident: Loaded[IncidentState]) -> Loaded[IncidentState]:
    """The incident that decides for this one: itself, or where its merges lead."""
    for _ in range(MERGE_DEPTH_MAX):
        if incident.state.merge is None:
            return incident
        incident = await scribe.load(incident.state.merge.into_incident_id, INITIAL, evolve)
    raise AssertionError("merges form a ring or a chain longer than any real one")


async def with_guests(scribe: Scribe, incident: Loaded[IncidentState]) -> Mapping[UUID, Loaded[IncidentState]]:
    """The incident, and everything merged into it directly or over others."""
    found = {incident.stream_id: incident}
    beyond = [guest for guest in incident.state.absorbed.values() if guest not in found]
    while beyond:
        loaded = await scribe.load_many(beyond, INITIAL, evolve)
        found |= loaded
        guests = {guest for each in loaded.values() for guest in each.state.absorbed.values()}
        beyond = sorted(guests - found.keys())
    return found
