"""One node's routes and rules in memory, and the choice among them, as Linux makes it.

In: routes, rules, what interfaces are up and which addresses they have.  Out: the next hop.  Never: a kernel.
Which of several equal-cost hops a flow takes is not Linux' choice, but as steady as that.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from shadowlab.kernel.links import LOOPBACK
from shadowlab.kernel.ports import ANYWHERE, MAIN_TABLE, Flow, Hop, NextHop, Route, Rule
from shadowlab.kernel.routing.tables import route_order
from shadowlab.wire.addresses import AF_INET6, family_of, pack_address

_MAIN_PRIORITY = 32766


class Attached(NamedTuple):
    """What an interface tells the routing: whether it is up, and its addresses with their prefix lengths."""

    up: bool
    addresses: Mapping[str, int]


class Tables:
    """The routes and rules of one node."""

    def __init__(self) -> None:
        self._routes: dict[tuple[int, str, int], Route] = {}
        self._rules: set[Rule] = set()

    def replace(self, route: Route) -> None:
        self._routes[route_order(route)] = route

    def delete(self, destination: str, prefix: int, table: int) -> bool:
        """False: there was none."""
        return self._routes.pop((table, destination, prefix), None) is not None

    def routes(self, attached: Mapping[str, Attached]) -> tuple[Route, ...]:
        """All, without the hops that lead out of what is down."""
        return tuple(one._replace(hops=_living(one, attached)) for _, one in sorted(self._routes.items()))

    def forget_dead(self, attached: Mapping[str, Attached]) -> None:
        """Drop the routes that have lost their last living hop."""
        for key, one in list(self._routes.items()):
            if one.kind == "unicast" and not _living(one, attached):
                del self._routes[key]

    def forget_interface(self, name: str) -> None:
        """An interface was deleted: IPv4 drops every route with a hop there, IPv6 only the hop."""
        for key, one in list(self._routes.items()):
            left = tuple(hop for hop in one.hops if hop.interface != name)
            if left == one.hops:
                continue
            if left and family_of(one.destination) == AF_INET6:
                self._routes[key] = one._replace(hops=left)
            else:
                del self._routes[key]

    def add_rule(self, rule: Rule) -> bool:
        """False: there is such a rule."""
        if rule in self._rules:
            return False
        self._rules.add(rule)
        return True

    def delete_rule(self, rule: Rule) -> bool:
        """False: there was none."""
        if rule not in self._rules:
            return False
        self._rules.remove(rule)
        return True

    def rules(self) -> tuple[Rule, ...]:
        return tuple(sorted(self._rules))

    def next_hop(
        self, attached: Mapping[str, Attached], destination: str, source: str, flow: Flow | None
    ) -> NextHop | None:
        """The hop of the first table that has a route, by its longest prefix; None also for a black hole."""
        for table in self._tables(destination, source):
            ways = [one for one in self._ways(table, attached) if covers(one.destination, one.prefix, destination)]
            if ways:
                best = max(ways, key=lambda one: one.prefix)
                if best.kind == "blackhole":
                    return None
                hop = _choose(_living(best, attached), (destination, source, flow))
                return NextHop(interface=hop.interface, via=hop.via, local=False)
        return None

    def _tables(self, destination: str, source: str) -> Iterator[int]:
        main = Rule(ANYWHERE, ANYWHERE, MAIN_TABLE, _MAIN_PRIORITY)
        for rule in sorted((*self._rules, main), key=lambda one: one.priority):
            if _matches(rule.source, source) and _matches(rule.destination, destination):
                yield rule.table

    def _ways(self, table: int, attached: Mapping[str, Attached]) -> list[Route]:
        ways = [one for one in self._routes.values() if one.table == table]
        if table == MAIN_TABLE:
            ways += [
                Route(address, prefix, (Hop(name),))
                for name, one in attached.items()
                if one.up and name != LOOPBACK
                for address, prefix in one.addresses.items()
            ]
        return ways


def _living(route: Route, attached: Mapping[str, Attached]) -> tuple[Hop, ...]:
    return tuple(hop for hop in route.hops if attached[hop.interface].up)


def _choose(hops: Sequence[Hop], fields: object) -> Hop:
    parts = [hop for hop in hops for _ in range(hop.weight)]
    return parts[zlib.crc32(repr(fields).encode()) % len(parts)]


def _matches(prefix: str, address: str) -> bool:
    if prefix == ANYWHERE:
        return True
    base, _, length = prefix.partition("/")
    return bool(address) and covers(base, int(length), address)


def covers(base: str, prefix: int, address: str) -> bool:
    """Whether ``address`` is in ``base/prefix``; never across families."""
    one, other = pack_address(base), pack_address(address)
    if len(one) != len(other):
        return False
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")) >> (8 * len(one) - prefix) == 0
