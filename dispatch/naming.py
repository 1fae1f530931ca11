"""Names for sentences, from the directory: what a center, an agency, an operator or a category is called."""

from __future__ import annotations

from uuid import UUID

from dispatch.directory import Directory
from domain.refusals import DispatchError


class DirectoryNames:
    """`projections.texts.Names` over the present directory; an unknown id or code stands for itself."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def name(self, kind: str, key: str, language: str) -> str:
        """The name in the language."""
        match kind:
            case "center":
                center = self._directory.center(UUID(key))
                return key if center is None else _chosen(language, center.name_zh, center.name_en)
            case "agency":
                agency = self._directory.agency(key)
                return key if agency is None else _chosen(language, agency.name_zh, agency.name_en)
            case "operator":
                operator = self._directory.operator(UUID(key))
                return key if operator is None else operator.login
            case "unit":
                unit = self._directory.unit(UUID(key))
                return key if unit is None else unit.call_sign
            case "category":
                return self._category(key, language)
            case _:
                return key

    def _category(self, code: str, language: str) -> str:
        try:
            rule = self._directory.rulebook().category(code)
        except DispatchError:
            return code
        return _chosen(language, rule.name_zh, rule.name_en) if rule.code == code else code


def _chosen(language: str, chinese: str, english: str) -> str:
    return chinese if language == "zh" else english
