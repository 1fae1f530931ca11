"""Every answer that a test of the edge gets is held against the OpenAPI description: its status, and its examples.

A description that is checked on purpose is right where somebody thought of it. This one is checked wherever anybody
asks anything.
"""

from __future__ import annotations

import re
from typing import Any

import httpx

UNDESCRIBED = ("/docs", "/openapi.json")
SUFFIXED = "/open311/"
"""Its addresses end in the format that is asked for."""
FREE = {"actor", "body", "cause", "content", "envelope", "reasons", "recommendation", "result", "values"}
"""Members whose shape depends on what they tell of."""
OPTIONAL = {"distance_m"}
"""Members that say more of what was asked for."""
IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
CONVENTIONAL = {404, 405}
"""What any address may answer that is no operation's."""


class Description:
    """The operations of an application by method and address."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._operations = [
            (method.upper(), re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]

    async def check(self, answer: httpx.Response) -> None:
        """Raises `AssertionError` for an answer that the description does not know."""
        method, path = answer.request.method, answer.request.url.path
        if path.startswith(SUFFIXED):
            path = path.removesuffix(".json").removesuffix(".xml")
        if path.startswith(UNDESCRIBED):
            return
        found = [
            operation for verb, pattern, operation in self._operations if verb == method and pattern.fullmatch(path)
        ]
        # Of two that match ("/quarantine/redrive", "/quarantine/{sha256}"), the literal one is first as in the router.
        if not found:
            assert answer.status_code in CONVENTIONAL, (method, path, answer.status_code)
            return
        declared = {status for operation in found for status in operation["responses"]}
        status = str(answer.status_code)
        assert status in declared, f"{method} {path}: {status} is not in {sorted(declared)}"
        media = found[0]["responses"].get(status, {}).get("content", {}).get("application/json", {})
        shown = media.get("examples", {})
        if shown and answer.is_success:
            await answer.aread()
            found_out = answer.json()
            examples = [example["value"] for name, example in shown.items() if name != "partner"]
            if "partner" in shown:
                examples.append(told_less(shown["partner"]["value"], found_out))
            unlike = [difference(example, found_out, "") for example in examples]
            assert None in unlike, f"{method} {path}: not as its example: {unlike}"


def told_less(example: Any, answer: Any) -> Any:
    """The example without what the answer lacks: a partner may be told less than another one."""
    if isinstance(example, dict) and isinstance(answer, dict):
        return {name: told_less(example[name], answer[name]) for name in example if name in answer}
    if isinstance(example, list) and isinstance(answer, list) and example and answer:
        return [told_less(example[0], answer[0])]
    return example


def difference(example: Any, answer: Any, where: str) -> str | None:
    """Where an answer is not as an example; None if it is. Absent values and lists without entries tell nothing."""
    if example is None or answer is None:
        return None
    if isinstance(example, dict) and isinstance(answer, dict):
        if any(map(IDENTIFIER.fullmatch, [*example, *answer])):
            return None  # by id: each entry is another one's
        missing = [name for name in example if name not in answer and name not in OPTIONAL]
        if missing:
            return f"{where} lacks {missing}"
        known = example.keys() & answer.keys() - FREE
        pairs = [(example[name], answer[name], f"{where}/{name}") for name in sorted(known)]
    elif isinstance(example, list) and isinstance(answer, list):
        pairs = [(example[0], entry, f"{where}/{number}") for number, entry in enumerate(answer) if example]
    else:
        alike = isinstance(answer, type(example)) or {type(example), type(answer)} <= {int, float}
        return None if alike else f"{where} is {answer!r}, as {example!r}"
    return next((found for pair in pairs if (found := difference(*pair)) is not None), None)
