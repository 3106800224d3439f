"""What happens in production, drawn from a seed: sixteen kinds, of which four are no fault of any link.

In: a ground, a kind, a seed.  Out: a case: events and other changes, more traffic, and the truth.  Never: a run.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.faulted.places import MS, TRUNK_BPS, Ground, ground
from shadowlab.lab.events.event import Event
from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Direction, Link
from shadowlab.model.traffic.distribution import constant
from shadowlab.model.traffic.workload import Incast, Workload
from shadowlab.topology.routing import intended_way
from shadowlab.traffic.engine import FIRST_SOURCE_PORT

SECOND = 1_000_000_000
DURATION_NS = 66 * SECOND
BASELINE_NS = (5 * SECOND, 25 * SECOND)
_HEADERS = 1.06
_ONSET_S = (27.0, 33.0)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What no model of a link knows: a filter where ``direction`` leaves, as ``tc`` words after the device."""

    at_ns: int
    direction: Direction
    words: str


@dataclass(frozen=True, kw_only=True)
class Loop:
    """From ``at_ns`` on the target of ``way`` sends what is for ``destination`` back."""

    at_ns: int
    way: Direction
    destination: str


@dataclass(frozen=True, kw_only=True)
class Truth:
    """``parts`` are the faulty components: for each the links of it, one for most kinds; empty where nothing is at
    fault.  ``types`` are the names of a fault that are right.  ``label`` is what a node or group is called.  ``size``
    says how large it is."""

    kind: str
    onset_ns: int
    parts: tuple[tuple[str, ...], ...] = ()
    types: tuple[str, ...] = ()
    label: str = ""
    size: Mapping[str, float] = field(default_factory=dict)
    way: str = ""
    least_bps: float = 0.0
    """Nothing happens where ``way`` carried less before: flows that are spread may all have gone another one."""

    @property
    def links(self) -> frozenset[str]:
        """Of all parts."""
        return frozenset(link for part in self.parts for link in part)


@dataclass(frozen=True, kw_only=True)
class Case:
    """The hidden part of a case; ``ground`` with the groups of the map is known to both sides."""

    name: str
    seed: int
    ground: Ground
    truth: Truth
    events: tuple[Event, ...] = ()
    filters: tuple[Filter, ...] = ()
    loops: tuple[Loop, ...] = ()
    workloads: tuple[Workload, ...] = ()
    duration_ns: int = DURATION_NS


def draw(topology: str, kind: str, seed: int) -> Case:
    """The case of this seed.  Raises KeyError for an unknown topology or kind."""
    place = ground(topology, seed)
    chance = random.Random(f"fault {topology} {kind} {seed}")
    start = round(chance.uniform(*_ONSET_S) * SECOND)
    case = KINDS[kind](_Drawing(place, chance, kind, seed, start))
    return replace(case, truth=replace(case.truth, kind=kind))


class _Drawing:
    """What the kinds draw from."""

    def __init__(self, place: Ground, chance: random.Random, kind: str, seed: int, start: int) -> None:
        self.place, self.chance, self.seed, self.start, self.kind = place, chance, seed, start, kind
        self.load: Counter[Direction] = Counter()
        self.users: dict[Direction, list[FlowSpec]] = {}
        for flow in place.flows:
            for direction in intended_way(place.network, flow.source, flow.target).directions:
                self.load[direction] += flow.rate_bps or 0
                self.users.setdefault(direction, []).append(flow)

    def used(self) -> list[Direction]:
        """Directions of trunks that data crosses, in a drawn order."""
        trunks = {one.id for one in self.place.trunks}
        found = sorted(one for one in self.users if one.link in trunks)
        self.chance.shuffle(found)
        return found

    def busy(self) -> Direction:
        """One of the third of the used directions that carry most."""
        found = sorted(self.used(), key=lambda one: -self.load[one])
        return self.chance.choice(found[: max(1, len(found) // 3)])

    def share(self, least: float, most: float) -> float:
        """Evenly on a logarithmic scale."""
        return float(least * (most / least) ** self.chance.random())

    def degrade(self, link: str, stated: Mapping[str, Any], *, towards: str = "", after_ns: int = 0) -> Event:
        return Event(at_ns=self.start + after_ns, kind="degrade", name=link, towards=towards, stated=stated)

    def case(self, links: tuple[str, ...], types: tuple[str, ...], size: Mapping[str, float], **more: Any) -> Case:
        """Of one component."""
        parts = (links,) if links else ()
        label = more.pop("label", "")
        parts = more.pop("parts", parts)
        place = more.pop("ground", self.place)
        way, least_bps = more.pop("binding", ("", 0.0))
        truth = Truth(kind=self.kind, onset_ns=self.start, parts=parts, types=types, label=label, size=size,
                      way=str(way), least_bps=least_bps)  # fmt: skip
        name = f"{self.place.name} {self.kind} {self.seed}"
        return Case(name=name, seed=self.seed, ground=place, truth=truth, **more)

    def link(self, direction: Direction) -> Link:
        return self.place.network.links_by_id[direction.link]

    def delay_ns(self, direction: Direction) -> int:
        return self.place.network.impairment(direction).delay_ns


def _random(d: _Drawing) -> Case:
    way, loss = d.used()[0], d.share(0.005, 0.05)
    return d.case((way.link,), ("loss",), {"loss": loss}, events=(d.degrade(way.link, {"loss": loss}),))


def _gray(d: _Drawing) -> Case:
    """An eighth of the source ports that use the link, as a bad member of a bundle has them; of their packets one in
    sixteen, one in four, or every one is lost."""
    way = d.busy()
    flow = d.chance.choice(d.users[way])
    earlier = d.place.flows[: d.place.flows.index(flow)]
    port = FIRST_SOURCE_PORT + sum(one.source == flow.source for one in earlier)
    mask = d.chance.choice((0x000F, 0x0003, 0))
    words = f"protocol ip u32 match u16 {port & 7:#06x} 0x0007 at 20"
    words += f" match u16 0x0000 {mask:#06x} at 4 action drop" if mask else " action drop"
    size = {"loss": 1 / (mask + 1), "share of ports": 1 / 8}
    one = Filter(at_ns=d.start, direction=way, words=words)
    return d.case((way.link,), ("loss", "black hole"), size, filters=(one,))


def _delay(d: _Drawing) -> Case:
    way, more = d.used()[0], round(d.share(2, 30) * MS)
    stated = {"delay": d.delay_ns(way) + more}
    return d.case((way.link,), ("delay",), {"delay_ms": more / MS}, events=(d.degrade(way.link, stated),))


def _asymmetric(d: _Drawing) -> Case:
    way = d.used()[0]
    if d.chance.random() < 0.5:
        loss = d.share(0.01, 0.05)
        event = d.degrade(way.link, {"loss": loss}, towards=way.target)
        return d.case((way.link,), ("loss",), {"loss": loss}, events=(event,))
    more = round(d.share(3, 30) * MS)
    event = d.degrade(way.link, {"delay": d.delay_ns(way) + more}, towards=way.target)
    return d.case((way.link,), ("delay",), {"delay_ms": more / MS}, events=(event,))


def _capacity(d: _Drawing) -> Case:
    """The line negotiates down: less than its flows ask for."""
    way = d.busy()
    share = d.chance.uniform(0.5, 0.85)
    stated = {"rate": round(d.load[way] * _HEADERS * share)}
    event = d.degrade(way.link, stated, towards=way.target)
    types = ("capacity", "loss and delay", "delay")
    binding = (way, stated["rate"])
    return d.case((way.link,), types, {"of what is asked": share}, events=(event,), binding=binding)


def _bufferbloat(d: _Drawing) -> Case:
    """A greedy connection keeps the line full from the start; then its buffer is ten times as long, or three packets
    short (a queue discipline set wrong)."""
    way = d.busy()
    flow = d.chance.choice(d.users[way])
    greedy = FlowSpec(id="greedy", source=flow.source, target=flow.target, flow_class="greedy")
    rate = {"rate": round(d.load[way] * _HEADERS + 1_500_000)}
    before = [replace(d.degrade(way.link, rate, towards=way.target), at_ns=0)]
    packets = d.chance.choice((400, 3))
    event = d.degrade(way.link, {"queue": packets}, towards=way.target)
    types = ("queue", "delay") if packets > 40 else ("queue", "loss")
    place = replace(d.place, flows=(*d.place.flows, greedy), network=_stated(d.place, before[0]))
    return d.case((way.link,), types, {"queue_packets": packets}, events=(event,), ground=place,
                  binding=(way, 0.8 * rate["rate"]))  # fmt: skip


def _stated(place: Ground, event: Event) -> Any:
    """The map with what an event states: the line was so from the start, and the map knows it."""
    link = place.network.links_by_id[event.name]
    way = next(one for one in link.directions if one.target == event.towards)
    return place.network.with_links(
        link.with_impairment(way, replace(link.impairment(way), rate_bps=int(event.stated["rate"])))
    )


def _policer(d: _Drawing) -> Case:
    way = d.busy()
    share = d.chance.uniform(0.5, 0.85)
    rate = round(d.load[way] * _HEADERS * share)
    words = f"protocol ip matchall action police rate {rate}bit burst 8k conform-exceed drop/ok"
    one = Filter(at_ns=d.start, direction=way, words=words)
    size = {"of what is asked": share}
    return d.case((way.link,), ("loss", "capacity"), size, filters=(one,), binding=(way, rate))


def _black_hole(d: _Drawing) -> Case:
    """Everything that crosses one direction is lost, and routing does not see it."""
    way = d.used()[0]
    event = d.degrade(way.link, {"loss": 1.0}, towards=way.target)
    return d.case((way.link,), ("black hole",), {"loss": 1.0}, events=(event,))


def _loop(d: _Drawing) -> Case:
    """Two routers send what is for one host to each other."""
    way = d.used()[0]
    flow = d.chance.choice(d.users[way])
    one = Loop(at_ns=d.start, way=way, destination=flow.target)
    return d.case((way.link,), ("loop", "black hole"), {}, loops=(one,))


def _flap(d: _Drawing) -> Case:
    way = d.used()[0]
    period = round(d.chance.uniform(5, 9) * SECOND)
    end = d.start + 3 * period
    event = Event(at_ns=d.start, kind="flap", name=way.link, period_ns=period,
                  down_ns=round(period * d.chance.uniform(0.3, 0.6)), count=3, until_ns=end)  # fmt: skip
    return d.case((way.link,), ("black hole", "loss"), {"period_s": period / 1e9}, events=(event,))


def _incast(d: _Drawing) -> Case:
    """Many answer one at once: its last link overflows, and nothing is broken."""
    hosts = [one.id for one in d.place.network.hosts]
    aggregator = d.chance.choice(hosts)
    workers = tuple(one for one in hosts if one != aggregator)
    answer = round(d.share(20_000, 80_000))
    job = Incast(name="burst", aggregator=aggregator, workers=workers, response=constant(answer),
                 every_ns=round(d.chance.uniform(0.5, 2) * SECOND), begin_ns=d.start)  # fmt: skip
    return d.case((), (), {"answer_bytes": answer}, workloads=(job,))


def _node(d: _Drawing) -> Case:
    """Every line of a router loses, both ways."""
    routers = Counter(end for one in d.used() for end in (one.source, one.target))
    chosen = d.chance.choice(sorted(one for one, count in routers.items() if count > 2))
    own = tuple(link.id for link in d.place.network.links if chosen in (link.a, link.b))
    loss = d.share(0.01, 0.05)
    events = tuple(d.degrade(link, {"loss": loss}) for link in own)
    return d.case(own, ("loss",), {"loss": loss}, events=events, label=f"node {chosen}")


def _group(d: _Drawing) -> Case:
    """Two or three lines in one duct, which the map names beside another duct that is sound."""
    links = list(dict.fromkeys(one.link for one in d.used()))
    count = min(3 if len(links) > 6 else 2, len(links))
    ducts = {"duct-a": tuple(sorted(links[:count])), "duct-b": tuple(sorted(links[-2:]))}
    loss = d.share(0.01, 0.05)
    network = replace(d.place.network, groups=ducts)
    events = tuple(d.degrade(link, {"loss": loss}) for link in ducts["duct-a"])
    place = replace(d.place, network=network)
    return d.case(ducts["duct-a"], ("loss",), {"loss": loss}, events=events, label="group duct-a", ground=place)


def _two(d: _Drawing) -> Case:
    links = list(dict.fromkeys(one.link for one in d.used()))[:2]
    losses = [d.share(0.01, 0.05) for _ in links]
    later = round(d.chance.uniform(0, 8) * SECOND)
    events = tuple(
        d.degrade(link, {"loss": loss}, after_ns=number * later)
        for number, (link, loss) in enumerate(zip(links, losses, strict=True))
    )
    parts = tuple((link,) for link in links)
    return d.case((), ("loss",), {"loss": min(losses)}, events=events, parts=parts)


def _drift(d: _Drawing) -> Case:
    """All lines grow a little longer, slowly, and demand swings: the network ages, nothing breaks."""
    growth = d.chance.uniform(1.02, 1.08)
    events = [
        Event(at_ns=BASELINE_NS[1] + SECOND, kind="ramp", name=link.id, over_ns=36 * SECOND, steps=36,
              stated={"delay": round(link.forward.delay_ns * growth)})
        for link in d.place.trunks
    ]  # fmt: skip
    events.append(Event(at_ns=d.start, kind="demand", factor=1.2, over_ns=20 * SECOND, steps=20))
    return d.case((), (), {"delay growth": growth - 1}, events=tuple(events))


def _load(d: _Drawing) -> Case:
    """Demand steps up, on a network that can carry it, and down again."""
    top = max(d.load.values()) * _HEADERS / TRUNK_BPS
    factor = d.chance.uniform(1.3, max(1.3, min(2.5, 0.8 / top)))
    up = Event(at_ns=d.start, kind="demand", factor=factor)
    down = Event(at_ns=d.start + 18 * SECOND, kind="demand", factor=d.chance.uniform(0.6, 1.0))
    return d.case((), (), {"factor": factor}, events=(up, down))


def _quiet(d: _Drawing) -> Case:
    return d.case((), (), {})


KINDS: Mapping[str, Callable[[_Drawing], Case]] = {
    "random": _random,
    "gray": _gray,
    "delay": _delay,
    "capacity": _capacity,
    "bufferbloat": _bufferbloat,
    "policer": _policer,
    "blackhole": _black_hole,
    "loop": _loop,
    "flap": _flap,
    "node": _node,
    "asymmetric": _asymmetric,
    "srg": _group,
    "two": _two,
    "incast": _incast,
    "drift": _drift,
    "load": _load,
    "quiet": _quiet,
}
NO_FAULT = ("incast", "drift", "load", "quiet")
HARD = ("blackhole", "loop", "flap")
