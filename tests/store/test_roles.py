"""Nobody but the log's own functions can write the log."""

from __future__ import annotations

import asyncpg
import pytest

from dispatch.store.migrate import GRANTS_SQL
from dispatch.store.postgres import PostgresLog
from tests.store.contract import UNIT, decision, on

TABLES = ("events", "events_000001", "heads", "tip", "idempotency", "marks", "horizon", "archives")
EMPTY = "'{}'"
ROLES = ("dispatch_app", "dispatch_projector", "dispatch_auditor", "dispatch_archiver")


async def acting_as(dsn: str, role: str) -> asyncpg.Connection:
    return await asyncpg.connect(dsn, server_settings={"role": role})


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", TABLES)
async def test_no_role_may_change_a_table_of_the_log(pg_log: PostgresLog, dsn: str, role: str, table: str) -> None:
    await pg_log.append(decision(on(UNIT, 0)))
    connection = await acting_as(dsn, role)
    for statement in (
        f"INSERT INTO log.{table} SELECT * FROM log.{table}",
        f"DELETE FROM log.{table}",
        f"TRUNCATE log.{table}",
        f"DROP TABLE log.{table}",
        f"ALTER TABLE log.{table} ADD COLUMN forged text",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    column = await connection.fetchval(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1", f"log.{table}"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(f"UPDATE log.{table} SET {column} = {column}")
    await connection.close()


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_may_add_to_the_schema_or_become_its_owner(dsn: str, role: str) -> None:
    connection = await acting_as(dsn, role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("CREATE TABLE log.forged (id int)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("CREATE FUNCTION log.forged() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    assert not await connection.fetchval("SELECT pg_has_role($1, 'dispatch_owner', 'SET')", role)
    await connection.close()


@pytest.mark.parametrize("role", ["dispatch_projector", "dispatch_auditor", "dispatch_archiver"])
@pytest.mark.parametrize("function", ["append_one(NULL, 0, 't', '', NULL, NULL, NULL, NULL)", "ensure_partitions(9)"])
async def test_only_the_app_may_append(dsn: str, role: str, function: str) -> None:
    connection = await acting_as(dsn, role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(f"SELECT log.{function}")
    await connection.close()


@pytest.mark.parametrize("role", ROLES)
async def test_nobody_renews_the_epoch_or_reaches_behind_append(dsn: str, role: str) -> None:
    connection = await acting_as(dsn, role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SELECT log.renew_epoch()")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(f"SELECT log.append_distinct(9, now(), {', '.join(15 * [EMPTY])})")
    await connection.close()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM vault.subject_keys",
        "TRUNCATE vault.subject_keys",
        "UPDATE vault.subject_keys SET subject_id = subject_id",
        "UPDATE feed.entries SET body = body",
        "DELETE FROM feed.entries",
        "TRUNCATE feed.entries",
        "DELETE FROM feed.checkpoints",
        "ALTER TABLE log.events DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "DROP TRIGGER append_only ON log.events",
        "CREATE TABLE public.forged (id int)",
        "ALTER ROLE dispatch_app SET statement_timeout = 0",
        "GRANT dispatch_owner TO CURRENT_USER",
    ],
)
async def test_no_role_forgets_a_key_renumbers_a_feed_or_takes_a_right(dsn: str, role: str, statement: str) -> None:
    connection = await acting_as(dsn, role)
    # A role may set its own time limits: they keep it from a slip, not from malice.
    if statement.startswith(f"ALTER ROLE {role} "):
        statement = statement.replace("dispatch_app SET statement_timeout = 0", "dispatch_owner LOGIN")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    await connection.close()


@pytest.mark.parametrize("role", [role for role in ROLES if role != "dispatch_app"])
async def test_only_the_app_sees_wrapped_keys_and_what_arrived(dsn: str, role: str) -> None:
    connection = await acting_as(dsn, role)
    for table in ("vault.subject_keys", "edge.quarantine", "edge.unit_positions", "edge.listeners"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"SELECT * FROM {table}")
    await connection.close()


async def test_a_database_of_an_older_release_loses_the_rights_it_gave_too_many(dsn: str) -> None:
    administrator = await asyncpg.connect(dsn)
    await administrator.execute("GRANT ALL ON ALL TABLES IN SCHEMA vault, feed TO dispatch_app")
    await administrator.execute("GRANT USAGE ON SCHEMA edge, feed TO dispatch_projector")
    await administrator.execute("GRANT ALL ON ALL TABLES IN SCHEMA edge, feed TO dispatch_projector")
    await administrator.execute(GRANTS_SQL.read_text(encoding="utf-8"))
    held = await administrator.fetch(
        """
        SELECT r.role, t.name, p.privilege FROM (VALUES ('dispatch_app'), ('dispatch_projector')) r(role),
            (VALUES ('vault.subject_keys'), ('feed.entries'), ('edge.listeners')) t(name),
            (VALUES ('SELECT'), ('UPDATE'), ('DELETE'), ('TRUNCATE')) p(privilege)
        WHERE has_table_privilege(r.role, t.name, p.privilege) ORDER BY 1, 2, 3
        """
    )
    await administrator.close()
    assert [tuple(row) for row in held] == [
        ("dispatch_app", "edge.listeners", "DELETE"),
        ("dispatch_app", "edge.listeners", "SELECT"),
        ("dispatch_app", "edge.listeners", "UPDATE"),
        ("dispatch_app", "feed.entries", "SELECT"),
        ("dispatch_app", "vault.subject_keys", "SELECT"),
    ]


async def test_even_a_superuser_cannot_change_or_remove_an_event_by_slip(pg_log: PostgresLog, dsn: str) -> None:
    await pg_log.append(decision(on(UNIT, 0)))
    connection = await asyncpg.connect(dsn)
    for table in ("events", "events_000001"):
        for statement in (
            f"UPDATE log.{table} SET topic = 'forged'",
            f"DELETE FROM log.{table}",
            f"TRUNCATE log.{table}",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await connection.execute(statement)
    await connection.close()
    assert len(await pg_log.read_after(0)) == 1


@pytest.mark.parametrize("role", ROLES)
async def test_every_role_has_its_time_limits(dsn: str, role: str) -> None:
    connection = await asyncpg.connect(dsn)
    settings = await connection.fetchval("SELECT rolconfig FROM pg_roles WHERE rolname = $1", role)
    await connection.close()
    assert {setting.split("=")[0] for setting in settings} == {
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
    }


async def test_the_projector_makes_tables_that_the_readers_see(dsn: str) -> None:
    projector = await acting_as(dsn, "dispatch_projector")
    await projector.execute("CREATE TABLE read.board_next (id int); INSERT INTO read.board_next VALUES (1)")
    await projector.close()
    for role in ("dispatch_app", "dispatch_auditor"):
        reader = await acting_as(dsn, role)
        assert await reader.fetchval("SELECT id FROM read.board_next") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute("DELETE FROM read.board_next")
        await reader.close()


async def test_the_readable_view_shows_json_and_survives_what_is_none(pg_log: PostgresLog, dsn: str) -> None:
    from dispatch.ports import NewEvent, StreamAppend

    states = (b'{"a": 1}', b"state1", b"\xff\x00")
    events = tuple(NewEvent("t", state) for state in states)
    await pg_log.append(decision(StreamAppend(UNIT, 0, events)))
    auditor = await acting_as(dsn, "dispatch_auditor")
    rows = await auditor.fetch("SELECT state FROM log.events_readable ORDER BY position")
    await auditor.close()
    assert [row[0] for row in rows] == ['{"a": 1}', '"state1"', '"\\\\377\\\\000"']
