"""Before and after, per path and per link; and where a result comes from.

In: what was prepared and measured.  Out: the summaries of the result.  Never: a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shadowlab import __version__
from shadowlab.lab.analyse import WINDOW_NS, Measured
from shadowlab.lab.execute import Place
from shadowlab.lab.prepare import Prepared
from shadowlab.model.impairment import Impairment
from shadowlab.model.kpi import KPIS, SeriesTable
from shadowlab.model.result import LinkSummary, NodeTcp, PathSummary, Provenance
from shadowlab.model.traffic.workload import congestion_controls
from shadowlab.monitor.tcp_means import counter_rates
from shadowlab.monitor.void_windows import MOST_VOID, Punctual, spans


@dataclass(frozen=True)
class _Halves:
    """The samples before the first event (after the baseline's start) and after the last one."""

    before: NDArray[np.bool_]
    after: NDArray[np.bool_]


def _halves(prepared: Prepared, table: SeriesTable) -> _Halves:
    scenario = prepared.scenario
    last = max((event.settled_ns for event in scenario.events), default=scenario.baseline_ns[1])
    times = table.times_ns
    return _Halves(
        before=(times > scenario.baseline_ns[0]) & (times <= scenario.baseline_ns[1]),
        after=(times > last) & (times <= scenario.duration_ns),
    )


def _mean(values: NDArray[np.float64]) -> float:
    """The mean of what was observed; 0 if nothing was."""
    seen = values[~np.isnan(values)]
    return float(seen.mean()) if seen.size else 0.0


def path_summaries(prepared: Prepared, measured: Measured) -> tuple[PathSummary, ...]:
    """Medians of every indicator of every path (means of the shares, whose median is mostly zero)."""
    halves = _halves(prepared, measured.paths)
    return tuple(
        PathSummary(
            path=str(path),
            flows=sum((flow.source, flow.target) == (path.source, path.target) for flow in prepared.flows),
            before=_typical(measured.paths, index, halves.before),
            after=_typical(measured.paths, index, halves.after),
        )
        for index, path in enumerate(prepared.paths)
    )


def _typical(table: SeriesTable, column: int, rows: NDArray[np.bool_]) -> dict[str, float]:
    found = {}
    for name, values in table.values.items():
        if name not in KPIS:
            continue
        seen = values[rows, column]
        seen = seen[~np.isnan(seen)]
        if seen.size:
            found[name] = float(seen.mean() if KPIS[name].unit == "fraction" else np.median(seen))
    return found


def link_summaries(prepared: Prepared, measured: Measured) -> tuple[LinkSummary, ...]:
    """Utilisation, drops and marks of every impaired direction."""
    halves = _halves(prepared, measured.links)
    directions = {str(direction): direction for direction in prepared.network.directions}
    found = []
    for index, name in enumerate(measured.links.subjects):
        direction = directions[name]
        utilisation = measured.links.values["link_utilisation"][:, index]
        loss, marks = (measured.links.values[name][:, index] for name in ("link_loss", "link_marks"))
        line_loss = measured.links.values["link_line_loss"][halves.after, index]
        found.append(
            LinkSummary(
                direction=name,
                link=direction.link,
                rate_bps=prepared.network.impairment(direction).rate_bps,
                utilisation_before=_mean(utilisation[halves.before]),
                utilisation_after=_mean(utilisation[halves.after]),
                loss_before=_mean(loss[halves.before]),
                loss_after=_mean(loss[halves.after]),
                marks_before=_mean(marks[halves.before]),
                marks_after=_mean(marks[halves.after]),
                line_loss_after=None if np.isnan(line_loss).all() else _mean(line_loss),
                drops_in=_drops_in([state.network.impairment(direction) for state in prepared.timeline.states]),
            )
        )
    return tuple(found)


def _drops_in(impairments: Sequence[Impairment]) -> Literal["queue", "line", "queue or line", "nothing"]:
    """Where a direction can lose packets, by all that it is in the course of the run."""
    queues = any(one.rate_bps is not None for one in impairments)
    loses = any(one.mean_loss > 0 for one in impairments)
    if queues:
        return "queue or line" if loses else "queue"
    return "line" if loses else "nothing"


def node_tcp(prepared: Prepared, folder: Path) -> tuple[NodeTcp, ...]:
    """What the TCP of each node counted, by the raw records in ``folder``."""
    scenario = prepared.scenario
    last = max((event.settled_ns for event in scenario.events), default=scenario.baseline_ns[1])
    before = counter_rates(folder, from_ns=scenario.baseline_ns[0], to_ns=scenario.baseline_ns[1])
    after = counter_rates(folder, from_ns=last, to_ns=scenario.duration_ns)
    return tuple(
        NodeTcp(node=node, before=before.get(node, {}), after=after.get(node, {})) for node in sorted({*before, *after})
    )


def provenance(prepared: Prepared, place: Place, measured: Measured, report: Mapping[str, object]) -> Provenance:
    """What the result stands on, and whether it may be believed."""
    valid, why = validity(place, measured.punctual, report)
    return Provenance(
        seed=prepared.seed,
        kernel=place.description,
        kernel_kind=place.kind,
        clock=place.clock,
        shadowlab=__version__,
        congestion_controls=tuple(
            sorted({flow.tcp.congestion_control for flow in prepared.flows} | congestion_controls(prepared.workloads))
        ),
        probes_sent=int(measured.counts.probes_sent.sum()),
        probes_lost=int(measured.counts.probes_lost.sum()),
        tcp_samples=_tcp_samples(len(measured.paths.times_ns), len(prepared.flows), prepared.flow_turns),
        flow_sample_ns=prepared.scenario.sample_every_ns * prepared.flow_turns,
        queue_samples=len(measured.links.times_ns) * len(measured.links.subjects),
        windows=len(measured.punctual.void),
        void_windows_ns=spans(measured.punctual.void, WINDOW_NS),
        valid=valid,
        validity=why,
    )


def _tcp_samples(windows: int, flows: int, turns: int) -> int:
    """The first and the last sample are of all flows."""
    return windows * flows if turns == 1 else 2 * flows + max(windows - 1, 0) * flows // turns


def validity(place: Place, punctual: Punctual, report: Mapping[str, object]) -> tuple[bool, str]:
    """A run whose timeline failed in part is void, and so is one with too many void windows.  On the virtual clock
    nothing is ever late; on the real one lateness and CPU decide, second by second."""
    failures = report.get("failures")
    if isinstance(failures, list) and failures:
        return False, f"{len(failures)} operations of the timeline failed, the first: {failures[0]}"
    void, windows = int(punctual.void.sum()), len(punctual.void)
    if place.clock == "virtual" and not void:
        return True, "virtual clock: time stands still while the program works, so nothing is ever late"
    words = (
        f"{place.clock} clock: {void} of {windows} windows are void, measured late; in the worst second 99 % of the "
        f"timers were less than {punctual.late_ns / 1e6:.2f} ms late, {punctual.cpu_share * 100:.0f} % of a core used"
    )
    if punctual.too_void:
        return False, f"{words}; more than {MOST_VOID * 100:.0f} % void windows prove nothing, use --clock virtual"
    return True, words
