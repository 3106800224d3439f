"""GraphML as the Internet Topology Zoo writes it.

In: the bytes of a map.  Out: a :class:`~shadowlab.model.network.Network` of routers, with instances attached on
request, and an entry in ``Network.derived`` for every value the map did not state.  Never: a fault held back because
another was found first.

The Zoo states where nodes are (``Latitude``, ``Longitude``), sometimes how fast links are, and neither delays nor
instances.  Delays follow from the distance; what cannot be derived takes the constants below.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from shadowlab.errors import Fault, InputError
from shadowlab.model.impairment import DEFAULT_QUEUE_PACKETS, Impairment
from shadowlab.model.network import Derived, Link, Network, Node
from shadowlab.model.units import format_duration, format_rate
from shadowlab.topology.compose import decode_text
from shadowlab.topology.geography import fibre_delay_ns, great_circle_km
from shadowlab.topology.graphml_document import Element, Graph, parse_graphml
from shadowlab.topology.link_speed import link_speed
from shadowlab.topology.pieces import describe_pieces, pieces

DEFAULT_RATE_BPS = 10_000_000_000
"""Of a link whose speed the map does not say readably."""
DEFAULT_DELAY_NS = 1_000_000
"""Of a link one of whose ends has no coordinates: 200 km."""
ACCESS_DELAY_NS = 100_000
"""Of the link between an attached instance and its router.  Its rate is unlimited."""

_LONGEST_NAME = 16
"""Of a node, so that the names of its instances and links stay within 40 characters."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._]+")


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """What to do where a format says nothing of instances, of scale, or of pieces.

    ``rate_scale`` divides every rate; ``largest_component`` leaves out all other pieces of a map that does not hang
    together, instead of refusing it.
    """

    hosts_per_router: int = 1
    largest_component: bool = False
    rate_scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.hosts_per_router <= 100:
            raise ValueError(f"hosts per router must lie between 0 and 100, got {self.hosts_per_router}")
        if not 0 < self.rate_scale < float("inf"):
            raise ValueError(f"the rate scale must be above zero, got {self.rate_scale:g}")


def read_graphml(text: bytes, *, name: str, options: MapOptions | None = None) -> Network:
    """The network a GraphML map describes.  Raises InputError with all faults; ``name`` is what they call the file."""
    graph = parse_graphml(decode_text(text, name=name), name=name)
    faults = list(_faults(graph))
    if faults:
        raise InputError(*faults)
    return _Resolver(graph, options or MapOptions(), name).network()


def _faults(graph: Graph) -> Iterator[Fault]:
    if graph.directed:
        message = 'the graph is directed, but links lead both ways: write edgedefault="undirected"'
        yield Fault(place=graph.place, message=message)
    if not graph.nodes:
        yield Fault(place=graph.place, message="the graph has no node")
    seen: set[str] = set()
    for node in graph.nodes:
        node_id = node.attributes.get("id")
        if node_id is None:
            yield Fault(place=node.place, message="a node has no id")
        elif node_id in seen:
            yield Fault(place=node.place, message=f"node `{node_id}` is defined twice")
        else:
            seen.add(node_id)
        for key, limit in (("Latitude", 90.0), ("Longitude", 180.0)):
            if node.data.get(key) and _degrees(node, key, limit) is None:
                message = f"{key} of node `{node_id}` must be a number from -{limit:g} to {limit:g}"
                yield Fault(place=node.place, message=f"{message}, got '{node.data[key][:40]}'")
    for edge in graph.edges:
        for side in ("source", "target"):
            end = edge.attributes.get(side)
            if end is None:
                yield Fault(place=edge.place, message=f"a link has no {side}")
            elif end not in seen:
                message = f"a link leads to `{end}`, which is not a node of this map"
                yield Fault(place=edge.place, message=message)


def _degrees(node: Element, key: str, limit: float) -> float | None:
    try:
        value = float(node.data.get(key, ""))
    except ValueError:
        return None
    return value if -limit <= value <= limit else None


def safe_name(label: str, longest: int = _LONGEST_NAME) -> str:
    """Letters, digits, ``.``, ``_`` and ``-`` only, accents dropped, at most ``longest`` of them; may be empty."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("-", plain).strip("-.")[:longest].rstrip("-.")


class _Unique:
    """Names in use; a name wanted again gets a number."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, wanted: str, longest: int) -> str:
        name, count = wanted[:longest], 1
        while name in self._taken:
            count += 1
            suffix = f"-{count}"
            name = wanted[: longest - len(suffix)] + suffix
        self._taken.add(name)
        return name


class _Resolver:
    """Turns a graph without faults into a network, noting what it derives."""

    def __init__(self, graph: Graph, options: MapOptions, name: str) -> None:
        self._options = options
        self._graph, self._file = graph, name
        self._derived: list[Derived] = []
        self._names = _Unique()

    def network(self) -> Network:
        kept = self._kept()
        routers = {
            node.attributes["id"]: self._router(node) for node in self._graph.nodes if node.attributes["id"] in kept
        }
        links: list[Link] = []
        for edge in self._graph.edges:
            ends = [edge.attributes[side] for side in ("source", "target")]
            if ends[0] in kept:
                links.extend(self._link(edge, routers[ends[0]], routers[ends[1]]))
        nodes = list(routers.values())
        for router in routers.values():
            for number in range(1, self._options.hosts_per_router + 1):
                host, access = self._host(router, number)
                nodes.append(host)
                links.append(access)
        title = self._graph.data.get("Network") or self._graph.data.get("label") or self._file.rpartition("/")[2]
        return Network(
            name=safe_name(title.removesuffix(".graphml"), 40) or "map",
            nodes=tuple(nodes),
            links=tuple(links),
            rate_scale=self._options.rate_scale,
            derived=tuple(self._derived),
        )

    def _note(self, subject: str, value: str, origin: str) -> None:
        self._derived.append(Derived(subject=subject, value=value, origin=origin))

    def _kept(self) -> frozenset[str]:
        labels = {node.attributes["id"]: node.data.get("label", "") for node in self._graph.nodes}
        pairs = [(edge.attributes["source"], edge.attributes["target"]) for edge in self._graph.edges]
        found = pieces(labels, pairs)
        if len(found) > 1:
            if not self._options.largest_component:
                named = [[f"{labels[one] or 'node'} ({one})" for one in piece] for piece in found]
                message = f"{describe_pieces(named)}; join them, or ask for the largest piece only"
                raise InputError(Fault(place=self._graph.place, message=message))
            left = sum(map(len, found[1:]))
            self._note("map", f"nodes left out: {left}", "not joined to the largest piece")
        return frozenset(found[0])

    def _router(self, node: Element) -> Node:
        label, zoo_id = node.data.get("label", ""), node.attributes["id"]
        name = self._names.name(safe_name(label) or safe_name(f"n{zoo_id}") or "n", _LONGEST_NAME)
        if name != label:
            self._note(f"node {name}", f"name {name}", f"made from the label '{label}' of node {zoo_id}")
        latitude, longitude = _degrees(node, "Latitude", 90.0), _degrees(node, "Longitude", 180.0)
        if latitude is None or longitude is None:
            latitude = longitude = None
        return Node(id=name, kind="router", label=label, latitude=latitude, longitude=longitude)

    def _link(self, edge: Element, a: Node, b: Node) -> Iterator[Link]:
        if a.id == b.id:
            self._note(f"link {a.id}-{b.id}", "left out", "leads from a node to itself")
            return
        name = self._names.name(f"{a.id}-{b.id}", 40)
        impairment = Impairment(delay_ns=self._delay(name, a, b), rate_bps=self._rate(name, edge))
        self._note(f"link {name}", f"queue {DEFAULT_QUEUE_PACKETS} packets", "default")
        yield Link(
            id=name, a=a.id, b=b.id, forward=impairment, backward=impairment, metric=self._metric(name, impairment)
        )

    def _delay(self, name: str, a: Node, b: Node) -> int:
        if a.latitude is None or a.longitude is None or b.latitude is None or b.longitude is None:
            delay, origin = DEFAULT_DELAY_NS, "default, as coordinates are missing"
        else:
            kilometres = great_circle_km((a.latitude, a.longitude), (b.latitude, b.longitude))
            delay, origin = fibre_delay_ns(kilometres), f"{kilometres:.0f} km along the great circle at 5 µs/km"
        self._note(f"link {name}", f"delay {format_duration(delay)}", origin)
        return delay

    def _rate(self, name: str, edge: Element) -> int:
        speed, origin = link_speed(edge.data) or (DEFAULT_RATE_BPS, "default, as the map states no readable speed")
        rate = max(1, round(speed / self._options.rate_scale))
        if origin or self._options.rate_scale != 1:
            scaled = f", divided by {self._options.rate_scale:g}" if self._options.rate_scale != 1 else ""
            self._note(f"link {name}", f"rate {format_rate(rate)}", (origin or "LinkSpeedRaw") + scaled)
        return rate

    def _metric(self, name: str, impairment: Impairment) -> int:
        """Ten microseconds of delay (two kilometres) count one, so that traffic takes the shortest fibre."""
        metric = max(1, round(impairment.delay_ns / 10_000))
        self._note(f"link {name}", f"metric {metric}", "one for every 10 µs of delay")
        return metric

    def _host(self, router: Node, number: int) -> tuple[Node, Link]:
        name = self._names.name(f"{router.id}-vm{number}", 40)
        host = Node(id=name, kind="host", label=f"instance {number} at {router.label or router.id}")
        self._note(f"node {name}", "instance", f"attached to {router.id}; the map has no instances")
        access = Impairment(delay_ns=ACCESS_DELAY_NS)
        link = Link(
            id=self._names.name(f"{name}-{router.id}", 40), a=name, b=router.id, forward=access, backward=access
        )
        self._note(
            f"link {link.id}", f"delay {format_duration(ACCESS_DELAY_NS)}, rate unlimited", "default access link"
        )
        return host, link
