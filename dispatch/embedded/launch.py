"""Becomes a child program: gives up root, asks to die with the parent, then executes it.

Run by path as its own tiny interpreter (`python -I -S launch.py SIGNAL PARENT UID GID PROGRAM ARGUMENT...`), because a
`preexec_fn` runs between fork and exec of a process that has threads, where any lock may be held for ever. The order
matters: a change of user clears the death signal, so the user comes first.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
NO_CHANGE = -1
EXIT_PARENT_GONE = 75


def main(arguments: list[str]) -> None:
    """Replace this process by the program; never returns."""
    death_signal, parent_pid, uid, gid = (int(argument) for argument in arguments[:4])
    program = arguments[4:]
    # Opened while we may: the new user may be unable to walk to it, yet may execute what it holds.
    opened = os.open(program[0], os.O_RDONLY)
    if uid != NO_CHANGE:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    # The parent may have died before the request reached the kernel; then no signal will ever come.
    if os.getppid() != parent_pid:
        sys.exit(EXIT_PARENT_GONE)
    try:
        os.execv(program[0], program)  # noqa: S606  # an absolute path chosen by the supervisor, no shell
    except PermissionError:
        os.execve(opened, program, os.environ)  # noqa: S606  # the same file


if __name__ == "__main__":
    main(sys.argv[1:])
