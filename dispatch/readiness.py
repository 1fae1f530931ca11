"""What /readyz asks of the workers, who do their work in another process: their reports, so that no request waits.

A report is a row with its time; one that is too old is as good as none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from dispatch.api.health import STALLED_AFTER
from dispatch.api.wiring import Check, Health
from dispatch.config import Settings
from dispatch.ingest.gateways import LISTENER
from dispatch.ingest.quarantine import EdgeStore
from dispatch.ports import ArchiveRuns, Clock, EventLog
from dispatch.telemetry import gauge
from dispatch.workers.ownership import lock_key

ARCHIVED_AT = gauge("archive_ended_timestamp_seconds", "When the last run of the archive by the worker ended.")
ARCHIVE_WELL = gauge("archive_well", "1 if that run did what it could, 0 if something went wrong.")
ARCHIVE_MOVED = gauge("archive_ranges_moved", "Ranges of the log that run moved to files.")
SILENT_AFTER = timedelta(seconds=15)
"""A worker that has not reported for this long is not running, or NATS does not answer it."""
RELAYS = """
SELECT r.agency, r.trouble, r.checked_at, coalesce(e.last, 0) - r.sequence AS lag FROM feed.relays r,
    LATERAL (SELECT max(sequence) AS last FROM feed.entries e WHERE e.agency = r.agency) e
"""
"""One step in an index for each agency; grouping would read every message there ever was."""
HELD = """
SELECT DISTINCT (l.classid::bigint << 32 | l.objid::bigint) AS key FROM pg_locks l
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = ANY ($1::bigint[])
"""
READ_LISTENER = "SELECT heard_at, trouble FROM edge.listeners WHERE name = $1"


def relay_check(store: EdgeStore, settings: Settings, clock: Clock) -> Check:
    """Does the relay reach NATS, and how far behind is it?"""

    async def check() -> Health:
        if settings.nats_url is None:
            return Health(True, "no NATS is configured: feeds are written and wait")
        rows = await store.rows(RELAYS)
        if not rows:
            return Health(False, "the relay has not reported yet; start `dispatch work`")
        troubles = sorted({str(row["trouble"]) for row in rows if row["trouble"]})
        if troubles:
            return Health(False, "; ".join(troubles)[:500])
        if clock.now() - max(row["checked_at"] for row in rows) > SILENT_AFTER:
            return Health(False, f"the relay has been silent for more than {SILENT_AFTER.seconds} s")
        lag = max(int(row["lag"]) for row in rows)
        limit = settings.projection_lag_max
        return Health(lag <= limit, f"the relay is {lag} messages behind, {limit} are permitted")

    return check


def gateways_check(store: EdgeStore, settings: Settings, clock: Clock) -> Check:
    """Does any process hear what gateways send by NATS?"""

    async def check() -> Health:
        if settings.nats_url is None:
            return Health(True, "no NATS is configured: gateways send by HTTP")
        rows = await store.rows(READ_LISTENER, LISTENER)
        if not rows:
            return Health(False, "nobody has listened for gateways yet; start `dispatch work`")
        heard_at, trouble = rows[0]["heard_at"], rows[0]["trouble"]
        if heard_at is not None and clock.now() - heard_at <= SILENT_AFTER:
            return Health(True, "gateways are heard")
        why = trouble or "no process says that it listens; start `dispatch work`"
        return Health(False, f"gateways are not heard by NATS, HTTP is open to them: {why}"[:500])

    return check


def workers_check(
    store: EdgeStore, log: EventLog, clock: Clock, tasks: Collection[str], reactors: Mapping[str, Collection[str]]
) -> Check:
    """Is somebody at work on each task, and does each reactor get on? `reactors`: the topics of each.

    A task changes hands within seconds, and then nobody has it for a moment: it counts as left when nobody has been
    seen with it for `SILENT_AFTER`.
    """
    seen_at: dict[str, datetime] = {}

    async def check() -> Health:
        now = clock.now()
        keys = {lock_key(task): task for task in tasks}
        seen_at.update({keys[row["key"]]: now for row in await store.rows(HELD, list(keys))})
        left = sorted(task for task in tasks if task not in seen_at or now - seen_at[task] > SILENT_AFTER)
        if left:
            return Health(False, f"nobody works as {', '.join(left)}; start `dispatch work`")
        for name, topics in reactors.items():
            waiting = await log.read_after(await log.mark(name), limit=1, topics=sorted(topics))
            if waiting and now - waiting[0].recorded_at > STALLED_AFTER:
                age_s = (now - waiting[0].recorded_at).total_seconds()
                return Health(False, f"{name} has left position {waiting[0].position} for {age_s:.0f} s; see its log")
        return Health(True, f"{len(tasks)} tasks are worked on")

    return check


async def report_archive(runs: ArchiveRuns) -> None:
    """Take the last run of the archive into the metrics. Raises `Unavailable`."""
    last = await runs.last()
    if last is not None:
        ARCHIVED_AT.set(last.ended_at.timestamp())
        ARCHIVE_WELL.set(last.well)
        ARCHIVE_MOVED.set(last.ranges_moved)
