"""A lab over hosts from its birth to its end.

In: a map, hosts.  Out: parts that are up and joined, or none.  Never: a part left behind by a lab that could not be
built, as long as its host answers.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from shadowlab.errors import InputError, ShadowLabError
from shadowlab.lab.hosts.cluster import Cluster, HostGoneError
from shadowlab.lab.hosts.record import Part, Record, check_new, digest_of, new_vni
from shadowlab.lab.live.lab import wanted_shape
from shadowlab.model.network import Network
from shadowlab.model.plain import to_plain
from shadowlab.shadow.diff import diff
from shadowlab.shadow.ledger import Intent
from shadowlab.shadow.ops import CreateNode
from shadowlab.shadow.shape import EMPTY
from shadowlab.shadow.spread import Spread, Wire, spread
from shadowlab.topology.partition import Partition, partition
from shadowlab.wire.if_link import MOST_VNI


def bring_up(cluster: Cluster, network: Network, name: str, *, map_path: Path, hosts_path: Path) -> Record:
    """Cut the map, build the parts, join them.  Raises what went wrong, with every part taken down again."""
    check_new(name)
    parted = _parted(network, cluster.hosts.shares)
    there = cluster.there()
    gone = [host for host in cluster.hosts.addresses if host not in there]
    if gone:
        raise HostGoneError(f"no worker of host {', '.join(gone)} is at the scheduler {cluster.hosts.scheduler}")
    used = list(dict.fromkeys(parted.place.values()))
    record = Record(
        name=name,
        map=str(map_path.absolute()),
        hosts=str(hosts_path.absolute()),
        vni=new_vni(),
        cut=parted.cut,
        by=parted.by,
        digest=digest_of(network),
        parts=tuple(
            Part(name=f"{name}.{number}", host=host, nodes=parted.nodes_of(host)) for number, host in enumerate(used)
        ),
    ).save()
    try:
        whole = _spread(network, record)
        _build(cluster, record, whole, record.parts)
        _join(cluster, record, whole.wires)
    except BaseException:
        with suppress(ShadowLabError):
            take_down(cluster, record)
        raise
    return record.done()


def rebuild(cluster: Cluster, network: Network, record: Record) -> tuple[Record, tuple[Part, ...]]:
    """Build what is lost elsewhere: the nodes of each host that is gone, beside their neighbours.  What was lost."""
    there = cluster.there()
    lost = tuple(part for part in record.parts if part.host not in there or _state(cluster, part) != "up")
    kept = [part for part in record.parts if part not in lost]
    if not lost:
        return record, ()
    if record.digest != digest_of(network):
        raise InputError(f"lab {record.name} was built from another map than {record.map} is now: down, and up again")
    shares = {host: share for host, share in cluster.hosts.shares.items() if host in there}
    fixed = {node: part.host for part in kept for node in part.nodes}
    parted = partition(network, shares, fixed=fixed)
    homeless = [node for part in lost for node in part.nodes]
    first = 1 + max(int(part.name.rpartition(".")[2]) for part in record.parts)
    hosts = list(dict.fromkeys(parted.place[node] for node in homeless))
    new = tuple(
        Part(name=f"{record.name}.{number}", host=host, nodes=tuple(n for n in homeless if parted.place[n] == host))
        for number, host in enumerate(hosts, first)
    )
    for part in lost:
        if part.host in there:  # it answers, and its part is not whole: away with what is left
            cluster.ask(part.host, "down", name=part.name)
    record = replace(record, parts=(*kept, *new), whole=False)
    whole = _spread(network, record)
    record = replace(record, cut=tuple(one.link for one in whole.wires)).save()
    mine = {part.name for part in new}
    _build(cluster, record, whole, new)
    _join(cluster, record, tuple(one for one in whole.wires if mine & set(one.hosts)))
    return record.done(), lost


def take_down(cluster: Cluster, record: Record) -> tuple[int, tuple[Part, ...]]:
    """How many nodes were removed, and the parts whose hosts do not answer."""
    there, removed = cluster.there(), 0
    gone = tuple(part for part in record.parts if part.host not in there)
    for part in record.parts:
        if part not in gone:
            removed += cluster.ask(part.host, "down", name=part.name)
    record.forget()
    return removed, gone


def look(cluster: Cluster, record: Record) -> dict[str, Any]:
    """What ``status`` tells: each part with its host and state, and what those that are lost carried."""
    there = cluster.there()
    parts = []
    for part in record.parts:
        found: dict[str, Any] = {"state": "lost", "why": f"host {part.host} does not answer"}
        if part.host in there:
            found = cluster.ask(part.host, "status", name=part.name)
        parts.append({**found, "lab": part.name, "host": part.host, "carries": list(part.nodes)})
    up = record.whole and all(one["state"] == "up" for one in parts)
    return {
        "name": record.name,
        "map": record.map,
        "state": "up" if up else "damaged",
        "cut_links": list(record.cut),
        "cut_by": record.by,
        "parts": parts,
    }


def run(
    cluster: Cluster, record: Record, node: str, argv: Sequence[str], stdin: bytes = b""
) -> tuple[int, bytes, bytes]:
    """A program in a node, wherever that lives: exit code, output, errors.  Raises InputError for no such node."""
    part = record.place.get(node)
    if part is None:
        raise InputError(f"{node} is not a node of lab {record.name}; there are: {', '.join(record.place)}")
    sent = base64.b64encode(stdin).decode()
    found = cluster.ask(
        part.host, "run", patience_s=None, name=part.name, node=node, argv=list(argv), stdin=sent, timeout_s=None
    )
    return found["code"], base64.b64decode(found["stdout"]), base64.b64decode(found["stderr"])


def _parted(network: Network, shares: Mapping[str, float]) -> Partition:
    try:
        return partition(network, shares)
    except ValueError as error:
        raise InputError(str(error)) from error


def _spread(network: Network, record: Record) -> Spread:
    """By the names of parts, not of hosts: a host may have two."""
    ops = tuple(change.op for change in diff(EMPTY, wanted_shape(network, EMPTY)))
    try:
        return spread(network, ops, {node: part.name for node, part in record.place.items()})
    except ValueError as error:
        raise InputError(str(error)) from error


def _build(cluster: Cluster, record: Record, whole: Spread, parts: Sequence[Part]) -> None:
    words = {}
    nodes = [op for some in whole.ops.values() for op in some if isinstance(op, CreateNode)]
    names = [[address, op.node] for op in nodes for address in (op.address, op.address6) if address]
    for part in parts:
        intent = Intent(ops=whole.ops[part.name], network=whole.networks[part.name], reason="a part of the map")
        text = json.dumps(to_plain(intent), separators=(",", ":"))
        words[part.host] = {"name": part.name, "intent": text, "map_path": record.map, "names": names}
    cluster.ask_all(words, "build")


def _join(cluster: Cluster, record: Record, wires: Sequence[Wire]) -> None:
    by_name = {part.name: part for part in record.parts}
    words: dict[str, list[dict[str, Any]]] = {}
    for wire in wires:
        ends = [by_name[name] for name in wire.hosts]
        vni = (record.vni + wire.number) & MOST_VNI
        together = ends[0].host == ends[1].host
        for mine, theirs in (ends, ends[::-1])[: 1 if together else 2]:
            words.setdefault(mine.host, []).append(
                {
                    "name": mine.name,
                    "other": theirs.name if together else "",
                    "node": wire.node,
                    "vni": vni,
                    "local": cluster.hosts.addresses[mine.host],
                    "remote": cluster.hosts.addresses[theirs.host],
                    "mtu": wire.mtu,
                }
            )
    cluster.ask_all({host: {"wires": some} for host, some in words.items()}, "join")


def _state(cluster: Cluster, part: Part) -> str:
    return str(cluster.ask(part.host, "status", name=part.name)["state"])
