"""GeoReport documents as JSON and as XML: the same members, by the standard's own mapping between the two.

XML is written by a library that escapes; what XML 1.0 cannot hold at all (control characters) becomes U+FFFD.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from starlette.responses import Response
from starlette.types import Scope

JSON, XML = "application/json", "text/xml"
FORMATS = {"json": JSON, "xml": XML}
STATE = "georeport_format"
"""Where the door notes which of the two was asked for."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Shape:
    """How a document is called in XML: its root, the elements of a list in it, and of lists inside those."""

    root: str
    item: str | None = None


SERVICES = Shape("services", "service")
DEFINITION = Shape("service_definition")
REQUESTS = Shape("service_requests", "request")
ERRORS = Shape("errors", "error")
DISCOVERY = Shape("discovery")
ITEMS = {"attributes": "attribute", "values": "value", "endpoints": "endpoint", "formats": "format"}
"""Lists inside a document and what one entry of each is called."""


def format_of(scope: Scope) -> str:
    """The media type that was asked for."""
    return str(scope.get("state", {}).get(STATE, JSON))


def rendered(
    scope: Scope, shape: Shape, document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer. `document` is a list for a shape with items, else one object."""
    media = format_of(scope)
    body = as_xml(shape, document) if media == XML else json.dumps(document, ensure_ascii=False).encode()
    return Response(body, status, dict(headers or {}), f"{media}; charset=utf-8")


def as_xml(shape: Shape, document: Any) -> bytes:
    """The document in UTF-8, with its declaration and without namespaces."""
    root = Element(shape.root)
    if shape.item is not None:
        _add_list(root, shape.item, document)
    else:
        _add_members(root, document)
    body: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def _add_list(parent: Element, name: str, entries: Sequence[Any]) -> None:
    for entry in entries:
        _add(parent, name, entry)


def _add_members(parent: Element, members: Mapping[str, Any]) -> None:
    for name, value in members.items():
        _add(parent, name, value)


def _add(parent: Element, name: str, value: Any) -> None:
    element = SubElement(parent, name)
    match value:
        case Mapping():
            _add_members(element, value)
        case list() | tuple():
            _add_list(element, ITEMS[name], value)
        case None:
            return
        case bool():
            element.text = "true" if value else "false"
        case _:
            element.text = _NOT_XML.sub("\ufffd", str(value))
