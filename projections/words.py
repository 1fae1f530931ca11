"""Words for searching, in a form that needs no extension and no locale of the database.

Chinese has no spaces: each run of its characters becomes its single characters and its pairs, so that any two
neighbouring characters of a query are found. Latin letters and digits become lower-case words, and codes (a camera's
20 digits, an incident's number) are words as they are. pg_trgm would see no letters at all in a database of locale C.
"""

from __future__ import annotations

import re
import unicodedata

TOKENS_MAX = 2_000
"""Tokens kept of one text; a report has 4,000 characters at most."""
QUERY_TOKENS_MAX = 20

_RUNS = re.compile(r"[㐀-䶿一-鿿]+|[^\W_]+(?:[-./][^\W_]+)*", re.UNICODE)
_CJK = re.compile(r"[㐀-䶿一-鿿]")
_PARTS = re.compile(r"[-./]")


def tokens(*texts: str | None) -> list[str]:
    """What a text can be found by: distinct, in order of appearance."""
    found: dict[str, None] = {}
    for text in texts:
        for run in _runs(text):
            if _CJK.match(run):
                found.update(dict.fromkeys(run))
                found.update(dict.fromkeys(run[i : i + 2] for i in range(len(run) - 1)))
            else:
                found[run] = None
                found.update(dict.fromkeys(_PARTS.split(run)))
    return list(found)[:TOKENS_MAX]


def query_tokens(text: str) -> list[str]:
    """What must all be there: pairs of Chinese characters (a lone one as it is) and words."""
    wanted: dict[str, None] = {}
    for run in _runs(text):
        if _CJK.match(run) and len(run) > 1:
            wanted.update(dict.fromkeys(run[i : i + 2] for i in range(len(run) - 1)))
        else:
            wanted[run] = None
    return list(wanted)[:QUERY_TOKENS_MAX]


def _runs(text: str | None) -> list[str]:
    if not text:
        return []
    return [part for run in _RUNS.findall(unicodedata.normalize("NFKC", text).lower()) for part in _split(run)]


def _split(run: str) -> list[str]:
    """Letters beside Chinese characters (`A座`) are a run of their own."""
    return [part for part in re.split(r"([㐀-䶿一-鿿]+)", run) if part.strip("-./")]
