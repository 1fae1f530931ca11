"""What was expected and what was seen, in the order of the evening."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation. `seen` tells a person why it failed."""

    scene: str
    expectation: str
    holds: bool
    seen: str


@dataclass(slots=True)
class Checks:
    """Collects; a failed expectation never ends the evening, so that all of them are reported."""

    made: list[Check] = field(default_factory=list)
    scene: str = ""

    def that(self, expectation: str, holds: object, *, seen: Any = "") -> bool:
        """Note an expectation and whether it held."""
        self.made.append(Check(self.scene, expectation, bool(holds), str(seen)[:300]))
        return bool(holds)

    def equal(self, expectation: str, seen: Any, expected: Any) -> bool:
        """Note whether two things are equal."""
        return self.that(expectation, seen == expected, seen=f"{seen!r}, expected {expected!r}")

    @property
    def failed(self) -> list[Check]:
        """Those that did not hold."""
        return [check for check in self.made if not check.holds]
