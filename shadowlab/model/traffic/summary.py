"""What became of a workload and of an instance in a run, as results hold it.

In: plain values.  Out: frozen summaries.  Never: a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
    that time, not means of windows.
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


@dataclass(frozen=True, kw_only=True)
class InstanceSummary:
    """Means of the indicators of an instance, in the baseline and from the last event on."""

    node: str
    workers: int
    before: Mapping[str, float]
    after: Mapping[str, float]
