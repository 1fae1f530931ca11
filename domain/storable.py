"""Text and instants that no table can hold: a NUL, half of a surrogate pair, a time before all clocks.

The log keeps bytes and would take it; the projections keep text and JSON and would not. A fact with such a text stands
in the log for ever and on no screen ever after, so it is refused wherever words come in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
UNSTORABLE = "text may not contain the NUL character or half of a surrogate pair"
"""What the sender is told."""


def is_storable(value: object) -> bool:
    """Whether every text in a value as JSON has it, at any depth, names of members included, can be kept."""
    if isinstance(value, str):
        return _UNSTORABLE.search(value) is None
    if isinstance(value, Mapping):
        return all(is_storable(name) and is_storable(member) for name, member in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(is_storable, value))
    return True


YEARS = range(1970, 2200)
"""Of an instant somebody means; in any zone it stays inside what clocks and tables can say."""


def _storable(at: datetime) -> datetime:
    if at.year not in YEARS:
        msg = f"the year must lie in {YEARS.start}-{YEARS.stop - 1}"
        raise ValueError(msg)
    return at


StorableInstant = Annotated[AwareDatetime, AfterValidator(_storable)]
"""An instant from outside. The year 1 east of Greenwich is no time in UTC, and every reader would stumble on it."""
