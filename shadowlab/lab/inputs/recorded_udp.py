"""The UDP that a capture holds beside its connections, as workloads between instances of the map.

In: a telemetry file, the network, the rules by which addresses become nodes.  Out: workloads, and what became of the
datagrams.  Never: a file that is no capture looked into any further than its first octets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from shadowlab.calibrate.datagrams import DatagramDemands, ObservedStream, read_datagram_demands
from shadowlab.calibrate.demand import SERVICES
from shadowlab.calibrate.lifetimes import recording_of
from shadowlab.errors import Fault, InputError
from shadowlab.model.network import Network
from shadowlab.telemetry.attach import Connection
from shadowlab.telemetry.blocks import read_blocks
from shadowlab.telemetry.capture.packets.magic import recognise
from shadowlab.telemetry.rules import Rules
from shadowlab.telemetry.tally import Tally

UDP_SERVICES: Mapping[int, str] = {**SERVICES, 123: "ntp", 161: "snmp", 443: "quic", 514: "syslog", 4433: "quic"}
ELSEWHERE = "UDP datagrams from or to what is no instance of the map"
BEYOND = "UDP datagrams beyond the first of the capture"
NOTHING = DatagramDemands(workloads=(), driven=0, left_out={})


def recorded_datagrams(
    path: Path, network: Network, rules: Rules, connections: Iterable[Connection], *, run_ns: int
) -> DatagramDemands:
    """Of a capture; nothing of any other file.  ``connections`` are those of the same file: together they tell how long
    the recording is.  Raises InputError for a file that cannot be read."""
    if path.is_dir():
        return NOTHING
    try:
        with path.open("rb") as stream:
            blocks = read_blocks(stream, Tally(path.name))
            head = next(blocks, b"")
            if not recognise(head):
                return NOTHING
            from shadowlab.telemetry.capture.datagrams import read_datagrams  # the first capture is worth its import

            found = read_datagrams(chain([head], blocks), path.name)
    except OSError as error:
        raise InputError(Fault(place=str(path), message=f"cannot be read: {error.strerror}")) from error
    hosts = {node.id for node in network.hosts}
    owners = {address: node.id for node in network.nodes for address in node.addresses}

    def owner(address: str, port: int) -> str:
        translated, _ = rules.translated(address, port)
        node = owners.get(translated, "") or rules.node_of_address(translated)
        return node if node in hosts else ""

    streams, left_out = [], Counter[str]()
    order = np.argsort(found.ends, kind="stable")
    borders = np.searchsorted(found.ends[order], np.arange(len(found.streams) + 1))
    for number, (source, source_port, target, target_port, dscp) in enumerate(found.streams):
        rows = order[borders[number] : borders[number + 1]]
        ends = owner(source, source_port), owner(target, target_port)
        if not all(ends) or ends[0] == ends[1]:
            left_out[ELSEWHERE] += len(rows)
            continue
        rows = rows[np.argsort(found.at_ns[rows], kind="stable")]
        streams.append(
            ObservedStream(
                source=ends[0],
                source_port=source_port,
                target=ends[1],
                target_port=target_port,
                at_ns=found.at_ns[rows],
                payload_bytes=found.payload_bytes[rows],
                dscp=dscp,
                ipv6=":" in source,
            )
        )
    if not streams:
        return replace(NOTHING, left_out=dict(left_out))
    held = list(connections)
    recording = recording_of(held)
    moments = [int(one.at_ns[place]) for one in streams for place in (0, -1)]
    moments += [recording.from_ns, recording.to_ns] if held else []
    demands = read_datagram_demands(
        streams, from_ns=min(moments), to_ns=max(moments), run_ns=run_ns, services=UDP_SERVICES
    )
    left_out.update(demands.left_out)
    if found.beyond:
        left_out[BEYOND] = found.beyond
    return replace(demands, left_out=dict(sorted(left_out.items())))
