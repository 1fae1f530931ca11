"""What the system says about itself: one JSON object a log line, metrics for Prometheus, a trace id through it all.

Nothing that opens a door or names a citizen belongs in a line. Callers log ids, positions, counts and codes; as
a second fence, values under a suspicious name and passwords inside URLs are masked here.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

LINE_VALUE_CHARACTERS_MAX = 2_000
"""A longer value is cut; a log line is no place for a payload."""
LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METRICS_CONTENT_TYPE = CONTENT_TYPE_LATEST

REGISTRY = CollectorRegistry(auto_describe=True)
"""The metrics of this process; tests make their own."""

_trace_id: ContextVar[str] = ContextVar("trace_id", default="")
_SECRET_NAME = re.compile(r"password|secret|token|authorization|credential|api_?key|seed", re.IGNORECASE)
# Every repetition has a bound: an unbounded one takes 40 s on a payload of 100 kB.
_URL_PASSWORD = re.compile(r"(?P<before>://[^\s/:@]{0,200}:)[^\s@/]{1,500}(?P<after>@)")
_BEARER = re.compile(r"(?i)bearer\s{1,8}[\w.~+/=-]+")
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """One line a record: time, level, logger, message, trace, then what the caller gave as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Render; never raises for a value JSON does not know."""
        line: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": masked(record.getMessage()),
        }
        if _trace_id.get():
            line["trace_id"] = _trace_id.get()
        for name, value in vars(record).items():
            if name not in _PLAIN:
                line[name] = "***" if _SECRET_NAME.search(name) else _safe(value)
        if record.exc_info:
            line["error"] = masked(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def masked(text: str) -> str:
    """The text without passwords in URLs and bearer tokens."""
    return _BEARER.sub("Bearer ***", _URL_PASSWORD.sub(r"\g<before>***\g<after>", text))


def _safe(value: Any) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    text = masked(str(value))
    return text if len(text) <= LINE_VALUE_CHARACTERS_MAX else text[:LINE_VALUE_CHARACTERS_MAX] + "…"


def configure_logging(level: str = "info", *, stream: TextIO | None = None) -> None:
    """Send every logger of this process, the libraries' own too, to JSON lines on standard error."""
    writer = logging.StreamHandler(stream or sys.stderr)
    writer.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [writer]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    # One line a request is ours to write, with the trace id; the others speak of their own plumbing.
    for name in ("uvicorn.access", "httpx", "httpcore", "asyncio", "alembic"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def trace_id() -> str:
    """The id of the request or message being worked on; empty outside of one."""
    return _trace_id.get()


@contextmanager
def traced(identifier: str) -> Iterator[str]:
    """Everything logged inside carries `identifier`."""
    before = _trace_id.set(identifier)
    try:
        yield identifier
    finally:
        _trace_id.reset(before)


def counter(
    name: str, meaning: str, labels: tuple[str, ...] = (), *, registry: CollectorRegistry = REGISTRY
) -> Counter:
    """A counter named `dispatch_<name>`; asked for twice, it is the same one."""
    return _registered(Counter, f"dispatch_{name}", meaning, labels, registry)


def gauge(name: str, meaning: str, labels: tuple[str, ...] = (), *, registry: CollectorRegistry = REGISTRY) -> Gauge:
    """A gauge named `dispatch_<name>`; asked for twice, it is the same one."""
    return _registered(Gauge, f"dispatch_{name}", meaning, labels, registry)


def latency(
    name: str, meaning: str, labels: tuple[str, ...] = (), *, registry: CollectorRegistry = REGISTRY
) -> Histogram:
    """A histogram of seconds named `dispatch_<name>_seconds`; asked for twice, it is the same one."""
    return _registered(Histogram, f"dispatch_{name}_seconds", meaning, labels, registry, buckets=LATENCY_BUCKETS_S)


def render_metrics(registry: CollectorRegistry = REGISTRY) -> bytes:
    """The text of /metrics."""
    return generate_latest(registry)


_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)
_known: dict[tuple[int, str], Any] = {}


def _registered(
    kind: type[_Metric], name: str, meaning: str, labels: tuple[str, ...], registry: CollectorRegistry, **options: Any
) -> _Metric:
    key = (id(registry), name)
    if key not in _known:
        _known[key] = kind(name, meaning, labels, registry=registry, **options)
    metric: _Metric = _known[key]
    return metric
