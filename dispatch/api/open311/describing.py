"""GeoReport in the OpenAPI description: its form, its documents, and its failures, which are not problem documents."""

from __future__ import annotations

from typing import Any

from dispatch.api.access.matrix import MATRIX
from dispatch.api.http.shapes import answers
from dispatch.api.open311.filing import FORM, LIMITS
from dispatch.api.open311.rendering import JSON, XML

KEY_SCHEME = "api_key"
FAILURES = {
    "400": "What is wrong with the request",
    "403": "No key, a wrong one, or one that may not do this",
    "404": "No such request, service or jurisdiction",
    "429": "Too many requests; see Retry-After",
    "500": "Our own mistake",
    "503": "Later; see Retry-After",
}
REQUIRED = ("service_code",)
MEANINGS = {
    "api_key": "A token of ours; better in `Authorization: Bearer`.",
    "jurisdiction_id": "The city's code; may be left out.",
    "service_code": "From the list of services.",
    "lat": "WGS 84; with `long`, or `address_string` instead.",
    "long": "WGS 84.",
    "address_string": "Words for the place.",
    "address_id": "This city has no register of addresses.",
    "attribute[class]": "A key of the service's definition.",
    "description": "What is the matter.",
    "media_url": "http or https.",
    **dict.fromkeys(("first_name", "last_name", "email", "phone", "device_id", "account_id"), "Sealed."),
}
EXAMPLE = (
    "service_code=urban.littering&lat=30.6574&long=104.0801&attribute%5Bclass%5D=urban.exposed_refuse"
    "&description=%E8%A1%97%E5%8F%A3%E5%9E%83%E5%9C%BE%E5%A0%86%E7%A7%AF&phone=13800000000"
)
ID = "0190f6a2-c4d8-8d1e-8c0b-5a7f3e2d1c0c"
SERVICE: dict[str, Any] = {
    "service_code": "urban.littering",
    "service_name": "乱扔垃圾",
    "description": "暴露垃圾、乱倒乱扔垃圾渣土",
    "metadata": True,
    "type": "realtime",
    "keywords": "乱扔垃圾, Littering, 暴露垃圾, 乱倒乱扔垃圾渣土",
    "group": "城市管理",
}
DEFINED: dict[str, Any] = {
    "service_code": "urban.littering",
    "attributes": [
        {
            "variable": True,
            "code": "class",
            "datatype": "singlevaluelist",
            "required": False,
            "datatype_description": None,
            "order": 1,
            "description": "具体是哪一类？",
            "values": [{"key": "urban.exposed_refuse", "name": "暴露垃圾"}],
        }
    ],
}
FILED: dict[str, Any] = {
    "service_request_id": ID,
    "service_notice": "受理编号 CD-20260801-0042",
    "account_id": None,
}
TOKEN: dict[str, Any] = {"service_request_id": ID, "token": ID}
REQUEST: dict[str, Any] = {
    "service_request_id": ID,
    "status": "open",
    "status_notes": "处置中",
    "service_name": "乱扔垃圾",
    "service_code": "urban.littering",
    "description": "街口垃圾堆积",
    "agency_responsible": "城市管理",
    "service_notice": "受理编号 CD-20260801-0042",
    "requested_datetime": "2026-08-01T21:14:05+08:00",
    "updated_datetime": "2026-08-01T21:20:11+08:00",
    "expected_datetime": "2026-08-02T01:20:11+08:00",
    "address": "红星路二段",
    "address_id": None,
    "zipcode": None,
    "lat": 30.6574,
    "long": 104.0801,
    "media_url": None,
}
DISCOVERED: dict[str, Any] = {
    "changeset": 1,
    "contact": None,
    "key_service": "`dispatch token`",
    "endpoints": [
        {
            "specification": "http://wiki.open311.org/GeoReport_v2",
            "url": "https://dispatch.example.invalid/open311/v2",
            "changeset": 1,
            "type": "production",
            "formats": [XML, JSON],
        }
    ],
}
ERRORS = [{"code": 403, "description": "The token is not valid: Signature has expired."}]


def shown(example: Any, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: what it answers, in both formats."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses or (200,):
        found |= answers(example, "The document, as JSON or as XML.", status=status)
        found[status]["content"][XML] = {"schema": {"type": "string"}}
    return found


def body_of_form() -> dict[str, Any]:
    """The form of a new request."""
    properties = {
        name: {"type": "string", "description": text} | ({"maxLength": LIMITS[name]} if name in LIMITS else {})
        for name, text in MEANINGS.items()
    }
    schema = {"type": "object", "properties": properties, "required": list(REQUIRED)}
    return {"requestBody": {"required": True, "content": {FORM: {"schema": schema, "example": EXAMPLE}}}}


def describe_georeport(operation: dict[str, Any], scheme: str) -> None:
    """Finish an operation of the standard: its failures, its key, who may."""
    responses = operation["responses"]
    for status in [status for status in responses if status.startswith(("4", "5"))]:
        del responses[status]
    for status, text in FAILURES.items():
        schema = {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"code": {"type": "integer"}, "description": {"type": "string"}},
            },
        }
        content = {JSON: {"schema": schema, "example": ERRORS}, XML: {"schema": {"type": "string"}}}
        responses[status] = {"description": text, "content": content}
    operation["security"] = [{scheme: []}, {KEY_SCHEME: []}]
    rule = MATRIX[operation["operationId"]]
    roles = ", ".join(sorted(role.value for role in rule.roles))
    operation["description"] = (
        f"{operation.get('description', '')}\n\nRoles: {roles}. Scope: {rule.scope.value}.".strip()
    )
