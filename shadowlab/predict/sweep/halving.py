"""Which variants are worth another run: successive halving.

In: what every variant showed so far.  Out: those to run again.  Never: a variant forgotten: what is not run again
keeps what it showed.

Every variant is run once; of those that are not settled the worse half is run again, and again (Karnin, Koren, Somekh:
Almost optimal exploration in multi-armed bandits, ICML 2013).  Worse is nearer to, or further beyond, a limit: what a
planner wants to know of a grid is where it breaks, so runs go where that is undecided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from shadowlab.predict.sweep.estimate import Prediction, settled

KEPT_WHOLE = 4
"""So few variants are all run again until they are settled."""


def run_again(
    found: Mapping[str, Sequence[Prediction]], among: Sequence[str], precision: float, *, least_runs: int = 1
) -> tuple[str, ...]:
    """The names to run once more, worst first, out of ``among``: all of a few, the worse half of many.  A variant with
    fewer than ``least_runs`` is not settled."""
    open_ones = [
        name
        for name in among
        if found[name] and (not settled(found[name], precision) or _least_runs(found[name]) < least_runs)
    ]
    ranked = sorted(open_ones, key=lambda name: (-worst(found[name]), name))
    if len(among) <= KEPT_WHOLE:
        return tuple(ranked)
    return tuple(ranked[: max(KEPT_WHOLE, len(among) // 2)])


def _least_runs(found: Sequence[Prediction]) -> float:
    """What is cut off is so in every run."""
    return min((one.runs for one in found if one.verdict != "cut off"), default=math.inf)


def worst(found: Sequence[Prediction]) -> float:
    """How near a variant comes to any limit: 1 is at it, more is beyond."""
    return max((one.badness for one in found), default=0.0)
