"""What may be asked of an alert's stream."""

from __future__ import annotations

from domain.alert.events import AlertContent
from domain.event import Frozen
from domain.vocabulary import CameraHealth


class ReceiveAlert(Frozen):
    """A machine's message of this identity has come."""

    content: AlertContent
    camera_health: CameraHealth | None = None
    """What it says of the camera's own seeing; None, and it says nothing of that."""
