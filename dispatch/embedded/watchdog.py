"""Hears whether a child's event loop still turns.

A process that is frozen, or stuck in a loop of its own, does not leave: whoever waits for its end waits for ever, and
while it holds the advisory locks of its tasks nobody else does them. So a child says "WATCHDOG=1" every second from its
event loop (`dispatch.process`), exactly as systemd's watchdog wants it: the same program is watched under either.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import struct
import time

CREDENTIALS = struct.Struct("3i")
"""pid, uid, gid of who sent a message, as the kernel says."""
MESSAGE_BYTES_MAX = 4_096


class Watchdog:
    """One child's. `address` is what the child gets as NOTIFY_SOCKET."""

    def __init__(self, name: str) -> None:
        # An abstract name: it needs no file, so neither a long path nor a full disk can hide a living child.
        token = f"dispatch-{os.getpid()}-{name}-{secrets.token_hex(8)}"
        self.address = f"@{token}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(f"\0{token}")
        self._heard_at = time.monotonic()
        self.has_been_heard = False

    def silent_s(self) -> float:
        """Seconds since the last sign of life that had arrived when somebody looked; at first, since the beginning."""
        with contextlib.suppress(BlockingIOError):
            while True:
                if self._is_ours(self._socket.recvmsg(MESSAGE_BYTES_MAX, socket.CMSG_SPACE(CREDENTIALS.size))[1]):
                    self._heard_at, self.has_been_heard = time.monotonic(), True
        return time.monotonic() - self._heard_at

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()

    @staticmethod
    def _is_ours(ancillary: list[tuple[int, int, bytes]]) -> bool:
        """Anybody on this machine can find the name; only our own user is believed."""
        return any(
            (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)
            and CREDENTIALS.unpack(content)[1] == os.geteuid()
            for level, kind, content in ancillary
        )
