"""What may be asked of an alert's stream."""

from __future__ import annotations

from domain.alert.events import AlertContent
from domain.event import Frozen


class ReceiveAlert(Frozen):
    """A machine's message of this identity has come."""

    content: AlertContent
