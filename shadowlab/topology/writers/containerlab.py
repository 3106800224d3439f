"""containerlab's topology file.

In: a network.  Out: the text of a file that containerlab deploys and our own reader reads back, and what it leaves out.

Routers are containers of FRR, instances of Alpine: put the images of your network in their place.  containerlab sets no
impairments from the file; they stand in ``vars``, for the ``containerlab tools netem`` command and for us.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml

from shadowlab.model.impairment import DEFAULT_MTU
from shadowlab.model.network import Network, Node
from shadowlab.topology.writers.quantities import beyond_links, plain_quantities

_KINDS = {
    "router": {"kind": "linux", "image": "frrouting/frr:latest"},
    "host": {"kind": "linux", "image": "alpine:latest"},
    "segment": {"kind": "bridge"},
}


def write_containerlab(network: Network) -> tuple[str, list[str]]:
    """The text, and a line for each thing that it leaves out."""
    left_out = beyond_links(network)
    ports: Counter[str] = Counter()
    links = []
    for link in network.links:
        ends = []
        for node in (link.a, link.b):
            ports[node] += 1
            ends.append(f"{node}:eth{ports[node]}")
        quantities = plain_quantities(link, left_out)
        one: dict[str, Any] = {"endpoints": ends, "vars": {"name": link.id, **quantities, "metric": link.metric}}
        links.append(one | ({"mtu": link.mtu} if link.mtu != DEFAULT_MTU else {}))
    document = {
        "name": network.name,
        "topology": {"groups": _KINDS, "nodes": {node.id: _node(node) for node in network.nodes}, "links": links},
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120), left_out


def _node(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = {"group": node.kind}
    if node.label and node.label != node.id:
        found["labels"] = {"label": node.label}
    if node.addresses:
        found["exec"] = [f"ip addr add {address}/32 dev lo" for address in node.addresses if ":" not in address]
    return found
