"""Where packets waited, and when: queueing delays that move together have a link in common.

In: what was seen, each connection's RTT without queues, what the map states of rates.  Out: the load of each direction
over time, and the bottlenecks: sets of directions that cannot be told apart, each with its queue's course.
Never: a capacity.

Everything that crosses a full FIFO waits at least as long as its queue is, data and acknowledgements alike.  So the
queue of a direction is no longer than the least wait of the connections that surely cross it, and one connection that
does not wait exonerates all of its way.  Bottlenecks are found one by one: the direction whose queue explains most of
the waiting is taken, its part is taken off every connection that crosses it, and what is left is explained in the same
manner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shadowlab.calibrate.links.numbers import Flags, Floats, Ints
from shadowlab.calibrate.links.seen import Seen
from shadowlab.model.units import NS_PER_MS, NS_PER_S

LEAST_SEGMENTS = 8
"""A smoothed RTT that fewer segments moved tells of the past: each one moves it by an eighth."""
LEAST_WAIT_NS = NS_PER_MS / 2
LEAST_WAIT_SHARE = 0.05
"""Of the RTT without queues: less is not told from hosts' own delays."""
LEAST_BINS = 3
MOST_BINS = 4000
_CERTAIN = 0.99
_LOW = 0.2
"""The quantile of the waits that counts as the least: a single wrong RTT does not exonerate a link."""
_ALIKE = 0.95
"""Directions that explain this share of what the best one explains are as good as it."""
_BUSIER = 1.05
_LAG = 0.35
_STILL = 0.35
"""A wait whose 10th and 90th percentiles are this share apart, or less, is none of a queue's,"""
_FLAT = 0.02
"""unless what crossed was flat within this share of it: a link that is full all the time."""
_EAGER = 0.3
"""In so many of the moments with a queue some sender must have had more to send than it could."""
_EAGER_LOAD = 0.15
"""And such senders must have carried so much of what crossed then."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bottleneck:
    """``places`` are the numbers of the directions that may be it.  ``queue_ns`` (T,) is its queue, 0 where none was
    seen; ``connections`` those that cross it with their data."""

    places: tuple[int, ...]
    queue_ns: Floats
    connections: tuple[int, ...]

    @property
    def congested(self) -> Flags:
        """In which bins packets waited, (T,)."""
        return np.asarray(self.queue_ns > 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Congestion:
    """T bins of ``step_ns`` from ``from_ns`` on.  ``load_bps`` (T, D) counts headers, framing and acknowledgements;
    ``wait_ns`` (T, C) is each connection's RTT beyond that without queues, NaN where nothing fresh is known;
    ``observed`` (T,) whether anything was."""

    from_ns: int
    step_ns: int
    load_bps: Floats
    wait_ns: Floats
    observed: Flags
    bottlenecks: tuple[Bottleneck, ...]

    def bins_of(self, moments_ns: Ints) -> Ints:
        """The bin of each moment; a moment on an edge belongs to the bin that ends there."""
        last = len(self.load_bps) - 1
        return np.clip((moments_ns - self.from_ns - 1) // self.step_ns, 0, max(last, 0)).astype(np.int64)


def congestion_of(seen: Seen, base_rtt_ns: Floats, stated_bps: Sequence[int | None]) -> Congestion:
    """``base_rtt_ns`` (C,) is the RTT without queues of full segments, NaN where unknown; ``stated_bps`` the map's
    rates, by direction."""
    if not len(seen.to_ns):
        none = np.zeros((0, len(seen.directions)))
        return Congestion(
            from_ns=0,
            step_ns=NS_PER_S,
            load_bps=none,
            wait_ns=np.zeros((0, len(seen.pairs))),
            observed=np.zeros(0, dtype=np.bool_),
            bottlenecks=(),
        )
    start, end = int(seen.from_ns.min()), int(seen.to_ns.max())
    step = max(usual_interval_ns(seen), NS_PER_S // 5, (end - start) // MOST_BINS + 1)
    bins = max(1, -(-(end - start) // step))
    edges = start + step * np.arange(bins + 1)
    forward_bps, ack_bps = _rates(seen, edges)
    load = forward_bps @ seen.forward + ack_bps @ seen.back
    wait = _waits(seen, base_rtt_ns, start, step, bins)
    found = _bottlenecks(seen, wait, base_rtt_ns, load, forward_bps, stated_bps, start, step)
    return Congestion(
        from_ns=start,
        step_ns=step,
        load_bps=load,
        wait_ns=wait,
        observed=np.asarray((forward_bps > 0).any(axis=1)),
        bottlenecks=tuple(found),
    )


def usual_interval_ns(seen: Seen) -> int:
    """How far apart records are for most of the *time*: connections that end between two readings have shorter
    intervals, and there may be more of them than of any others."""
    lengths = np.sort(seen.to_ns - seen.from_ns)
    covered = np.cumsum(lengths)
    return int(lengths[np.searchsorted(covered, covered[-1] / 2)])


def _rates(seen: Seen, edges: Ints) -> tuple[Floats, Floats]:
    """Bits per second of data and of acknowledgements, each (T, C)."""
    seconds = np.diff(edges) / NS_PER_S
    data = np.zeros((len(edges) - 1, len(seen.pairs)))
    acks = np.zeros_like(data)
    for number in np.unique(seen.connection):
        rows = seen.connection == number
        begins, ends = seen.from_ns[rows], seen.to_ns[rows]
        moments = np.append(begins[:1], ends)
        for result, moved in ((data, seen.wire_bytes[rows]), (acks, seen.ack_bytes[rows])):
            total = np.append(0.0, np.cumsum(np.nan_to_num(moved)))
            result[:, number] = np.diff(np.interp(edges, moments, total)) * 8 / seconds
    return data, acks


def _waits(seen: Seen, base_rtt_ns: Floats, start: int, step: int, bins: int) -> Floats:
    wait = np.full((bins, len(seen.pairs)), np.nan)
    fresh = (seen.segments >= LEAST_SEGMENTS) & np.isfinite(seen.srtt_ns)
    places = np.clip((seen.to_ns - start - 1) // step, 0, bins - 1)
    for row in np.flatnonzero(fresh):
        one = seen.connection[row]
        wait[places[row], one] = max(seen.srtt_ns[row] - base_rtt_ns[one], 0.0)
    return wait


def least_wait(base_rtt_ns: Floats) -> Floats:
    """Below this a wait is not told from nothing."""
    return np.asarray(np.maximum(LEAST_WAIT_NS, LEAST_WAIT_SHARE * np.nan_to_num(base_rtt_ns)))


def _bottlenecks(
    seen: Seen,
    wait: Floats,
    base_rtt_ns: Floats,
    load: Floats,
    data_bps: Floats,
    stated_bps: Sequence[int | None],
    start: int,
    step: int,
) -> list[Bottleneck]:
    left = wait.copy()
    # What is left of a wait once a queue is taken off is no surer than that queue: smoothed RTTs lag, each its own way.
    threshold = np.broadcast_to(least_wait(base_rtt_ns), wait.shape).copy()
    surely = (seen.forward > _CERTAIN) | (seen.back > _CERTAIN)
    candidates = [one for one in range(len(seen.directions)) if (seen.forward[:, one] > _CERTAIN).any()]
    eager = _eager(seen, len(load), start, step)
    found: list[Bottleneck] = []
    taken: set[int] = set()
    while len(found) < len(seen.directions):
        queues = {one: _queue(left, surely[:, one], threshold) for one in candidates if one not in taken}
        gains = {one: _gain(left, surely[:, one], queue, threshold) for one, queue in queues.items()}
        gains = {one: gain for one, gain in gains.items() if (queues[one] > 0).sum() >= LEAST_BINS and gain > 0}
        if not gains:
            return found
        most = max(gains.values())
        alike = [one for one, gain in gains.items() if gain >= _ALIKE * most]
        chosen = _told_apart(alike, queues, load, stated_bps)
        queue = queues[chosen[0]]
        crossing = surely[:, chosen[0]]
        taken |= set(alike)
        if not _filled(eager, data_bps, queue, seen.forward[:, chosen[0]] > _CERTAIN, load[:, chosen[0]]):
            continue
        left[:, crossing] = np.maximum(left[:, crossing] - queue[:, None], 0.0)
        threshold[:, crossing] += _LAG * queue[:, None]
        found.append(
            Bottleneck(
                places=tuple(chosen),
                queue_ns=queue,
                connections=tuple(np.flatnonzero(seen.forward[:, chosen[0]] > _CERTAIN).tolist()),
            )
        )
    return found


def _eager(seen: Seen, bins: int, start: int, step: int) -> Flags:
    """In which bins each connection may have had more to send than it could, (T, C)."""
    result = np.zeros((bins, len(seen.pairs)), dtype=np.bool_)
    rows = (seen.eager > 0) & (seen.segments >= LEAST_SEGMENTS)
    result[np.clip((seen.to_ns[rows] - start - 1) // step, 0, bins - 1), seen.connection[rows]] = True
    # A sender that mostly had nothing to send is no greedy one at the few moments that a mark is missing.
    told = np.bincount(seen.connection, minlength=len(seen.pairs))
    marked = np.bincount(seen.connection, weights=seen.eager <= 0, minlength=len(seen.pairs))
    result[:, 2 * marked > told] = False
    return result


def _filled(eager: Flags, data_bps: Floats, queue_ns: Floats, crossing: Flags, load: Floats) -> bool:
    """Whether something can have filled the queue: a sender with more to send than it could, which carried a part of
    the load that counts, and no more traffic at times without a queue.  What is always there, whatever the load, is an
    RTT that hosts add to, not a queue, and so is a wait that never changes, but where the load does not either; where
    nearly all that crosses is paced, the queue is elsewhere."""
    congested = queue_ns > 0
    if eager[congested][:, crossing].any(axis=1).mean() < _EAGER:
        return False
    if _spread(queue_ns[congested]) < _STILL and _spread(load[congested]) > _FLAT:
        return False
    carried = data_bps[congested][:, crossing]
    if float((carried * eager[congested][:, crossing]).sum()) < _EAGER_LOAD * float(carried.sum()):
        return False
    calm = load[~congested & (load > 0)]
    if len(calm) < LEAST_BINS:
        return True
    usual, full = float(np.median(calm)), float(np.median(load[congested]))
    if len(calm) > congested.sum():  # now and then only: then because more crossed it than usual
        return full >= _BUSIER * usual
    return usual <= _BUSIER * full


def _spread(values: Floats) -> float:
    """How far the 10th and the 90th percentile are apart, as a share of the median."""
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return float((high - low) / middle)


def _queue(left: Floats, crossing: Flags, threshold: Floats) -> Floats:
    """The queue of a direction in each bin: the least wait of those that cross it; 0 where that is next to nothing."""
    waits = left[:, crossing]
    known = np.isfinite(waits)
    result = np.zeros(len(left))
    rows = known.any(axis=1)
    if rows.any():
        low = np.nanquantile(waits[rows], _LOW, axis=1, method="lower")
        least = np.where(known, threshold[:, crossing], np.inf).min(axis=1)[rows]
        result[rows] = np.where(low > least, low, 0.0)
    return result


def _gain(left: Floats, crossing: Flags, queue: Floats, threshold: Floats) -> float:
    """How much waiting the queue explains, in nanoseconds summed over connections and bins."""
    waits = np.nan_to_num(left[:, crossing])
    return float(np.where(waits > threshold[:, crossing], np.minimum(waits, queue[:, None]), 0.0).sum())


def _told_apart(
    alike: Sequence[int], queues: dict[int, Floats], load: Floats, stated_bps: Sequence[int | None]
) -> list[int]:
    """Of directions that explain the waiting alike those that may be the bottleneck.

    Data fills a queue, acknowledgements hardly do: the busiest count.  A link that carried clearly more at another time
    is not full now.  Of the rest, one whose stated rate is what crosses it is believed.
    """
    full = {one: _typical_load(queues[one], load[:, one]) for one in alike}
    busiest = max(full.values())
    chosen = [one for one in alike if full[one] * _BUSIER >= busiest]
    free = [one for one in chosen if np.quantile(load[:, one], 0.99) <= _BUSIER * 1.05 * full[one]]
    chosen = free or chosen
    fitting = [one for one in chosen if (rate := stated_bps[one]) and abs(full[one] / rate - 1) < 0.1]
    return sorted(fitting or chosen)


def _typical_load(queue: Floats, load: Floats) -> float:
    return float(np.median(load[queue > 0]))
