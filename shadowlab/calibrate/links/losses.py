"""Random loss and reordering per direction, told from what queues do.

In: what was seen, its congestion.  Out: per direction the two shares; findings.  Never: a full queue's drop taken for a
broken link.

What is lost while packets wait, or while a direction on the way is as full as it ever was, is the queue's doing; what
is lost on a quiet way is corruption.  Only the way there counts: a lost acknowledgement is made up for by the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shadowlab.calibrate.links.congestion import Congestion, least_wait
from shadowlab.calibrate.links.numbers import Flags, Floats
from shadowlab.calibrate.links.seen import Seen
from shadowlab.calibrate.links.shares import Shares, shares
from shadowlab.model.calibration import Value

LEAST_EVENTS = 5
"""Fewer losses than that bound a share, they do not measure it."""
LEAST_PACKETS = 300
NEAR_FULL = 0.9
_WAITS = 0.25
"""A smoothed RTT this share above the one without queues points to congestion wherever the queue is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Losses:
    """``quiet`` (N,) are the intervals that count for random loss; values by direction."""

    loss: tuple[Value, ...]
    reorder: tuple[Value, ...]
    shares: Shares
    quiet: Flags


def losses(seen: Seen, congestion: Congestion, base_rtt_ns: Floats, rates_bps: Floats) -> Losses:
    """``rates_bps`` (D,) are the known rates, NaN elsewhere."""
    quiet = quiet_intervals(seen, congestion, base_rtt_ns, rates_bps)
    found = _counted(seen, seen.losses, quiet)
    reordered = _counted(seen, seen.reorders, quiet)
    last_ns = int(seen.to_ns[quiet].max(initial=0)) if len(quiet) else 0
    return Losses(
        loss=tuple(_value(found, one, last_ns, "losses") for one in range(len(seen.directions))),
        reorder=tuple(_value(reordered, one, last_ns, "reorderings") for one in range(len(seen.directions))),
        shares=found,
        quiet=quiet,
    )


def quiet_intervals(seen: Seen, congestion: Congestion, base_rtt_ns: Floats, rates_bps: Floats) -> Flags:
    """The intervals in which nothing on the way was full, as far as one can see."""
    base = base_rtt_ns[seen.connection]
    longest = np.fmax(seen.srtt_ns, seen.srtt_before_ns)
    wait = longest - base
    limit = np.maximum(_WAITS * base, least_wait(base_rtt_ns)[seen.connection])
    quiet = ~(np.nan_to_num(wait) > limit)
    if not len(congestion.load_bps):
        return quiet
    full = np.zeros(congestion.load_bps.shape, dtype=np.bool_)
    for bottleneck in congestion.bottlenecks:
        busy = bottleneck.congested.copy()
        busy[1:] |= bottleneck.congested[:-1]  # what was lost at its end is seen a round trip later
        for place in bottleneck.places:
            full[:, place] |= busy
    with np.errstate(invalid="ignore"):
        full |= congestion.load_bps > NEAR_FULL * rates_bps[None, :]
    bins = congestion.bins_of(seen.to_ns)
    touched = ((seen.forward[seen.connection] > 0) & full[bins]).any(axis=1)
    return quiet & ~touched


def _counted(seen: Seen, counts: Floats, quiet: Flags) -> Shares:
    used = quiet & np.isfinite(counts) & np.isfinite(seen.segments) & (seen.segments > 0)
    connections = len(seen.pairs)
    events = np.bincount(seen.connection[used], counts[used], connections).astype(np.float64)
    packets = np.bincount(seen.connection[used], seen.segments[used], connections)
    return shares(events, np.where(seen.usable, packets, 0.0), seen.forward)


def _value(found: Shares, one: int, last_ns: int, what: str) -> Value:
    packets, events = float(found.packets[one]), float(found.events[one])
    low, high, share = float(found.low[one]), float(found.high[one]), float(found.share[one])
    flows = int(found.connections[one])
    if packets < LEAST_PACKETS:
        few = f"only {packets:.0f} packets crossed it while its way was quiet"
        return Value(flows=flows, samples=int(packets), why=few if packets else "")
    known = bool(found.known[one])
    common = {"flows": flows, "samples": int(packets), "seen_ns": last_ns}
    if events >= LEAST_EVENTS:
        why = f"{events:.0f} {what} on a quiet way"
        if known:
            return Value(value=share, low=low, high=high, standing="measured", why=why, **common)
        why += "; other directions could have caused a part of them"
        return Value(value=share, low=low, high=high, standing="unidentifiable", why=why, **common)
    return Value(value=share, low=0.0, high=high, standing="bounded", why=f"{events:.0f} {what}: no more", **common)
