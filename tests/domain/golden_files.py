"""What each event looks like in the log, for ever: `golden/<name>.v<version>.<full|minimal>.json`.

A golden file is written once, when an event (or a version of it) is born:

    python -m tests.domain.golden_files                  writes what is missing
    python -m tests.domain.golden_files --renew NAME     after a field with a default was added to NAME

`full` has every field, `minimal` only those without which it is refused: what an older writer may have left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from domain.catalogue import EVENTS
from domain.event import Event
from tests.domain.shapes import ENVELOPE, sample

FOLDER = Path(__file__).parent / "golden"
FORMS = ("full", "minimal")


def file_of(name: str, version: int, form: str) -> Path:
    """Where it is kept."""
    return FOLDER / f"{name}.v{version}.{form}.json"


def missing() -> list[Path]:
    """Files that every event and version in the catalogue should have and does not."""
    return [
        path
        for name, event in sorted(EVENTS.items())
        for version in range(1, event.schema_version + 1)
        for form in FORMS
        if not (path := file_of(name, version, form)).exists()
    ]


def stored(event: type[Event], form: str) -> dict[str, Any]:
    """The event's present shape as the log stores it."""
    envelope = ENVELOPE.model_dump(mode="json", exclude_none=True)
    if form == "minimal":
        optional = {"causation_id", "correlation_id", "rule_version"}
        envelope = {name: value for name, value in envelope.items() if name not in optional}
    return {"schema_version": event.schema_version, **envelope, "body": sample(event, full=form == "full")}


def write(event: type[Event], form: str) -> Path:
    """Write the present version's file."""
    path = file_of(event.name, event.schema_version, form)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(stored(event, form), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def main(arguments: list[str]) -> None:
    """Write what is missing, or renew the named events."""
    renewed = set(arguments[1:]) if arguments[:1] == ["--renew"] else set()
    for name, event in sorted(EVENTS.items()):
        for form in FORMS:
            if name in renewed or not file_of(name, event.schema_version, form).exists():
                print(write(event, form).name)


if __name__ == "__main__":
    main(sys.argv[1:])
