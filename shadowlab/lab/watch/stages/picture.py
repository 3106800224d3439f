"""What a page shows of a cycle: paths and links, production beside shadow.

In: what was measured and judged.  Out: rows, in map order.  Never: a figure nobody measured.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from shadowlab.correlate.agree import FLOORS
from shadowlab.correlate.production import Observed, observe_production
from shadowlab.lab.analyse import Measured
from shadowlab.lab.prepare import Prepared
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.level import LevelOutcome
from shadowlab.model.verdict import Correlation, Fidelity
from shadowlab.model.watch.cycle import PathState, WatchedLink, WatchedPath
from shadowlab.telemetry.attach import Connection


def watched_paths(
    prepared: Prepared,
    measured: Measured,
    now: Sequence[Connection],
    before: Sequence[Connection],
    *,
    correlation: Correlation,
    levels: Sequence[LevelOutcome],
    affected: Collection[str],
    flagged: Collection[str],
    window_ns: tuple[int, int],
) -> tuple[WatchedPath, ...]:
    """Of every path that is driven or was recorded."""
    scale = prepared.scaling.factor
    today, normal = observe_production(now), observe_production(before)
    shown = shadow_means(measured.paths, window_ns, scale=scale)
    known = {one.path for one in correlation.agreements}
    found = []
    for path in sorted({*shown, *today}):
        broken = tuple(sorted({one.level for one in levels if one.path == path and not one.holds}))
        state: PathState = "good"
        if path in flagged:
            state = "off"
        elif broken:
            state = "broken"
        elif path not in known:
            state = "unknown"
        found.append(
            WatchedPath(
                path=path,
                state=state,
                production=_values(today.get(path, {})),
                shadow=shown.get(path, {}),
                before=_values(normal.get(path, {})),
                broken_levels=broken,
                affected=path in affected,
            )
        )
    return tuple(found)


def _values(some: Mapping[str, Observed]) -> dict[str, float]:
    return {kpi: round(one.value, 6) for kpi, one in sorted(some.items())}


def shadow_means(table: SeriesTable, window_ns: tuple[int, int], *, scale: float) -> dict[str, dict[str, float]]:
    """By path the means over a window; rates at production's scale."""
    inside = (table.times_ns > window_ns[0]) & (table.times_ns <= window_ns[1])
    found: dict[str, dict[str, float]] = {one: {} for one in table.subjects}
    for kpi in (*FLOORS, "loss", "latency_ms"):
        values = table.values.get(kpi)
        if values is None:
            continue
        part = values[inside]
        seen = np.isfinite(part)
        counts = seen.sum(axis=0)
        sums = np.where(seen, part, 0.0).sum(axis=0)
        factor = scale if kpi == "throughput_mbps" else 1.0
        for column, path in enumerate(table.subjects):
            if counts[column]:
                found[path][kpi] = round(float(sums[column] / counts[column]) * factor, 6)
    return found


def link_means(measured: Measured, window_ns: tuple[int, int], kpi: str) -> dict[str, float]:
    """By direction, the mean over a window of what was seen."""
    table = measured.links
    inside = (table.times_ns > window_ns[0]) & (table.times_ns <= window_ns[1])
    found = {}
    for column, name in enumerate(table.subjects):
        values = table.values[kpi][inside, column]
        values = values[np.isfinite(values)]
        if values.size:
            found[name] = float(values.mean())
    return found


def watched_links(
    prepared: Prepared,
    measured: Measured,
    *,
    window_ns: tuple[int, int],
    fidelity: Sequence[Fidelity],
    suspects: Collection[str],
    ahead: Mapping[str, float],
) -> tuple[WatchedLink, ...]:
    """Of every direction of the map."""
    used, lost = (link_means(measured, window_ns, kpi) for kpi in ("link_utilisation", "link_loss"))
    scores = {one.subject: one.score for one in fidelity if one.kind == "link"}
    scale = prepared.scaling.factor
    found = []
    for direction in prepared.network.directions:
        name = str(direction)
        one = prepared.network.impairment(direction)
        found.append(
            WatchedLink(
                direction=name,
                link=direction.link,
                source=direction.source,
                target=direction.target,
                rate_bps=None if one.rate_bps is None else round(one.rate_bps * scale),
                utilisation=round(used.get(name, 0.0), 6),
                loss=round(lost.get(name, 0.0), 6),
                delay_ns=round(one.delay_ns),
                fidelity=scores.get(name),
                forecast_utilisation=ahead.get(name),
                suspect=name in suspects or direction.link in suspects,
            )
        )
    return tuple(found)
