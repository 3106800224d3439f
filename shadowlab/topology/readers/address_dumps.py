"""``ip -j addr``, ``ip -j route`` and ``ip -j link`` of a set of hosts.

In: one document ``{"HOST": {"addr": […], "route": […], "link": […]}, …}``, or a folder with ``HOST/addr.json`` or
``HOST.addr.json`` and so on.  Out: a :class:`~shadowlab.topology.foreign.drawing.ForeignMap`.

Interfaces whose addresses lie in the same prefix are joined: two by a link, more by a LAN.  Who is somebody's gateway,
or has addresses in several prefixes, is a router; all others are instances.  Loopback and link-local addresses join
nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface

from shadowlab.errors import Fault, InputError
from shadowlab.model.network import NodeKind
from shadowlab.topology.foreign.drawing import SITE, ForeignLink, ForeignMap, ForeignNode, Traits
from shadowlab.topology.native_rules import is_node_address
from shadowlab.topology.readers.cursor import Cursor, json_cursor, parse_json

_DUMPS = ("addr", "address", "route", "link")
_FILE = re.compile(r"(?P<host>.+?)[/._-](?P<dump>addr|address|route|link)s?\.json")
Prefix = IPv4Network | IPv6Network


def recognises(text: str) -> bool:
    """By the keys of ``ip -j addr`` and of our frame around it."""
    head = text[:1_000_000]
    return (
        text.lstrip().startswith("{")
        and '"addr_info"' in head
        and re.search(r'"addr(ess)?"\s*:\s*\[', head) is not None
    )


def recognises_folder(files: Mapping[str, str]) -> bool:
    """By the names of its files."""
    return any((match := _FILE.fullmatch(name)) and match["dump"].startswith("addr") for name in files)


def read_address_dumps(text: str, name: str) -> ForeignMap:
    """The map.  Raises InputError for what is no JSON; ``name`` is what faults call the file."""
    document = parse_json(text, name)
    return _map(dict(document.entries()), name, document)


def read_address_dumps_folder(files: Mapping[str, str], name: str) -> ForeignMap:
    """The map of a folder of dumps, one file each."""
    faults: list[Fault] = []
    hosts: dict[str, dict[str, object]] = {}
    for file, text in sorted(files.items()):
        if match := _FILE.fullmatch(file):
            hosts.setdefault(match["host"], {})[match["dump"]] = parse_json(text, f"{name}/{file}").value
    document = json_cursor(hosts, name, faults)
    return _map(dict(document.entries()), name, document)


def _map(hosts: Mapping[str, Cursor], name: str, document: Cursor) -> ForeignMap:
    members: dict[Prefix, list[tuple[str, Cursor]]] = {}
    owners: dict[str, str] = {}
    addresses: dict[str, list[str]] = {}
    for host, dumps in hosts.items():
        addresses[host] = []
        for interface in dumps.either("addr", "address").items():
            for prefix, address in _addresses(interface):
                owners[address] = host
                if is_node_address(address):
                    addresses[host].append(address)
                if prefix.num_addresses > 1 and all(one != host for one, _ in members.get(prefix, ())):
                    members.setdefault(prefix, []).append((host, interface))
    if not members:
        message = "these dumps hold no address that joins two hosts; expected the output of `ip -j addr` by host"
        raise InputError(Fault(place=name, message=message), *document.faults)
    gateways = {owners[via] for dumps in hosts.values() for via in _gateways(dumps) if via in owners}
    several = {host for host in hosts if sum(host in (one for one, _ in ends) for ends in members.values()) > 1}
    links, lans, notes = [], [], []
    for prefix, ends in members.items():
        if len(ends) == 1:
            notes.append((f"node {ends[0][0]}", f"network {prefix} left out", "no other host of the dumps is in it"))
        elif len(ends) == 2:
            (a, near), (b, _) = ends
            links.append(ForeignLink(a=a, b=b, place=near.place, forward=_traits(near)))
        else:
            key = f"network {prefix}"
            lans.append(
                ForeignNode(
                    key=key,
                    place=ends[0][1].place,
                    label=f"lan-{prefix}",
                    kind="segment",
                    kind_origin=f"{len(ends)} hosts have an address in {prefix}",
                )
            )
            links += [ForeignLink(a=host, b=key, place=one.place, forward=_traits(one)) for host, one in ends]
    nodes = [_node(host, hosts[host], addresses[host], host in gateways, host in several) for host in hosts]
    return ForeignMap(
        title=name.rstrip("/").rpartition("/")[2].removesuffix(".json"),
        place=name,
        nodes=(*nodes, *lans),
        links=tuple(_without_doubles(links)),
        defaults=SITE,
        notes=tuple(notes),
        faults=document.faults,
    )


def _addresses(interface: Cursor) -> Iterator[tuple[Prefix, str]]:
    """The prefixes and addresses of an interface that reach beyond the host."""
    for one in interface["addr_info"].items():
        text, length = one["local"].text(), one["prefixlen"].number(0, 128)
        if text is None or length is None or one["scope"].value in ("host", "link"):
            continue
        try:
            parsed = ip_interface(f"{text}/{length:.0f}")
        except ValueError:
            one.wrong(f"'{text[:45]}/{length:.0f}' is no address with its prefix length")
            continue
        if not parsed.is_loopback and not parsed.is_link_local:
            yield parsed.network, str(parsed.ip)


def _gateways(dumps: Cursor) -> Iterator[str]:
    for route in dumps["route"].items():
        for hop in [route, *route["nexthops"].items()]:
            via = hop.either("gateway", "via").value
            text = via.get("host") if isinstance(via, dict) else via
            try:
                yield str(ip_address(str(text)))
            except ValueError:
                continue


def _traits(interface: Cursor) -> Traits:
    mtu = interface["mtu"].number(68, 65_521)
    return Traits() if mtu is None else Traits(mtu=round(mtu), origins={"mtu": f"of {interface['ifname'].value}"})


def _without_doubles(links: list[ForeignLink]) -> Iterator[ForeignLink]:
    """IPv4 and IPv6 prefixes of one interface make one link."""
    seen: set[tuple[str, ...]] = set()
    for link in links:
        pair = (*sorted((link.a, link.b)), link.place)
        if pair not in seen:
            seen.add(pair)
            yield link


def _node(host: str, dumps: Cursor, addresses: list[str], gateway: bool, several: bool) -> ForeignNode:
    kind: NodeKind = "router" if gateway or several else "host"
    why = "another host's gateway" if gateway else "it has addresses in several networks" if several else ""
    return ForeignNode(
        key=host,
        place=dumps.place,
        label=host,
        kind=kind,
        kind_origin=why or "it is nobody's gateway and in one network",
        addresses=tuple(dict.fromkeys(addresses)),
    )
