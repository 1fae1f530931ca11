"""Oracles against small stories: what they are there to find, said as facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from dispatch.simulation.flows.operations import SECRET
from dispatch.simulation.oracles.cameras import broken_conditions
from dispatch.simulation.oracles.operations import told_secrets
from dispatch.simulation.oracles.shifts import broken_handovers
from dispatch.simulation.reading import Story
from domain.alert.events import CameraHealthTold
from domain.camera.events import CameraHealthChanged
from domain.camera.vocabulary import ConditionSource
from domain.event import Event, Fact
from domain.handover.events import HandoverOffered, HandoverSigned
from domain.incident.events import IncidentClaimed
from domain.operation.events import OperationPlanned
from domain.operator.events import ShiftStarted
from domain.vocabulary import CameraHealth, ClaimsOnSigning
from tests.domain.incident_story import ALICE, BOB, CITY, NOON, OPENED, OTHER_STATION, STATION
from tests.domain.shapes import ENVELOPE

ONE, TWO = UUID(int=41), UUID(int=42)
OFFER, OTHER_OFFER = UUID(int=51), UUID(int=52)
CARL = UUID(int=13)


def story(*happened: tuple[UUID, Event], together: Sequence[int] = ()) -> Story:
    """Facts a second apart; those at the positions of `together` are recorded with the one before."""
    told = Story([])
    at = NOON
    for position, (stream_id, event) in enumerate(happened, 1):
        at += timedelta(seconds=0 if position in together else 1)
        version = len(told.streams.setdefault(stream_id, [])) + 1
        fact = Fact(position, stream_id, version, at, ENVELOPE.model_copy(update={"occurred_at": at}), event)
        told.facts.append(fact)
        told.streams[stream_id].append(fact)
    return told


def offered(center_id: UUID, *, taker_id: UUID = BOB) -> HandoverOffered:
    """An empty list as of the first fact."""
    return HandoverOffered(
        center_id=center_id,
        path=(CITY, center_id),
        giver_id=ALICE,
        taker_id=taker_id,
        incidents_position=1,
        orders_position=1,
        cases_position=1,
    )


def test_two_lists_as_of_one_position_are_both_looked_at() -> None:
    lists = ((OFFER, offered(STATION)), (OTHER_OFFER, offered(OTHER_STATION)))
    for told in (lists, lists[::-1]):
        (found,) = broken_handovers(story((ONE, OPENED), *told))
        assert "leaves out 1 incidents" in found


def test_every_signature_is_judged_before_the_next_decision_changes_who_has_what() -> None:
    taken = HandoverSigned(operator_id=BOB, claims=ClaimsOnSigning.TAKE, incident_ids=(ONE,))
    also = HandoverSigned(operator_id=CARL, claims=ClaimsOnSigning.TAKE, incident_ids=(TWO,))
    lists = offered(OTHER_STATION), offered(OTHER_STATION, taker_id=CARL)
    told = story(
        (ONE, OPENED),
        (TWO, OPENED),
        (BOB, ShiftStarted(center_id=OTHER_STATION)),
        (CARL, ShiftStarted(center_id=OTHER_STATION)),
        (OFFER, lists[0]),
        (OTHER_OFFER, lists[1]),
        (OFFER, taken),
        (ONE, IncidentClaimed(operator_id=BOB)),
        (OTHER_OFFER, also),
        (TWO, IncidentClaimed(operator_id=CARL)),
        # Somebody else has both a moment later, which is no fault of those who signed.
        (TWO, IncidentClaimed(operator_id=ALICE)),
        (ONE, IncidentClaimed(operator_id=ALICE)),
        together=(8, 9, 10),
    )
    assert list(broken_handovers(told)) == []


def test_a_secret_is_looked_for_if_the_facts_have_one_whatever_the_screen_of_operations_says() -> None:
    planned = OperationPlanned(
        city="chengdu",
        code="visit-1",
        name_zh="visit-1",
        name_en="visit-1",
        purpose=SECRET,
        center_id=STATION,
        path=(CITY, STATION),
        restricted=True,
        begins_at=NOON,
        ends_at=NOON + timedelta(hours=1),
    )
    screens = {"operations": {}, "timeline": {(1,): {"text": SECRET}}}
    (found,) = told_secrets(story((ONE, planned)), screens, {})
    assert found == "restricted: the screen timeline tells of it"
    public = planned.model_copy(update={"restricted": False})
    assert list(told_secrets(story((ONE, public)), screens, {})) == []


CAMERA, WORD = UUID(int=61), "native:video_loss"


def told(health: CameraHealth) -> tuple[UUID, Event]:
    return ONE, CameraHealthTold(camera_id=CAMERA, health=health, word=WORD, is_lasting=True)


def learnt(health: CameraHealth) -> tuple[UUID, Event]:
    source = ConditionSource.DEVICE
    return CAMERA, CameraHealthChanged(health=health, source=source, reason=WORD, effective=health, number=1)


def test_a_camera_is_as_it_said_and_nobody_else_says_how_it_is() -> None:
    lost, seen = CameraHealth.OFFLINE, CameraHealth.ONLINE
    whole = (told(lost), told(lost), learnt(lost), told(seen), learnt(seen))
    assert list(broken_conditions(story(*whole))) == []
    unlearnt = list(broken_conditions(story(*whole[:-1])))
    assert [each.partition(f"{CAMERA}")[0] for each in unlearnt] == ["camera: nobody learnt of ", "camera: "]
    (invented, *_) = broken_conditions(story(learnt(lost)))
    assert "which nobody told" in invented
