"""What /readyz asks of the workers, who do their work in another process: their reports, so that no request waits.

A report is a row with its time; one that is too old is as good as none.
"""

from __future__ import annotations

from datetime import timedelta

from dispatch.api.wiring import Check, Health
from dispatch.config import Settings
from dispatch.ingest.quarantine import EdgeStore
from dispatch.ports import Clock

SILENT_AFTER = timedelta(seconds=15)
"""A worker that has not reported for this long is not running, or NATS does not answer it."""
RELAYS = """
SELECT r.agency, r.trouble, r.checked_at, coalesce(e.last, 0) - r.sequence AS lag FROM feed.relays r,
    LATERAL (SELECT max(sequence) AS last FROM feed.entries e WHERE e.agency = r.agency) e
"""
"""One step in an index for each agency; grouping would read every message there ever was."""
LISTENER = "SELECT heard_at, trouble FROM edge.listeners WHERE name = $1"
GATEWAYS = "gateways"


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
        rows = await store.rows(LISTENER, GATEWAYS)
        if not rows:
            return Health(False, "nobody has listened for gateways yet; start `dispatch work`")
        heard_at, trouble = rows[0]["heard_at"], rows[0]["trouble"]
        if heard_at is not None and clock.now() - heard_at <= SILENT_AFTER:
            return Health(True, "gateways are heard")
        why = trouble or "no process says that it listens; start `dispatch work`"
        return Health(False, f"gateways are not heard by NATS, HTTP is open to them: {why}"[:500])

    return check
