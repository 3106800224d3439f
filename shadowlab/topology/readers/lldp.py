"""LLDP neighbours of a set of hosts, as ``lldpctl -f json`` prints them.

In: one document ``{"HOST": {"lldp": …}, …}``, a single host's document, or a folder with one file per host.  Out: a
:class:`~shadowlab.topology.foreign.drawing.ForeignMap`.

Each dump tells the other ends of its host's interfaces.  What both ends tell is one link.  A neighbour that switches or
routes is a router; one that is neither, and any host with a single link, is an instance.  Rates follow from the port's
medium (``10GigBaseLR``); LLDP tells no delays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shadowlab.errors import Fault
from shadowlab.model.network import NodeKind
from shadowlab.topology.foreign.drawing import SITE, ForeignLink, ForeignMap, ForeignNode, Traits
from shadowlab.topology.native_rules import is_node_address
from shadowlab.topology.readers.cursor import Cursor, json_cursor, parse_json

_MEDIUM = re.compile(r"(?<!\d)(\d+(?:\.\d+)?)\s*(G|Gig|Gigabit)?\s*-?Base", re.IGNORECASE)
_FORWARDS = frozenset({"router", "bridge"})


def recognises(text: str) -> bool:
    """By the key that every dump has."""
    return text.lstrip().startswith("{") and re.search(r'"lldp"\s*:\s*\{', text[:1_000_000]) is not None


def recognises_folder(files: Mapping[str, str]) -> bool:
    """Whether every JSON file of a folder is a dump."""
    dumps = [text for name, text in files.items() if name.endswith(".json")]
    return bool(dumps) and all(recognises(text) for text in dumps)


def read_lldp(text: str, name: str) -> ForeignMap:
    """The map.  Raises InputError for what is no JSON; ``name`` is what faults call the file."""
    document = parse_json(text, name)
    if "lldp" in document:
        return _map({_stem(name): document}, name, _stem(name), document)
    return _map(dict(document.entries()), name, _stem(name), document)


def read_lldp_folder(files: Mapping[str, str], name: str) -> ForeignMap:
    """The map of a folder with one dump per host, called after it."""
    faults: list[Fault] = []
    dumps = {}
    for file, text in files.items():
        if file.endswith(".json"):
            parsed = parse_json(text, f"{name}/{file}")
            dumps[_stem(file)] = json_cursor(parsed.value, f"{name}/{file}", faults)
    return _map(dumps, name, _stem(name), json_cursor({}, name, faults))


def _stem(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2].removesuffix(".json")


@dataclass
class _Seen:
    """What was heard of one node."""

    place: str
    addresses: dict[str, None] = field(default_factory=dict)
    forwards: bool | None = None


def _map(dumps: Mapping[str, Cursor], name: str, title: str, document: Cursor) -> ForeignMap:
    nodes = {host: _Seen(place=dump.place) for host, dump in dumps.items()}
    short = {host.partition(".")[0]: host for host in dumps}
    links: dict[frozenset[tuple[str, str]], ForeignLink] = {}
    for host, dump in dumps.items():
        for interface, one in _interfaces(dump["lldp"]["interface"]):
            peer, chassis = _chassis(one["chassis"])
            if not peer:
                one.wrong("a neighbour has neither a name nor an id")
                continue
            peer = peer if peer in dumps else short.get(peer.partition(".")[0], peer)
            seen = nodes.setdefault(peer, _Seen(place=one.place))
            _learn(seen, chassis)
            port = one["port"]
            far = str(port["id"]["value"].value or port["descr"].value or "")
            if peer == host:
                continue
            ends = frozenset({(host, interface), (peer, far)})
            speed = _speed(port)
            known = links.get(ends) or ForeignLink(a=host, b=peer, place=one.place)
            if speed is not None and known.forward.rate_bps is None:
                traits = Traits(rate_bps=speed, origins={"rate_bps": f"the medium of port {far}"})
                known = ForeignLink(a=known.a, b=known.b, place=known.place, forward=traits)
            links[ends] = known
    return ForeignMap(
        title=title,
        place=name,
        nodes=tuple(_node(key, seen, dumped=key in dumps) for key, seen in nodes.items()),
        links=tuple(links.values()),
        defaults=SITE,
        leaves_are_hosts=True,
        faults=document.faults,
    )


def _interfaces(told: Cursor) -> Iterator[tuple[str, Cursor]]:
    """lldpctl prints one interface as a mapping, several as a list of mappings."""
    for one in told.items() if isinstance(told.value, list) else [told]:
        yield from one.entries()


def _chassis(told: Cursor) -> tuple[str, Cursor]:
    """The name of the neighbour and what is told of it; one without a name goes by its id."""
    if "id" in told:
        return str(told["id"]["value"].value or ""), told
    return next(iter(told.entries()), ("", told))


def _learn(seen: _Seen, chassis: Cursor) -> None:
    told = chassis["mgmt-ip"].value
    for text in told if isinstance(told, list) else [told]:
        if isinstance(text, str) and is_node_address(text):
            seen.addresses[text] = None
    listed = chassis["capability"].value
    capabilities = [one for one in (listed if isinstance(listed, list) else [listed]) if isinstance(one, dict)]
    if capabilities:
        enabled = {str(one.get("type", "")).lower() for one in capabilities if one.get("enabled")}
        seen.forwards = bool(enabled & _FORWARDS)


def _speed(port: Cursor) -> int | None:
    """Of the medium that the port negotiated, in bits per second."""
    match = _MEDIUM.search(json.dumps(port["auto-negotiation"].value))
    if match is None:
        return None
    return round(float(match[1]) * (10**9 if match[2] else 10**6))


def _node(key: str, seen: _Seen, *, dumped: bool) -> ForeignNode:
    kind: NodeKind | None = None
    if seen.forwards is not None:
        kind = "router" if seen.forwards else "host"
    origin = {"router": "it switches or routes, by its LLDP capabilities", "host": "it neither switches nor routes"}
    return ForeignNode(
        key=key,
        place=seen.place,
        label=key,
        kind=kind,
        kind_origin=origin.get(kind or "", ""),
        addresses=tuple(seen.addresses),
        note="" if dumped else "seen by its neighbours only",
    )
