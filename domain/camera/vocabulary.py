"""Words for how a camera is. Values stand in events and in answers, for ever."""

from __future__ import annotations

from domain.word import Word


class ConditionSource(Word):
    """Who said how a camera is: its gateway, the device itself in a message of its own format, or people."""

    GATEWAY = "gateway"
    DEVICE = "device"
    MAINTAINER = "maintainer"
    OPERATOR = "operator"


class ArmingCause(Word):
    """Why a camera's alarms are on or off."""

    SCHEDULE = "schedule"
    PERSON = "person"
