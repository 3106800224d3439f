"""Where demand has grown, and what that explains: the load of each direction, from what links carry and probes wait.

In: indicators of paths and links, routes, the map, the baseline and a window.  Out: the utilisation of directions whose
load has grown.  Never: a word on a direction that carries what it always carried.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Direction, Network

GROWN = 1.15
"""Demand has grown on a link that carries more than its baseline by this factor."""
BURSTING = 1.5
"""Where the load grows by this factor, a buffer that fills in bursts is the load's doing.  The window may begin before
the load does, so what doubled seems less."""
FULL_BUFFER = (0.5, 1.5)
"""A packet of each path across a link was late by more than the first share of what a full buffer costs, and by less
than the second of what all buffers on its way cost that may fill so: it was full.  Less will do, for probes come now
and then, and seldom when a burst is at its longest; much more is the work of another link."""
NEIGHBOURS = 1.3
"""A link that has no room to grow is asked for more where most of what its paths cross besides has grown by this."""

Routes = Sequence[tuple[int, str, tuple[Direction, ...]]]
"""Since when, of which path (or flow), over which directions; in order of time."""
_Span = tuple[int, int]
_Floats = NDArray[np.float64]


def grown_loads(
    paths: SeriesTable, links: SeriesTable, routes: Routes, network: Network, baseline_ns: _Span, window_ns: _Span
) -> dict[Direction, float]:
    """The median utilisation in a window of the directions that carry more than in the baseline by a seventh.

    It is 1 where a packet that crossed had to wait as long as the buffer can make it: many senders at once fill one in
    bursts that a second's mean does not show.  A direction that was so full that it has no room for a seventh more has
    grown if most of what its paths cross besides has.
    """
    utilisation = links.values.get("link_utilisation")
    if utilisation is None:
        return {}
    before, now = utilisation[_inside(links, baseline_ns)], utilisation[_inside(links, window_ns)]
    by_name = {str(one): one for _, _, hops in routes for one in hops}
    found: dict[Direction, float] = {}
    growth: dict[Direction, float] = {}
    full: dict[Direction, float] = {}
    for index, name in enumerate(links.subjects):
        old, new = _seen(before[:, index]), _seen(now[:, index])
        if name not in by_name or not old.size or not new.size or not old.mean():
            continue
        direction = by_name[name]
        growth[direction] = float(new.mean() / old.mean())
        if growth[direction] > GROWN:
            found[direction] = float(np.median(new))
        elif old.mean() * GROWN > 1 and growth[direction] >= 1:
            full[direction] = float(np.median(new))
    buffers = {one: _buffer_ms(network, one) for one, times in growth.items() if times > BURSTING}
    for direction in _filled(paths, routes, baseline_ns, window_ns, buffers):
        found[direction] = 1.0
    for direction, load in full.items():
        others = {
            one for _, _, hops in routes if direction in hops for one in hops if one in growth and one not in full
        }
        if others and median(growth[one] for one in others) > NEIGHBOURS:
            found[direction] = load
    return found


def utilisations(links: SeriesTable, network: Network, window_ns: _Span) -> dict[Direction, float]:
    """The median of each direction in a window, of those that are known."""
    values = links.values.get("link_utilisation")
    by_name = {str(one): one for one in network.directions}
    if values is None:
        return {}
    columns = zip(links.subjects, values[_inside(links, window_ns)].T, strict=True)
    known = {by_name[name]: _seen(column) for name, column in columns if name in by_name}
    return {one: float(np.median(column)) for one, column in known.items() if column.size}


def last_route(routes: Routes, path: str, now_ns: int) -> tuple[tuple[Direction, ...], int]:
    """The route of a path at a moment, and since when: the last one recorded until then."""
    return next(((hops, since) for since, name, hops in reversed(routes) if name == path and since <= now_ns), ((), 0))


def _filled(
    paths: SeriesTable, routes: Routes, baseline_ns: _Span, window_ns: _Span, buffers: dict[Direction, float]
) -> list[Direction]:
    """Which of these (with the time that their full buffers cost) filled up now and then: a probe of each path was
    later in the window than most were in the baseline by about as much, for what a direction does to packets it does to
    those of all its paths."""
    usual, longest = paths.values["delay_there_ms"], paths.values["delay_there_max_ms"]
    before, inside = _inside(paths, baseline_ns), _inside(paths, window_ns)
    shares: dict[Direction, list[tuple[float, float]]] = {}
    for index, path in enumerate(paths.subjects):
        old, new = _seen(usual[before, index]), _seen(longest[inside, index])
        if old.size and new.size:
            late = float(new.max() - np.median(old))
            own = [one for one in last_route(routes, path, window_ns[1])[0] if one in buffers]
            for one in own:
                shares.setdefault(one, []).append((late / buffers[one], late / sum(buffers[other] for other in own)))
    return [
        one
        for one, found in shares.items()
        if min(least for least, _ in found) > FULL_BUFFER[0] and min(most for _, most in found) < FULL_BUFFER[1]
    ]


def _buffer_ms(network: Network, direction: Direction) -> float:
    """How long the last packet of a full buffer waits, by the map; endless where nothing waits."""
    impairment = network.impairment(direction)
    if impairment.rate_bps is None:
        return float("inf")
    return impairment.queue_packets * impairment.mtu * 8 / impairment.rate_bps * 1e3


def _inside(table: SeriesTable, span_ns: _Span) -> NDArray[np.bool_]:
    return (table.times_ns > span_ns[0]) & (table.times_ns <= span_ns[1])


def _seen(values: _Floats) -> _Floats:
    return values[~np.isnan(values)]
