"""How a run of the shadow differs from production at a bottleneck, and what to try next.

In: the records of the same flows in production and in a shadow.  Out: figures of both, their distance in units of
production's own noise, and the next buffer and rate.  Never: a run.

The figures are those that TCP_INFO has on both sides: the smoothed RTT's median and 95th percentile, the share of
segments sent again, goodput.  What production itself shows twice, in the first and in the second half of its records,
is its noise: nothing is to be gained below it.  The step is a diagonal Gauss-Newton step in logarithms: the longest
wait at a bottleneck goes with its buffer, its goodput with its rate, and hardly anything else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shadowlab.calibrate.observed import ObservedConnection
from shadowlab.model.telemetry import TcpRecord

LEAST_NOISE = 0.02
"""Nothing repeats better than this: a share."""
LOSS_NOISE = 0.25
LEAST_RECORDS = 4
_LARGEST_STEP = 2.0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of the flows that cross one bottleneck; None where nobody knows."""

    srtt_p50_ns: float | None
    srtt_p95_ns: float | None
    resent: float | None
    goodput_bps: float | None


FIGURES = ("srtt_p50_ns", "srtt_p95_ns", "resent", "goodput_bps")


def figures_of(connections: Sequence[ObservedConnection], *, from_ns: int, to_ns: int) -> Figures:
    """Of the records within a stretch of time."""
    rtts: list[float] = []
    again = sent = moved = 0.0
    count = 0
    for one in connections:
        inside = [record for record in one.sender_records if from_ns <= record.at_ns <= to_ns]
        rtts += [float(record.srtt_ns) for record in inside if record.srtt_ns]
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
    known = len(rtts) >= LEAST_RECORDS
    return Figures(
        srtt_p50_ns=float(np.quantile(rtts, 0.5)) if known else None,
        srtt_p95_ns=float(np.quantile(rtts, 0.95)) if known else None,
        resent=(again + 1) / (sent + 1000) if sent > 0 else None,
        goodput_bps=moved if count and moved > 0 else None,
    )


def _growth(first: TcpRecord, last: TcpRecord, name: str) -> float:
    old, new = getattr(first, name), getattr(last, name)
    return float(max(new - old, 0)) if old is not None and new is not None else 0.0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Production's figures at one bottleneck, how much each of them is worth, and the RTT without queues."""

    figures: Figures
    noise: Figures
    base_rtt_ns: float


def wanted_of(connections: Sequence[ObservedConnection], base_rtt_ns: float, *, from_ns: int, to_ns: int) -> Wanted:
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
    return Wanted(figures=whole, noise=Figures(**noise), base_rtt_ns=base_rtt_ns)


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
    for name in ("srtt_p50_ns", "srtt_p95_ns"):
        ours, theirs = getattr(shadow, name), getattr(wanted.figures, name)
        if ours and theirs:
            least = 0.02 * wanted.base_rtt_ns + 50_000
            ratios.append(max(theirs - wanted.base_rtt_ns, least) / max(ours - wanted.base_rtt_ns, least))
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
