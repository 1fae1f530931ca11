"""What a sender hears: one shape by HTTP and by NATS.

A single message answers with its result, a batch with a list of them. Each result has the status it would have had
alone: 201 recorded, 200 a repeat (`duplicate`) or a revision of what was said before, 4xx not recorded.
"""

from __future__ import annotations

from typing import Any

from dispatch.handling.alerts import AlertReceipt
from dispatch.ingest.intake import Declined, Taken
from domain.refusals import Conflict, DispatchError, Refused

STATUS_OF_REFUSAL = {
    "ingest.malformed": 400,
    "ingest.encoding": 400,
    "ingest.hostile": 400,
    "ingest.foreign_camera": 403,
    "ingest.unknown_adapter": 404,
    "ingest.too_many_revisions": 409,
    "ingest.contended": 409,
    "ingest.too_large": 413,
    "ingest.behind": 503,
    "quarantine.not_whole": 409,
}
"""Others are 422: well-formed, and not acceptable."""
CREATED, OK, MULTI_STATUS, NOT_ACCEPTABLE = 201, 200, 207, 422


def status_of_code(code: str) -> int:
    """The status of a refusal's code."""
    return STATUS_OF_REFUSAL.get(code, NOT_ACCEPTABLE)


def status_of_result(result: AlertReceipt | Declined) -> int:
    """The status one entry would have had alone."""
    if isinstance(result, Declined):
        return status_of_code(result.code)
    return OK if result.duplicate else CREATED


def result_document(result: AlertReceipt | Declined) -> dict[str, Any]:
    """One entry's result."""
    status = status_of_result(result)
    if isinstance(result, AlertReceipt):
        return {
            "status": status,
            "alert_id": str(result.alert_id),
            "position": result.position,
            "duplicate": result.duplicate,
            "revised": result.revised,
            "camera_id": str(result.camera_id) if result.camera_id is not None else None,
            "outside_city": result.outside_city,
        }
    problem: dict[str, Any] = {"status": status, "code": result.code, "detail": result.detail}
    if result.pointer:
        problem["errors"] = [{"pointer": result.pointer, "detail": result.detail}]
    if result.kept_as is not None:
        problem["quarantine"] = result.kept_as
    return problem


def taken_document(taken: Taken) -> dict[str, Any]:
    """A whole message's answer."""
    if taken.heartbeat and not taken.results:
        return {"status": OK, "heartbeat": True, "results": []}
    results = [result_document(result) for result in taken.results]
    if not taken.batch and len(results) == 1:
        return results[0]
    return {"status": status_of_taken(taken), "results": results}


def status_of_taken(taken: Taken) -> int:
    """One entry's own status; of a batch 200 if every entry is in the log, else 207: look at each."""
    if not taken.batch and len(taken.results) == 1:
        return status_of_result(taken.results[0])
    return MULTI_STATUS if len(taken.receipts) < len(taken.results) else OK


def document_of(outcome: Taken | DispatchError) -> dict[str, Any]:
    """A reply by NATS, where there is no status line."""
    if isinstance(outcome, Taken):
        return taken_document(outcome)
    if isinstance(outcome, Refused):
        status = status_of_code(outcome.code)
    else:
        status = 409 if isinstance(outcome, Conflict) else 503
    document: dict[str, Any] = {"status": status, "code": outcome.code, "detail": outcome.detail}
    if "retry_after_s" in outcome.values:
        document["retry_after_s"] = int(outcome.values["retry_after_s"])
    return document
