from __future__ import annotations

import re

from dispatch.config import Settings, env_example, variables
from tests.house.tree import ROOT, files, project

TEXT = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".sql",
    ".conf",
    ".yaml",
    ".yml",
    ".service",
    ".example",
    ".ini",
    ".mako",
    ".sh",
    "",
}
MACHINE_PATHS = [re.compile(rf"(?<![\w.])/{name}/\w") for name in ("work", "root", "home", "Users")]
REGISTRY_HOSTS = [
    re.compile(name.replace(".", r"\.")) for name in ("pypi" + ".org", "python" + "hosted", "registry" + ".npm")
]
BYTES_MAX = 2_000_000
"""Larger files are data, not text."""


SECTIONS = {
    "what was decided": ("**Decided.**", "## What we chose", "## What we do"),
    "what else was weighed": (
        "**Weighed.**",
        "## What we did not choose",
        "## What else we thought of",
        "## Not chosen",
    ),
}
"""What a reader of a decision must find, and the ways to open it."""


def texts() -> list[tuple[str, str]]:
    return [
        (str(path.relative_to(ROOT)), path.read_text(encoding="utf-8", errors="replace"))
        for path in files()
        if path.suffix in TEXT and path.stat().st_size < BYTES_MAX and path.name != "test_committed_files.py"
    ]


def findings(patterns: list[re.Pattern[str]]) -> list[str]:
    return [
        f"{name}:{number} {line.strip()[:80]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if any(pattern.search(line) for pattern in patterns)
    ]


def test_no_path_of_somebodys_machine_is_committed() -> None:
    assert findings(MACHINE_PATHS) == []


def test_no_registry_host_is_committed() -> None:
    assert findings(REGISTRY_HOSTS) == []


def test_every_requirement_is_pinned_and_hashed_and_names_no_address() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        for block in re.split(r"\n(?=\S)", text.replace("\\\n", " ")):
            if block and not block.startswith("#"):
                assert re.match(r"[a-z0-9-]+==\S+", block), f"{name}: {block[:60]}"
                assert "--hash=sha256:" in block, f"{name}: {block[:60]}"


def test_both_requirement_files_agree() -> None:
    pins = [
        dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE))
        for name in ("requirements.txt", "requirements-dev.txt")
    ]
    assert pins[0].items() <= pins[1].items()


def test_the_requirement_files_hold_everything_the_project_names() -> None:
    named = project()["project"]
    wanted = {
        "requirements.txt": named["dependencies"],
        "requirements-dev.txt": named["dependencies"] + named["optional-dependencies"]["dev"],
    }
    for name, requirements in wanted.items():
        pinned = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE))
        lacking = {re.split(r"[^A-Za-z0-9-]", requirement)[0].lower() for requirement in requirements} - pinned
        assert not lacking, f"{name} lacks {lacking}: run `make lock`"


def test_the_example_of_the_environment_says_every_setting_as_it_is() -> None:
    assert (ROOT / "deploy" / "env.example").read_text(encoding="utf-8") == env_example()


def test_the_example_of_the_environment_can_be_used_as_it_is() -> None:
    lines = [line for line in env_example().splitlines() if line and not line.startswith("#")]
    environment = dict(line.split("=", 1) for line in lines)
    assert set(environment) <= set(variables().values())
    assert Settings.from_environment(environment, attach=False) == Settings.from_environment({}, attach=False)


def test_every_decision_is_one_page_with_its_sections() -> None:
    for path in files("docs/decisions", suffix=".md"):
        text = path.read_text(encoding="utf-8")
        assert re.match(r"# \d{4}(:| —) \S", text), f"{path.name}: the title is `# NNNN — ...`"
        assert path.name.startswith(text[2:6]), path.name
        for section, openings in SECTIONS.items():
            assert any(opening in text for opening in openings), f"{path.name} does not say {section}: {openings}"
        assert len(text.splitlines()) <= 80, f"{path.name} is longer than a page"
