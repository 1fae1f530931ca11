"""A separate process that only looks: it follows the city's live board and, at the end, asks for every alert.

It is started with the address, tokens (one a connection: each caller has a limit) and the center to watch, as one JSON
line on standard input, and answers with JSON lines: `{"ready": position}`; on the line `{"count": [alert ids]}` it asks
the API for each alert, answers `{"found": n, "twice": n, "pages": [[position, seconds since the epoch], …]}` and ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import httpx

from dispatch.bench.wire import Answer, Connection

REPEATS_MAX = 20
"""How often one question is asked again when the server says "too many"."""


async def main() -> None:
    """Follow, count, answer."""
    lines = _lines(sys.stdin)
    task = json.loads(await anext(lines))
    pages: list[tuple[int, float]] = []
    ready = asyncio.Event()
    follower = asyncio.create_task(_follow(task, pages, ready))
    await ready.wait()
    _say({"ready": pages[-1][0]})
    wanted = json.loads(await anext(lines))["count"]
    follower.cancel()
    await asyncio.gather(follower, return_exceptions=True)
    found, twice = await _count(task, wanted)
    _say({"found": found, "twice": twice, "pages": pages})


def _say(document: Any) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


async def _lines(stream: Any) -> AsyncIterator[str]:
    while True:
        yield await asyncio.to_thread(stream.readline)


async def _follow(task: dict[str, Any], pages: list[tuple[int, float]], ready: asyncio.Event) -> None:
    """Note when each page's end was seen. A stream that ends is joined again where it ended."""
    after = ""
    headers = {"Authorization": f"Bearer {task['tokens'][0]}"}
    async with httpx.AsyncClient(base_url=task["address"], headers=headers, timeout=None, trust_env=False) as client:  # noqa: S113  # a live stream has no end
        while True:
            async with client.stream("GET", f"/v1/centers/{task['center']}/stream{after}") as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("id: "):
                        pages.append((int(line[4:]), time.time()))
                        after = f"?after={pages[-1][0]}"
                        ready.set()


async def _count(task: dict[str, Any], wanted: list[str]) -> tuple[int, int]:
    """How many of the alerts the API has, and how many of those were recorded more than once."""
    found = twice = 0
    remaining = iter(wanted)

    async def ask(token: str) -> None:
        nonlocal found, twice
        connection = Connection(task["address"], token)
        for alert_id in remaining:
            answer = await _asked(connection, f"/v1/alerts/{alert_id}")
            if answer.status == HTTPStatus.OK:
                found += 1
                twice += len(answer.json()["facts"]) > 1
        connection.close()

    await asyncio.gather(*map(ask, task["tokens"]))
    return found, twice


async def _asked(connection: Connection, path: str) -> Answer:
    for _ in range(REPEATS_MAX):
        answer = await connection.request("GET", path)
        if answer.status not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            break
        await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
    return answer


if __name__ == "__main__":
    asyncio.run(main())
