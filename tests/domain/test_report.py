"""A report is filed once, linked once, and who reads its sealed fields is remembered."""

from __future__ import annotations

from uuid import UUID

from domain.event import GeoPoint, Personal, Place
from domain.report import commands as ask
from domain.report import events as fact
from domain.report.decider import INITIAL, decide, evolve
from tests.domain.deciding import Decider

report = Decider(decide, evolve, INITIAL)

CENTER, CALLER, INCIDENT, OTHER_INCIDENT = (UUID(int=number) for number in (1, 2, 3, 4))
FILE = ask.FileReport(
    channel="hotline_110",
    category="order.dispute",
    text="Two drivers shout at each other",
    place=Place(address="Chunxi Road, at the fountain"),
    center_id=CENTER,
    caller=Personal(subject_id=CALLER, text="王小明"),
)
FILED = fact.ReportFiled(**dict(FILE))
LINKED = fact.ReportLinked(incident_id=INCIDENT, relation="opened")


def test_a_report_is_filed_as_it_was_told():
    report.given().when(FILE).then(FILED)


def test_a_report_is_filed_once():
    report.given(FILED).when(FILE).then_refused("report.already_filed")


def test_an_address_alone_is_enough():
    report.given().when(FILE.model_copy(update={"place": Place(address="the old bridge")})).then(
        FILED.model_copy(update={"place": Place(address="the old bridge")})
    )


def test_a_point_or_a_camera_alone_is_enough():
    for update in (
        {"place": Place(point=GeoPoint(lon=104.0, lat=30.6))},
        {"place": Place(), "camera_id": CENTER},
    ):
        report.given().when(FILE.model_copy(update=update)).then(FILED.model_copy(update=update))


def test_a_report_from_nowhere_is_refused():
    for place in (Place(), Place(address="   ")):
        report.given().when(FILE.model_copy(update={"place": place})).then_refused("report.no_place")


def test_a_report_is_linked_to_its_incident():
    report.given(FILED).when(ask.LinkReport(incident_id=INCIDENT, relation="opened")).then(LINKED)


def test_the_same_link_again_says_nothing():
    report.given(FILED, LINKED).when(ask.LinkReport(incident_id=INCIDENT, relation="duplicate")).then_nothing()


def test_a_report_is_about_one_incident():
    report.given(FILED, LINKED).when(ask.LinkReport(incident_id=OTHER_INCIDENT, relation="duplicate")).then_refused(
        "report.already_linked", incident_id=str(INCIDENT)
    )


def test_what_was_never_filed_is_unknown():
    for command in (
        ask.LinkReport(incident_id=INCIDENT, relation="opened"),
        ask.ReadPersonalFields(purpose="call back", fields=("caller",)),
    ):
        report.given().when(command).then_refused("report.unknown")


def test_who_reads_a_sealed_field_says_what_for_and_is_remembered():
    report.given(FILED).when(ask.ReadPersonalFields(purpose="call back", fields=("caller",))).then(
        fact.PersonalFieldsRead(purpose="call back", fields=("caller",))
    )


def test_reading_again_is_remembered_again():
    read = fact.PersonalFieldsRead(purpose="call back", fields=("caller",))
    report.given(FILED, read).when(ask.ReadPersonalFields(purpose="call back", fields=("caller",))).then(read)


def test_nobody_reads_without_a_purpose():
    report.given(FILED).when(ask.ReadPersonalFields(purpose="  ", fields=("caller",))).then_refused("report.no_purpose")


def test_only_fields_that_the_report_has_are_read():
    report.given(FILED).when(ask.ReadPersonalFields(purpose="call back", fields=("caller", "persons"))).then_refused(
        "report.no_such_field", fields="persons"
    )
    report.given(FILED).when(ask.ReadPersonalFields(purpose="call back", fields=())).then_refused(
        "report.no_such_field"
    )
