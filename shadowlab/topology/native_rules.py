"""The rules of a map that no single value shows: what refers to what, and whether it hangs together.

In: a map as plain data with places, whatever its form.  Out: faults.  Never: an exception: a value of the wrong form
has its own fault already and is passed over here, so that all faults of a file are reported together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from shadowlab.errors import Fault
from shadowlab.topology.pieces import describe_pieces, pieces
from shadowlab.topology.positioned import Positioned
from shadowlab.topology.wording import did_you_mean

_NOT_OF_A_NODE = "which cannot be the address of a node"


def checked_address(text: str) -> str:
    """The text itself if it is an IPv4 address a node may have.  Raises ValueError."""
    try:
        parsed = IPv4Address(text)
    except AddressValueError as error:
        raise ValueError(f"'{text[:40]}' is not an IPv4 address; write it like 192.0.2.10") from error
    for what, so in (
        ("the unspecified address", int(parsed) >> 24 == 0),
        ("a loopback address", parsed.is_loopback),
        ("a multicast address", parsed.is_multicast),
        ("a reserved address", parsed.is_reserved),
    ):
        if so:
            raise ValueError(f"{text} is {what}, {_NOT_OF_A_NODE}")
    return text


def cross_faults(positioned: Positioned) -> Iterator[Fault]:
    """Every fault between the parts of a map."""
    nodes, links = _mapping(positioned.data, "nodes"), _mapping(positioned.data, "links")
    yield from _address_faults(positioned, nodes)
    end_faults = list(_end_faults(positioned, nodes, links))
    yield from end_faults
    yield from _delay_faults(positioned, nodes, links)
    yield from _group_faults(positioned, nodes, links)
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
            if isinstance(text, str) and owner.setdefault(text, name) != name:
                message = f"address {text[:40]} of node `{name}` belongs to node `{owner[text]}` already"
                yield positioned.fault(("nodes", name, *path), message)


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
    routers = [name for name in nodes if kinds.get(name) == "router"]
    through = pieces(routers, [(a, b) for a, b in filter(None, pairs) if kinds[a] == kinds[b] == "router"])
    if len(through) > 1 and set(kinds.values()) <= {"router", "host"} and len(kinds) == len(nodes):
        message = f"hosts do not forward, and without them {describe_pieces(through)}; join the routers by a link"
        yield positioned.fault(("links",), message, of_key=True)
