"""What differs between two maps.

In: two networks.  Out: differences as values that describe themselves.  Never: an operation on a kernel, which
``shadow.diff`` decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

from shadowlab.model.network import Demands, Link, Network, Node
from shadowlab.topology.link_keys.spelling import spelled


@dataclass(frozen=True, kw_only=True)
class Difference:
    """``what`` is a node, a link, a group or the map; ``key`` the value that changed, empty for a whole thing."""

    change: Literal["added", "removed", "changed"]
    what: str
    key: str = ""
    old: str = ""
    new: str = ""

    def describe(self) -> str:
        """One line."""
        if self.change != "changed":
            return f"{self.what}: {self.change}{f', {self.new or self.old}' if self.new or self.old else ''}"
        return f"{self.what}: {self.key} {self.old or 'none'} -> {self.new or 'none'}"


def compare(old: Network, new: Network) -> tuple[Difference, ...]:
    """Nodes, then links, then groups, then the map itself, each in the order of the new map, removed ones last."""
    return (
        *_things("node", old.nodes_by_id, new.nodes_by_id, _nodes),
        *_things("link", old.links_by_id, new.links_by_id, _links),
        *_things("group", old.groups, new.groups, _groups),
        *_values("map", _map_words(old), _map_words(new)),
    )


def _things(what: str, old: Any, new: Any, pair: Any) -> Iterator[Difference]:
    for name in new:
        if name not in old:
            yield Difference(change="added", what=f"{what} {name}", new=_summary(new[name]))
        else:
            yield from _values(f"{what} {name}", *pair(old[name], new[name]))
    for name in old:
        if name not in new:
            yield Difference(change="removed", what=f"{what} {name}", old=_summary(old[name]))


def _values(what: str, old: dict[str, str], new: dict[str, str]) -> Iterator[Difference]:
    for key in {**new, **old}:
        if old.get(key, "") != new.get(key, ""):
            yield Difference(change="changed", what=what, key=key, old=old.get(key, ""), new=new.get(key, ""))


def _summary(thing: Any) -> str:
    match thing:
        case Node():
            return " ".join((thing.kind, *thing.addresses))
        case Link():
            return f"{thing.a} to {thing.b}, {thing.forward.describe()}"
        case _:
            return ", ".join(thing)


def _nodes(*pair: Node) -> list[dict[str, str]]:
    return [
        {
            "kind": node.kind,
            "label": node.label,
            "addresses": " ".join(node.addresses),
            "coordinates": f"{node.latitude} {node.longitude}" if node.latitude is not None else "",
        }
        for node in pair
    ]


def _groups(*pair: Sequence[str]) -> list[dict[str, str]]:
    return [{"members": ", ".join(members)} for members in pair]


def _links(*pair: Link) -> list[dict[str, str]]:
    """Values by key; by direction where one of the two links is not the same both ways."""
    same = all(link.forward == link.backward and link.metric_backward is None for link in pair)
    found = []
    for link in pair:
        words = {"ends": f"{link.a} {link.b}", "offload": "yes" if link.offload else "", "weight": str(link.weight)}
        for way in link.directions[:1] if same else link.directions:
            of = "" if same else f"{way.source}>{way.target} "
            one = link.impairment(way)
            words |= {f"{of}{key}": _shown(value) for key, value in spelled(one).items()}
            words |= {f"{of}MTU": str(one.mtu), f"{of}metric": str(link.metric_of(way))}
        found.append(words)
    return found


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items())
    return str(value)


def _demand_words(demands: Demands) -> str:
    if not demands.between:
        return ""
    check = crc32(repr([(one.source, one.target, one.value) for one in sorted(demands.between)]).encode())
    unit = demands.unit or "of unknown unit"
    return f"{len(demands.between)}, {sum(one.value for one in demands.between):g} {unit} in all (check {check:08x})"


def _map_words(network: Network) -> dict[str, str]:
    return {
        "rate scale": f"{network.rate_scale:g}",
        "IPv6": "yes" if network.ipv6 else "no",
        "ECMP": "yes" if network.ecmp else "no",
        "demands": _demand_words(network.demands),
        "exceptions": ", ".join(map(str, (*network.static_routes, *network.source_routes))),
    }
