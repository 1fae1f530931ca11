"""The evening, scene by scene. Expectations are about what a person or a partner saw, never about a status alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx

from dispatch.demo.scenes import accident, audit, flood, intruder, report
from dispatch.demo.stage import Stage
from domain.refusals import DispatchError

Scene = Callable[[Stage], Awaitable[None]]

SCENES: tuple[Scene, ...] = (
    intruder.an_intruder_on_camera,
    intruder.the_same_person_on_the_next_camera,
    audit.take_a_picture,
    intruder.a_dispatcher_handles_it,
    intruder.an_alarm_by_the_national_standard,
    accident.an_accident,
    flood.a_flood_warning,
    report.a_report_by_telephone,
    flood.a_storm_at_one_spot,
    audit.take_a_picture,
    flood.the_night_ends,
    audit.take_a_picture,
    audit.the_auditor_looks_back,
    audit.every_feed_is_whole,
)


async def play(stage: Stage, *, begin: Callable[[str], None]) -> None:
    """All scenes in order. One that cannot go on is a failed expectation, not the end of the evening."""
    for scene in SCENES:
        stage.checks.scene = scene.__name__.replace("_", " ")
        begin(stage.checks.scene)
        try:
            await scene(stage)
        except (DispatchError, httpx.HTTPError, KeyError, IndexError, ValueError, TimeoutError) as error:
            stage.checks.that("the scene could be played to its end", holds=False, seen=repr(error))
