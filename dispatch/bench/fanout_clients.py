"""A process of many live streams, as cheap as Python allows: bare sockets, one epoll, each distinct chunk parsed once.

It is told what to do by JSON lines on standard input and answers each with one on standard output:
`{"host", "port", "streams": [[center, token, stalls], …]}` opens them, `{"stall": true}` stops reading those that
stall, `{"reconnect_per_s": n}` cuts and resumes others, and `{"judge": {…}}` compares what every stream was told with
what the rows say (`dispatch.bench.fanout_proof`), answers the figures and ends.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import select
import socket
import sys
import time
from array import array
from collections.abc import Iterator
from typing import Any

from dispatch.bench.fanout_proof import Frame, Heard, judge

OPENING_MAX = 64
"""Streams that wait for their beginning at the same time."""
POLL_S = 0.02
RECEIVE_BYTES = 65_536
DISTINCT_KEPT = 4_096
STALLED_BUFFER_BYTES = 4_096
QUIET_S = 1.0
QUIET_WAIT_S = 60.0
COMMAND_BYTES = 1 << 20


class Stream:
    """One connection, and what it was told when."""

    __slots__ = ("begun", "board", "fd", "heard", "in_head", "rest", "sock", "stalls", "token")

    def __init__(self, board: str, token: str, *, stalls: bool) -> None:
        self.board = board
        self.token = token
        self.stalls = stalls
        self.sock: socket.socket | None = None
        self.fd = -1
        self.heard = Heard(board, stalls)
        self.rest = b""
        self.in_head = True
        self.begun = False


class Streams:
    """All of them, on one epoll."""

    def __init__(self, host: str, port: int, streams: list[Stream]) -> None:
        self.address = (host, port)
        self.streams = streams
        self.frames: list[Frame] = []
        self.reconnects = self.dropped = self.cut = 0
        self.stalled = False
        self.reconnect_every_s = 0.0
        self._reconnect_at = 0.0
        self._turn = 0
        self._opening = 0
        self._known: dict[bytes, int] = {}
        self._by_fd: dict[int, Stream] = {}
        self._poll = select.epoll()
        self.heard_at = 0.0

    def open_all(self) -> None:
        """Open every stream and wait for its beginning."""
        waiting = iter(self.streams)
        done = False
        while not done or self._opening:
            while not done and self._opening < OPENING_MAX:
                fresh = next(waiting, None)
                if fresh is None:
                    done = True
                else:
                    self.open(fresh)
            self.turn()

    def open(self, stream: Stream) -> None:
        """Connect and ask for what came after the last page heard, or for a snapshot."""
        stream.sock = socket.create_connection(self.address, timeout=30)
        resume = f"Last-Event-ID: {stream.heard.last}\r\n" if stream.heard.last else ""
        stream.sock.sendall(
            f"GET /v1/centers/{stream.board}/stream HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {stream.token}\r\n{resume}\r\n".encode()
        )
        stream.sock.setblocking(False)
        stream.rest, stream.in_head, stream.begun = b"", True, False
        stream.fd = stream.sock.fileno()
        self._by_fd[stream.fd] = stream
        self._poll.register(stream.fd, select.EPOLLIN)
        self._opening += 1

    def close(self, stream: Stream) -> None:
        """Hang up."""
        assert stream.sock is not None
        if stream.fd in self._by_fd:
            del self._by_fd[stream.fd]
            self._poll.unregister(stream.fd)
        if not stream.begun:
            self._opening -= 1
        stream.sock.close()

    def turn(self) -> None:
        """Read what there is, cut whose turn it is."""
        for fd, _ in self._poll.poll(POLL_S):
            stream = self._by_fd.get(fd)
            if stream is None:
                continue
            assert stream.sock is not None
            try:
                received = stream.sock.recv(RECEIVE_BYTES)
            except BlockingIOError:
                continue
            except ConnectionError:
                received = b""
            if received:
                self._take(stream, received)
            else:
                self._lost(stream)
        now = time.time()
        while self.reconnect_every_s and now >= self._reconnect_at:
            self._reconnect_at = max(self._reconnect_at + self.reconnect_every_s, now - 1)
            self._reconnect_next()

    def _take(self, stream: Stream, received: bytes) -> None:
        now = self.heard_at = time.time()
        for number in self._parse(stream, received):
            stream.heard.frames.append(number)
            stream.heard.times.append(now)
            position = self.frames[number].position
            if position is not None:
                stream.heard.last = position
                if not stream.begun:
                    stream.begun = True
                    self._opening -= 1

    def _parse(self, stream: Stream, received: bytes) -> Iterator[int]:
        rest = stream.rest + received if stream.rest else received
        if stream.in_head:
            head, separator, after = rest.partition(b"\r\n\r\n")
            if not separator:
                stream.rest = rest
                return
            if not head.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(f"a stream was refused: {rest[:400]!r}")
            rest, stream.in_head = after, False
        begins = 0
        while (newline := rest.find(b"\r\n", begins)) >= 0:
            ends = newline + 2 + int(rest[begins:newline], 16)
            if len(rest) < ends + 2:
                break
            yield self._number(rest[newline + 2 : ends])
            begins = ends + 2
        stream.rest = rest[begins:]

    def _number(self, chunk: bytes) -> int:
        """The frame of a chunk; many clients are told the same one, and parsing it each time would be too slow."""
        number = self._known.get(chunk)
        if number is None:
            number = len(self.frames)
            self.frames.append(Frame.of(chunk))
            if len(self._known) >= DISTINCT_KEPT:
                self._known.clear()
            self._known[chunk] = number
        return number

    def _lost(self, stream: Stream) -> None:
        """The server hung up: expected only of streams that stalled."""
        self.close(stream)
        if stream.stalls:
            self.cut += 1
        else:
            self.dropped += 1
        self.open(stream)

    def _reconnect_next(self) -> None:
        for _ in range(len(self.streams)):
            self._turn = (self._turn + 1) % len(self.streams)
            stream = self.streams[self._turn]
            if stream.begun and not stream.stalls:
                self.reconnects += 1
                self.close(stream)
                self.open(stream)
                return

    def stall(self, *, stalled: bool) -> None:
        """Stop or go on reading those that stall."""
        if stalled == self.stalled:
            return
        self.stalled = stalled
        for stream in self.streams:
            if not stream.stalls or stream.sock is None:
                continue
            if stalled:
                stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BUFFER_BYTES)
                self._poll.unregister(stream.fd)
            else:
                stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
                self._poll.register(stream.fd, select.EPOLLIN)


def commands() -> Iterator[dict[str, Any] | None]:
    """Each line of standard input; None while there is none."""
    unread = b""
    os.set_blocking(0, False)
    while True:
        try:
            read = os.read(0, COMMAND_BYTES)
        except BlockingIOError:
            yield None
            continue
        if not read:
            return
        unread += read
        while b"\n" in unread:
            line, _, unread = unread.partition(b"\n")
            yield json.loads(line)


def say(document: Any) -> None:
    """Answer."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do what is said until the judgement."""
    gc.disable()  # nothing here refers to itself, and a collection among millions of frames would be read as a delay
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    said = commands()
    task = next(line for line in said if line is not None)
    streams = Streams(
        task["host"], task["port"], [Stream(board, token, stalls=stalls) for board, token, stalls in task["streams"]]
    )
    began_at = time.time()
    streams.open_all()
    say({"open": len(streams.streams), "seconds": time.time() - began_at})
    for line in said:
        streams.turn()
        if line is None:
            continue
        if "stall" in line:
            streams.stall(stalled=line["stall"])
        elif "reconnect_per_s" in line:
            rate = line["reconnect_per_s"]
            streams.reconnect_every_s = 1 / rate if rate else 0.0
        elif "judge" in line:
            _until_quiet(streams)
            figures = asyncio.run(judge([stream.heard for stream in streams.streams], streams.frames, **line["judge"]))
            counts = {"reconnects": streams.reconnects, "dropped": streams.dropped, "stalled_cut": streams.cut}
            say(counts | figures)
            return
        say({"done": True})


def _until_quiet(streams: Streams) -> None:
    """Until nothing has come for a while: everything that was on its way is here."""
    ends_at = time.time() + QUIET_WAIT_S
    streams.heard_at = time.time()
    while time.time() - streams.heard_at < QUIET_S and time.time() < ends_at:
        streams.turn()


assert array("d").itemsize == 8, "times are kept as doubles"

if __name__ == "__main__":
    main()
