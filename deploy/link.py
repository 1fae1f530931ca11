# ruff: noqa: INP001  # a script beside the configuration, not a package
"""Makes a virtual environment see this source tree and gives it a `dispatch` command.

A path file needs neither network nor a build backend, so a control room that is cut off can install from a wheel
folder alone; `pip install .` works where a build backend is at hand.
"""

from __future__ import annotations

import stat
import sys
import sysconfig
from pathlib import Path

COMMAND = """\
#!{python}
import sys

from dispatch.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
"""


def link() -> None:
    """Write the path file and the command of the environment that runs this."""
    root = Path(__file__).resolve().parent.parent
    packages = Path(sysconfig.get_paths()["purelib"])
    (packages / "city_dispatch.pth").write_text(f"{root}\n", encoding="utf-8")
    command = Path(sys.executable).parent / "dispatch"
    command.write_text(COMMAND.format(python=sys.executable), encoding="utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


if __name__ == "__main__":
    link()
