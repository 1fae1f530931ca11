"""The desk where machine messages arrive: whole pages of drafts in, one lane call, a receipt for each.

The problem: the same alert comes twice, in one batch, in two requests at once, or after a restart, and must be in the
log once; other content under the same identity must not be taken for a repeat. Asking the log first would cost a read
for each alert and still race. The rule kept instead: write as if every identity were new (expected version 0) and
look only where the log says it is not. Flood-night traffic is mostly new identities, so a page is mostly one call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from dispatch.directory import Directory
from dispatch.directory_entries import CameraEntry
from dispatch.handling.scribe import Change, Request, Scribe, as_fact
from dispatch.ingest.message import Draft, identity, judge
from dispatch.ports import AppendCommand, Appended, Ids, VersionConflict
from domain.alert.areas import middles
from domain.alert.commands import ReceiveAlert
from domain.alert.decider import INITIAL, State, decide, evolve, word_of
from domain.alert.events import AlertContent, AlertReceived, AlertRevised, WarningDetails, WarningReceived
from domain.event import Actor, Event, Place
from domain.identifiers import alert_id, warning_stream
from domain.refusals import Conflict, Refusal, Unavailable
from domain.vocabulary import AlertKind, CameraHealth

ROUNDS_MAX = 8
"""How often a page is decided anew for those identities where somebody else was first."""
RECENT_MAX = 20_000
RECENT_FOR = timedelta(seconds=30)
"""How long a repeat is answered from memory. No restore is quicker."""
NO_SAID_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Time prefix of an identity whose message said no time: never the receipt, or a repeat would be another alert."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose credential brought a message. `gateway` None: a person, who may speak for any camera."""

    actor: Actor
    gateway: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """One draft and who brought it."""

    draft: Draft
    sender: Sender


@dataclass(frozen=True, slots=True)
class AlertReceipt:
    """What became of an alert. `position` is where it stands in the log: for a repeat, where it was first recorded."""

    alert_id: UUID
    position: int
    duplicate: bool
    revised: bool
    camera_id: UUID | None
    outside_city: bool


@dataclass(frozen=True, slots=True)
class _Placed:
    """An arrival with its identity, its camera and its place in the city."""

    index: int
    alert_id: UUID
    content: AlertContent
    camera_health: CameraHealth | None
    occurred_at: datetime
    sender: Sender


@dataclass(frozen=True, slots=True)
class _Stream:
    """What the log holds of one identity; positions are those of its versions, in order."""

    state: State = INITIAL
    positions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Decided:
    """The arrivals of one identity and the new facts among them. `state` is as if they were recorded."""

    arrivals: tuple[_Placed, ...]
    events: tuple[Event, ...]
    stream: _Stream
    state: State


class Recent:
    """What the log holds of the identities recorded last, for a repeat that comes soon: most do, and a third of a flood
    night's messages are repeats. Facts are for ever, so what is remembered can be incomplete but not wrong; only a
    restore could make it so, hence the short memory.
    """

    def __init__(self, limit: int = RECENT_MAX) -> None:
        self._limit = limit
        self._streams: OrderedDict[UUID, tuple[_Stream, datetime]] = OrderedDict()

    def find(self, wanted: Iterable[UUID], now: datetime) -> dict[UUID, _Stream]:
        """Those that are remembered."""
        found = {alert: kept for alert in wanted if (kept := self._streams.get(alert)) is not None}
        return {alert: stream for alert, (stream, at) in found.items() if now - at < RECENT_FOR}

    def keep(self, alert: UUID, stream: _Stream, now: datetime) -> None:
        """Remember what was recorded."""
        self._streams[alert] = stream, now
        self._streams.move_to_end(alert)
        if len(self._streams) > self._limit:
            self._streams.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._streams.clear()


class AlertDesk:
    """Receives alerts. One for a process."""

    def __init__(self, scribe: Scribe, directory: Directory, ids: Ids) -> None:
        self._scribe = scribe
        self._directory = directory
        self._ids = ids
        self._recent = Recent()

    def ends_trouble(self, draft: Draft, sender: Sender) -> bool:
        """Whether this says that something is over which a camera of the sender's said and which lasts, by now."""
        camera = self._camera(draft, sender.gateway or draft.content.source)
        if camera is None or not camera.is_of(sender.gateway):
            return False
        return self._directory.condition(camera.id).has_trouble(word_of(draft.content))

    async def receive(self, arrivals: Sequence[Arrival]) -> list[AlertReceipt | Refusal]:
        """Record a page, in its order; a receipt or a refusal for each. Raises `Unavailable`, `Conflict`."""
        received_at = self._scribe.clock.now()
        results: dict[int, AlertReceipt | Refusal] = {}
        waiting: dict[UUID, list[_Placed]] = {}
        for index, arrival in enumerate(arrivals):
            placed = self._place(index, arrival, received_at)
            if isinstance(placed, Refusal):
                results[index] = placed
            else:
                waiting.setdefault(placed.alert_id, []).append(placed)
        streams = self._recent.find(waiting, received_at)
        for _ in range(ROUNDS_MAX):
            if not waiting:
                return [results[index] for index in range(len(arrivals))]
            try:
                lost = await self._round(waiting, streams, results, received_at)
            except Unavailable:
                self._recent.clear()  # the database that comes back may be one that was restored
                raise
            waiting = {stream_id: waiting[stream_id] for stream_id in lost}
            streams = await self._load(lost)
        raise Conflict("ingest.contended", "Others keep writing to the same alert. Send the same message again.")

    async def _round(
        self,
        waiting: dict[UUID, list[_Placed]],
        streams: dict[UUID, _Stream],
        results: dict[int, AlertReceipt | Refusal],
        received_at: datetime,
    ) -> list[UUID]:
        """Decide and record every identity once; those where somebody else was first."""
        decided = [
            _decide(arrivals, streams.get(stream_id, _Stream()), results) for stream_id, arrivals in waiting.items()
        ]
        writing = [decision for decision in decided if decision.events]
        commands = [await self._command(decision, received_at) for decision in writing]
        verdicts = await self._scribe.log.append_many(commands) if commands else []
        for decision in decided:
            if not decision.events:
                _answer(decision, decision.stream.positions, results)
        lost = []
        for decision, verdict in zip(writing, verdicts, strict=True):
            match verdict:
                case Appended(first_position=first):
                    positions = decision.stream.positions + tuple(range(first, first + len(decision.events)))
                    _answer(decision, positions, results)
                    self._recent.keep(decision.arrivals[0].alert_id, _Stream(decision.state, positions), received_at)
                case VersionConflict():
                    lost.append(decision.arrivals[0].alert_id)
                case _:
                    raise AssertionError(f"an alert has neither key nor mark, yet the log says {verdict}")
        return lost

    async def _command(self, decision: _Decided, received_at: datetime) -> AppendCommand:
        first = decision.arrivals[0]
        changes = [
            Change(first.alert_id, len(decision.stream.positions), decision.events, occurred_at=first.occurred_at)
        ]
        if first.content.kind is AlertKind.PUBLIC_WARNING:
            # Behind the alert's own facts: receipts count their positions from the first.
            changes += announced(self._directory.city, first.alert_id, decision.events, first.occurred_at)
        return await self._scribe.command(changes, Request(first.sender.actor, received_at, self._ids.new()))

    async def _load(self, stream_ids: Sequence[UUID]) -> dict[UUID, _Stream]:
        if not stream_ids:
            return {}
        found = {}
        for stream_id, rows in (await self._scribe.log.read_streams(stream_ids)).items():
            state = INITIAL
            for row in rows:
                state = evolve(state, as_fact(row).event)
            found[stream_id] = _Stream(state, tuple(row.position for row in rows))
        return found

    def _place(self, index: int, arrival: Arrival, received_at: datetime) -> _Placed | Refusal:
        """Identity, camera, place and clock of one arrival, or the refusal of a camera that is not the sender's."""
        draft, gateway = arrival.draft, arrival.sender.gateway
        content = draft.content
        camera = self._camera(draft, gateway or content.source)
        if camera is not None and gateway is not None and not camera.is_of(gateway):
            return Refusal(
                "ingest.foreign_camera",
                f"Camera {camera.code} belongs to another gateway than {gateway}. Send it with that gateway's"
                " credential, or register the camera for this one.",
                {"camera": camera.code, "gateway": gateway},
            )
        judged = judge(draft.said_at, content.clock, received_at)
        identity = alert_id(
            source=content.source,
            source_event_id=content.source_event_id,
            revision=content.revision,
            said_at=draft.said_at or NO_SAID_TIME,
        )
        seen = {
            "clock": judged.clock,
            "place": self._placed(content, camera),
            "camera_id": camera.id if camera is not None else None,
            "camera_code": camera.code if camera is not None else content.camera_code,
        }
        placed = content.model_copy(update=seen)
        return _Placed(index, identity, placed, draft.camera_health, judged.occurred_at, arrival.sender)

    def _camera(self, draft: Draft, gateway: str) -> CameraEntry | None:
        found = (self._directory.camera(name, gateway=gateway) for name in draft.cameras)
        return next((camera for camera in found if camera is not None), None)

    def _placed(self, content: AlertContent, camera: CameraEntry | None) -> Place:
        """What the message says of its place wins; a camera's own location stands in.

        A province warns of many places in one message: of these the first that is in the city is what it says to us.
        """
        said = content.place
        point = said.point or (camera.location if camera is not None else None)
        if content.warning is not None:
            point = next((one for one in middles(content.warning) if self._directory.locate(one)), point)
        if point is None:
            return said
        outside = not self._directory.locate(point)
        if point is said.point and outside == said.outside_city:
            return said
        return said.model_copy(update={"point": point, "outside_city": outside})


def announced(city: str, alert: UUID, events: Sequence[Event], sent_at: datetime) -> list[Change]:
    """What the ledger of warnings is told of these facts of an alert: one line for each, all on one stream."""
    received = [event.content for event in events if isinstance(event, (AlertReceived, AlertRevised))]
    said = tuple(_warning(alert, content, content.warning, sent_at) for content in received if content.warning)
    if not said:
        return []
    return [Change(warning_stream(city, said[0].key), None, said, occurred_at=sent_at, causation_id=alert)]


def _warning(alert: UUID, content: AlertContent, details: WarningDetails, sent_at: datetime) -> WarningReceived:
    pairs = (",".join(reference.split(",")[:2]) for reference in details.references)
    return WarningReceived(
        alert_id=alert,
        key=content.source_event_id,
        revision=content.revision,
        refers_to=tuple(dict.fromkeys(identity(pair) for pair in pairs)),
        sent_at=sent_at,
        status=content.status,
        severity=content.severity,
        text=content.text,
        warning=details,
    )


def _decide(arrivals: Sequence[_Placed], stream: _Stream, results: dict[int, AlertReceipt | Refusal]) -> _Decided:
    """Fold arrivals of one identity, in order, into what the log already holds."""
    state, events, accepted = stream.state, [], []
    for placed in arrivals:
        said = ReceiveAlert.model_construct(content=placed.content, camera_health=placed.camera_health)
        decision = decide(said, state)
        if isinstance(decision, Refusal):
            results[placed.index] = decision
            continue
        accepted.append(placed)
        for event in decision:
            events.append(event)
            state = evolve(state, event)
    return _Decided(tuple(accepted), tuple(events), stream, state)


def _answer(decision: _Decided, positions: Sequence[int], results: dict[int, AlertReceipt | Refusal]) -> None:
    """Receipts, once the positions are known. Of equal contents in one page the first is new, the rest repeats."""
    fresh = {
        event.content.content_sha256: isinstance(event, AlertRevised)
        for event in decision.events
        if isinstance(event, (AlertReceived, AlertRevised))
    }
    for placed in decision.arrivals:
        content = placed.content
        version = decision.state.versions[content.content_sha256]
        revised = fresh.pop(content.content_sha256, None)
        results[placed.index] = AlertReceipt(
            alert_id=placed.alert_id,
            position=positions[version - 1],
            duplicate=revised is None,
            revised=bool(revised),
            camera_id=content.camera_id,
            outside_city=content.place.outside_city,
        )
