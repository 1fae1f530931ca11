"""From a GeoReport form to a report of a citizen.

Who asks is sealed like every caller: name, mail, device and account in one field, the telephone in its own. Fields that
the standard does not know are passed over, as it demands; one of its own that is said twice is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import parse_qsl
from uuid import UUID
from zoneinfo import ZoneInfo

from dispatch.api.open311.offered import CLASS_ATTRIBUTE, Service
from dispatch.api.problems.problem import Problem
from dispatch.handling.reports import ReportDraft
from domain.event import GeoPoint, MediaReference, Place
from domain.report.commands import Channel
from domain.storable import UNSTORABLE, is_storable

FORM = "application/x-www-form-urlencoded"
FIELDS_MAX = 100
LIMITS = {
    "service_code": 100,
    "description": 4_000,
    "address_string": 500,
    "address_id": 100,
    "lat": 40,
    "long": 40,
    "email": 320,
    "device_id": 200,
    "account_id": 200,
    "first_name": 200,
    "last_name": 200,
    "phone": 100,
    "media_url": 2_000,
    "jurisdiction_id": 200,
}
"""Characters of each field of the standard."""
PERSON = ("email", "device_id", "account_id")
_ATTRIBUTE = re.compile(r"^attribute\[(?P<code>[^\]]{1,100})\](?:\[\])?$")
_DEGREES = re.compile(r"^[-+]?\d{1,3}(?:\.\d{1,20})?$", re.ASCII)
CHANNEL: Channel = "citizen"


def parsed(body: bytes) -> dict[str, str]:
    """The form's fields that say something. Raises `Problem`."""
    try:
        pairs = parse_qsl(body.decode("utf-8"), max_num_fields=FIELDS_MAX, errors="strict")
    except UnicodeError:
        raise Problem("malformed_body", "The form is not in UTF-8.") from None
    except ValueError:
        raise Problem("invalid", f"A form has at most {FIELDS_MAX} fields.") from None
    form: dict[str, str] = {}
    for name, value in pairs:
        is_ours = name in LIMITS or name == "api_key" or _ATTRIBUTE.match(name)
        if not is_ours or not value.strip():
            continue
        if name in form:
            raise _wrong(name, "may be said once")
        if not is_storable(value):
            raise _wrong(name, UNSTORABLE)
        if len(value.strip()) > LIMITS.get(name, 10_000):
            raise _wrong(name, f"may have {LIMITS[name]} characters")
        form[name] = value.strip()
    return form


def draft_of(
    form: Mapping[str, str], service: Service, center_id: UUID, *, is_in_city: Callable[[GeoPoint], bool]
) -> ReportDraft:
    """The report. `is_in_city` says of a point whether it is. Raises `Problem` for what is missing or wrong."""
    url = form.get("media_url")
    if url is not None and not url.lower().startswith(("http://", "https://")):
        raise _wrong("media_url", "must begin with http:// or https://")
    return ReportDraft(
        channel=CHANNEL,
        category=service.code,
        text=_text(form, service),
        center_id=center_id,
        place=_place(form, is_in_city),
        media=(MediaReference(uri=url),) if url is not None else (),
        caller=_person(form),
        caller_phone=form.get("phone"),
    )


def derived_key(caller: str, form: Mapping[str, str], at: datetime, zone: str) -> str:
    """The key of a request whose sender knows none: the same words on the same day of the city are the same request.

    A front end that heard no answer sends the very same form again; somebody who asks for the same tomorrow means it.
    """
    said = {name: value for name, value in form.items() if name != "api_key"}
    day = at.astimezone(ZoneInfo(zone)).date().isoformat()
    meaning = json.dumps([caller, day, said], sort_keys=True, ensure_ascii=False)
    return f"georeport-{hashlib.sha256(meaning.encode()).hexdigest()}"


def _text(form: Mapping[str, str], service: Service) -> str:
    """What was said, the class that was chosen behind it. Who says nothing asks for the service by its name."""
    said = form.get("description") or service.rule.name_zh
    for name, value in form.items():
        attribute = _ATTRIBUTE.match(name)
        if attribute is None:
            continue
        found = service.named_class(value) if attribute["code"] == CLASS_ATTRIBUTE else None
        if found is None:
            raise _wrong(name, f"is no attribute of {service.code}, or has no such value; see its definition")
        line = f"\n[{found.name_zh} {found.code}]"
        said = said[: 4_000 - len(line)] + line
    return said


def _place(form: Mapping[str, str], is_in_city: Callable[[GeoPoint], bool]) -> Place:
    address, lat, lon = form.get("address_string"), form.get("lat"), form.get("long")
    if (lat is None) != (lon is None):
        raise _wrong("long" if lon is None else "lat", "lat and long are said together")
    if lat is None or lon is None:
        if address is None:
            detail = "say lat and long, or address_string"
            if "address_id" in form:
                detail += "; this city has no register of address ids"
            raise _wrong("lat", detail)
        return Place(address=address)
    point = GeoPoint(lon=_degrees("long", lon, 180), lat=_degrees("lat", lat, 90))
    return Place(point=point, address=address, outside_city=not is_in_city(point))


def _degrees(name: str, text: str, limit: int) -> float:
    value = float(text) if _DEGREES.match(text) else math.nan
    if not abs(value) <= limit:
        raise _wrong(name, f"must be degrees from -{limit} to {limit}, WGS 84")
    return value


def _person(form: Mapping[str, str]) -> str | None:
    """Who asks, in one text that is sealed as a whole."""
    name = " ".join(form[part] for part in ("first_name", "last_name") if part in form)
    said = [name, *(f"{part} {form[part]}" for part in PERSON if part in form)]
    return "; ".join(part for part in said if part) or None


def _wrong(name: str, detail: str) -> Problem:
    return Problem("invalid", f"{name} {detail}.", errors=[(name, detail)])
