from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from dispatch.config import RUNNING_FILE, Settings
from dispatch.embedded.secrets import is_owner_only, secret_text, write_secret
from dispatch.telemetry import configure_logging, counter, latency, masked, render_metrics, traced
from domain.refusals import Refused

DSN = "postgresql://postgres:very-secret@127.0.0.1:5432/dispatch"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged; the loggers are as before afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    written = io.StringIO()
    configure_logging("info", stream=written)
    yield written
    root.handlers[:] = before
    root.setLevel(level)


def last(written: io.StringIO) -> dict[str, object]:
    found: dict[str, object] = json.loads(written.getvalue().splitlines()[-1])
    return found


def test_a_representation_of_the_settings_shows_no_password() -> None:
    settings = Settings.from_environment({"DATABASE_URL": DSN}, attach=False)
    assert settings.database_url == DSN
    assert "very-secret" not in repr(settings)


def test_a_wrong_value_is_named_with_its_variable_and_reason() -> None:
    with pytest.raises(Refused, match="DISPATCH_PORT='eighty'"):
        Settings.from_environment({"DISPATCH_PORT": "eighty"}, attach=False)


def test_a_relative_data_folder_becomes_absolute() -> None:
    settings = Settings.from_environment({"DISPATCH_DATA_DIR": "here"}, attach=False)
    assert settings.data_dir == Path.cwd() / "here"


def test_what_the_command_line_says_comes_before_the_environment() -> None:
    settings = Settings.from_environment({"DISPATCH_PORT": "1"}, overrides={"port": "2", "host": None}, attach=False)
    assert (settings.port, settings.host) == (2, "127.0.0.1")


def test_a_running_system_is_found_through_its_data_folder(tmp_path: Path) -> None:
    write_secret(tmp_path / RUNNING_FILE, json.dumps({"database_url": DSN, "nats_url": "nats://here"}))
    environment = {"DISPATCH_DATA_DIR": str(tmp_path), "NATS_URL": "nats://elsewhere"}
    settings = Settings.from_environment(environment)
    assert (settings.database_url, settings.nats_url) == (DSN, "nats://elsewhere")
    assert Settings.from_environment(environment, attach=False).database_url is None


def test_settings_survive_the_way_to_a_child() -> None:
    settings = Settings.from_environment({"DATABASE_URL": DSN, "DISPATCH_PORT": "0"}, attach=False)
    assert Settings.from_environment(settings.environment(), attach=False) == settings


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "password"
    made = secret_text(path)
    assert secret_text(path) == made
    assert len(made) >= 43
    assert is_owner_only(path)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o640)
    assert not is_owner_only(path)


def test_a_line_carries_level_message_values_and_trace(lines: io.StringIO) -> None:
    with traced("4bf92f"):
        logging.getLogger("dispatch.store").info("appended %d", 3, extra={"position": 17})
    line = last(lines)
    assert line["trace_id"] == "4bf92f"
    assert (line["level"], line["logger"], line["message"], line["position"]) == (
        "info",
        "dispatch.store",
        "appended 3",
        17,
    )


def test_a_line_outside_of_a_request_has_no_trace(lines: io.StringIO) -> None:
    logging.getLogger("dispatch").info("started")
    assert "trace_id" not in last(lines)


def test_no_line_shows_a_password_or_a_token(lines: io.StringIO) -> None:
    log = logging.getLogger("dispatch")
    log.warning("cannot reach %s", DSN, extra={"url": DSN, "token": "abc", "header": "Bearer abc.def"})
    log.error("failed", exc_info=OSError(f"no route to {DSN}"))
    assert "very-secret" not in lines.getvalue()
    assert "abc" not in lines.getvalue()


def test_a_payload_is_cut(lines: io.StringIO) -> None:
    logging.getLogger("dispatch").info("kept", extra={"body": "x" * 100_000})
    assert len(lines.getvalue()) < 3_000


def test_masking_leaves_the_rest_of_an_address() -> None:
    assert masked(DSN) == "postgresql://postgres:***@127.0.0.1:5432/dispatch"


def test_a_metric_asked_for_twice_is_the_same_one() -> None:
    registry = CollectorRegistry()
    counter("alerts_received", "Alerts.", ("adapter",), registry=registry).labels("frigate").inc()
    counter("alerts_received", "Alerts.", ("adapter",), registry=registry).labels("frigate").inc()
    latency("append", "One append.", registry=registry).observe(0.002)
    shown = render_metrics(registry).decode()
    assert 'dispatch_alerts_received_total{adapter="frigate"} 2.0' in shown
    assert 'dispatch_append_seconds_bucket{le="0.0025"} 1.0' in shown
