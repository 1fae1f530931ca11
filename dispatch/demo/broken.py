"""Starts `dispatch serve` or `dispatch work` with one rule broken on purpose: `python -m dispatch.demo.broken RULE …`.

The demo proves that its checks can fail. What is broken is replaced from outside, here, so that no switch for it
exists in the product itself.
"""

from __future__ import annotations

import sys

from dispatch.cli.main import main
from dispatch.demo.breaks import BREAKS

if __name__ == "__main__":
    rule, *arguments = sys.argv[1:]
    BREAKS[rule]()
    sys.exit(main(arguments))
