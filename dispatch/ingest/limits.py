"""Every limit of what machines may send, in one place."""

from __future__ import annotations

BODY_BYTES_MAX = 1_048_576
"""One message or batch as it comes; beyond it 413."""
BATCH_ALERTS_MAX = 500
"""Alerts of one request; it is also what one lane call records."""
XML_DEPTH_MAX = 32
"""The deepest real message (Hikvision region coordinates) has 7 levels."""
XML_ELEMENTS_MAX = 20_000
"""The largest real message (a CAP warning in many languages) has 1,200."""
JSON_DEPTH_MAX = 64
MULTIPART_PARTS_MAX = 64
CAP_POINTS_MAX = 30_000
"""Distinct corners of a warning's polygons: what fits one event of the log."""
CAP_INFOS_MAX = 100
ALERTS_WAITING_MAX = 200_000
"""Alerts in the log that are not on the board: ten minutes of a flood night without workers, which they then work off
in two. From half of it on messages are refused, the severe ones last."""
IDENTITY_CHARACTERS_MAX = 300
"""A source's id; a longer one ends in a hash of the whole."""
QUARANTINE_HEAD_BYTES = 4_096
"""What is kept of a message that is too large to be kept whole."""
QUARANTINE_STORE_BYTES_MAX = 1_073_741_824
"""When the store is larger, only heads are kept: a broken fleet of cameras must not fill the disk."""
QUARANTINE_PAGE_MAX = 200
CLOCK_TOLERANCE_S = 300
"""A device may be this far ahead of us before its time is not believed."""
LATE_AFTER_S = 86_400
