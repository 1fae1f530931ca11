"""What is taken out of free text before it leaves: numbers by which a person can be found.

Fields for persons are sealed and never part of a contract. But a text that somebody typed may hold anything. What a
reporter said stays inside whole (`dispatch.partners.sharing`); remarks of dispatchers, addresses and the words of
machines leave, without telephone and identity numbers. Names cannot be told from other words: who writes a remark is
told by the API that partners read it.
"""

from __future__ import annotations

import re

WITHHELD = "[…]"
FULL_WIDTH = str.maketrans("０１２３４５６７８９Ｘｘ－", "0123456789Xx-")
NUMBERS = re.compile(
    r"""
    (?<![0-9A-Za-z])
    (?:
        \d{17}[0-9Xx]                                     # identity number of a resident (GB 11643)
      | (?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}       # mobile telephone
      | (?:\(0\d{2,3}\)|0\d{2,3}-)[- ]?\d{7,8}            # fixed telephone, with its area code
    )
    (?![0-9A-Za-z])
    """,
    re.VERBOSE,
)


def without_numbers(text: str | None) -> str | None:
    """The text with each such number replaced by `[…]`; digits may be full-width."""
    if text is None:
        return None
    kept, last = [], 0
    for found in NUMBERS.finditer(text.translate(FULL_WIDTH)):
        kept += [text[last : found.start()], WITHHELD]
        last = found.end()
    return "".join((*kept, text[last:]))
