"""Inside the guest: a fabric with a LAN, IPv6, equal-cost ways and exceptions, its ways as the kernel tells them and as
packets take them.

In: the job, JSON: ``steps`` (lists of operations, the ways asked for after each), ``leaving``, ``gateways``, ``books``
(addresses by family), ``send`` (pairs that send).  Out: ``read.json``.
"""

from __future__ import annotations

import json
import select
import socket
import time
from typing import Any

from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.ports import Flow, Segment
from shadowlab.model.plain import from_plain
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ops import Op
from shadowlab.shadow.trace import Trace, trace

READ_FILE = "read.json"
PORT, FLOWS = 7000, 12
_WAIT_MS = 1000
_SETTLED_S = 15
"""Of virtual time: the kernel reports which IPv6 multicast groups a new interface hears (MLD), and would be counted."""


def traced(told: Any, segment: Segment, book: dict[str, str], source: str, target: str, port: int) -> Trace:
    """The way of the datagram that :func:`arrives` sends."""
    flow = Flow("udp", port, PORT)
    return trace(segment, told["leaving"], book, source, target, gateways=told["gateways"], flow=flow)


def ways(told: Any, segment: Segment, number: int) -> list[str]:
    """After each step: for each pair and family the nodes, or why packets do not arrive."""
    plain = told["steps"][number]
    ops: tuple[Op, ...] = from_plain(tuple[Op, ...], plain["ops"])
    apply(ops, segment)
    found = []
    for source, target in plain["ask"]:
        for family, book in sorted(told["books"].items()):
            way = traced(told, segment, book, source, target, PORT)
            found.append(f"{family} {' '.join(way.nodes)}{f' ({way.fault})' if way.fault else ''}")
    return found


def arrives(segment: LinuxSegment, book: dict[str, str], source: str, target: str, port: int) -> bool:
    """Whether one datagram does."""
    family = socket.AF_INET6 if ":" in book[target] else socket.AF_INET
    with (
        segment.open_socket(target, family, socket.SOCK_DGRAM) as receiver,
        segment.open_socket(source, family, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind((book[target], PORT))
        sender.bind((book[source], port))
        sender.sendto(b"x", (book[target], PORT))
        watch = select.poll()
        watch.register(receiver, select.POLLIN)
        return bool(watch.poll(_WAIT_MS))


def crossings(segment: LinuxSegment, nodes: list[str]) -> dict[str, int]:
    """Packets that each node has sent on."""
    return {node: sum(one.tx_packets for one in segment.counters(node).values()) for node in nodes}


def sent(told: Any, segment: LinuxSegment) -> list[list[Any]]:
    """For each pair, family and flow: whether it arrived, the middle node as told, and as packets were counted."""
    seen: list[list[Any]] = []
    time.sleep(_SETTLED_S)
    for source, target, middle in told["send"]:
        for family, book in sorted(told["books"].items()):
            for port in range(PORT, PORT + FLOWS):
                way = traced(told, segment, book, source, target, port)
                before = crossings(segment, middle)
                came = arrives(segment, book, source, target, port)
                after = crossings(segment, middle)
                counted = [node for node in middle if after[node] > before[node]]
                seen.append([family, came, [node for node in way.nodes if node in middle], counted])
    return seen


def run(job_path: str, folder: str) -> int:
    with open(job_path, "rb") as file:
        told = json.load(file)
    with LinuxSegment() as segment:
        read: dict[str, Any] = {"ways": [ways(told, segment, 0)], "sent": sent(told, segment)}
        read["ways"] += [ways(told, segment, number) for number in range(1, len(told["steps"]))]
    with open(f"{folder}/{READ_FILE}", "w", encoding="utf-8") as file:
        json.dump(read, file)
    return 0
