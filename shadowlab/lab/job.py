"""A job: everything the inside of a segment needs, whole, as plain values.

In: what ``prepare`` decided outside.  Out: bytes that the inside reads back.  Imported inside the guest: standard
library only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shadowlab.model.flow import FlowSpec, Path, Reading
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.model.traffic.workload import Compute, Workload
from shadowlab.monitor.probe_stream import PAYLOAD_BYTES, ProbeKind
from shadowlab.shadow.ops import Op, TimedChange


@dataclass(frozen=True, kw_only=True)
class WatchedInterface:
    """A queue to sample: the interface (or IFB) that impairs a direction.

    ``line`` is empty for the one that holds the direction's queue; of a direction with two devices the other is its
    delay line, which packets cross ``before`` the queue or ``behind`` it.
    """

    node: str
    interface: str
    direction: str
    line: Literal["", "before", "behind"] = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of one shadow.

    ``addresses`` are the nodes' own; ``interface_directions`` tells for each (``node/interface``) which direction
    leaves by it, as ``link|source|target``: what tracing a path through the live routes needs.  ``gateways`` tells for
    each address on a LAN which direction leads there from its segment.  ``spreads``: whether flows are spread over next
    hops of equal cost, so that each has a way of its own.  ``reading``: how flows are read at their targets.
    ``owners``: which node has an address.  ``flow_turns``: into how many groups the flows are divided, of which one is
    sampled each time.
    """

    seed: int
    duration_ns: int
    sample_every_ns: int
    probe_every_ns: int
    build: tuple[Op, ...]
    addresses: Mapping[str, str]
    interface_directions: Mapping[str, str]
    flows: tuple[FlowSpec, ...]
    paths: tuple[Path, ...]
    watched: tuple[WatchedInterface, ...]
    timeline: tuple[TimedChange, ...]
    addresses6: Mapping[str, str] = field(default_factory=dict)
    gateways: Mapping[str, str] = field(default_factory=dict)
    spreads: bool = False
    owners: Mapping[str, str] = field(default_factory=dict)
    probe_bytes: int = PAYLOAD_BYTES
    probe_dscp: int = 0
    probe_as: ProbeKind = "auto"
    workloads: tuple[Workload, ...] = ()
    compute: Mapping[str, Compute] = field(default_factory=dict)
    reading: Reading = "kernel"
    flow_turns: int = 1

    def to_bytes(self) -> bytes:
        """The same bytes for the same job."""
        return json.dumps(to_plain(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @staticmethod
    def from_bytes(data: bytes) -> Job:
        """The job that :meth:`to_bytes` wrote."""
        return from_plain(Job, json.loads(data))
