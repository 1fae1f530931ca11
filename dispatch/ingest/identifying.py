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
    "cardName",
    "cardNo",
    "citizenId",
    "credentialHolderName",
)
"""As Frigate, Hikvision, Dahua and ONVIF call them."""
MASK = b"***"
_NAMES = "|".join(FIELDS).encode()
_JSON = re.compile(rb'("(?:' + _NAMES + rb')"\s*:\s*)(\[[^\]]{0,2000}\]?|"(?:[^"\\]|\\.){0,500}"?)', re.IGNORECASE)
_XML = re.compile(rb"(<(?:\w{1,30}:)?(?:" + _NAMES + rb")(?:\s[^>]{0,200})?>)[^<]{1,500}", re.IGNORECASE)
_PLATE_TEXT = re.compile(rb'("Text"\s*:\s*)"(?:[^"\\]|\\.){1,500}"?')
"""Dahua writes a plate into `Object.Text`; with a capital letter no other format has that field."""
_LINES = re.compile(rb"(\.(?:Text|" + _NAMES + rb")=)[^\r\n]{1,500}", re.IGNORECASE)
"""And `Events[0].TrafficCar.PlateNumber=…` in its lines."""
_ITEMS = re.compile(rb'(Name="(?:' + _NAMES + rb')"\s+Value=")[^"<]{1,500}', re.IGNORECASE)
"""And ONVIF `<SimpleItem Name="LicensePlate" Value="…"/>`."""


def masked(body: bytes) -> bytes:
    """The same message without names and plates. A message without any is returned as it is, byte for byte."""
    body = _PLATE_TEXT.sub(rb'\1"' + MASK + b'"', _LINES.sub(rb"\1" + MASK, body))
    body = _ITEMS.sub(rb"\1" + MASK, body)
    return _XML.sub(rb"\1" + MASK, _JSON.sub(rb'\1"' + MASK + b'"', body))
