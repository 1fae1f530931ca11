"""`dispatch ingest` sends files to a server as a device would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dispatch.api.access.tokens import Identity
from dispatch.api.server import listening, server_of
from dispatch.cli.main import main
from domain.vocabulary import Role
from tests.api import town
from tests.api.conftest import Edge


@dataclass
class Served:
    """The application behind a real socket."""

    edge: Edge
    url: str
    capture: pytest.CaptureFixture[str]

    async def ingest(self, *arguments: str | Path, role: Role = Role.GATEWAY) -> tuple[int, dict[str, Any]]:
        token = self.edge.token(Identity("test", (role,), gateway=town.GATEWAY if role is Role.GATEWAY else None))
        words = ["ingest", *map(str, arguments), "--url", self.url, "--token", token, "--json"]
        code = await asyncio.to_thread(main, words)
        return code, json.loads(self.capture.readouterr().out)


@pytest.fixture
async def served(edge: Edge, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Served]:
    bound = listening("127.0.0.1", 0)
    server = server_of(edge.app, edge.services.hub, host="127.0.0.1", port=bound.getsockname()[1])
    # The fixture of the edge has entered the lifespan already; entering it twice would start everything twice.
    server.config.lifespan = "off"
    running = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield Served(edge, f"http://127.0.0.1:{bound.getsockname()[1]}", capsys)
    finally:
        server.stop()
        await running


async def test_lines_are_sent_in_batches_and_counted(served: Served, tmp_path: Path):
    lines = [json.dumps({"id": str(number % 700), "kind": "motion"}) for number in range(720)]
    file = tmp_path / "night.ndjson"
    file.write_text("\n".join([*lines, "{broken"]))
    code, summary = await served.ingest(file)
    assert code == 1
    assert (summary["recorded"], summary["duplicates"], summary["refused"]) == (700, 20, 1)
    assert summary["results"][-1]["code"] == "ingest.malformed"


async def test_vendor_files_are_sent_byte_for_byte(served: Served, tmp_path: Path):
    file = tmp_path / "alarm.xml"
    file.write_bytes(
        (
            '<?xml version="1.0" encoding="GB2312"?><Notify><CmdType>Alarm</CmdType><SN>1</SN>'
            f"<DeviceID>{town.EAST_CAMERA}</DeviceID><AlarmPriority>1</AlarmPriority>"
            "<AlarmDescription>翻越护栏</AlarmDescription></Notify>"
        ).encode("gb2312")
    )
    code, summary = await served.ingest(file, "--adapter", "gb28181")
    assert (code, summary["recorded"]) == (0, 1)
    again, repeated = await served.ingest(file, "--adapter", "gb28181")
    assert (again, repeated["duplicates"]) == (0, 1)


async def test_whoever_may_not_send_is_told_so(served: Served, tmp_path: Path):
    file = tmp_path / "one.json"
    file.write_text('{"id":"1","kind":"motion"}')
    code, document = await served.ingest(file, role=Role.AUDITOR)
    assert (code, document["error"]["code"]) == (3, "ingest.not_permitted")
