"""Marks of persons are masked before anything is kept aside: this is dispatch, not identification.

A message that is understood never brings them in, because its adapter does not read them. One that is not understood
is kept as bytes, and bytes may hold a plate or a name. The syntax may be broken, so this works on the text around the
field's name, and errs towards masking.
"""

from __future__ import annotations

import re

FIELDS = (
    "sub_label",
    "recognized_license_plate",
    "licensePlate",
    "originalLicensePlate",
    "plateNumber",
    "plate",
    "certificateNumber",
    "phoneNumber",
)
"""As Frigate and Hikvision call them."""
MASK = b"***"
_NAMES = "|".join(FIELDS).encode()
_JSON = re.compile(rb'("(?:' + _NAMES + rb')"\s*:\s*)(\[[^\]]{0,2000}\]?|"(?:[^"\\]|\\.){0,500}"?)', re.IGNORECASE)
_XML = re.compile(rb"(<(?:\w{1,30}:)?(?:" + _NAMES + rb")(?:\s[^>]{0,200})?>)[^<]{1,500}", re.IGNORECASE)


def masked(body: bytes) -> bytes:
    """The same message without names and plates. A message without any is returned as it is, byte for byte."""
    return _XML.sub(rb"\1" + MASK, _JSON.sub(rb'\1"' + MASK + b'"', body))
