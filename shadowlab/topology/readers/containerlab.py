"""containerlab's topology files (``*.clab.yml``).

In: the text of a file.  Out: a :class:`~shadowlab.topology.foreign.drawing.ForeignMap`.

A node inherits from its group, its kind and ``defaults``, the nearest one first.  A bridge is a LAN; a container of a
network system is a router; a plain ``linux`` container is an instance if it has one link, else a router.  Links come
brief (``endpoints: ["a:eth1", "b:eth1"]``) or extended (``type: veth``).  One that leads out of the lab (to the host,
the management network, a macvlan, a tunnel) is left out.  Impairments stand in the ``vars`` or ``labels`` of a link,
quantities with their unit (``delay: 10ms``), as containerlab itself has no place for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from shadowlab.model.network import MOST_METRIC, NodeKind
from shadowlab.topology.foreign.drawing import LAB, ForeignLink, ForeignMap, ForeignNode, Traits
from shadowlab.topology.foreign.quantities import read_traits
from shadowlab.topology.native_rules import is_node_address
from shadowlab.topology.readers.cursor import Cursor, parse_yaml

_BRIDGES = frozenset({"bridge", "ovs-bridge"})
_OUTSIDE = frozenset({"host", "mgmt-net", "macvlan", "vxlan", "vxlan-stitch", "dummy"})
_PLAIN = frozenset({"", "linux"})
_ADDRESS = re.compile(r"\bip\s+(?:-\S+\s+)*a(?:ddr(?:ess)?)?\s+(?:add|replace)\s+([0-9A-Fa-f.:]+)(?:/\d+)?")
_TOP = re.compile(r"^[\"']?topology[\"']?\s*:", re.MULTILINE)


def recognises(text: str) -> bool:
    """By the sections that the format demands."""
    return _TOP.search(text) is not None and re.search(r"^\s+[\"']?nodes[\"']?\s*:", text, re.MULTILINE) is not None


def read_containerlab(text: str, name: str) -> ForeignMap:
    """The map.  Raises InputError for what is no YAML; ``name`` is what faults call the file."""
    document = parse_yaml(text.encode(), name)
    topology = document["topology"]
    kinds: dict[str, str] = {}
    nodes = []
    for key, one in topology["nodes"].entries():
        kinds[key] = _inherited(topology, one, "kind")
        nodes.append(_node(key, one, kinds[key]))
    links, notes = [], []
    for one in topology["links"].items():
        ends = list(_ends(one))
        kind = str(one["type"].value)
        outside = [end for end in ends if end in _OUTSIDE and end not in kinds] or ([kind] if kind in _OUTSIDE else [])
        if outside or len(ends) != 2:
            inside = next((end for end in ends if end in kinds), "a node")
            if not outside:
                one.wrong('a link has two endpoints, written like ["a:eth1", "b:eth1"]')
            notes.append(
                (f"node {inside}", "link left out", f"it leads out of the lab, to {(outside or ['nowhere'])[0]}")
            )
            continue
        told = one["vars"] if one["vars"] else one["labels"]
        metric = told["metric"].number(1, MOST_METRIC)
        links.append(
            ForeignLink(
                a=ends[0],
                b=ends[1],
                place=one.place,
                name=str(told["name"].value or ""),
                forward=_traits(one, told),
                metric=None if metric is None else round(metric),
            )
        )
    return ForeignMap(
        title=document["name"].text() or name.rpartition("/")[2].partition(".")[0],
        place=name,
        nodes=tuple(nodes),
        links=tuple(links),
        defaults=LAB,
        leaves_are_hosts=True,
        notes=tuple(notes),
        faults=document.faults,
    )


def _inherited(topology: Cursor, node: Cursor, key: str) -> str:
    """The value of ``key`` for a node: its own, else its group's, its kind's, the defaults'."""
    group = topology["groups"][str(node["group"].value)] if node["group"] else node["group"]
    for place in (node, group, topology["defaults"]):
        if isinstance(place.value, dict) and place.value.get(key):
            return str(place.value[key])
    return ""


def _node(key: str, one: Cursor, kind: str) -> ForeignNode:
    commands = one["exec"].items() if isinstance(one["exec"].value, list) else ()
    told = [match[1] for command in commands for match in _ADDRESS.finditer(str(command.value))]
    label = one["labels"]["label"].value
    ours: NodeKind | None = None
    if kind in _BRIDGES:
        ours = "segment"
    elif one["group"].value in ("host", "router"):
        ours = "host" if one["group"].value == "host" else "router"
    elif kind not in _PLAIN:
        ours = "router" if kind != "host" else "host"
    return ForeignNode(
        key=key,
        place=one.place,
        label=str(label or ""),
        name=key,
        kind=ours,
        kind_origin=f"of kind {kind}" if kind not in _PLAIN else f"in the group {ours}s" if ours else "",
        addresses=tuple(dict.fromkeys(text for text in told if is_node_address(text))),
    )


def _ends(link: Cursor) -> Iterator[str]:
    """The nodes of a link's ends, brief or extended."""
    if "endpoint" in link:
        yield str(link["endpoint"]["node"].value)
    for end in link["endpoints"].items():
        if isinstance(end.value, dict):
            yield end["node"].text() or ""
        else:
            yield (end.text() or "").partition(":")[0]


def _traits(link: Cursor, told: Cursor) -> Traits:
    """What is told of a link, with the MTU of the link itself."""
    found = read_traits(told)
    mtu = link["mtu"].number(68, 65_521)
    return found if mtu is None else replace(found, mtu=round(mtu))
