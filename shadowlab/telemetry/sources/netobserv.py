"""netobserv's flow logs become records: one JSON object per flow and reporting interval.

In: JSON lines, documents or a list.  Out: one record per TCP flow, seen from the end where it was captured: leaving
(``FlowDirection`` 1, or 2 within a node) it counts what the source sent, arriving (0) what the destination received.
``Bytes`` holds all headers, so it is bytes on the wire, not payload.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from shadowlab.model.telemetry import TcpRecord, record_of
from shadowlab.model.units import NS_PER_MS, NS_PER_S
from shadowlab.telemetry.addresses import parse_address
from shadowlab.telemetry.json_stream import json_values
from shadowlab.telemetry.source import Source
from shadowlab.telemetry.sources.values import count, known, port, text

EXPECTED = 'expected netobserv flow logs: JSON objects with "SrcAddr", "DstAddr", "Proto" and "TimeFlowEndMs"'
_TCP = 6
_ARRIVING = 0
_KEYS = re.compile(rb'"(?:SrcAddr|DstAddr)"\s*:\s*"')


def recognise(head: bytes) -> bool:
    """Whether the keys of a flow stand in the first bytes."""
    return head.lstrip()[:1] in (b"{", b"[") and len(_KEYS.findall(head)) >= 2


def read(source: Source) -> Iterator[TcpRecord]:
    """The flows, in file order."""
    for place, flow in json_values(source.blocks, source.tally):
        try:
            if not isinstance(flow, dict):
                raise ValueError("a JSON object was expected")
            protocol = count(flow, "Proto")
            if protocol != _TCP:
                source.tally.pass_over(f"a flow of IP protocol {protocol}")
            elif flow.get("Duplicate") is True:
                source.tally.pass_over("a flow that was captured at another interface, too")
            else:
                yield _record(flow, source)
        except ValueError as error:
            source.tally.refuse(place, str(error))


def _record(flow: dict[str, Any], source: Source) -> TcpRecord:
    arriving = count(flow, "FlowDirection") == _ARRIVING
    here, there = ("Dst", "Src") if arriving else ("Src", "Dst")
    from_ns, at_ns = _interval(flow)
    octets, packets = count(flow, "Bytes"), count(flow, "Packets")
    fields = known(
        wire_bytes_in=octets if arriving else None,
        segments_in=packets if arriving else None,
        wire_bytes_out=None if arriving else octets,
        segments_out=None if arriving else packets,
        srtt_ns=count(flow, "TimeFlowRttNs") or None,
    )
    fields |= {
        "at_ns": at_ns,
        "from_ns": from_ns,
        "instance": source.instance or text(flow, f"{here}K8S_Name"),
        "peer": text(flow, f"{there}K8S_Name"),
        "service": text(flow, "DstK8S_OwnerName"),
        "local_address": parse_address(text(flow, f"{here}Addr")),
        "local_port": port(flow, f"{here}Port"),
        "peer_address": parse_address(text(flow, f"{there}Addr")),
        "peer_port": port(flow, f"{there}Port"),
        "source": source.name,
    }
    return record_of(fields)


def _interval(flow: dict[str, Any]) -> tuple[int, int]:
    """Beginning and end; where the flow has none, the moment it was received, twice."""
    end = count(flow, "TimeFlowEndMs", NS_PER_MS) or count(flow, "TimeReceived", NS_PER_S)
    if not end:
        raise ValueError("neither TimeFlowEndMs nor TimeReceived says when it was")
    begin = count(flow, "TimeFlowStartMs", NS_PER_MS) or end
    if begin > end:
        raise ValueError("TimeFlowStartMs lies after TimeFlowEndMs")
    return begin, end
