"""What came of an incident is said once, struck once, and counted where it belongs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.outcome import commands as ask
from domain.outcome import events as fact
from domain.outcome.decider import CASES_MAX, INITIAL, decide, evolve
from domain.vocabulary import ExternalCaseKind, PeopleOutcome
from tests.domain.deciding import Decider

outcome = Decider(decide, evolve, INITIAL)

INCIDENT, COUNT, CAMPAIGN = UUID(int=1), UUID(int=2), UUID(int=3)
CASE = fact.ExternalCase(system="police-cases", number="A5101042026070001")
LINK = ask.LinkExternalCase(incident_id=INCIDENT, case=CASE, kind=ExternalCaseKind.CRIMINAL)
LINKED = fact.ExternalCaseLinked(incident_id=INCIDENT, case=CASE, kind=ExternalCaseKind.CRIMINAL)
UNLINK = ask.UnlinkExternalCase(incident_id=INCIDENT, case=CASE, reason="wrong number")
UNLINKED = fact.ExternalCaseUnlinked(incident_id=INCIDENT, case=CASE, reason="wrong number")
COUNT_THREE = ask.CountPeople(incident_id=INCIDENT, count_id=COUNT, outcome=PeopleOutcome.CAUGHT, people=3, case=CASE)
COUNTED = fact.PeopleCounted(incident_id=INCIDENT, count_id=COUNT, outcome=PeopleOutcome.CAUGHT, people=3, case=CASE)
STRIKE = ask.StrikeCount(incident_id=INCIDENT, count_id=COUNT, reason="said twice")
STRUCK = fact.CountStruck(incident_id=INCIDENT, count_id=COUNT, reason="said twice")
BEGINS = datetime(2026, 6, 1, tzinfo=UTC)
JOIN = ask.JoinCampaign(
    incident_id=INCIDENT,
    campaign_id=CAMPAIGN,
    opened_at=BEGINS,
    begins_at=BEGINS,
    ends_at=BEGINS + timedelta(days=30),
)
JOINED = fact.CampaignJoined(incident_id=INCIDENT, campaign_id=CAMPAIGN)
LEAVE = ask.LeaveCampaign(incident_id=INCIDENT, campaign_id=CAMPAIGN, reason="another district's")
LEFT = fact.CampaignLeft(incident_id=INCIDENT, campaign_id=CAMPAIGN, reason="another district's")


def test_a_case_is_linked():
    outcome.given().when(LINK).then(LINKED)


def test_the_same_link_again_says_nothing():
    outcome.given(LINKED).when(LINK).then_nothing()


def test_a_case_that_turns_out_to_be_of_another_kind_is_linked_as_that():
    other = LINK.model_copy(update={"kind": ExternalCaseKind.PUBLIC_ORDER})
    outcome.given(LINKED).when(other).then(LINKED.model_copy(update={"kind": ExternalCaseKind.PUBLIC_ORDER}))


def test_an_incident_has_a_written_number_of_cases():
    links = [
        LINKED.model_copy(update={"case": CASE.model_copy(update={"number": str(number)})})
        for number in range(CASES_MAX)
    ]
    outcome.given(*links).when(LINK).then_refused("outcome.too_many", what="cases", limit=str(CASES_MAX))


def test_a_wrong_link_is_taken_back():
    outcome.given(LINKED).when(UNLINK).then(UNLINKED)


def test_what_is_not_linked_cannot_be_taken_back():
    outcome.given(LINKED, UNLINKED).when(UNLINK).then_refused("outcome.external_case_not_linked", number=CASE.number)


def test_a_link_that_a_count_rests_on_stays():
    outcome.given(LINKED, COUNTED).when(UNLINK).then_refused("outcome.external_case_in_use", number=CASE.number)


def test_once_the_count_is_struck_the_link_can_go():
    outcome.given(LINKED, COUNTED, STRUCK).when(UNLINK).then(UNLINKED)


def test_people_are_counted():
    outcome.given(LINKED).when(COUNT_THREE).then(COUNTED)


def test_the_same_count_again_says_nothing():
    outcome.given(LINKED, COUNTED).when(COUNT_THREE).then_nothing()


def test_a_struck_count_does_not_come_back():
    outcome.given(LINKED, COUNTED, STRUCK).when(COUNT_THREE).then_nothing()


def test_people_are_counted_under_a_linked_case_only():
    outcome.given().when(COUNT_THREE).then_refused("outcome.external_case_not_linked", system="police-cases")


def test_people_can_be_counted_without_a_case():
    alone = COUNT_THREE.model_copy(update={"case": None})
    outcome.given().when(alone).then(COUNTED.model_copy(update={"case": None}))


def test_a_wrong_count_is_struck_once():
    outcome.given(LINKED, COUNTED).when(STRIKE).then(STRUCK)
    outcome.given(LINKED, COUNTED, STRUCK).when(STRIKE).then_refused("outcome.count_already_struck")


def test_only_a_count_that_exists_is_struck():
    outcome.given().when(STRIKE).then_refused("outcome.count_unknown", count_id=str(COUNT))


def test_an_incident_joins_a_campaign_of_its_time():
    outcome.given().when(JOIN).then(JOINED)
    outcome.given(JOINED).when(JOIN).then_nothing()


def test_an_incident_of_another_time_does_not():
    for opened_at in (JOIN.begins_at - timedelta(seconds=1), JOIN.ends_at):
        late = JOIN.model_copy(update={"opened_at": opened_at})
        outcome.given().when(late).then_refused("outcome.outside_campaign", campaign_id=str(CAMPAIGN))


def test_it_leaves_a_campaign_also_if_it_never_joined():
    outcome.given().when(LEAVE).then(LEFT)
    outcome.given(JOINED).when(LEAVE).then(LEFT)
    outcome.given(LEFT).when(LEAVE).then_nothing()


def test_it_may_come_back():
    outcome.given(JOINED, LEFT).when(JOIN).then(JOINED)
