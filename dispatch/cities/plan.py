"""A city's folder as commands, in the order in which they must be decided: agencies, tree, sites, cameras, people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from uuid import UUID

from shapely import Point, unary_union
from shapely.geometry.base import BaseGeometry

from dispatch.cities.ground import partition, shares, spots
from dispatch.cities.source import City, District, Placement, polygons_of
from domain import identifiers
from domain.assignment.events import UnitRegistered
from domain.camera.events import CameraInstalled, SiteBuilt
from domain.center.events import AgencyRegistered, CenterEstablished
from domain.event import GeoPoint
from domain.operator.events import OperatorEnrolled
from domain.ownership import Ownership
from domain.rulebook.content import Rulebook
from domain.vocabulary import CenterKind, SiteClass

CAMERA_RANGE_M = 120.0
"""How far a street camera is taken to see; a planning figure, not a measurement."""


@dataclass(frozen=True, slots=True)
class Node:
    """A center of the plan with its ground."""

    center: CenterEstablished
    id: UUID
    ground: BaseGeometry | None = field(repr=False, default=None)
    district: str = ""

    @property
    def ownership(self) -> Ownership:
        """This center as an owner."""
        return Ownership(center_id=self.id, path=self.center.path)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a city has, as events to be asked for."""

    city: str
    agencies: tuple[AgencyRegistered, ...]
    nodes: tuple[Node, ...]
    sites: tuple[tuple[UUID, SiteBuilt], ...]
    cameras: tuple[tuple[UUID, CameraInstalled], ...]
    units: tuple[tuple[UUID, UnitRegistered], ...]
    operators: tuple[tuple[UUID, OperatorEnrolled], ...]
    rulebook: Rulebook


class Planner:
    """Derives a plan from a city's folder; pure, no clock, no chance."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._code = city.source.code
        self._root_id = identifiers.center_id(self._code, "city")

    def plan(self) -> Plan:
        """The whole city."""
        source = self._city.source
        nodes = self._nodes()
        stations = [node for node in nodes if node.center.kind is CenterKind.STATION]
        sites = list(self._sites(stations))
        return Plan(
            city=self._code,
            agencies=tuple(
                AgencyRegistered(
                    city=self._code,
                    code=agency.code,
                    name_zh=agency.name_zh,
                    name_en=agency.name_en,
                    has_feed=agency.has_feed,
                    feed_fields=agency.feed_fields,
                )
                for agency in source.agencies
            ),
            nodes=tuple(nodes),
            sites=tuple(sites),
            cameras=tuple(self._cameras(sites, {node.id: node for node in nodes})),
            units=tuple(self._units(nodes)),
            operators=tuple(self._operators(nodes)),
            rulebook=Rulebook.model_validate_json(self._city.rulebook),
        )

    def _nodes(self) -> list[Node]:
        source = self._city.source
        root = self._node(
            "city", source.name_zh + "应急联动指挥中心", f"{source.name_en} Command Center", CenterKind.CITY, 1
        )
        station_shares = shares(
            {district.code: float(max(1, len(district.streets))) for district in self._city.districts}, source.stations
        )
        second: list[Node] = []
        third: list[Node] = []
        for district in self._city.districts:
            above, below = self._district(root, district, station_shares[district.code])
            second += above
            third += below
        lateral = [
            self._node(
                f"dept-{agency.code.replace('_', '-')}",
                agency.name_zh + "指挥中心",
                f"{agency.name_en} Center",
                CenterKind.FUNCTIONAL,
                0,
                parent=root,
                agency=agency.code,
                location=source.center,
            )
            for agency in source.agencies
        ]
        return [root, *second, *third, *lateral]

    def _district(self, root: Node, district: District, station_count: int) -> tuple[list[Node], list[Node]]:
        """The district's own center and branches, then its stations, each below the one that commands it."""
        middle = district.ground.representative_point()
        own = self._node(
            f"d-{district.code}",
            f"{district.name_zh}指挥中心",
            f"{district.name_en} District Center",
            CenterKind.DISTRICT,
            2,
            parent=root,
            ground=district.ground,
            division_code=district.code,
            location=GeoPoint(lon=round(middle.x, 6), lat=round(middle.y, 6)),
        )
        areas = list(enumerate(partition(district.ground, station_count)))
        left = dict(areas)
        branches = []
        commanded_by = dict.fromkeys(left, own)
        for branch in (branch for branch in self._city.source.branches if branch.district == district.code):
            seat = Point(branch.location.lon, branch.location.lat)
            nearest = sorted(left, key=lambda index: (left[index].distance(seat), index))[: branch.stations]
            node = self._node(
                f"b-{branch.code}",
                branch.name_zh,
                branch.name_en,
                CenterKind.BRANCH,
                2,
                parent=root,
                ground=unary_union([left[index] for index in nearest]),
                location=branch.location,
                division_code=district.code,
            )
            branches.append(node)
            for index in nearest:
                commanded_by[index] = node
                del left[index]
        stations = [self._station(district, index, area, commanded_by[index]) for index, area in areas]
        return [own, *branches], stations

    def _station(self, district: District, index: int, area: BaseGeometry, parent: Node) -> Node:
        spot = area.representative_point()
        street = district.streets[index % len(district.streets)]
        return self._node(
            f"s-{district.code}-{index + 1:02d}",
            f"{street}派出所",
            f"{district.name_en} Station {index + 1}",
            CenterKind.STATION,
            3,
            parent=parent,
            ground=area,
            division_code=district.code,
            location=GeoPoint(lon=round(spot.x, 6), lat=round(spot.y, 6)),
        )

    def _node(
        self,
        code: str,
        name_zh: str,
        name_en: str,
        kind: CenterKind,
        level: int,
        *,
        parent: Node | None = None,
        ground: BaseGeometry | None = None,
        agency: str | None = None,
        division_code: str | None = None,
        location: GeoPoint | None = None,
    ) -> Node:
        center_id = identifiers.center_id(self._code, code)
        center = CenterEstablished(
            city=self._code,
            code=code,
            name_zh=name_zh,
            name_en=name_en,
            kind=kind,
            level=level,
            parent_id=parent.id if parent else None,
            path=(*(parent.center.path if parent else ()), center_id),
            agency=agency,
            valid_from=self._city.source.valid_from,
            division_code=division_code or self._city.source.division_code,
            location=location or self._city.source.center,
            area=polygons_of(ground) if ground is not None else (),
        )
        return Node(center, center_id, ground, division_code or "")

    def _sites(self, stations: list[Node]) -> Iterator[tuple[UUID, SiteBuilt]]:
        """Sites of all phases, spread over the stations by the density of their districts."""
        source = self._city.source
        weights = {entry.district: entry.weight for entry in source.density}
        in_district: dict[str, int] = {}
        for node in stations:
            in_district[node.district] = in_district.get(node.district, 0) + 1
        total = sum(phase.sites for phase in source.camera_phases)
        per_station = shares(
            {node.center.code: weights.get(node.district, 1.0) / in_district[node.district] for node in stations}, total
        )
        phases = chain.from_iterable([phase] * phase.sites for phase in source.camera_phases)
        places = [
            (node, number, spot)
            for node in stations
            for number, spot in enumerate(spots(node.ground, per_station[node.center.code]))
        ]
        # Every station grows through all phases: the n-th sites of all stations come before any n+1-th.
        places.sort(key=lambda place: (place[1], place[0].center.code))
        for serial, ((node, number, spot), phase) in enumerate(zip(places, phases, strict=True), start=1):
            code = f"{node.district}-{serial:05d}"
            yield (
                identifiers.site_id(self._code, code),
                SiteBuilt(
                    city=self._code,
                    code=code,
                    site_class=self._site_class(serial),
                    location=GeoPoint(lon=spot.x, lat=spot.y),
                    address=f"{node.center.name_zh.removesuffix('派出所')}{number + 1}号点位",
                    owner=phase.owner,
                    operator=phase.operator,
                    maintainer=phase.maintainer,
                    phase=phase.phase,
                    built_on=phase.built_on,
                    station_id=node.id,
                    path=node.center.path,
                ),
            )

    def _site_class(self, serial: int) -> SiteClass:
        """Classes by share, spread evenly: a point of the golden-ratio sequence falls into one class's interval."""
        point = (serial * 0.61803398874989484820) % 1.0
        upper = 0.0
        for share in self._city.source.site_classes:
            upper += share.share
            if point < upper:
                return share.site_class
        return self._city.source.site_classes[-1].site_class

    def _cameras(
        self, sites: list[tuple[UUID, SiteBuilt]], nodes: dict[UUID, Node]
    ) -> Iterator[tuple[UUID, CameraInstalled]]:
        """One camera a site; main junctions get a second one, in order, until the wanted number is reached."""
        extra = self._city.source.cameras - len(sites)
        junctions = [site for site in sites if site[1].site_class is SiteClass.MAIN_JUNCTION][:extra]
        assert len(junctions) == extra, "more second cameras wanted than there are junctions"
        for serial, (site_id, site) in enumerate(chain(sites, junctions), start=1):
            level_two = nodes[site.path[1]].center.code
            code = f"{site.code[:6]}0000132{serial:07d}"
            mac = ":".join(f"{byte:02x}" for byte in (0x02, 0x51, 0x01, *serial.to_bytes(3, "big")))
            yield (
                identifiers.camera_id(self._code, code),
                CameraInstalled(
                    city=self._code,
                    code=code,
                    site_id=site_id,
                    label=site.address or code,
                    location=site.location,
                    bearing_deg=float(serial * 137 % 360),
                    range_m=CAMERA_RANGE_M,
                    gateway=f"gw-{level_two}",
                    aliases=(f"{mac}/1", f"cam_{serial:05d}"),
                    station_id=site.station_id,
                    path=site.path,
                ),
            )

    def _at(self, nodes: list[Node], placement: Placement) -> Iterator[Node]:
        kinds = {
            "city": (CenterKind.CITY,),
            "level_two": (CenterKind.DISTRICT, CenterKind.BRANCH),
            "station": (CenterKind.STATION,),
            "functional": (CenterKind.FUNCTIONAL,),
        }[placement]
        return (node for node in nodes if node.center.kind in kinds)

    def _units(self, nodes: list[Node]) -> Iterator[tuple[UUID, UnitRegistered]]:
        for wanted in self._city.source.units:
            places = self._at(nodes, wanted.at)
            for node in places:
                if wanted.at == "functional" and node.center.agency != wanted.agency:
                    continue
                for number in range(1, wanted.count + 1):
                    call_sign = f"{wanted.agency}-{wanted.kind.value}-{node.center.code}-{number}"[:50]
                    yield (
                        identifiers.unit_id(self._code, call_sign),
                        UnitRegistered(
                            city=self._code,
                            call_sign=call_sign,
                            agency=wanted.agency,
                            base=node.ownership,
                            kind=wanted.kind,
                            skills=wanted.skills,
                            home=node.center.location,
                        ),
                    )

    def _operators(self, nodes: list[Node]) -> Iterator[tuple[UUID, OperatorEnrolled]]:
        numbers: dict[str, int] = {}
        for wanted in self._city.source.operators:
            for node in self._at(nodes, wanted.at):
                for _ in range(wanted.count):
                    number = numbers[node.center.code] = numbers.get(node.center.code, 0) + 1
                    login = f"{node.center.code}.{number:02d}"
                    yield (
                        identifiers.operator_id(self._code, login),
                        OperatorEnrolled(
                            city=self._code,
                            login=login,
                            roles=wanted.roles,
                            center_id=node.id,
                            agency=node.center.agency,
                        ),
                    )
