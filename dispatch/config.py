"""Every setting of the system: its variable, meaning, unit and default, said once.

`deploy/env.example` and the help of each command are written from this module, and a test compares them.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict

from domain.refusals import Refused

RUNNING_FILE = Path("run") / "running.json"
"""Below the data folder: where `dispatch up` says what it started, so that other commands find it (0600)."""


def _setting(variable: str, meaning: str, default: Any, *, unit: str = "", secret: bool = False, **limits: Any) -> Any:
    """One setting. A secret one never appears in a representation of the settings, hence in no log."""
    extra: JsonDict = {"variable": variable, "unit": unit, "secret": secret}
    return Field(default=default, description=meaning, json_schema_extra=extra, repr=not secret, **limits)


class Settings(BaseModel):
    """What the environment says, validated once at start; never changes while a process runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: str | None = _setting(
        "DATABASE_URL",
        "PostgreSQL of the log and the projections, as postgresql://user:password@host:port/database."
        " Unset: `dispatch up` runs its own, and other commands find it through the data folder.",
        None,
        secret=True,
    )
    nats_url: str | None = _setting(
        "NATS_URL",
        "NATS server with JetStream, as nats://host:port. Unset: `dispatch up` runs its own.",
        None,
        secret=True,
    )
    nats_credentials_file: Path | None = _setting(
        "DISPATCH_NATS_CREDENTIALS_FILE",
        "Credentials (.creds or nkey seed) with which this system joins a NATS server that it does not run itself.",
        None,
    )
    data_dir: Path = _setting(
        "DISPATCH_DATA_DIR",
        "Folder of all that is kept here: servers, secrets, logs. A relative path starts at the working folder.",
        Path("var"),
    )
    host: str = _setting(
        "DISPATCH_HOST", "Address the HTTP server listens on; loopback unless a proxy stands before it.", "127.0.0.1"
    )
    port: int = _setting("DISPATCH_PORT", "TCP port of the HTTP server; 0 takes a free one.", 8080, ge=0, le=65535)
    city: str = _setting(
        "DISPATCH_CITY",
        "City whose data `dispatch up` loads into an empty log; also the second token of subjects.",
        "chengdu",
        pattern=r"^[a-z][a-z0-9-]{1,31}$",
    )
    log_level: str = _setting(
        "DISPATCH_LOG_LEVEL",
        "Least severe level written: debug, info, warning or error.",
        "info",
        pattern="^(debug|info|warning|error)$",
    )
    jwt_issuer: str = _setting("DISPATCH_JWT_ISSUER", "Issuer (`iss`) a bearer token must name.", "city-dispatch")
    jwt_audience: str = _setting("DISPATCH_JWT_AUDIENCE", "Audience (`aud`) a bearer token must name.", "city-dispatch")
    jwt_key_file: Path | None = _setting(
        "DISPATCH_JWT_KEY_FILE",
        "PEM key that signs and checks bearer tokens. Unset: secrets/jwt.pem in the data folder, made at first use.",
        None,
    )
    oidc_discovery_url: str | None = _setting(
        "DISPATCH_OIDC_DISCOVERY_URL",
        "OpenID Connect discovery document of an identity provider; its keys then check tokens instead of ours.",
        None,
    )
    token_ttl_s: int = _setting(
        "DISPATCH_TOKEN_TTL_S",
        "Life of a token made by `dispatch token` or `dispatch up`.",
        43_200,
        unit="seconds",
        ge=60,
    )
    seal_key_file: Path | None = _setting(
        "DISPATCH_SEAL_KEY_FILE",
        "Key that wraps the keys of personal fields. Unset: secrets/seal.key in the data folder, made at first use.",
        None,
    )
    body_bytes_max: int = _setting(
        "DISPATCH_BODY_BYTES_MAX", "Largest request body accepted.", 1_048_576, unit="bytes", ge=1_024
    )
    batch_alerts_max: int = _setting(
        "DISPATCH_BATCH_ALERTS_MAX", "Most alerts in one batch request.", 500, unit="alerts", ge=1, le=500
    )
    alert_wait_s_max: float = _setting(
        "DISPATCH_ALERT_WAIT_S_MAX",
        "How long an alert may have to wait for the board; when more come, ordinary ones are refused from a third of"
        " it on, severe ones from two thirds.",
        5.0,
        unit="seconds",
        gt=0,
        le=600,
    )
    sse_clients_max: int = _setting(
        "DISPATCH_SSE_CLIENTS_MAX", "Most live streams open at once in one process.", 10_000, unit="clients", ge=1
    )
    requests_in_flight_max: int = _setting(
        "DISPATCH_REQUESTS_IN_FLIGHT_MAX",
        "Requests worked on at once; beyond it the least urgent are shed.",
        512,
        unit="requests",
        ge=8,
    )
    caller_requests_per_s: int = _setting(
        "DISPATCH_CALLER_REQUESTS_PER_S",
        "Requests one caller may make; beyond it the answer is 429.",
        200,
        unit="requests per second",
        ge=1,
    )
    min_position_wait_s: float = _setting(
        "DISPATCH_MIN_POSITION_WAIT_S",
        "How long a read waits for `min_position` before it answers 503.",
        5.0,
        unit="seconds",
        gt=0,
        le=60,
    )
    idempotency_kept_days: int = _setting(
        "DISPATCH_IDEMPOTENCY_KEPT_DAYS",
        "How long an Idempotency-Key (of a partner: its ce-id) is honoured; later it is a new request.",
        30,
        unit="days",
        ge=7,
    )
    database_connections_max: int = _setting(
        "DISPATCH_DATABASE_CONNECTIONS_MAX",
        "Connections one process keeps to PostgreSQL.",
        16,
        unit="connections",
        ge=2,
    )
    database_timeout_s: float = _setting(
        "DISPATCH_DATABASE_TIMEOUT_S", "Longest statement on a request path.", 10.0, unit="seconds", gt=0
    )
    nats_timeout_s: float = _setting(
        "DISPATCH_NATS_TIMEOUT_S",
        "Longest wait for any answer of NATS; a frozen server gives no error by itself.",
        5.0,
        unit="seconds",
        gt=0,
    )
    projection_lag_max: int = _setting(
        "DISPATCH_PROJECTION_LAG_MAX",
        "Events a projection or the relay may be behind before /readyz says so.",
        5_000,
        unit="events",
        ge=1,
    )
    disk_free_bytes_min: int = _setting(
        "DISPATCH_DISK_FREE_BYTES_MIN",
        "Free space under the data folder below which /readyz and `doctor` warn.",
        536_870_912,
        unit="bytes",
        ge=0,
    )

    cities_dir: Path | None = _setting(
        "DISPATCH_CITIES_DIR",
        "Folder that holds a folder for each city, shaped as dispatch/cities/chengdu. Unset: those that come with us.",
        None,
    )
    archive_dir: Path | None = _setting(
        "DISPATCH_ARCHIVE_DIR",
        "Folder of archive files; every process of the system must reach it, as must the backup."
        " Unset: archive in the data folder.",
        None,
    )
    archive_after_days: float = _setting(
        "DISPATCH_ARCHIVE_AFTER_DAYS",
        "Age a range of the log must have before `dispatch archive` moves it to a file.",
        90.0,
        unit="days",
        ge=0,
    )
    work_on: Literal["all", "urgent", "rest"] = _setting(
        "DISPATCH_WORK_ON",
        "What `dispatch work` works on. urgent: what stands between an alert and the boards, and gateways by NATS."
        " rest: all else. On several cores start one of each; `all` alone uses one.",
        "all",
    )
    archive_every_h: float = _setting(
        "DISPATCH_ARCHIVE_EVERY_H",
        "How often `dispatch work` runs `dispatch archive` by itself, if DISPATCH_ARCHIVE_DIR is set. 0: never.",
        24.0,
        unit="hours",
        ge=0,
    )

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str] | None = None,
        *,
        overrides: Mapping[str, Any] | None = None,
        attach: bool = True,
    ) -> Settings:
        """Read the environment, under what a command line says (`overrides`, by field). Raises `Refused`.

        With `attach`, servers the environment does not name are taken from a running `dispatch up`.
        """
        environment = os.environ if environment is None else environment
        given: dict[str, Any] = {}
        for name, variable in variables().items():
            if environment.get(variable):
                given[name] = environment[variable]
        given.update({name: value for name, value in (overrides or {}).items() if value is not None})
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            raise Refused("settings.invalid", _explained(error)) from None
        settings = settings.model_copy(update={"data_dir": settings.data_dir.expanduser().absolute()})
        return settings.model_copy(update=settings.found_running()) if attach else settings

    def found_running(self) -> dict[str, str]:
        """The servers a running `dispatch up` started here, for what the environment leaves open."""
        try:
            running = json.loads((self.data_dir / RUNNING_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        wanted = [name for name in ("database_url", "nats_url") if getattr(self, name) is None]
        return {name: str(running[name]) for name in wanted if running.get(name)}

    def environment(self) -> dict[str, str]:
        """The settings as variables, for a child process."""
        values = {variable: getattr(self, name) for name, variable in variables().items()}
        return {variable: str(value) for variable, value in values.items() if value is not None}

    @property
    def secrets_dir(self) -> Path:
        """Where the secrets made here are kept (0700)."""
        return self.data_dir / "secrets"

    @property
    def archive_path(self) -> Path:
        """The folder of archive files in force."""
        return self.archive_dir or self.data_dir / "archive"

    @property
    def archives_by_itself(self) -> bool:
        """Whether a worker runs the archive: only into a folder that somebody chose and backs up."""
        return self.archive_dir is not None and self.archive_every_h > 0

    @property
    def jwt_key_path(self) -> Path:
        """The signing key in force."""
        return self.jwt_key_file or self.secrets_dir / "jwt.pem"

    @property
    def seal_key_path(self) -> Path:
        """The key of personal keys in force."""
        return self.seal_key_file or self.secrets_dir / "seal.key"


def variables() -> dict[str, str]:
    """Field name → environment variable."""
    return {name: _extra(name)["variable"] for name in Settings.model_fields}


def describe(name: str) -> str:
    """One line about a setting for `--help`: meaning and unit; click adds the variable."""
    extra = _extra(name)
    unit = f" [{extra['unit']}]" if extra["unit"] else ""
    return f"{Settings.model_fields[name].description}{unit}"


def env_example() -> str:
    """The text of deploy/env.example."""
    parts = ["# Settings of the dispatch system. Written by `python -m dispatch.config`; a test compares it.\n"]
    for name, field in Settings.model_fields.items():
        extra = _extra(name)
        default = "unset" if field.default is None else str(field.default)
        unit = f" Unit: {extra['unit']}." if extra["unit"] else ""
        comment = "" if field.default is not None else "#"
        value = "" if field.default is None else str(field.default)
        text = f"{field.description}{unit} Default: {default}."
        meaning = textwrap.fill(text, 100, initial_indent="# ", subsequent_indent="# ", break_long_words=False)
        parts.append(f"\n{meaning}\n{comment}{extra['variable']}={value}\n")
    return "".join(parts)


def _extra(name: str) -> dict[str, Any]:
    extra = Settings.model_fields[name].json_schema_extra
    assert isinstance(extra, dict)
    return extra


def _explained(error: ValidationError) -> str:
    named = variables()
    return "; ".join(
        f"{named.get(str(problem['loc'][0]), problem['loc'][0])}={problem['input']!r}: {problem['msg']}"
        for problem in error.errors()
    )


if __name__ == "__main__":
    Path("deploy/env.example").write_text(env_example(), encoding="utf-8")
