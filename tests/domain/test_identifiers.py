"""Ids that are made from names."""

from __future__ import annotations

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from domain.identifiers import within


@given(st.uuids(), st.text(max_size=80))
def test_an_id_within_a_namespace_is_the_standard_s_name_based_one(namespace: UUID, name: str) -> None:
    made = within(namespace, name)
    assert made == uuid5(namespace, name)
    assert (made.version, made.variant) == (5, uuid5(namespace, name).variant)
