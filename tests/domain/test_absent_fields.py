"""The log leaves absent fields out, so every field that may be absent must say so by a default."""

from __future__ import annotations

import typing

import pytest
from pydantic import BaseModel

from domain.catalogue import EVENTS


def models_in(annotation: object) -> typing.Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_in(field.annotation)
    for argument in typing.get_args(annotation):
        yield from models_in(argument)


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_a_field_that_may_be_none_has_a_default(name):
    without_default = [
        f"{model.__name__}.{field_name}"
        for model in models_in(EVENTS[name])
        for field_name, field in model.model_fields.items()
        if field.is_required() and type(None) in typing.get_args(field.annotation)
    ]
    assert without_default == []
