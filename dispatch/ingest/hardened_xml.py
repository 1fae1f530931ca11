"""XML from strangers: decoded by us, parsed without DTDs, entities or external references, bounded in depth and size.

The character set is decided here and not by the parser, because cameras lie about it: GB 18030 is read for anything
declared GB2312 or GBK (their superset), a declaration that the bytes contradict is overruled by the bytes, and a
message that declares nothing is UTF-8 if it can be, else GB 18030.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from dispatch.ingest.limits import XML_DEPTH_MAX, XML_ELEMENTS_MAX
from dispatch.ingest.message import NotUnderstood

_DECLARATION = re.compile(
    rb"""^\s*<\?\s*xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["'][^>]{0,200}?\?>"""
)
_ANY_DECLARATION = re.compile(r"^\s*<\?\s*xml(?![-\w])[^>]{0,400}?\?>")
_CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "gb18030": "gb18030",
    "iso-8859-1": "iso-8859-1",
    "windows-1252": "cp1252",
    "utf-16": "utf-16",
}
_GUESSES = ("utf-8", "gb18030")


class _Bounded(TreeBuilder):
    """Builds a tree of bounded depth and size."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._elements = 0

    def start(self, tag: Any, attrs: Any, /) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > XML_DEPTH_MAX or self._elements > XML_ELEMENTS_MAX:
            raise NotUnderstood(
                "ingest.hostile",
                f"The XML is nested deeper than {XML_DEPTH_MAX} or has more than {XML_ELEMENTS_MAX} elements.",
            )
        return super().start(tag, attrs)

    def end(self, tag: Any, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def parse_xml(body: bytes) -> Element:
    """The root element. Raises `NotUnderstood` (`encoding`, `hostile`, `malformed`) and nothing else."""
    text = _ANY_DECLARATION.sub("", decode_text(body), count=1).strip()
    if not text.startswith("<"):
        raise NotUnderstood("ingest.malformed", "The message is not XML: it does not begin with an element.")
    parser = DefusedXMLParser(target=_Bounded(), forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        parser.feed(text)
        root: Element = parser.close()
    except DefusedXmlException:
        raise NotUnderstood(
            "ingest.hostile", "The XML has a document type or entities; alarm messages need none and we read none."
        ) from None
    except (ParseError, ValueError) as error:
        raise NotUnderstood("ingest.malformed", f"The XML is broken: {error}.") from None
    return root


def decode_text(body: bytes) -> str:
    """The text of an XML message. Raises `NotUnderstood` (`ingest.encoding`)."""
    if body.startswith(b"\xef\xbb\xbf"):
        return _first_that_reads(body[3:], ("utf-8",))
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _first_that_reads(body, ("utf-16",))
    declared = _DECLARATION.match(body[:512])
    if declared is None:
        return _first_that_reads(body, _GUESSES)
    name = declared.group(1).decode("ascii").lower()
    codec = _CODECS.get(name)
    if codec is None:
        raise NotUnderstood(
            "ingest.encoding", f"The character set {name} is not read here. Send UTF-8, GB2312, GBK or GB18030."
        )
    return _first_that_reads(body, (codec, *(guess for guess in _GUESSES if guess != codec)))


def _first_that_reads(body: bytes, codecs: tuple[str, ...]) -> str:
    for codec in codecs:
        try:
            return body.decode(codec)
        except UnicodeError:
            continue
    raise NotUnderstood(
        "ingest.encoding", f"The bytes are not {' or '.join(codecs)}. Send UTF-8 or declare the character set."
    )


def local(element: Element) -> str:
    """An element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def namespace(element: Element) -> str:
    """An element's namespace, empty if none."""
    return str(element.tag).rpartition("}")[0].removeprefix("{")


def child(element: Element, name: str) -> Element | None:
    """The first direct child of that local name."""
    return next((found for found in element if local(found) == name), None)


def children(element: Element, name: str) -> list[Element]:
    """All direct children of that local name."""
    return [found for found in element if local(found) == name]


def text_of(element: Element, *path: str) -> str | None:
    """Text below a path of local names, stripped; None if absent or empty."""
    found: Element | None = element
    for name in path:
        found = child(found, name) if found is not None else None
    if found is None or found.text is None:
        return None
    return found.text.strip() or None
