"""A foreign map becomes a network.

In: a :class:`~shadowlab.topology.foreign.drawing.ForeignMap` and options.  Out: a
:class:`~shadowlab.model.network.Network` whose ``derived`` lists every value the map did not state, and why it is what
it is.  Never: a fault held back because another was found first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from shadowlab.errors import Fault, InputError
from shadowlab.model.impairment import DEFAULT_MTU, DEFAULT_QUEUE_PACKETS, Impairment
from shadowlab.model.network import Demand, Demands, Derived, Link, Network, Node, NodeKind
from shadowlab.model.units import format_duration, format_rate
from shadowlab.topology.foreign.drawing import SITE, ForeignLink, ForeignMap, ForeignNode, Traits
from shadowlab.topology.foreign.link_speed import HIGHEST_BPS
from shadowlab.topology.foreign.names import LONGEST, UniqueNames, safe_name
from shadowlab.topology.foreign.options import MapOptions
from shadowlab.topology.geography import fibre_delay_ns, great_circle_km
from shadowlab.topology.native_rules import checked_address
from shadowlab.topology.pieces import describe_pieces, pieces

ACCESS_DELAY_NS = 100_000
"""Of the link between an attached instance and its router.  Its rate is unlimited."""
SEGMENT_DELAY_NS = 50_000
"""Of a port of a LAN, so that crossing one takes as long as an access link."""
_ROUTER_NAME = 16
"""The longest name of a router that instances are attached to, so that theirs stay within 40 characters."""
_NS_PER_METRIC = 10_000
_LONGEST_NS = 24 * 3600 * 10**9


def resolve(drawn: ForeignMap, options: MapOptions) -> Network:
    """The network.  Raises InputError with every fault of the map."""
    faults = list(_faults(drawn))
    if faults:
        raise InputError(*faults)
    return _Resolver(drawn, options).network()


def _faults(drawn: ForeignMap) -> Iterator[Fault]:
    yield from drawn.faults
    if not drawn.nodes and not drawn.faults:
        yield Fault(place=drawn.place, message="the map has no node")
    seen: dict[str, ForeignNode] = {}
    owners: dict[str, str] = {}
    for node in drawn.nodes:
        if node.key in seen:
            yield Fault(place=node.place, message=f"node `{node.key[:60]}` is defined twice")
        seen.setdefault(node.key, node)
        for text in node.addresses:
            try:
                checked_address(text)
            except ValueError as error:
                yield Fault(place=node.place, message=f"node `{node.key[:60]}`: {error}")
            if owners.setdefault(text, node.key) != node.key:
                message = f"address {text[:45]} of node `{node.key[:60]}` belongs to node `{owners[text][:60]}` already"
                yield Fault(place=node.place, message=message)
    for link in drawn.links:
        for end in (link.a, link.b):
            if end not in seen:
                message = f"a link leads to `{end[:60]}`, which is not a node of this map"
                yield Fault(place=link.place, message=message)
    for demand in drawn.demands:
        for end in (demand.a, demand.b):
            if end not in seen:
                message = f"a demand has the end `{end[:60]}`, which is not a node of this map"
                yield Fault(place=demand.place, message=message)


class _Resolver:
    """Turns a map whose references hold into a network, noting what it derives."""

    def __init__(self, drawn: ForeignMap, options: MapOptions) -> None:
        self._drawn, self._options = drawn, options
        self._derived = [Derived(subject=one, value=value, origin=origin) for one, value, origin in drawn.notes]
        self._names, self._faults = UniqueNames(), list[Fault]()
        self._hosts_per_router = 0

    def network(self) -> Network:
        kept = self._kept()
        kinds = self._kinds(kept)
        if self._options.hosts_per_router is not None:
            self._hosts_per_router = self._options.hosts_per_router
        else:
            self._hosts_per_router = 0 if "host" in kinds.values() else 1
        nodes = {node.key: self._node(node, kinds[node.key]) for node in self._drawn.nodes if node.key in kept}
        links = [self._link(link, nodes[link.a], nodes[link.b]) for link in self._drawn.links if link.a in kept]
        found, made = list(nodes.values()), [link for link in links if link is not None]
        for router in [node for node in found if node.kind == "router"]:
            for number in range(1, self._hosts_per_router + 1):
                host, access = self._host(router, number)
                found.append(host)
                made.append(access)
        demands = self._demands(nodes)
        if self._faults:
            raise InputError(*self._faults)
        try:
            return Network(
                name=safe_name(self._drawn.title) or "map",
                nodes=tuple(found),
                links=tuple(made),
                rate_scale=self._options.rate_scale,
                derived=tuple(self._derived),
                ipv6=any(":" in address for node in found for address in node.addresses),
                demands=demands,
            )
        except ValueError as error:
            raise InputError(Fault(place=self._drawn.place, message=str(error))) from error

    def _demands(self, nodes: Mapping[str, Node]) -> Demands:
        """One for each pair, in the order of the map."""
        sums: dict[tuple[str, str], float] = {}
        apart = itself = several = 0
        for one in self._drawn.demands:
            if one.a not in nodes or one.b not in nodes:
                apart += 1
            elif one.a == one.b or "segment" in (nodes[one.a].kind, nodes[one.b].kind):
                itself += 1
            else:
                pair = (nodes[one.a].id, nodes[one.b].id)
                several += pair in sums
                sums[pair] = sums.get(pair, 0.0) + one.value
        for count, words, origin in (
            (apart, "demands left out", "an end is not joined to the largest piece"),
            (itself, "demands left out", "from a node to itself, or of a LAN"),
            (several, "demands added to another one", "between the same nodes"),
        ):
            if count:
                self._note("map", f"{words}: {count}", origin)
        return Demands(
            unit=self._drawn.demand_unit if sums else "",
            between=tuple(Demand(source=a, target=b, value=value) for (a, b), value in sums.items()),
        )

    def _note(self, subject: str, value: str, origin: str) -> None:
        self._derived.append(Derived(subject=subject, value=value, origin=origin))

    def _kept(self) -> frozenset[str]:
        labels = {node.key: node.label for node in self._drawn.nodes}
        found = pieces(labels, [(link.a, link.b) for link in self._drawn.links])
        if len(found) > 1:
            if not self._options.largest_component:
                named = [[_called(labels[one], one) for one in piece] for piece in found]
                message = f"{describe_pieces(named)}; join them, or go on with the largest piece: --largest-component"
                raise InputError(Fault(place=self._drawn.place, message=message))
            left = sum(map(len, found[1:]))
            self._note("map", f"nodes left out: {left}", "not joined to the largest piece")
        return frozenset(found[0])

    def _kinds(self, kept: frozenset[str]) -> dict[str, NodeKind]:
        degree = Counter(end for link in self._drawn.links for end in {link.a, link.b} if link.a != link.b)
        kinds: dict[str, NodeKind] = {
            node.key: node.kind or ("host" if self._drawn.leaves_are_hosts and degree[node.key] <= 1 else "router")
            for node in self._drawn.nodes
            if node.key in kept
        }
        for link in self._drawn.links:
            if link.a in kept and link.a != link.b and kinds[link.a] == kinds[link.b] == "segment":
                kinds[link.b] = "router"
                self._note(f"node {link.b}", "router", f"a LAN joined to another one, {link.a}")
        return kinds

    def _node(self, node: ForeignNode, kind: NodeKind) -> Node:
        longest = _ROUTER_NAME if kind == "router" and self._hosts_per_router else LONGEST
        key = f"n{node.key}" if node.key.isdigit() else node.key
        wanted = safe_name(node.name) or safe_name(node.label, longest) or safe_name(key, longest)
        name = self._names.name(wanted or "n", LONGEST if node.name else longest)
        if name != (node.name or node.label or node.key):
            self._note(f"node {name}", f"name {name}", f"made from {_label_and_key(node)}")
        if node.kind is None and self._drawn.leaves_are_hosts:
            self._note(f"node {name}", kind, "it has one link" if kind == "host" else "it has several links")
        elif node.kind_origin:
            self._note(f"node {name}", kind, node.kind_origin)
        if node.note:
            self._note(f"node {name}", node.note, "the map says so")
        known = node.latitude is not None and node.longitude is not None
        return Node(
            id=name,
            kind=kind,
            label=node.label if node.label != name else "",
            addresses=node.addresses,
            latitude=node.latitude if known else None,
            longitude=node.longitude if known else None,
        )

    def _link(self, link: ForeignLink, a: Node, b: Node) -> Link | None:
        if a.id == b.id:
            self._note(f"link {a.id}-{b.id}", "left out", "leads from a node to itself")
            return None
        name = self._names.name(safe_name(link.name) or f"{a.id}-{b.id}")
        try:
            forward = self._impairment(name, link, link.forward, a, b)
            backward = forward
            if link.backward is not None:
                backward = self._impairment(name, link, link.backward, b, a, way=f", {b.id} to {a.id}")
            metric = self._metric(name, link, forward)
            return Link(id=name, a=a.id, b=b.id, forward=forward, backward=backward, metric=metric)
        except ValueError as error:
            self._faults.append(Fault(place=link.place, message=f"link `{name}`: {error}"))
            return None

    def _impairment(
        self, name: str, link: ForeignLink, traits: Traits, a: Node, b: Node, *, way: str = ""
    ) -> Impairment:
        subject = f"link {name}{way}"
        _check_bounds(traits)
        found = Impairment(
            delay_ns=self._delay(subject, link, traits, a, b),
            jitter_ns=traits.jitter_ns or 0,
            rate_bps=self._rate(subject, traits, a, b),
            queue_packets=traits.queue_packets or DEFAULT_QUEUE_PACKETS,
            mtu=traits.mtu or DEFAULT_MTU,
        )
        for field, value in (
            ("jitter_ns", f"jitter {format_duration(found.jitter_ns)}"),
            ("loss", f"loss {traits.loss}"),
            ("queue_packets", f"queue {found.queue_packets} packets"),
            ("mtu", f"MTU {found.mtu}"),
        ):
            if origin := traits.origins.get(field):
                self._note(subject, value, origin)
        for words in traits.unread:
            self._note(subject, "left out", words)
        if traits.queue_packets is None:
            self._note(subject, f"queue {DEFAULT_QUEUE_PACKETS} packets", "default")
        return (found.with_loss(traits.loss) if traits.loss else found).check()

    def _delay(self, subject: str, link: ForeignLink, traits: Traits, a: Node, b: Node) -> int:
        if traits.delay_ns is not None:
            delay, origin = traits.delay_ns, traits.origins.get("delay_ns", "")
        elif link.length_km is not None:
            delay, origin = fibre_delay_ns(link.length_km), f"{link.length_km:.4g} km at 5 µs/km"
        elif a.latitude is None or a.longitude is None or b.latitude is None or b.longitude is None:
            if "segment" in (a.kind, b.kind):
                self._note(subject, f"delay {format_duration(SEGMENT_DELAY_NS)}", "default port of a LAN")
                return SEGMENT_DELAY_NS
            missing = ", as coordinates are missing" if self._has_coordinates else ""
            delay, origin = self._drawn.defaults.delay_ns, self._drawn.defaults.why + missing
        elif (a.latitude, a.longitude) == (b.latitude, b.longitude):
            delay, origin = SITE.delay_ns, f"{SITE.why}, as both ends are at one place"
        else:
            kilometres = great_circle_km((a.latitude, a.longitude), (b.latitude, b.longitude))
            delay, origin = fibre_delay_ns(kilometres), f"{kilometres:.0f} km along the great circle at 5 µs/km"
        if origin:
            self._note(subject, f"delay {format_duration(delay)}", origin)
        return delay

    @property
    def _has_coordinates(self) -> bool:
        return any(node.latitude is not None for node in self._drawn.nodes)

    def _rate(self, subject: str, traits: Traits, a: Node, b: Node) -> int | None:
        if traits.unlimited:
            return None
        if traits.rate_bps is not None:
            speed: int | None = traits.rate_bps
            origin = traits.origins.get("rate_bps", "")
        elif {a.kind, b.kind} & {"host", "segment"}:
            speed, origin = None, "default, as the map states no readable speed"
        else:
            speed, origin = (
                self._drawn.defaults.rate_bps,
                f"{self._drawn.defaults.why}, as the map states no readable speed",
            )
        scale = self._options.rate_scale
        rate = None if speed is None else max(1, round(speed / scale))
        if rate is not None and scale != 1:
            origin = f"{origin or 'as stated'}, divided by {scale:g}"
        if origin:
            self._note(subject, f"rate {format_rate(rate)}" if rate is not None else "rate unlimited", origin)
        return rate

    def _metric(self, name: str, link: ForeignLink, forward: Impairment) -> int:
        """What the map states; else ten microseconds of delay (two kilometres) count one, so that traffic takes the
        shortest fibre."""
        if link.metric is not None:
            return link.metric
        metric = max(1, round(forward.delay_ns / _NS_PER_METRIC))
        self._note(f"link {name}", f"metric {metric}", "one for every 10 µs of delay")
        return metric

    def _host(self, router: Node, number: int) -> tuple[Node, Link]:
        name = self._names.name(f"{router.id}-vm{number}")
        host = Node(id=name, kind="host", label=f"instance {number} at {router.label or router.id}")
        self._note(f"node {name}", "instance", f"attached to {router.id}; the map has no instances")
        access = Impairment(delay_ns=ACCESS_DELAY_NS)
        link = Link(id=self._names.name(f"{name}-{router.id}"), a=name, b=router.id, forward=access, backward=access)
        self._note(
            f"link {link.id}", f"delay {format_duration(ACCESS_DELAY_NS)}, rate unlimited", "default access link"
        )
        return host, link


def _check_bounds(traits: Traits) -> None:
    """Raises ValueError for what no link has: a slip in the map, and beyond what can be counted with."""
    if traits.rate_bps is not None and not 0 < traits.rate_bps <= HIGHEST_BPS:
        raise ValueError(f"a rate must lie between 1 bit/s and {format_rate(HIGHEST_BPS)}")
    for what, value in (("delay", traits.delay_ns), ("jitter", traits.jitter_ns)):
        if value is not None and not 0 <= value <= _LONGEST_NS:
            raise ValueError(f"a {what} must lie between 0 and {format_duration(_LONGEST_NS)}")


def _called(label: str, key: str) -> str:
    return f"{label or 'node'} ({key})" if label != key else key


def _label_and_key(node: ForeignNode) -> str:
    return f"the label '{node.label[:60]}' of node {node.key[:40]}" if node.label else f"the name '{node.key[:60]}'"
