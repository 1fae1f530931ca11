"""Processes of writers that begin together: what one subject records in a second, all of them added up."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from dispatch.bench.peers.writer import READY, Job

NODE_SCRIPT = Path(__file__).with_name("emmett.cjs")
ANSWER_WAIT_S = 120.0


def command_of(subject: str, peers_folder: Path) -> Sequence[str]:
    """How a process of `subject` is started."""
    if subject == "emmett":
        return "node", str(NODE_SCRIPT), str(peers_folder)
    return sys.executable, "-m", "dispatch.bench.peers.writer"


async def rate_of_crew(jobs: Sequence[Job], peers_folder: Path) -> float:
    """Events a second of all of them together."""
    return sum(await rates_of_crew(jobs, peers_folder))


async def rates_of_crew(jobs: Sequence[Job], peers_folder: Path) -> list[float]:
    """Events a second, of a process for each job, over the same seconds. Raises `RuntimeError` with what one said."""
    processes = [await _start(job, peers_folder) for job in jobs]
    try:
        await asyncio.gather(*(_line(process) for process in processes))
        for process in processes:
            _say(process, b"go\n")
        done = [json.loads(line) for line in await asyncio.gather(*(_line(process) for process in processes))]
        await asyncio.gather(*(process.wait() for process in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return [each["appended"] / each["elapsed_s"] for each in done]


async def install_emmett(job: Job, peers_folder: Path) -> None:
    """Let emmett make its tables and functions."""
    process = await _start(job, peers_folder)
    assert process.stderr is not None
    complaint = await process.stderr.read()
    if await process.wait():
        raise RuntimeError(f"emmett cannot make its tables: {complaint.decode()}")


async def _start(job: Job, peers_folder: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *command_of(job.subject, peers_folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _say(process, job.line())
    return process


def _say(process: asyncio.subprocess.Process, line: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(line)


async def _line(process: asyncio.subprocess.Process) -> str:
    """Its next line, which is never empty unless it died."""
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(ANSWER_WAIT_S):
        line = (await process.stdout.readline()).decode().strip()
        if not line:
            raise RuntimeError(f"a process of writers ended: {(await process.stderr.read()).decode()}")
    assert line == READY or line.startswith("{"), line
    return line
