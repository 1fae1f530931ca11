"""An answer's head waits for its body, and for nothing else."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from dispatch.api.http.whole_answers import WholeAnswers

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire:
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def whole() -> tuple[Any, Wire]:
    wire = Wire()
    return WholeAnswers(cast("asyncio.Transport", wire), asyncio.get_running_loop()), wire


async def turn() -> None:
    await asyncio.sleep(0)


async def test_head_and_body_are_one_write() -> None:
    transport, wire = whole()
    transport.write(HEAD)
    transport.write(b"{}")
    transport.write(HEAD)
    transport.write(b"[]")
    await turn()
    assert wire.written == [HEAD + b"{}", HEAD + b"[]"]


async def test_a_head_whose_body_is_not_there_yet_goes_out_with_the_next_turn() -> None:
    transport, wire = whole()
    transport.write(HEAD)
    assert wire.written == []
    await turn()
    assert wire.written == [HEAD]
    transport.write(b"{}")
    assert wire.written == [HEAD, b"{}"]


async def test_what_is_no_head_is_not_kept_back() -> None:
    transport, wire = whole()
    for data in (b"HTTP/1.1 100 Continue\r\n\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n"):
        transport.write(data)
    assert len(wire.written) == 3


async def test_a_head_is_written_before_the_end_and_never_after_it() -> None:
    transport, wire = whole()
    transport.write(HEAD)
    transport.close()
    assert (wire.written, wire.closed) == ([HEAD], True)
    other, cut = whole()
    other.write(HEAD)
    cut.closed = True
    await turn()
    assert cut.written == []


async def test_everything_else_is_the_transports_own() -> None:
    transport, wire = whole()
    assert transport.is_closing() is False
    wire.closed = True
    assert transport.is_closing() is True
