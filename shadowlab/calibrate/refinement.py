"""How a run of the shadow differs from production at a bottleneck, and what to try next.

In: the records of the same flows in production and in a shadow.  Out: figures of both, their distance in units of
production's own noise, and the next buffer and rate.  Never: a run.

The figures are those that TCP_INFO has on both sides: the median and the 95th percentile of how far the smoothed RTT
lies above the one without queues, the share of segments sent again, goodput.  What production itself shows twice, in
the first and in the second half of its records, is its noise: nothing is to be gained below it.  The step is a diagonal
Gauss-Newton step in logarithms: the longest wait at a bottleneck goes with its buffer, its goodput with its rate, and
hardly anything else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from shadowlab.calibrate.links.congestion import LEAST_SEGMENTS
from shadowlab.calibrate.observed import ObservedConnection
from shadowlab.model.telemetry import TcpRecord

LEAST_NOISE = 0.02
"""Nothing repeats better than this: a share."""
LOSS_NOISE = 0.25
LEAST_RECORDS = 4
_LARGEST_STEP = 2.0
_NEGLIGIBLE_NS = 200_000
"""Added to each wait: below it they are alike."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of the flows that cross one bottleneck; None where nobody knows."""

    wait_p50_ns: float | None
    wait_p95_ns: float | None
    resent: float | None
    goodput_bps: float | None


FIGURES = ("wait_p50_ns", "wait_p95_ns", "resent", "goodput_bps")


def figures_of(connections: Sequence[tuple[ObservedConnection, float]], *, from_ns: int, to_ns: int) -> Figures:
    """Of the records within a stretch of time; beside each connection its RTT without queues, in nanoseconds."""
    waits: list[float] = []
    again = sent = moved = 0.0
    count = 0
    for one, base_ns in connections:
        inside = [record for record in one.sender_records if from_ns <= record.at_ns <= to_ns]
        waits += [
            max(after.srtt_ns - base_ns, 0.0) + _NEGLIGIBLE_NS
            for before, after in pairwise(inside)
            if after.srtt_ns and _growth(before, after, "data_segments_out") >= LEAST_SEGMENTS
        ]
        if len(inside) < 2:
            continue
        first, last = inside[0], inside[-1]
        seconds = (last.at_ns - first.at_ns) / 1e9
        if seconds <= 0:
            continue
        count += 1
        again += max(_growth(first, last, "retransmits_total") - _growth(first, last, "dsack_duplicates"), 0.0)
        sent += _growth(first, last, "data_segments_out")
        moved += _growth(first, last, "bytes_acked") * 8 / seconds
    known = len(waits) >= LEAST_RECORDS
    return Figures(
        wait_p50_ns=float(np.quantile(waits, 0.5)) if known else None,
        wait_p95_ns=float(np.quantile(waits, 0.95)) if known else None,
        resent=(again + 1) / (sent + 1000) if sent > 0 else None,
        goodput_bps=moved if count and moved > 0 else None,
    )


def _growth(first: TcpRecord, last: TcpRecord, name: str) -> float:
    old, new = getattr(first, name), getattr(last, name)
    return float(max(new - old, 0)) if old is not None and new is not None else 0.0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Production's figures at one bottleneck, and how much each of them is worth."""

    figures: Figures
    noise: Figures


def wanted_of(connections: Sequence[tuple[ObservedConnection, float]], *, from_ns: int, to_ns: int) -> Wanted:
    """The noise is what the two halves of the time differ by, each over the square root of two."""
    middle = (from_ns + to_ns) // 2
    whole = figures_of(connections, from_ns=from_ns, to_ns=to_ns)
    halves = [
        figures_of(connections, from_ns=from_ns, to_ns=middle),
        figures_of(connections, from_ns=middle, to_ns=to_ns),
    ]
    noise = {}
    for name in FIGURES:
        one, other = (getattr(half, name) for half in halves)
        least = LOSS_NOISE if name == "resent" else LEAST_NOISE
        apart = abs(float(np.log(one / other))) / np.sqrt(2) if one and other else 0.0
        noise[name] = max(least, apart)
    return Wanted(figures=whole, noise=Figures(**noise))


def misfit(wanted: Wanted, shadow: Figures) -> float:
    """The mean distance of the figures that both sides know, in units of noise; 0 if there are none."""
    parts = []
    for name in FIGURES:
        ours, theirs = getattr(shadow, name), getattr(wanted.figures, name)
        if ours and theirs:
            parts.append(abs(float(np.log(ours / theirs))) / getattr(wanted.noise, name))
    return float(np.mean(parts)) if parts else 0.0


def next_queue(queue_packets: float, wanted: Wanted, shadow: Figures) -> float:
    """The buffer at which the shadow's waits would be production's: in proportion to the median and the longest."""
    ratios = []
    for name in ("wait_p50_ns", "wait_p95_ns"):
        ours, theirs = getattr(shadow, name), getattr(wanted.figures, name)
        if ours and theirs:
            ratios.append(theirs / ours)
    if not ratios:
        return queue_packets
    step = float(np.exp(np.mean(np.log(ratios))))
    return max(queue_packets * float(np.clip(step, 1 / _LARGEST_STEP, _LARGEST_STEP)), 2.0)


def next_rate(rate_bps: float, wanted: Wanted, shadow: Figures) -> float:
    """The rate at which the shadow's goodput would be production's."""
    ours, theirs = shadow.goodput_bps, wanted.figures.goodput_bps
    if not ours or not theirs:
        return rate_bps
    return rate_bps * float(np.clip(theirs / ours, 1 / _LARGEST_STEP, _LARGEST_STEP))
