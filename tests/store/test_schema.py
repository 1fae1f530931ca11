"""Migrations make exactly the schema the program declares, from nothing, once."""

from __future__ import annotations

import asyncio

import asyncpg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from dispatch.store import migrate
from dispatch.store.migrate import pending

LOG_FUNCTIONS = {
    "append",
    "append_one",
    "archive",
    "ensure_partitions",
    "forget_answers",
    "horizon_moved",
    "position_at",
    "readable",
    "readers_behind",
    "renew_epoch",
}


async def test_migrations_equal_the_declared_tables(dsn: str) -> None:
    database = migrate.engine(dsn)

    def differences(connection: Connection) -> list[object]:
        options = {
            "include_schemas": True,
            "include_name": migrate.is_ours,
            "compare_type": True,
            "version_table": migrate.VERSION_TABLE,
            "target_metadata": migrate.every_metadata(),
        }
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, migrate.every_metadata()))

    async with database.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.dispose()


async def test_tables_are_stored_as_they_are_declared(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    for metadata in migrate.every_metadata():
        for table in metadata.sorted_tables:
            wanted = table.dialect_options["postgresql"]["with"] or {}
            assert await options_of(connection, f'{table.schema}."{table.name}"') == wanted, table.name
    await connection.close()


async def options_of(connection: asyncpg.Connection, table: str) -> dict[str, str]:
    found = await connection.fetchval("SELECT reloptions FROM pg_class WHERE oid = $1::regclass", table)
    return dict(option.split("=") for option in found or ())


async def test_old_and_new_partitions_are_frozen_early_and_hot_rows_have_room(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("ALTER TABLE log.events_000001 RESET (autovacuum_freeze_min_age)")
    await connection.execute("SELECT log.ensure_partitions(3)")
    await connection.execute(migrate.STORAGE_SQL.read_text())
    stored = [await options_of(connection, f"log.events_00000{number}") for number in (1, 2, 3)]
    assert stored[0] == stored[1] == stored[2]
    assert stored[0]["autovacuum_freeze_min_age"] == "0"
    rooms = [(await options_of(connection, f"log.{table}"))["fillfactor"] for table in ("tip", "marks", "heads")]
    assert rooms == ["10", "50", "80"]
    await connection.close()


async def test_the_log_has_its_tables_and_functions(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    tables = await connection.fetch("SELECT relname FROM pg_class WHERE relnamespace = 'log'::regnamespace")
    functions = await connection.fetch("SELECT proname FROM pg_proc WHERE pronamespace = 'log'::regnamespace")
    await connection.close()
    assert {
        "events",
        "heads",
        "tip",
        "idempotency",
        "marks",
        "events_readable",
        "archives",
        "horizon",
        "partitions",
    } <= {row[0] for row in tables}
    assert {row[0] for row in functions} >= LOG_FUNCTIONS


async def test_everything_of_the_log_belongs_to_a_role_that_cannot_log_in(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    owners = await connection.fetch(
        """
        SELECT relowner AS owner FROM pg_class WHERE relnamespace = 'log'::regnamespace
        UNION SELECT proowner FROM pg_proc WHERE pronamespace = 'log'::regnamespace
        UNION SELECT nspowner FROM pg_namespace WHERE nspname = 'log'
        """
    )
    roles = await connection.fetch("SELECT rolname, rolcanlogin, rolsuper FROM pg_roles WHERE oid = $1", owners[0][0])
    await connection.close()
    assert len(owners) == 1
    assert [tuple(row) for row in roles] == [("dispatch_owner", False, False)]


async def test_a_migrated_database_has_nothing_pending(dsn: str) -> None:
    assert await pending(dsn) == []


async def test_migrating_again_changes_nothing(dsn: str) -> None:
    await migrate.migrate(dsn)
    assert await pending(dsn) == []


async def test_an_empty_database_is_migrated_once_by_several_at_once(empty_dsn: str) -> None:
    assert await pending(empty_dsn) == [
        "0001",
        "0002",
        "0003",
        "0004",
        "0005",
        "0006",
        "0007",
        "0008",
        "0009",
        "0010",
        "0011",
        "0012",
        "0013",
        "0014",
        "0015",
        "0016",
        "0017",
        "0018",
        "0019",
        "0020",
    ]
    await asyncio.gather(*(migrate.migrate(empty_dsn) for _ in range(3)))
    assert await pending(empty_dsn) == []


async def test_an_owner_who_is_no_superuser_can_migrate(empty_dsn: str) -> None:
    administrator = await asyncpg.connect(empty_dsn)
    name = (await administrator.fetchval("SELECT current_database()")).replace("e_", "o_")
    await administrator.execute(f"CREATE ROLE {name} LOGIN CREATEROLE")
    await administrator.execute(f"ALTER DATABASE {name.replace('o_', 'e_')} OWNER TO {name}")
    for role in ("owner", "app", "projector", "auditor", "archiver"):
        await administrator.execute(f"GRANT dispatch_{role} TO {name} WITH ADMIN TRUE, SET TRUE")
    await migrate.migrate(empty_dsn.replace("//admin@", f"//{name}@"))
    assert await pending(empty_dsn) == []
    await administrator.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER")
    await administrator.execute(f"DROP OWNED BY {name}")
    await administrator.execute(f"DROP ROLE {name}")
    await administrator.close()


async def test_a_database_of_an_earlier_release_gets_its_new_rows_with_their_rights(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("DROP TABLE read.orders, read.warnings, read.handovers, read.aid")
    await connection.execute("DROP INDEX read.reports_channel_filed_at, read.camera_spells_ended_at")
    await connection.execute(f"UPDATE {migrate.VERSION_TABLE} SET version_num = '0008'")
    assert (await pending(dsn))[0] == "0009"
    await migrate.migrate(dsn)
    for role, right in (("dispatch_projector", "INSERT"), ("dispatch_app", "SELECT"), ("dispatch_auditor", "SELECT")):
        for table in ("read.orders", "read.warnings", "read.handovers", "read.aid"):
            assert await connection.fetchval("SELECT has_table_privilege($1, $2, $3)", role, table, right), (
                role,
                table,
            )
    assert not await connection.fetchval("SELECT has_table_privilege('dispatch_app', 'read.orders', 'UPDATE')")
    indexes = await connection.fetch("SELECT indexname FROM pg_indexes WHERE schemaname = 'read'")
    wanted = {"orders_updated_position", "camera_spells_ended_at", "reports_channel_filed_at"}
    assert wanted <= {row[0] for row in indexes}
    await connection.close()
    await test_migrations_equal_the_declared_tables(dsn)
