"""What goes wrong is told in our logs without what a citizen is called."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.api.conftest import Edge

BROKEN = sa.text("SELECT CAST(:said AS text) WHERE 1 / (CASE WHEN CAST(:said AS text) <> '' THEN 0 ELSE 1 END) > 0")


async def test_a_failed_statement_does_not_tell_what_was_looked_for(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(*_: object) -> object:
        return await edge.services.log.tip() and await edge.services.database.rows(
            BROKEN, {"said": "张先生 13800000000"}
        )

    monkeypatch.setattr(edge.services.freshness, "wait", fails)
    answer = await edge.client.get("/v1/search?q=张先生", headers=edge.as_operator("east.01"))
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "division by zero" in caplog.text
    assert "张先生" not in caplog.text
    assert "13800000000" not in caplog.text
