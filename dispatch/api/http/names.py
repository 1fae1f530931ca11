"""Names for sentences, from the directory: a center's in the reader's language, an operator's login, a call sign."""

from __future__ import annotations

from uuid import UUID

from dispatch.directory import Directory
from domain.refusals import Unavailable


class DirectoryNames:
    """`projections.texts.Names` over the city as it is now."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def name(self, kind: str, key: str, language: str) -> str:
        """The name, or the key itself for what is not known."""
        match kind:
            case "center":
                center = self._directory.known_center(_id(key))
                return key if center is None else _of(center.name_zh, center.name_en, language)
            case "agency":
                agency = self._directory.agency(key)
                return key if agency is None else _of(agency.name_zh, agency.name_en, language)
            case "category":
                return self._category(key, language)
            case "operator":
                operator = self._directory.operator(_id(key))
                return key if operator is None else operator.login
            case "unit":
                unit = self._directory.unit(_id(key))
                return key if unit is None else unit.call_sign
            case _:
                return key

    def _category(self, code: str, language: str) -> str:
        try:
            rules = self._directory.rulebook().categories
        except Unavailable:
            return code
        found = next((rule for rule in rules if rule.code == code), None)
        return code if found is None else _of(found.name_zh, found.name_en, language)


def _of(zh: str, en: str, language: str) -> str:
    return zh if language == "zh" else en


def _id(key: str) -> UUID:
    try:
        return UUID(key)
    except ValueError:
        return UUID(int=0)
