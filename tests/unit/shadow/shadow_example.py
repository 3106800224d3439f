"""A small network for the tests of ``shadow``: two instances, three routers in a triangle, one direct link.

::

    h1 -- r1 ---- r2 -- h2
            \\    /
              r3            h1 -- h2 (direct, slow)
"""

from __future__ import annotations

from shadowlab.model.fabric import Fabric, Route
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

ACCESS = Impairment(delay_ns=1_000_000, rate_bps=100_000_000)
CORE = Impairment(delay_ns=5_000_000, rate_bps=50_000_000)

NETWORK = Network(
    name="triangle",
    nodes=(
        Node(id="h1", kind="host"),
        Node(id="h2", kind="host"),
        Node(id="r1", kind="router"),
        Node(id="r2", kind="router"),
        Node(id="r3", kind="router"),
    ),
    links=(
        Link(id="h1-r1", a="h1", b="r1", forward=ACCESS, backward=ACCESS),
        Link(id="h2-r2", a="h2", b="r2"),
        Link(id="r1-r2", a="r1", b="r2", forward=CORE, backward=CORE),
        Link(id="r1-r3", a="r1", b="r3", forward=CORE, backward=CORE),
        Link(id="r2-r3", a="r2", b="r3", forward=CORE, backward=CORE),
        Link(id="h1-h2", a="h1", b="h2", forward=CORE, backward=CORE, metric=1000),
    ),
)
FABRIC: Fabric = address(NETWORK)
ROUTES: tuple[Route, ...] = shortest_routes(NETWORK, FABRIC)
AROUND: tuple[Route, ...] = shortest_routes(NETWORK, FABRIC, avoid=frozenset({"r1-r2"}))
