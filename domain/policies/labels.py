"""Which incidents belong to a restricted operation from their first moment: by camera, by place, by time.

A person says once what is to be kept; nobody is there at each opening to say it again (flow F21, decision record 0036).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from domain.event import Explanation, GeoPoint, Reason
from domain.operation.events import LabelsSet

POLICY = "label"


def reason_for(said: LabelsSet, *, camera_id: UUID | None, point: GeoPoint | None, at: datetime) -> Reason | None:
    """Why an incident that happened then, there, seen by that camera is the operation's; None if it is not."""
    if not said.begins_at <= at < said.ends_at:
        return None
    if camera_id is not None and camera_id in said.camera_ids:
        return Reason(code="label.by_camera", values={"camera_id": str(camera_id)})
    if point is not None and any(_is_within(point, ring) for ring in said.area):
        return Reason(code="label.by_area")
    return None


def explained(reason: Reason, position: int) -> Explanation:
    """What the decision weighed: the fact at this position."""
    return Explanation(policy=POLICY, input_positions=(position,), reasons=(reason,))


def _is_within(point: GeoPoint, ring: Sequence[tuple[float, float]]) -> bool:
    """Whether a ray to the east leaves the ring an odd number of times. On the border itself: either."""
    is_within = False
    for (lon, lat), (to_lon, to_lat) in pairwise(ring):
        if (lat > point.lat) != (to_lat > point.lat):
            crossing = lon + (point.lat - lat) / (to_lat - lat) * (to_lon - lon)
            is_within ^= point.lon < crossing
    return is_within
