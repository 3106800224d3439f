"""What a name in an event stands for: a link, all links of a node, all links of a group.

In: a name, a network.  Out: links, in the order of the map.  Never: a guess between a node and a group.
"""

from __future__ import annotations

from shadowlab.model.network import Network


def links_of(name: str, network: Network) -> tuple[str, ...]:
    """The links, none if the name is that of nothing.  Raises ValueError for a name that means two things."""
    if name in network.groups and (name in network.links_by_id or name in network.nodes_by_id):
        other = "link" if name in network.links_by_id else "node"
        raise ValueError(f"{name} is a {other} of the map and a group too: give the group another name")
    members = set(network.groups.get(name, (name,)))
    return tuple(link.id for link in network.links if members & {link.id, link.a, link.b})


def is_one_link(name: str, network: Network) -> bool:
    """Whether the name is that of a link, rather than of several."""
    return name in network.links_by_id and name not in network.groups
