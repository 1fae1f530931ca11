from __future__ import annotations

from pathlib import Path

from dispatch.cli.doctor import Finding, examine
from dispatch.cli.up import prepare_data_dir
from dispatch.config import Settings
from dispatch.embedded.nats import EmbeddedNats
from dispatch.embedded.postgres import EmbeddedPostgres
from dispatch.embedded.secrets import write_secret
from dispatch.store.migrate import migrate


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def settings_of(folder: Path, **variables: str) -> Settings:
    return Settings.from_environment(
        {"DISPATCH_DATA_DIR": str(folder), "DISPATCH_PORT": "1", **variables}, attach=False
    )


async def test_where_nothing_runs_every_finding_says_what_to_do_next(folder: Path) -> None:
    found = by_name(await examine(settings_of(folder)))
    assert {name for name, finding in found.items() if not finding.well} == {"postgresql", "schema", "nats", "ready"}
    assert all(finding.next_step for finding in found.values() if not finding.well)


async def test_running_servers_are_found_well(folder: Path) -> None:
    prepare_data_dir(folder)
    postgres, nats = EmbeddedPostgres(folder / "postgres"), EmbeddedNats(folder / "nats")
    dsn, url = await postgres.start(), await nats.start()
    before = by_name(await examine(settings_of(folder, DATABASE_URL=dsn, NATS_URL=url)))
    await migrate(dsn)
    after = by_name(await examine(settings_of(folder, DATABASE_URL=dsn, NATS_URL=url)))
    await nats.stop()
    await postgres.stop()
    assert (before["schema"].well, before["schema"].next_step) == (False, "run `dispatch migrate`")
    assert {name for name, finding in after.items() if not finding.well} == {"ready"}
    assert "JetStream on" in after["nats"].found
    assert after["secret files"].found == "2 files, for their owner only"


async def test_a_database_that_could_lose_alerts_is_wrong(folder: Path) -> None:
    postgres = EmbeddedPostgres(folder, durable=False)
    found = by_name(await examine(settings_of(folder, DATABASE_URL=await postgres.start())))["postgresql"]
    await postgres.stop()
    assert (found.well, found.found) == (False, "fsync, full_page_writes off")


async def test_a_secret_that_others_can_read_is_named(folder: Path) -> None:
    prepare_data_dir(folder)
    settings = settings_of(folder)
    write_secret(settings.jwt_key_path, "key")
    settings.jwt_key_path.chmod(0o644)
    found = by_name(await examine(settings))["secret files"]
    assert not found.well
    assert str(settings.jwt_key_path) in found.found


async def test_a_disk_that_is_too_full_is_wrong(folder: Path) -> None:
    found = by_name(await examine(settings_of(folder, DISPATCH_DISK_FREE_BYTES_MIN=str(2**62))))["disk"]
    assert (found.well, bool(found.next_step)) == (False, True)


async def test_no_finding_shows_a_password(folder: Path) -> None:
    secret = "postgresql://postgres:very-secret@127.0.0.1:1/dispatch"
    findings = await examine(settings_of(folder, DATABASE_URL=secret, NATS_URL="nats://u:very-secret@127.0.0.1:1"))
    assert "very-secret" not in repr(findings)
