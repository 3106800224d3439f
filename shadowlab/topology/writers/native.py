"""Our own map format, one line for each node and link.

In: a network.  Out: the text of a map that reads back as the same network, with a remark for every value that was
derived; and what has no words, which is the table of an empirical jitter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from shadowlab.model.impairment import DEFAULT_MTU, Impairment
from shadowlab.model.network import Link, Network, Node
from shadowlab.topology.link_keys.sections import DEFAULT_METRIC
from shadowlab.topology.link_keys.spelling import spelled

_UNSAID = spelled(Impairment())


def write_native(network: Network) -> tuple[str, list[str]]:
    """The text, and a line for each thing that it leaves out."""
    left_out: list[str] = []
    lines = ["shadowlab: map/1", f"name: {_flow(network.name)}"]
    if network.rate_scale != 1:
        lines.append(f"rate_scale: {network.rate_scale!r}")
    if network.ipv6 != any(":" in address for node in network.nodes for address in node.addresses):
        lines.append(f"ipv6: {str(network.ipv6).lower()}")
    if network.ecmp:
        lines.append("routing: {ecmp: true}")
    remarks = _remarks(network)
    lines += ["", "nodes:"]
    for node in network.nodes:
        lines += [*remarks.get(f"node {node.id}", ()), f"  {_flow(node.id)}: {_flow(_node(node))}"]
    if network.links:
        lines += ["", "links:"]
    for link in network.links:
        lines += [*remarks.get(f"link {link.id}", ()), f"  {_flow(link.id)}: {_flow(_link(link, left_out))}"]
    if network.groups:
        lines += ["", "groups:"]
        lines += [f"  {_flow(name)}: {_flow(list(members))}" for name, members in network.groups.items()]
    if network.static_routes or network.source_routes:
        lines += ["", "routes:"]
    for static in network.static_routes:
        way = {"via": static.via} if static.via else {"blackhole": True}
        lines.append(f"  - {_flow({'at': static.at, 'to': static.to} | way)}")
    for source in network.source_routes:
        lines.append(f"  - {_flow({'from': source.source, 'to': source.target, 'path': list(source.path)})}")
    if network.demands.between:
        unit = network.demands.unit
        lines += ["", "demands:", f"  unit: {unit}" if unit else "  # their unit is not known", "  between:"]
        rows: dict[str, dict[str, float | int]] = {}
        for demand in network.demands.between:
            whole = demand.value.is_integer() and demand.value < 1e15
            rows.setdefault(demand.source, {})[demand.target] = int(demand.value) if whole else demand.value
        lines += [f"    {_flow(source)}: {_flow(row)}" for source, row in rows.items()]
    return "\n".join([*lines, ""]), left_out


def _flow(value: Any) -> str:
    """A value on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _remarks(network: Network) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in network.derived:
        subject, _, way = one.subject.partition(", ")
        words = f"  # {one.value}: {one.origin}{f' ({way})' if way else ''}"
        found.setdefault(subject, []).append(" ".join(words.split("\n")))
    return found


def _node(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": node.kind}
    if node.label:
        found["label"] = node.label
    if node.latitude is not None and node.longitude is not None:
        found["at"] = [node.latitude, node.longitude]
    if len(node.addresses) == 1:
        found["address"] = node.addresses[0]
    elif node.addresses:
        found["addresses"] = list(node.addresses)
    return found


def _link(link: Link, left_out: list[str]) -> dict[str, Any]:
    forward, backward = spelled(link.forward), spelled(link.backward)
    for way, one in ((link.forward, forward), (link.backward, backward)):
        if way.jitter_shape is not None and way.jitter_shape.distribution == "empirical":
            left_out.append(f"link {link.id}: the table of its measured jitter; name its samples by hand")
            del one["jitter"]
    found: dict[str, Any] = {"ends": [link.a, link.b]}
    found |= {key: value for key, value in forward.items() if key == "delay" or value != _UNSAID.get(key)}
    if link.metric != DEFAULT_METRIC:
        found["metric"] = link.metric
    if link.mtu != DEFAULT_MTU:
        found["mtu"] = link.mtu
    if link.weight != 1:
        found["weight"] = link.weight
    if link.offload:
        found["offload"] = True
    # A key that only the way forward has is taken back in the way backward by what it is without it.
    differs = {key: value for key, value in (_UNSAID | backward).items() if value != (_UNSAID | forward).get(key)}
    if link.metric_backward is not None:
        differs["metric"] = link.metric_backward
    return found | ({"backward": differs} if differs else {})
