"""GraphML in the words of the Topology Zoo, with quantities beside them.

In: a network.  Out: the text of a file that our own reader reads back, and what it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape, quoteattr

from shadowlab.model.network import Link, Network, Node
from shadowlab.topology.writers.quantities import beyond_links, plain_quantities

_NODE_KEYS = ("name", "label", "kind", "addresses", "Latitude", "Longitude")
_LINK_KEYS = ("name", "LinkSpeedRaw", "delay", "jitter", "loss", "rate", "queue", "metric", "mtu")


def write_graphml(network: Network) -> tuple[str, list[str]]:
    """The text, and a line for each thing that it leaves out."""
    left_out = beyond_links(network)
    lines = ['<?xml version="1.0" encoding="utf-8"?>', '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">']
    for what, keys in (("graph", ("Network",)), ("node", _NODE_KEYS), ("edge", _LINK_KEYS)):
        lines += [f'  <key attr.name="{key}" attr.type="string" for="{what}" id="{what}-{key}"/>' for key in keys]
    lines += ['  <graph edgedefault="undirected">', *_data("    ", "graph", {"Network": network.name})]
    for node in network.nodes:
        lines += [f"    <node id={quoteattr(node.id)}>", *_data("      ", "node", _node(node)), "    </node>"]
    for link in network.links:
        head = f"    <edge source={quoteattr(link.a)} target={quoteattr(link.b)}>"
        lines += [head, *_data("      ", "edge", _link(link, left_out)), "    </edge>"]
    return "\n".join([*lines, "  </graph>", "</graphml>", ""]), left_out


def _data(indent: str, what: str, values: Mapping[str, str]) -> Iterator[str]:
    for key, value in values.items():
        yield f'{indent}<data key="{what}-{key}">{escape(value)}</data>'


def _node(node: Node) -> dict[str, str]:
    found = {"name": node.id, "label": node.label or node.id, "kind": node.kind}
    if node.addresses:
        found["addresses"] = " ".join(node.addresses)
    if node.latitude is not None and node.longitude is not None:
        found |= {"Latitude": repr(node.latitude), "Longitude": repr(node.longitude)}
    return found


def _link(link: Link, left_out: list[str]) -> dict[str, str]:
    quantities = plain_quantities(link, left_out)
    raw = {} if link.forward.rate_bps is None else {"LinkSpeedRaw": str(link.forward.rate_bps)}
    return {"name": link.id} | raw | quantities | {"metric": str(link.metric), "mtu": str(link.mtu)}
