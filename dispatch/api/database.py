"""Reading the projections: one pool, statements with a time limit, and every failure of the world as `Unavailable`.

Routes never write here; what they change goes through the log. The two exceptions are said where they are: positions
of vehicles, which are no facts of the log.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from domain.refusals import Unavailable

CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 2.0
"""A request that cannot get a connection in this time is better told so than left waiting."""

Row = Mapping[str, Any]


@contextmanager
def world() -> Iterator[None]:
    """Failures of the database as `Unavailable`; a statement that ran too long is one of them."""
    try:
        yield
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
        raise Unavailable(
            "database", f"The database does not answer ({type(error).__name__}). Repeat the request shortly."
        ) from error
    except asyncpg.QueryCanceledError as error:
        raise Unavailable("database", "The query took too long. Ask for less: a filter, a smaller limit.") from error
    except (asyncpg.InsufficientResourcesError, asyncpg.OperatorInterventionError) as error:
        raise Unavailable("database", f"The database cannot serve now: {error}. Repeat the request shortly.") from error


async def _plain_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads, format="text")


class Database:
    """The projections and the edge tables, as the API sees them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def open(
        cls, dsn: str, *, connections_max: int = 8, statement_timeout_s: float = 10.0, role: str | None = "dispatch_app"
    ) -> Database:
        """Connect. Raises `Unavailable`."""
        settings = {
            "application_name": "dispatch api",
            "jit": "off",
            "statement_timeout": str(int(statement_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": "30s",
            **({"role": role} if role else {}),
        }
        with world():
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=connections_max,
                server_settings=settings,
                timeout=CONNECT_TIMEOUT_S,
                init=_plain_json,
            )
        return cls(pool)

    async def close(self) -> None:
        """Let the connections go."""
        await self._pool.close()

    async def rows(self, statement: str, *values: Any) -> list[Row]:
        """All rows of a statement that bounds itself by LIMIT or by key."""
        with world():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                return list(await connection.fetch(statement, *values))

    async def row(self, statement: str, *values: Any) -> Row | None:
        """The first row, if any."""
        found = await self.rows(statement, *values)
        return found[0] if found else None

    async def execute(self, statement: str, *values: Any) -> str:
        """Run a statement on an edge table; its command tag."""
        with world():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                tag: str = await connection.execute(statement, *values)
                return tag

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """Several reads of one moment."""
        with world():
            async with (
                self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield Snapshot(connection)


class Snapshot:
    """Reads of one moment."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def rows(self, statement: str, *values: Any) -> Sequence[Row]:
        """All rows of a statement."""
        return list(await self._connection.fetch(statement, *values))

    async def row(self, statement: str, *values: Any) -> Row | None:
        """The first row, if any."""
        found: Row | None = await self._connection.fetchrow(statement, *values)
        return found
