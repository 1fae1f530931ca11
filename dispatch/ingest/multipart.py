"""MIME multipart as cameras really send it: form-data or mixed, boundaries quoted or not, pictures after the event."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from dispatch.ingest.limits import MULTIPART_PARTS_MAX
from dispatch.ingest.message import NotUnderstood

_BOUNDARY = re.compile(r"""boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))""", re.IGNORECASE)
_NAME = re.compile(r"""(?<![a-z*])(?:file)?name\s*=\s*"([^"]{1,200})\"""", re.IGNORECASE)
_PLACEHOLDER = re.compile(rb"\[part sha256=([0-9a-f]{64})\]")
_PICTURE_BYTES_MIN = 64
"""Fewer bytes are no picture, and might also stand elsewhere in the message."""
_HEADER_BYTES_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `name` is its file name or field name."""

    media_type: str
    name: str
    body: bytes


def boundary_of(content_type: str, body: bytes) -> bytes | None:
    """The boundary that the header names, or that the body evidently begins with; None if it is no multipart."""
    found = _BOUNDARY.search(content_type)
    if found is not None and "multipart" in content_type.lower():
        return (found.group(1) or found.group(2)).encode("utf-8", "replace")
    first = body[:80].lstrip(b"\r\n").split(b"\n", 1)[0].rstrip(b"\r ")
    return first[2:] if first.startswith(b"--") and 2 < len(first) <= 72 else None


def split(body: bytes, boundary: bytes) -> list[Part]:
    """The parts in order. Raises `NotUnderstood`. A missing closing boundary is forgiven: cameras forget it."""
    pieces = (b"\r\n" + body).split(b"\n--" + boundary)[1:]
    if not pieces:
        raise NotUnderstood("ingest.malformed", "The multipart boundary of the content type is not in the body.")
    if len(pieces) > MULTIPART_PARTS_MAX + 1:
        raise NotUnderstood("ingest.too_many", f"The message has more than {MULTIPART_PARTS_MAX} parts.")
    return [_part(piece) for piece in pieces if not piece.startswith(b"--") and piece.strip()]


def is_medium(part: Part) -> bool:
    """Whether a part is a picture, a video or a sound."""
    return part.media_type.startswith(("image/", "video/", "audio/"))


def digest_of(part: Part) -> str:
    """SHA-256 of a part as it was sent, also when only its placeholder was kept."""
    kept = _PLACEHOLDER.fullmatch(part.body)
    return kept.group(1).decode() if kept is not None else hashlib.sha256(part.body).hexdigest()


def without_media(body: bytes, content_type: str) -> bytes:
    """The same message with a placeholder for each picture: faces are not kept, their hash is."""
    boundary = boundary_of(content_type, body)
    if boundary is None:
        return body
    try:
        media = [part for part in split(body, boundary) if is_medium(part) and len(part.body) >= _PICTURE_BYTES_MIN]
    except NotUnderstood:
        return body
    for part in media:
        body = body.replace(part.body, f"[part sha256={digest_of(part)}]".encode(), 1)
    return body


def _part(piece: bytes) -> Part:
    head, separator, content = piece.partition(b"\r\n\r\n")
    if not separator or len(head) > _HEADER_BYTES_MAX:
        head, separator, content = piece.partition(b"\n\n")
    headers = head[:_HEADER_BYTES_MAX].decode("utf-8", "replace")
    media_type, length, name = "", None, ""
    for line in headers.splitlines():
        key, _, value = line.partition(":")
        key, value = key.strip().lower(), value.strip()
        if key == "content-type":
            media_type = value.split(";")[0].strip().lower()[:100]
        elif key == "content-length" and value.isascii() and value.isdigit() and len(value) < 10:
            length = int(value)
        elif key == "content-disposition":
            names = _NAME.findall(value)
            name = names[-1] if names else ""
    if _PLACEHOLDER.fullmatch(content.removesuffix(b"\r")):
        length = None
    content = content[:length] if length is not None and length <= len(content) else content.removesuffix(b"\r")
    return Part(media_type, name, content)
