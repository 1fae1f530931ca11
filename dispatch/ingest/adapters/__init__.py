"""The formats understood, by name. The name is part of addresses and of recorded facts: permanent.

Every class of this package's modules that is an adapter is one: there is no list to be forgotten. The address that
reads a format, its line in the access matrix, its entry in the API's description and its NATS subject follow from it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from dispatch.ingest.message import Adapter


def _found() -> Iterator[Adapter]:
    """One of each adapter, by module."""
    for module in pkgutil.iter_modules(__path__):
        defined = vars(importlib.import_module(f"{__name__}.{module.name}"))
        for name, kind in defined.items():
            if name.endswith("Adapter") and isinstance(kind, type) and kind.__module__.endswith(f".{module.name}"):
                yield kind()


ADAPTERS: dict[str, Adapter] = {adapter.name: adapter for adapter in _found()}
