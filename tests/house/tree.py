"""What is looked at: the files of this repository, without what tools leave behind."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LEFT_BEHIND = {".git", ".venv", "var", "build", "__pycache__"}
PACKAGES = ("domain", "projections", "dispatch")


def files(*folders: str, suffix: str = "") -> Iterator[Path]:
    """Files below the named folders of the repository (all of it: none named)."""
    for folder in folders or (".",):
        for path in sorted((ROOT / folder).rglob(f"*{suffix}")):
            parts = path.relative_to(ROOT).parts
            hidden = any(part.endswith((".egg-info", "_cache")) or part == ".hypothesis" for part in parts)
            if path.is_file() and not hidden and not LEFT_BEHIND.intersection(parts):
                yield path


def modules(*packages: str) -> Iterator[Path]:
    """Python modules of our packages."""
    return files(*(packages or PACKAGES), suffix=".py")


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
