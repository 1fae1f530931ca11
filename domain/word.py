"""The kind of enumeration that every word of the vocabulary is."""

from __future__ import annotations

from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING


class Word(StrEnum):
    """A text that is one of a few.

    To write one its `value` is asked for. The library looks it up in Python, which by samples was 3 % of an API process
    in a storm; this way it is looked up in C.
    """

    if not TYPE_CHECKING:
        value = property(attrgetter("_value_"))
