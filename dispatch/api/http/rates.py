"""How often one caller may call: a token bucket a caller, in this process.

A bucket holds one second's worth twice over, so a screen that opens with ten requests at once is not punished, and a
loop gone wild is. Answers carry what is left (`RateLimit`, draft-ietf-httpapi-ratelimit-headers).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from dispatch.api.access.permissions import Caller
from dispatch.api.problems.problem import Problem

CALLERS_MAX = 10_000
"""Buckets kept; the least recently used is forgotten, which only makes it full again."""
BURST_S = 2.0
GATEWAY_FACTOR = 5
"""A gateway stands for hundreds of cameras."""


@dataclass(slots=True)
class Bucket:
    """What one caller has left."""

    left: float
    at_s: float


class Rates:
    """Counts requests a caller."""

    def __init__(self, requests_per_s: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_s = requests_per_s
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def spend(self, caller: Caller, request: Request) -> None:
        """Count one request. Raises `Problem` too_many_requests when the caller's bucket is empty."""
        per_s = self._per_s * (GATEWAY_FACTOR if caller.gateway is not None else 1)
        bucket = self._refilled(caller.subject, per_s)
        if bucket.left < 1:
            wait_s = max(1, round((1 - bucket.left) / per_s + 0.5))
            raise Problem(
                "too_many_requests",
                f"You may make {per_s} requests a second; wait {wait_s} s, then repeat this one.",
                headers={"Retry-After": str(wait_s), **self.fields(per_s, 0)},
            )
        bucket.left -= 1
        request.state.rate_fields = self.fields(per_s, int(bucket.left))

    @staticmethod
    def fields(per_s: float, left: int) -> dict[str, str]:
        """The RateLimit fields of an answer."""
        return {
            "RateLimit-Policy": f'"caller";q={int(per_s * BURST_S)};w={int(BURST_S)}',
            "RateLimit": f'"caller";r={left};t={int(BURST_S)}',
        }

    def _refilled(self, subject: str, per_s: float) -> Bucket:
        now = self._monotonic()
        bucket = self._buckets.pop(subject, None)
        if bucket is None:
            bucket = Bucket(per_s * BURST_S, now)
            if len(self._buckets) >= CALLERS_MAX:
                self._buckets.popitem(last=False)
        bucket.left = min(per_s * BURST_S, bucket.left + (now - bucket.at_s) * per_s)
        bucket.at_s = now
        self._buckets[subject] = bucket
        return bucket
