"""NetJSON NetworkGraph.

In: a network.  Out: the text of a file that our own reader reads back, and what it leaves out.
"""

from __future__ import annotations

import json
from typing import Any

from shadowlab.model.network import Link, Network, Node
from shadowlab.topology.writers.quantities import beyond_links, plain_quantities


def write_netjson(network: Network) -> tuple[str, list[str]]:
    """The text, and a line for each thing that it leaves out."""
    left_out = beyond_links(network)
    document = {
        "type": "NetworkGraph",
        "protocol": "static",
        "version": None,
        "metric": "cost",
        "label": network.name,
        "nodes": [_node(node) for node in network.nodes],
        "links": [_link(link, left_out) for link in network.links],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n", left_out


def _node(node: Node) -> dict[str, Any]:
    properties: dict[str, Any] = {"name": node.id, "kind": node.kind}
    if node.latitude is not None and node.longitude is not None:
        properties["location"] = {"latitude": node.latitude, "longitude": node.longitude}
    return {
        "id": node.id,
        "label": node.label or node.id,
        "local_addresses": list(node.addresses),
        "properties": properties,
    }


def _link(link: Link, left_out: list[str]) -> dict[str, Any]:
    quantities = plain_quantities(link, left_out)
    properties: dict[str, Any] = {"name": link.id, **quantities, "mtu": link.mtu}
    return {"source": link.a, "target": link.b, "cost": link.metric, "properties": properties}
