"""What citizens may ask for: the categories of the rulebook that the city has casework for.

A category with classes of cases is what a city does on request, with a time allowed. What has none (a crime, a fire, a
landslide) is for the emergency lines, and is no service here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dispatch.directory import Directory
from domain.rulebook.content import CaseClass, CategoryRule, Rulebook
from domain.vocabulary import AgencyRole

Language = Literal["zh", "en"]
CLASS_ATTRIBUTE = "class"
"""The one attribute: which of the category's classes it is, if the citizen can tell."""


@dataclass(frozen=True, slots=True)
class Service:
    """A category and its classes."""

    rule: CategoryRule
    classes: tuple[CaseClass, ...]

    @property
    def code(self) -> str:
        """The service code is the category's."""
        return self.rule.code

    def name(self, language: Language) -> str:
        """What people call it."""
        return self.rule.name_zh if language == "zh" else self.rule.name_en

    def named_class(self, code: str) -> CaseClass | None:
        """One of its classes."""
        return next((each for each in self.classes if each.code == code), None)

    def listed(self, directory: Directory, language: Language) -> dict[str, Any]:
        """Its entry in the list of services."""
        names = [_name(each, language) for each in self.classes]
        both = [self.rule.name_zh, self.rule.name_en, *(each.name_zh for each in self.classes)]
        return {
            "service_code": self.code,
            "service_name": self.name(language),
            "description": ("、" if language == "zh" else ", ").join(names),
            "metadata": True,
            "type": "realtime",
            "keywords": ", ".join(dict.fromkeys(both)),
            "group": agency_name(directory, responsible_of(self.rule), language),
        }

    def definition(self, language: Language) -> dict[str, Any]:
        """What may be said beyond the standard's own fields."""
        attribute = {
            "variable": True,
            "code": CLASS_ATTRIBUTE,
            "datatype": "singlevaluelist",
            "required": False,
            "datatype_description": None,
            "order": 1,
            "description": "具体是哪一类？" if language == "zh" else "Which of these is it?",
            "values": [{"key": each.code, "name": _name(each, language)} for each in self.classes],
        }
        return {"service_code": self.code, "attributes": [attribute]}


def services_in(rulebook: Rulebook) -> Sequence[Service]:
    """All services, in the rulebook's order."""
    found = []
    for rule in rulebook.categories:
        classes = tuple(each for each in rulebook.case_classes if each.category == rule.code)
        if classes:
            found.append(Service(rule, classes))
    return found


def responsible_of(rule: CategoryRule) -> str:
    """The agency that answers for the category."""
    return next(each.agency for each in rule.agencies if each.role is AgencyRole.RESPONSIBLE)


def agency_name(directory: Directory, code: str, language: Language) -> str:
    """An agency's name, its code if the city does not know it."""
    found = directory.agency(code)
    if found is None:
        return code
    return found.name_zh if language == "zh" else found.name_en


def _name(each: CaseClass, language: Language) -> str:
    return each.name_zh if language == "zh" else each.name_en
