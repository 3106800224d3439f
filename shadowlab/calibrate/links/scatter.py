"""Jitter per direction, from how much the RTTs of quiet connections scatter.

In: what was seen, which of its intervals were quiet.  Out: a value per direction.  Never: a host's own scatter, or a
sender's own bursts, taken for a link's jitter without a word.

Every connection that crosses a jittery link sees at least its scatter, so the least mean deviation among those that
cross a direction bounds its jitter.  It is taken for measured only where several pairs of instances agree that it is
there, and none that crosses the direction is without it.
"""

from __future__ import annotations

import numpy as np

from shadowlab.calibrate.links.numbers import Flags, Floats
from shadowlab.calibrate.links.seen import Seen
from shadowlab.model.calibration import Value
from shadowlab.model.units import NS_PER_MS

LEAST_NS = 0.3 * NS_PER_MS
LEAST_SHARE = 0.02
LEAST_PAIRS = 3
LEAST_SAMPLES = 10
_EVEN = 2.0
"""Even jitter of ±J has a mean deviation of J/2."""


def scatter(seen: Seen, quiet: Flags) -> tuple[Value, ...]:
    """By direction."""
    connections = len(seen.pairs)
    deviation = np.full(connections, np.nan)
    for one in range(connections):
        rows = quiet & (seen.connection == one) & np.isfinite(seen.rttvar_ns) & (seen.segments >= 4)
        if rows.sum() >= LEAST_SAMPLES:
            deviation[one] = float(np.quantile(seen.rttvar_ns[rows], 0.25))
    known = np.isfinite(deviation)
    last_ns = int(seen.to_ns[quiet].max(initial=0)) if len(quiet) else 0
    left = deviation.copy()
    found: dict[int, Value] = {}
    crosses = (seen.forward > 0.99) | (seen.back > 0.99)
    crossing = {one: np.flatnonzero(known & crosses[:, one]) for one in range(len(seen.directions))}
    enough = [
        one
        for one, members in crossing.items()
        if len({frozenset(seen.pairs[member]) for member in members}) >= LEAST_PAIRS
    ]
    for _ in enough:
        best, best_gain = -1, 0.0
        for one in enough:
            members = crossing[one]
            if one in found:
                continue
            least = float(np.quantile(left[members], 0.1, method="lower"))
            floor = max(LEAST_NS, LEAST_SHARE * float(np.nanmedian(seen.least_rtt_ns[members])))
            gain = least * len(members)
            if least > floor and gain > best_gain:
                best, best_gain = one, gain
        if best < 0:
            break
        members = crossing[best]
        least = float(np.quantile(left[members], 0.1, method="lower"))
        left[members] = np.sqrt(np.maximum(left[members] ** 2 - least**2, 0.0))
        found[best] = Value(
            value=_EVEN * least,
            low=0.0,
            high=_EVEN * float(np.median(deviation[members])),
            standing="measured",
            flows=len(members),
            samples=int(quiet.sum()),
            seen_ns=last_ns,
            why="all that crosses it scatters at least so, and other ways do not",
        )
    return tuple(
        found.get(one) or _bound(one, deviation, known & crosses[:, one], last_ns)
        for one in range(len(seen.directions))
    )


def _bound(one: int, deviation: Floats, members: Flags, last_ns: int) -> Value:
    if not members.any():
        return Value()
    high = _EVEN * float(deviation[members].min())
    return Value(
        low=0.0,
        high=high,
        standing="bounded",
        flows=int(members.sum()),
        seen_ns=last_ns,
        why="no connection that crosses it scatters less than its hosts and its own bursts could explain",
    )
