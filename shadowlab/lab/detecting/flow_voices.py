"""What flows say that are spread over several ways: each for its own way.

In: the counts of flows, their ways.  Out: per path and way the segments sent and sent again.  Never: a count of flows
whose way nobody traced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.network import Direction
from shadowlab.monitor.indicators import FlowCounts

Way = tuple[Direction, ...]


class Voice(NamedTuple):
    """Segments of the flows of one path that go one way, and those sent again: at most as many."""

    way: Way
    sent: int
    again: int


def last_ways(flow_hops: Iterable[tuple[int, str, Way]], now_ns: int) -> dict[str, tuple[Way, int]]:
    """Of each flow the way it had at a moment, and since when; ``flow_hops`` are in order of time."""
    return {flow: (hops, since) for since, flow, hops in flow_hops if since <= now_ns}


def flow_voices(
    counts: FlowCounts,
    times_ns: NDArray[np.int64],
    flows: Iterable[str],
    ways: Mapping[str, tuple[Way, int]],
    window_ns: tuple[int, int],
) -> tuple[Voice, ...]:
    """The voices of these flows in a window (later than its first moment, up to its last), in the order of their ways.

    A flow whose way changed in the window speaks from that change on.
    """
    sent: dict[Way, int] = {}
    again: dict[Way, int] = {}
    column = {flow: number for number, flow in enumerate(counts.flows)}
    for flow in flows:
        way, since = ways.get(flow, ((), 0))
        if not way or flow not in column:
            continue
        heard = (times_ns > max(window_ns[0], since)) & (times_ns <= window_ns[1])
        for total, of_flow in ((sent, counts.sent), (again, counts.again)):
            total[way] = total.get(way, 0) + int(of_flow[heard, column[flow]].sum())
    return tuple(Voice(way, sent[way], min(again[way], sent[way])) for way in sorted(sent))
