"""What of a result is worth a place on paper.

In: a result and its series.  Out: the paths and links to draw, the baseline band, series thinned to what a page can
show.  Never: a value changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadowlab.model.units import NS_PER_S

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shadowlab.model.kpi import SeriesTable
    from shadowlab.model.network import Direction
    from shadowlab.model.result import PathTrace, RunResult

WORST_PATHS = 4
HEALTHY_PATHS = 2
NEIGHBOURS = 4
MOST_POINTS = 1200


def affected_paths(result: RunResult) -> tuple[str, ...]:
    """Every affected path: worst score first, then those the fault domain adds."""
    ranked = sorted(result.anomalies, key=lambda one: (-one.score, one.path))
    named = result.fault_domain.affected_paths if result.fault_domain else ()
    return tuple(dict.fromkeys([*(one.path for one in ranked), *sorted(named)]))


def worst_and_healthy(result: RunResult, paths: SeriesTable) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The paths to draw: the worst affected ones, and some unaffected ones that carry flows, spread over the list."""
    affected = affected_paths(result)
    known = set(paths.subjects)
    carrying = {one.path for one in result.path_summaries if one.flows}
    calm = sorted(known - set(affected))
    calm = [one for one in calm if one in carrying] or calm
    step = max(1, len(calm) // HEALTHY_PATHS)
    healthy = calm[step // 2 :: step][:HEALTHY_PATHS]
    return tuple(one for one in affected if one in known)[:WORST_PATHS], tuple(healthy)


def suspect_and_neighbours(result: RunResult, links: SeriesTable) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The directions of the fault domain, and the busiest ones that share a node with it (without a domain: the busiest
    of all), as far as the series know them."""
    known = set(links.subjects)
    busiest = sorted(result.link_summaries, key=lambda one: (-one.utilisation_after, one.direction))
    if result.fault_domain is None:
        return (), tuple(one.direction for one in busiest if one.direction in known)[:NEIGHBOURS]
    guilty = _guilty(result)
    suspects = tuple(name for name in dict.fromkeys(map(str, guilty)) if name in known)[:NEIGHBOURS]
    ends = {end for one in guilty for end in (one.source, one.target)}
    inside = {
        link.id for link in result.network.links if {link.a, link.b} & ends and not result.network.is_access(link)
    }
    back = [str(one.reverse) for one in guilty if str(one.reverse) in known]
    nearby = [*back, *(one.direction for one in busiest if one.link in inside and one.direction in known)]
    return suspects, tuple(one for one in dict.fromkeys(nearby) if one not in suspects)[:NEIGHBOURS]


def _guilty(result: RunResult) -> list[Direction]:
    """The suspect directions; where none is named, both of every link of the domain."""
    if result.fault_domain is None:
        return []
    named = [direction for suspect in result.fault_domain.suspects for direction in suspect.directions]
    by_id = result.network.links_by_id
    return named or [way for link in result.fault_domain.links if link in by_id for way in by_id[link].directions]


def traces_at(result: RunResult, at_ns: int) -> dict[str, PathTrace]:
    """The route of each path that was in force at ``at_ns`` (the first known one if none was yet)."""
    found: dict[str, PathTrace] = {}
    for trace in sorted(result.traces, key=lambda one: (one.path, one.since_ns)):
        if not trace.flow and (trace.path not in found or trace.since_ns <= at_ns):
            found[trace.path] = trace
    return found


def baseline_band(result: RunResult, table: SeriesTable, kpi: str, subject: str) -> tuple[float, float] | None:
    """Mean and standard deviation in the baseline window; None with fewer than two observations."""
    import numpy as np

    first, last = result.baseline_ns
    inside = (table.times_ns >= first) & (table.times_ns < last)
    values = table.column(kpi, subject)[inside]
    values = values[~np.isnan(values)]
    return (float(values.mean()), float(values.std())) if values.size > 1 else None


def thinned(
    times_ns: NDArray[np.int64], values: NDArray[np.float64], limit: int = MOST_POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Seconds, values, and how many samples stand behind each drawn one (its mean; NaN if none was observed).

    ``values`` has shape (T,) or (T, S).
    """
    import numpy as np

    seconds = times_ns / NS_PER_S
    each = -(-len(seconds) // limit) if len(seconds) else 1
    if each == 1:
        return seconds, values, 1
    starts = np.arange(0, len(seconds), each)
    seen = ~np.isnan(values)
    sums = np.add.reduceat(np.where(seen, values, 0.0), starts, axis=0)
    counts = np.add.reduceat(seen.astype(np.float64), starts, axis=0)
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return seconds[starts], means, each
