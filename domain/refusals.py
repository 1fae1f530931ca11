"""The ways a request can fail, drawn once.

DispatchError
├── Refused      a rule of the domain said no; repeating it will not help
├── Conflict     somebody was first; look again and decide again
└── Unavailable  the world said no (database, network, disk); the same request may succeed later

A programming error is an `assert`, never one of these. At the HTTP edge each becomes one problem document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decider's named "no".

    `code` is permanent and dotted (`incident.already_closed`); it names the problem page and the translated text.
    `detail` says, in English, what to do next and carries the values.
    """

    code: str
    detail: str
    values: Mapping[str, str] = field(default_factory=dict)


class DispatchError(Exception):
    """Base of every expected failure."""

    def __init__(self, code: str, detail: str, **values: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.values = values


class Refused(DispatchError):
    """A rule said no."""

    @classmethod
    def by(cls, refusal: Refusal) -> Refused:
        """The error form of a decider's refusal."""
        return cls(refusal.code, refusal.detail, **dict(refusal.values))


class Conflict(DispatchError):
    """Somebody was first: the version, the unit or the key was taken."""


class Unavailable(DispatchError):
    """The world said no; the caller may repeat the same request later."""
