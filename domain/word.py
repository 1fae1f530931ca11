"""The kind of enumeration that every word of the vocabulary is."""

from __future__ import annotations

from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING


class Word(StrEnum):
    """A text that is one of a few.

    An alert is written with some ten of them, and to write one its `value` is asked for: looked up by the library's own
    way that took 3 % of an API process in a storm, and takes a third of that so.
    """

    if not TYPE_CHECKING:
        value = property(attrgetter("_value_"))
