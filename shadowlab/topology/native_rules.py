"""The rules of a map that no single value shows: what refers to what, and whether it hangs together.

In: a map as plain data with places, whatever its form.  Out: faults.  Never: an exception: a value of the wrong form
has its own fault already and is passed over here, so that all faults of a file are reported together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any

from shadowlab.errors import Fault
from shadowlab.model.impairment import DEFAULT_MTU
from shadowlab.topology.addressing import IPV6_POOL
from shadowlab.topology.demand_rules import demand_faults
from shadowlab.topology.pieces import describe_pieces, pieces
from shadowlab.topology.positioned import Positioned
from shadowlab.topology.route_rules import route_faults
from shadowlab.topology.wording import did_you_mean

_NOT_OF_A_NODE = "which cannot be the address of a node"


def checked_address(text: str) -> str:
    """The text itself if it is an address a node may have, IPv6 in its shortest form.  Raises ValueError."""
    try:
        parsed = ip_address(text)
    except ValueError as error:
        raise ValueError(
            f"'{text[:40]}' is neither an IPv4 nor an IPv6 address; write it like 192.0.2.10 or 2001:db8::10"
        ) from error
    for what, so in (
        ("the unspecified address", parsed.is_unspecified or (parsed.version == 4 and int(parsed) >> 24 == 0)),
        ("a loopback address", parsed.is_loopback),
        ("a multicast address", parsed.is_multicast),
        ("a link-local address", parsed.version == 6 and parsed.is_link_local),
        ("an IPv4 address in the clothes of IPv6", isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None),
        ("a reserved address", parsed.is_reserved),
        ("of the pool that the shadow's own addresses come from", parsed in IPV6_POOL),
    ):
        if so:
            raise ValueError(f"{text} is {what}, {_NOT_OF_A_NODE}")
    return str(parsed)


def is_node_address(text: str) -> bool:
    """Whether a node may have this address."""
    try:
        checked_address(text)
    except ValueError:
        return False
    return True


def cross_faults(positioned: Positioned) -> Iterator[Fault]:
    """Every fault between the parts of a map."""
    nodes, links = _mapping(positioned.data, "nodes"), _mapping(positioned.data, "links")
    yield from _address_faults(positioned, nodes)
    end_faults = list(_end_faults(positioned, nodes, links))
    yield from end_faults
    yield from _delay_faults(positioned, nodes, links)
    yield from _group_faults(positioned, nodes, links)
    yield from _segment_faults(positioned, nodes, links)
    yield from route_faults(positioned, nodes, [pair for pair in map(_ends, links.values()) if pair])
    yield from demand_faults(positioned, nodes)
    for name in links:
        if name in nodes:
            message = f"link `{name}` has the name of a node; groups could not tell them apart"
            yield positioned.fault(("links", name), message, of_key=True)
    if nodes and not end_faults:
        yield from _piece_faults(positioned, nodes, links)


def _mapping(data: Any, key: str) -> Mapping[str, Any]:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _ends(link: Any) -> list[str] | None:
    ends = link.get("ends") if isinstance(link, dict) else None
    if not isinstance(ends, list) or len(ends) != 2:
        return None
    if not all(isinstance(end, str | int) and not isinstance(end, bool) for end in ends):
        return None
    return [str(end) for end in ends]


def _end_faults(positioned: Positioned, nodes: Mapping[str, Any], links: Mapping[str, Any]) -> Iterator[Fault]:
    for name, link in links.items():
        ends = _ends(link)
        if ends is None:
            continue
        if ends[0] == ends[1]:
            message = f"link `{name}` leads from `{ends[0]}` to itself"
            yield positioned.fault(("links", name, "ends", 1), message)
        for number, end in enumerate(ends):
            if end not in nodes:
                message = f"link `{name}` leads to `{end}`, which is not a node of this map{did_you_mean(end, nodes)}"
                yield positioned.fault(("links", name, "ends", number), message)


def _delay_faults(positioned: Positioned, nodes: Mapping[str, Any], links: Mapping[str, Any]) -> Iterator[Fault]:
    defaults = _mapping(positioned.data, "defaults")
    for name, link in links.items():
        ends = [nodes.get(end) for end in _ends(link) or []]
        if len(ends) != 2 or not all(isinstance(end, dict) for end in ends):
            continue
        access = any(end.get("kind") == "host" for end in ends if end)
        default = _mapping(defaults, "access_link" if access else "router_link")
        ways = (_mapping(link, "forward"), _mapping(link, "backward"))
        stated = any(_states_delay(one) for one in (link, default)) or all(map(_states_delay, ways))
        if not stated and not all(end.get("at") for end in ends if end):
            message = f"link `{name}` has no delay: write one like `delay: 3 ms`, or give both ends their coordinates"
            yield positioned.fault(("links", name), message, of_key=True)


def _states_delay(section: Mapping[str, Any]) -> bool:
    """By itself, or by samples of it."""
    return "delay" in section or any(key in _mapping(section, "jitter") for key in ("samples", "file"))


def _address_faults(positioned: Positioned, nodes: Mapping[str, Any]) -> Iterator[Fault]:
    owner: dict[str, str] = {}
    for name, node in nodes.items():
        if not isinstance(node, dict):
            continue
        several = node.get("addresses")
        paths: list[tuple[Any, tuple[str | int, ...]]] = [(node.get("address"), ("address",))]
        paths += [(one, ("addresses", n)) for n, one in enumerate(several if isinstance(several, list) else ())]
        for text, path in paths:
            if not isinstance(text, str):
                continue
            same = _shortest(text)
            if owner.setdefault(same, name) != name:
                message = f"address {text[:40]} of node `{name}` belongs to node `{owner[same]}` already"
                yield positioned.fault(("nodes", name, *path), message)


def _shortest(address: str) -> str:
    """An address as everybody writes it; what is none, as it is."""
    try:
        return str(ip_address(address))
    except ValueError:
        return address


def _segment_faults(positioned: Positioned, nodes: Mapping[str, Any], links: Mapping[str, Any]) -> Iterator[Fault]:
    segments = {name for name, node in nodes.items() if isinstance(node, dict) and node.get("kind") == "segment"}
    for name in segments:
        for key in ("address", "addresses"):
            if nodes[name].get(key):
                message = f"segment `{name}` has an address: it is a bridge; give addresses to the nodes on it"
                yield positioned.fault(("nodes", name, key), message, of_key=True)
    defaults = _mapping(positioned.data, "defaults")
    sizes: dict[str, tuple[str, Any]] = {}
    for name, link in links.items():
        ends = _ends(link) or []
        on = [end for end in ends if end in segments]
        if len(on) == 2 and ends[0] != ends[1]:
            message = f"link `{name}` joins two segments, `{on[0]}` and `{on[1]}`; put a router between them"
            yield positioned.fault(("links", name), message, of_key=True)
        elif len(on) == 1:
            host = any(isinstance(nodes.get(end), dict) and nodes[end].get("kind") == "host" for end in ends)
            default = _mapping(defaults, "access_link" if host else "router_link")
            mtu = link.get("mtu", default.get("mtu", DEFAULT_MTU))
            first, size = sizes.setdefault(on[0], (name, mtu))
            if mtu != size:
                message = (
                    f"link `{name}` has the MTU {mtu} and link `{first}` {size}, but a segment such as `{on[0]}` "
                    "cannot fragment; give all its links the same"
                )
                yield positioned.fault(("links", name), message, of_key=True)


def _group_faults(positioned: Positioned, nodes: Mapping[str, Any], links: Mapping[str, Any]) -> Iterator[Fault]:
    for name, members in _mapping(positioned.data, "groups").items():
        if not isinstance(members, list):
            continue
        for number, member in enumerate(members):
            if isinstance(member, str | int) and str(member) not in nodes and str(member) not in links:
                guess = did_you_mean(str(member), [*nodes, *links])
                message = f"group `{name}` contains `{member}`, which is neither a node nor a link of this map{guess}"
                yield positioned.fault(("groups", name, number), message)


def _piece_faults(positioned: Positioned, nodes: Mapping[str, Any], links: Mapping[str, Any]) -> Iterator[Fault]:
    """Reported only when it can be told: a link whose ends cannot be read might be the one that joins the pieces."""
    pairs = [_ends(link) for link in links.values()]
    if any(pair is None for pair in pairs):
        return
    found = pieces(nodes, [(pair[0], pair[1]) for pair in pairs if pair])
    if len(found) > 1:
        message = f"{describe_pieces(found)}; join them by a link"
        yield positioned.fault(("links",) if links else ("nodes",), message, of_key=True)
        return
    kinds = {name: node.get("kind") for name, node in nodes.items() if isinstance(node, dict)}
    if not set(kinds.values()) <= {"router", "host", "segment"} or len(kinds) != len(nodes):
        return
    forwarding = {name for name in nodes if kinds[name] != "host"}
    inner = [(a, b) for a, b in filter(None, pairs) if a in forwarding and b in forwarding]
    through = pieces([name for name in nodes if name in forwarding], inner)
    if len(through) > 1:
        message = f"hosts do not forward, and without them {describe_pieces(through)}; join the routers by a link"
        yield positioned.fault(("links",), message, of_key=True)
