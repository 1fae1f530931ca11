"""Reading the projections: one pool, statements with a time limit, and every failure of the world as `Unavailable`.

Routes never write here; what they change goes through the log. The one exception is the position of a vehicle, which
is no fact of the log.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from domain.refusals import Unavailable

CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 2.0
"""A request that cannot get a connection in this time is better told so than left waiting."""

Row = Mapping[str, Any]
Statement = sa.Executable
Connect = Callable[[], Awaitable[asyncpg.Connection]]

_GONE = (asyncpg.PostgresConnectionError, asyncpg.InsufficientResourcesError, asyncpg.OperatorInterventionError)


@contextmanager
def world() -> Iterator[None]:
    """Failures of the database as `Unavailable`; a statement that ran too long is one of them."""
    try:
        yield
    except (OSError, TimeoutError, PoolTimeoutError, InterfaceError, OperationalError, asyncpg.InterfaceError) as error:
        raise _away(error) from error
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig is not None else None
        if isinstance(cause, asyncpg.QueryCanceledError):
            raise Unavailable(
                "database", "The query took too long. Ask for less: a filter, a smaller limit."
            ) from error
        if error.connection_invalidated or isinstance(cause, _GONE):
            raise _away(error) from error
        raise
    except _GONE as error:
        raise _away(error) from error


def _away(error: BaseException) -> Unavailable:
    name = type(error).__name__
    return Unavailable("database", f"The database does not answer ({name}). Repeat the request shortly.")


class Database:
    """The projections and the edge tables, as the API sees them."""

    def __init__(self, engine: AsyncEngine, connect: Connect) -> None:
        self._engine = engine
        self._connect = connect

    @classmethod
    def connect(
        cls, dsn: str, *, connections_max: int = 8, statement_timeout_s: float = 10.0, role: str | None = "dispatch_app"
    ) -> Database:
        """A pool for a DSN, as `role` (None: as the DSN's user). Connects when first asked."""
        settings = {
            "application_name": "dispatch api",
            "jit": "off",
            "statement_timeout": str(int(statement_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": "30000",
            **({"role": role} if role else {}),
        }
        engine = create_async_engine(
            urlunsplit(urlsplit(dsn)._replace(scheme="postgresql+asyncpg")),
            pool_size=connections_max,
            max_overflow=0,
            pool_timeout=ACQUIRE_TIMEOUT_S,
            # An error's text goes to our logs, and what somebody searched for may name a citizen.
            hide_parameters=True,
            # A connection that died with the server is found before it fails somebody's request.
            pool_pre_ping=True,
            connect_args={"server_settings": settings, "timeout": CONNECT_TIMEOUT_S},
        )
        connect = functools.partial(asyncpg.connect, dsn, server_settings=settings, timeout=CONNECT_TIMEOUT_S)
        return cls(engine, connect)

    async def close(self) -> None:
        """Let the connections go."""
        await self._engine.dispose()

    async def dedicated(self) -> asyncpg.Connection:
        """A connection beside the pool, for a task that reads and listens all the time. The caller closes it."""
        return await self._connect()

    async def rows(self, statement: Statement, values: Row | None = None) -> list[Row]:
        """All rows of a statement that bounds itself by LIMIT or by key."""
        with world():
            async with self._engine.connect() as connection:
                return _rows(await connection.execute(statement, values))

    async def row(self, statement: Statement, values: Row | None = None) -> Row | None:
        """The first row, if any."""
        found = await self.rows(statement, values)
        return found[0] if found else None

    async def write(self, statement: Statement, values: Row | Sequence[Row] | None = None) -> None:
        """Run a statement on an edge table, in a transaction of its own."""
        with world():
            async with self._engine.begin() as connection:
                await connection.execute(statement, values)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """Several reads of one moment."""
        with world():
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                async with connection.begin():
                    yield Snapshot(connection)


class Snapshot:
    """Reads of one moment."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def rows(self, statement: Statement, values: Row | None = None) -> list[Row]:
        """All rows of a statement."""
        return _rows(await self._connection.execute(statement, values))

    async def row(self, statement: Statement, values: Row | None = None) -> Row | None:
        """The first row, if any."""
        found = await self.rows(statement, values)
        return found[0] if found else None


def _rows(result: sa.Result[Any]) -> list[Row]:
    return cast("list[Row]", list(result.mappings()))
