"""What became of a workload and of an instance in a run, as results hold it.

In: plain values.  Out: frozen summaries.  Never: a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shadowlab.model.traffic.completion import USED_UP


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """``counts[i]`` values lay in [``edges[i]``, ``edges[i + 1]``); edges are ten to a decade."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """Completion times over time: ``counts[k][i]`` exchanges ended in the k-th ``window_ns`` of the run and took
    between ``edges[i]`` and ``edges[i + 1]`` milliseconds."""

    window_ns: int
    edges: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class WorkloadSummary:
    """All exchanges of a workload; of a stream of datagrams its indicators only.

    ``outcomes`` counts them by how they ended; ``whole``, ``before`` and ``after`` hold the indicators of services over
    the whole run, in the baseline, and from the last event on: percentiles are those of all exchanges that ended in
    that time, not means of windows.  ``failed_by`` counts those whose connection failed by the system's name for why;
    ``closed`` are those that the other end, or the network, ended without one.
    """

    workload: str
    kind: str
    service: str
    outcomes: Mapping[str, int]
    whole: Mapping[str, float]
    before: Mapping[str, float]
    after: Mapping[str, float]
    completion_ms: Histogram
    slowdown: Histogram
    heat_map: HeatMap
    failed_by: Mapping[str, int] = field(default_factory=dict)

    @property
    def used_up(self) -> int:
        """Those that failed for want of a port, a descriptor or memory: by the shadow's limits, not the network's."""
        return sum(count for name, count in self.failed_by.items() if name in USED_UP)


@dataclass(frozen=True, kw_only=True)
class InstanceSummary:
    """Means of the indicators of an instance, in the baseline and from the last event on."""

    node: str
    workers: int
    before: Mapping[str, float]
    after: Mapping[str, float]
