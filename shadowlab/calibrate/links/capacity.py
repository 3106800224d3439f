"""How fast a direction is, how much may wait for it, and what its queue does: from the times when packets waited.

In: what was seen, and its congestion.  Out: per direction the rate, the buffer and the discipline, each with its
standing; findings about rates that do not stay.  Never: a lower bound called a capacity.

While a queue stands, the link behind it is busy all the time, so what crosses it then is its capacity.  A link at which
nothing ever waited is at least as fast as the most that crossed it: that is all there is to know of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from shadowlab.calibrate.links.congestion import LEAST_BINS, Bottleneck, Congestion
from shadowlab.calibrate.links.numbers import Flags, Floats
from shadowlab.calibrate.links.seen import Seen
from shadowlab.model.calibration import Finding, Value
from shadowlab.model.queue import ETHERNET_FRAMING_BYTES, FULL_FRAME_BYTES
from shadowlab.model.units import NS_PER_S, format_rate

FULL_WIRE_BYTES = FULL_FRAME_BYTES + ETHERNET_FRAMING_BYTES
_HIGH = 0.85
"""The quantile of what crosses a full link that is its rate."""
STEADY = 0.1
"""A full link whose load scatters by less than this share has one rate."""
LEVELS_APART = 0.2
_LEAST_QUEUE_PACKETS = 4
_EXCEEDED = 1.04
"""A link that carried this many times its supposed rate was not full."""
_LONGEST_AQM_QUEUE_NS = 30e6
_AQM_PEAK = 4.0
"""An AQM lets a burst in and drains it again: its longest queue is so many times the one at which it drops."""
_AQM_DROPS = 10


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Of one direction."""

    rate_bps: Value
    queue_packets: Value
    background_bps: Value
    discipline: Literal["", "fifo", "aqm"]
    ecn: bool
    congested: float
    ceiling_bps: float = 0.0
    """The highest of the levels of a full link's rate, or the rate if it stays; 0 if it was not full."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scattering:
    """A queue behind which what crossed the link scattered: it was full a part of each moment at most."""

    bottleneck: Bottleneck
    rate_bps: float


def capacities(
    seen: Seen, congestion: Congestion, stated_bps: Sequence[int | None]
) -> tuple[Mapping[int, Capacity], list[Scattering], list[Finding]]:
    """By direction number; those that nothing crossed are left out.  Beside them queues that tell of no capacity."""
    scattering: list[Scattering] = []
    found: dict[int, Capacity] = {}
    findings: list[Finding] = []
    last_ns = int(seen.to_ns.max()) if len(seen.to_ns) else 0
    either = (seen.forward + seen.back) > 0
    crossing = either.sum(axis=0)
    samples = either[seen.connection].sum(axis=0)
    for one in np.flatnonzero(crossing).tolist():
        most = most_of(congestion.load_bps[:, one])
        if most > 0:
            found[one] = _unfilled(most, stated_bps[one], int(crossing[one]), int(samples[one]), last_ns)
    for bottleneck in congestion.bottlenecks:
        more = _full(seen, congestion, bottleneck, stated_bps, findings)
        if more is None:
            continue  # what was exceeded was not full: the most that crossed it says as much
        if more.rate_bps.standing == "bounded":  # nor was what scatters full all the time
            scattering.append(Scattering(bottleneck=bottleneck, rate_bps=more.rate_bps.value or 0.0))
            continue
        for place in bottleneck.places:
            if place not in found or found[place].rate_bps.standing == "bounded":
                found[place] = more
    return found, scattering, findings


def unfilled(seen: Seen, congestion: Congestion, one: int, stated_bps: float) -> Capacity:
    """Of direction ``one``, if nothing waited there; ``stated_bps`` NaN: the map states nothing."""
    crossing = (seen.forward[:, one] + seen.back[:, one]) > 0
    last_ns = int(seen.to_ns.max()) if len(seen.to_ns) else 0
    stated = round(stated_bps) if stated_bps == stated_bps else None
    samples = int(crossing[seen.connection].sum())
    return _unfilled(most_of(congestion.load_bps[:, one]), stated, int(crossing.sum()), samples, last_ns)


def most_of(load: Floats) -> float:
    """The most that crossed within three neighbouring moments: in one, records of different phases add up wrongly."""
    if len(load) < 3:
        return float(load.mean()) if len(load) else 0.0
    return float(np.convolve(load, np.full(3, 1 / 3), mode="valid").max())


def shared_with_unseen(value: Value) -> Value:
    """The rate of a full link that connections which nobody records may cross as well: no more than a lower bound."""
    why = f"{value.why}; what silent instances send each other may have had a part of it"
    return replace(value, low=value.value, high=None, standing="bounded", why=why)


def _unfilled(most: float, stated: int | None, flows: int, samples: int, last_ns: int) -> Capacity:
    value = Value(
        value=most,
        low=most,
        standing="bounded",
        flows=flows,
        samples=samples,
        seen_ns=last_ns,
        why="nothing waited for it: it is at least as fast as the most that crossed it",
    )
    background = Value()
    if stated is not None:
        high = max(stated - most, 0.0)
        background = Value(low=0.0, high=high, standing="bounded", flows=flows, samples=samples, seen_ns=last_ns)
    return Capacity(
        rate_bps=value, queue_packets=Value(), background_bps=background, discipline="", ecn=False, congested=0.0
    )


def _full(
    seen: Seen,
    congestion: Congestion,
    bottleneck: Bottleneck,
    stated_bps: Sequence[int | None],
    findings: list[Finding],
) -> Capacity | None:
    """None if it was not full: more crossed it at another time, or its queue never was one of several packets."""
    place = bottleneck.places[0]
    name = " or ".join(str(seen.directions[one]) for one in bottleneck.places)
    load = congestion.load_bps[:, place]
    full = _inside(bottleneck.congested)
    if full.sum() < LEAST_BINS:
        full = bottleneck.congested
    loads = load[full]
    rate, low, high, why = _rate(loads)
    steady = high is not None
    levels = _levels(loads)
    ceiling = max(levels) if levels is not None else rate
    if any(most_of(congestion.load_bps[:, one]) > _EXCEEDED * ceiling for one in bottleneck.places):
        return None
    if bottleneck.queue_ns.max() < _LEAST_QUEUE_PACKETS * FULL_WIRE_BYTES * 8 * NS_PER_S / ceiling:
        return None
    if levels is not None:
        low, high = min(levels), max(levels)
        rate, why = levels[-1], f"the rate of its last stretch; it changed between {len(levels)} levels"
        findings.append(
            Finding(
                kind="rate changes",
                subject=name,
                message=f"its rate does not stay: {format_rate(low)} to {format_rate(high)} while packets waited",
                effect="its newest rate is taken, and all its levels lie in the interval",
                records=int(full.sum()),
            )
        )
    alone = len(bottleneck.places) == 1
    rows = np.isin(seen.connection, bottleneck.connections)
    flows, samples = len(bottleneck.connections), int(full.sum())
    last_ns = int(congestion.from_ns + congestion.step_ns * (np.flatnonzero(bottleneck.congested)[-1] + 1))
    capacity = Value(
        value=rate,
        low=low,
        high=high,
        standing="bounded" if not steady and levels is None else "measured" if alone else "unidentifiable",
        flows=flows,
        samples=samples,
        seen_ns=last_ns,
        why=why if alone else f"{why}; it may be any of {name}",
    )
    stated = stated_bps[place]
    background = Value()
    if stated is not None and stated > 1.1 * rate:
        background = Value(
            value=stated - rate,
            low=0.0,
            high=float(stated) - rate,
            standing="bounded",
            flows=flows,
            samples=samples,
            seen_ns=last_ns,
            why="what the map states beyond the rate at which packets began to wait",
        )
        findings.append(
            Finding(
                kind="contradicts the map",
                subject=name,
                message=f"the map states {format_rate(stated)}, yet packets wait at {format_rate(rate)}: it is slower, "
                f"or up to {format_rate(stated - rate)} of it is taken by traffic that no record knows",
                effect="the rate that is left for the recorded traffic is taken",
                records=samples,
            )
        )
    marked = float(np.nansum(seen.marks[rows])) > 0
    packets, discipline = _buffer(seen, congestion, bottleneck, rate, rows, flows, last_ns, marked=marked)
    return Capacity(
        rate_bps=capacity,
        queue_packets=packets,
        background_bps=background,
        discipline=discipline,
        ecn=marked,
        congested=float(bottleneck.congested.sum() / max(1, int(congestion.observed.sum()))),
        ceiling_bps=ceiling,
    )


def _inside(congested: Flags) -> Flags:
    """The bins between two congested ones: at the edges the link was idle for a part of the bin."""
    inside = congested.copy()
    inside[0] = inside[-1] = False
    inside[1:-1] &= congested[:-2] & congested[2:]
    return inside


def _rate(loads: Floats) -> tuple[float, float, float | None, str]:
    """The rate, its interval, and why.  What scatters is no capacity, but a lower bound: without an upper end."""
    middle = float(np.median(loads))
    spread = float(1.4826 * np.median(np.abs(loads - middle)))
    half = max(2 * spread / np.sqrt(len(loads)), 0.005 * middle)
    if spread <= STEADY * middle:
        # Buffers run dry for a part of some moments, and never give more than the rate: it is among the higher ones.
        rate = float(np.quantile(loads, _HIGH))
        most = float(np.quantile(loads, 0.98))
        why = f"what crossed it while packets waited, in the fuller ones of {len(loads)} moments"
        return rate, middle - half, max(rate + half, most + 2 * (most - rate)), why
    why = f"what crossed it while packets waited, a high quantile of {len(loads)} moments"
    # Unsteady: a part of each moment the link was idle, or unseen traffic took its share.
    high = float(np.quantile(loads, 0.9))
    return high, middle, None, f"{why}; they scatter"


def _levels(loads: Floats) -> list[float] | None:
    """The levels of a rate that changes: runs of similar loads that differ from each other by more than they scatter
    in themselves; None for a rate that stays."""
    if len(loads) < 4 * LEAST_BINS:
        return None
    runs: list[list[float]] = [[float(loads[0])]]
    for one, after in zip(loads[1:], [*loads[2:], loads[-1]], strict=True):
        middle = float(np.median(runs[-1]))
        # One odd moment is none; two in a row are a change.
        if abs(one / middle - 1) > LEVELS_APART and abs(after / middle - 1) > LEVELS_APART:
            runs.append([])
        runs[-1].append(float(one))
    long = [run for run in runs if len(run) >= LEAST_BINS]
    within = [np.std(run) / np.mean(run) for run in long]
    if len(long) < 2 or sum(map(len, long)) < 0.7 * len(loads) or float(np.median(within)) > STEADY:
        return None
    levels = [float(np.median(run)) for run in long]
    return levels if max(levels) > (1 + LEVELS_APART) * min(levels) else None


def _buffer(
    seen: Seen,
    congestion: Congestion,
    bottleneck: Bottleneck,
    rate: float,
    rows: Flags,
    flows: int,
    last_ns: int,
    *,
    marked: bool,
) -> tuple[Value, Literal["", "fifo", "aqm"]]:
    waits = bottleneck.queue_ns[bottleneck.congested]
    longest, usual = float(waits.max()), float(np.median(waits))
    bins = congestion.bins_of(seen.to_ns[rows])
    lossy = np.zeros(len(bottleneck.queue_ns), dtype=np.bool_)
    lossy[bins[np.nan_to_num(seen.losses[rows]) > 0]] = True
    near = lossy.copy()
    near[:-1] |= lossy[1:]  # the queue was longest just before
    at_loss = bottleneck.queue_ns[near & bottleneck.congested]
    drops = int((lossy & bottleneck.congested).sum())
    per_packet_ns = FULL_WIRE_BYTES * 8 * NS_PER_S / rate
    early = len(at_loss) >= _AQM_DROPS and float(np.quantile(at_loss, 0.75)) < longest / _AQM_PEAK
    if marked or (early and usual < _LONGEST_AQM_QUEUE_NS and bottleneck.congested.mean() > 0.5):
        why = "marks were seen" if marked else "it drops at short queues and yet lets bursts in"
        limit = Value(low=longest / per_packet_ns, standing="bounded", flows=flows, samples=len(waits), why=why)
        return limit, "aqm"
    if not drops or not len(at_loss):
        least = longest / per_packet_ns
        why = "nothing was lost there: it holds at least the longest queue"
        return Value(
            value=least, low=least, standing="bounded", flows=flows, samples=len(waits), seen_ns=last_ns, why=why
        ), ""
    peak = max(float(np.quantile(at_loss, 0.95)), usual)
    spread = float(np.std(at_loss))
    return (
        Value(
            value=max(peak / per_packet_ns, 1.0),
            low=max((peak - spread) / per_packet_ns, 1.0),
            high=max((peak * 1.5 + spread) / per_packet_ns, 2.0),
            standing="measured",
            flows=flows,
            samples=drops,
            seen_ns=last_ns,
            why=f"the longest queue at {drops} moments of loss; smoothing hides the last part of it",
        ),
        "fifo",
    )
