"""`dispatch bench rulebook`: other rules tried on a flood night of some hundred thousand facts, by the command itself.

A system of its own takes alerts, in batches, until its log is that long and everything is judged and on the board. Then
`dispatch rulebook try` is run as a person would, on rules with wider circles and another owner for each category of one
kind. The ceiling is one pass over the same facts, read and opened and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from dispatch import process
from dispatch.bench.scratch import scratch
from dispatch.bench.storm import settled
from dispatch.bench.storm_max import BATCH_ALERTS, Links
from dispatch.bench.storm_plan import Sending, storm
from dispatch.bootstrap.foundation import Foundation, foundation
from dispatch.cli.up import Running, running_system
from dispatch.config import Settings, variables
from dispatch.rulebooks import history
from domain.refusals import Unavailable
from domain.rulebook.content import Rulebook
from domain.vocabulary import OwnerRule

SENDERS = 16
ALERTS_A_ROUND = 20_000
WIDER, RADIUS_M_MAX = 4.0, 50_000.0
PAUSE_S = 0.2
OTHER_OWNERS = {
    OwnerRule.STATION: OwnerRule.DISTRICT,
    OwnerRule.DISTRICT: OwnerRule.CITY,
    OwnerRule.CITY: OwnerRule.CITY,
    OwnerRule.AGENCY: OwnerRule.DISTRICT,
}
Say = Callable[[str], None]


async def bench_rulebook(events: int, *, say: Say, advance: Callable[[int], None]) -> dict[str, float | int]:
    """The figures. Raises `Unavailable` if the system does not start or the command fails."""
    with scratch("dispatch-rulebook-") as folder:
        settings = Settings(data_dir=folder, port=0, log_level="warning", caller_requests_per_s=100_000)
        async with running_system(settings, say=say) as running, foundation(running.settings) as base:
            began_at, city = base.clock.now(), (await base.log.tip()).position
            await _filled(running, base, events, advance)
            say("waiting until everything is judged and shown")
            await settled(base.log, base.pool)
            rules = folder / "rules.json"
            rules.write_text(_other(base.directory.rulebook()).model_dump_json(), encoding="utf-8")
            say("dispatch rulebook try")
            seconds, told = await _tried(running, rules, began_at)
            process.settle(process.COLLECT_AFTER_PAGES_ALLOCATIONS)  # as the command does
            began = time.perf_counter()
            async for _page in history.pages(base.log, city, (await base.log.tip()).position):
                pass
            read_s = time.perf_counter() - began
    counts = {
        name: told["figures"][name]
        for name in ("events", "alerts", "incidents_then", "incidents_now", "moved", "folds")
    }
    return {
        **counts,
        "centers_with_load": len(told["centers"]),
        "try_s": round(seconds, 2),
        "read_s": round(read_s, 2),
        "ratio_read": round(read_s / seconds, 3),
    }


async def _filled(running: Running, base: Foundation, events: int, advance: Callable[[int], None]) -> None:
    cameras = sorted((each for each in base.directory.cameras.values() if each.gateway), key=lambda camera: camera.code)
    links, first = Links(running), (await base.log.tip()).position
    reached, number = first, 0
    while reached - first < events:
        night = storm(
            cameras,
            begins_at=base.clock.now(),
            rate=ALERTS_A_ROUND,
            duration_s=1.0,
            duplicates=0.1,
            same_spot=0.5,
            seed=number,
            name=f"round-{number}",
        )
        batches = iter(_batches(night))
        await asyncio.gather(*(_send(links, batches) for _ in range(SENDERS)))
        tip = (await base.log.tip()).position
        advance(min(tip - first, events) - min(reached - first, events))
        reached, number = tip, number + 1


def _batches(night: Sequence[Sending]) -> list[tuple[str, bytes]]:
    by_gateway: dict[str, list[bytes]] = {}
    for each in night:
        by_gateway.setdefault(each.gateway, []).append(each.body)
    return [
        (gateway, b"[" + b",".join(bodies[start : start + BATCH_ALERTS]) + b"]")
        for gateway, bodies in by_gateway.items()
        for start in range(0, len(bodies), BATCH_ALERTS)
    ]


async def _send(links: Links, batches: Any) -> None:
    """Send what is left, again where it was refused: this is no measurement of taking alerts."""
    for gateway, body in batches:
        while (await links.post(gateway, body)).status >= 400:  # noqa: ASYNC110  # HTTP's own; a server, no event
            await asyncio.sleep(PAUSE_S)


def _other(rules: Rulebook) -> Rulebook:
    """Rules with wider circles, and another owner for most."""
    categories = tuple(
        rule.model_copy(
            update={
                "correlation": rule.correlation.model_copy(
                    update={"radius_m": min(RADIUS_M_MAX, rule.correlation.radius_m * WIDER)}
                ),
                "owner": OTHER_OWNERS[rule.owner],
            }
        )
        for rule in rules.categories
    )
    return rules.model_copy(update={"version": rules.version + 1, "categories": categories})


async def _tried(running: Running, rules: Path, since: datetime) -> tuple[float, dict[str, Any]]:
    names, settings = variables(), running.settings
    environment = {
        **os.environ,
        names["data_dir"]: str(settings.data_dir),
        names["database_url"]: str(settings.database_url),
    }
    command = (sys.executable, "-m", "dispatch.cli.main", "rulebook", "try", str(rules), "--since", since.isoformat())
    began = time.perf_counter()
    trial = await asyncio.create_subprocess_exec(*command, "--json", env=environment, stdout=-1, stderr=-1)
    out, err = await trial.communicate()
    if trial.returncode:
        raise Unavailable("bench.refused", f"dispatch rulebook try: {(err or out).decode(errors='replace')[-500:]}")
    return time.perf_counter() - began, json.loads(out)
