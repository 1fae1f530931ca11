"""Service requests as they are told: what was asked, how it stands, and nobody's name.

Who filed a request through its own front end hears how it stands. Who is responsible, the words about it and its number
are for people of the city, and for a partner whose registration lists them: what its feed does not tell, this does not
either (decision 0011). A request that turned out to be something else (a crime, say) keeps its status and says no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dispatch.api.access.permissions import Caller
from dispatch.api.open311.offered import Language, Service, agency_name
from dispatch.directory import Directory
from dispatch.partners.contracts import FEED_FIELDS
from dispatch.partners.withholding import without_numbers
from domain.vocabulary import AgencyRole
from projections.code_texts import CODES
from projections.queries.service_requests import Sight

Row = Mapping[str, Any]
TOLD = frozenset({"recipients", "phase", "disposition", "number"})
"""Fields of the feed that something here is made of."""
ENDINGS = ("disposition", "reason")


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells rows to one caller, in one language."""

    directory: Directory
    services: Mapping[str, Service]
    told: frozenset[str]
    language: Language
    zone: ZoneInfo

    def request(self, row: Row) -> dict[str, Any]:
        """One service request. Every member of the standard is there; null is what is not known or not told."""
        service = self.services[row["category"]]
        is_open = not row["is_over"]
        return {
            "service_request_id": str(row["report_id"]),
            "status": "open" if is_open else "closed",
            "status_notes": self._notes(row),
            "service_name": service.name(self.language),
            "service_code": service.code,
            "description": without_numbers(row["text"]),
            "agency_responsible": self._agency(row),
            "service_notice": self.notice(row["number"]) if self._is_service_still(row) else None,
            "requested_datetime": self._instant(row["filed_at"]),
            "updated_datetime": self._instant(_updated(row, is_open=is_open)),
            "expected_datetime": self._instant(row["red_at"]) if is_open and self._is_service_still(row) else None,
            "address": without_numbers(row["address"]),
            "address_id": None,
            "zipcode": None,
            "lat": row["lat"],
            "long": row["lon"],
            "media_url": _media(row),
        }

    def notice(self, number: str | None) -> str | None:
        """The number people say, for whoever may know it."""
        if number is None or "number" not in self.told:
            return None
        return f"受理编号 {number}" if self.language == "zh" else f"Its number is {number}"

    def _is_service_still(self, row: Row) -> bool:
        return row["incident_category"] in {None, *self.services}

    def _notes(self, row: Row) -> str | None:
        """The case's phase, else the incident's, and how it ended."""
        if not self._is_service_still(row):
            return None
        phase = f"case_phase.{row['case_phase']}" if row["case_phase"] else f"phase.{row['incident_phase'] or 'open'}"
        said = [phase] if "phase" in self.told else []
        if row["is_over"] and row["disposition"] and "disposition" in self.told:
            # Of what was dismissed it is the reason.
            said += [f"{kind}.{row['disposition']}" for kind in ENDINGS]
        words = [CODES[code][0 if self.language == "zh" else 1] for code in said if code in CODES]
        return ("；" if self.language == "zh" else "; ").join(words) or None

    def _agency(self, row: Row) -> str | None:
        """The department that has the case, else the agency that answers for the incident."""
        if not self._is_service_still(row) or "recipients" not in self.told:
            return None
        responsible = [
            each["agency"] for each in row["recipients"] or () if each["role"] == AgencyRole.RESPONSIBLE.value
        ]
        code = row["department_agency"] or next(iter(responsible), None)
        return agency_name(self.directory, code, self.language) if code is not None else None

    def _instant(self, at: datetime | None) -> str | None:
        return at.astimezone(self.zone).isoformat(timespec="seconds") if at is not None else None


def told_to(caller: Caller, directory: Directory) -> frozenset[str]:
    """Which fields of an incident a caller may know."""
    if not caller.is_partner:
        return TOLD
    agency = directory.agency(caller.agency or "")
    if agency is None or not agency.has_feed:
        return frozenset()
    return TOLD & FEED_FIELDS & frozenset(agency.feed_fields)


def sight_of(caller: Caller, directory: Directory) -> Sight:
    """Whose requests a caller is shown. A partner: those it filed itself. A headquarters' people: also those of whom
    they command.
    """
    if caller.sees_everything:
        return Sight(everything=True, known=caller.sight)
    if caller.is_partner:
        return Sight(filed_by=caller.actor().id, known=caller.sight)
    assert caller.center_id is not None, "whoever decides sits at a center"
    centers = {one for each in caller.centers for one in (each, *directory.descendants(each))}
    agency = caller.agency if caller.speaks_for_agency else None
    return Sight(seen_by=caller.centers, centers=sorted(centers), agency=agency, known=caller.sight)


def _updated(row: Row, *, is_open: bool) -> datetime:
    """The last change, of what is over the end."""
    incident = row["incident_updated_at"] if is_open else row["incident_ended_at"] or row["incident_updated_at"]
    case = row["case_updated_at"] if is_open else row["case_ended_at"] or row["case_updated_at"]
    known: Sequence[datetime] = [at for at in (row["filed_at"], incident, case) if at is not None]
    return max(known)


def _media(row: Row) -> str | None:
    """The first picture that a browser can fetch; where recordings lie inside is nobody's business."""
    found = (str(media["uri"]) for media in row["media"])
    return next((uri for uri in found if uri.lower().startswith(("http://", "https://"))), None)
