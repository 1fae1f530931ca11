"""The log in PostgreSQL keeps the contract."""

from __future__ import annotations

import pytest

from dispatch.store.postgres import PostgresLog
from tests.store.contract import LogContract


class TestPostgresLog(LogContract):
    @pytest.fixture
    def log(self, pg_log: PostgresLog) -> PostgresLog:
        return pg_log
