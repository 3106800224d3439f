"""Paths for engineers: which way is slow, what probes and flows saw of it.

In: a result and its plots.  Out: a section, or nothing where no path was watched.  Never: a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shadowlab.model.kpi import KPIS
from shadowlab.report.choice import affected_paths
from shadowlab.report.markup import Html, figure, folded, join, section, table
from shadowlab.report.words import NOTHING, measured, number

if TYPE_CHECKING:
    from shadowlab.model.result import PathSummary, RunResult
    from shadowlab.report.figure import Plot

PROBED = (
    ("There", "delay_there_ms"),
    ("p99 there", "delay_there_p99_ms"),
    ("Jitter there", "jitter_there_ms"),
    ("Loss there", "loss_there"),
    ("Back", "delay_back_ms"),
    ("p99 back", "delay_back_p99_ms"),
    ("Jitter back", "jitter_back_ms"),
    ("Loss back", "loss_back"),
)
"""By probes, with the kernel's timestamps: one-way."""
HEARD = (
    ("Goodput", "flow_goodput_mbps"),
    ("Smoothed RTT", "srtt_ms"),
    ("Queueing", "queueing_ms"),
    ("Congestion window", "cwnd_segments"),
    ("Retransmissions", "retransmission_share"),
    ("Reordering", "reordering"),
    ("Fairness", "flow_fairness"),
    ("Connections lost", "flow_failures"),
)
"""By the flows' own tcp_info."""
COUNTED = (
    ("Segments sent", "out_segs"),
    ("Retransmitted", "retrans_segs"),
    ("Time-outs", "timeouts"),
    ("Tail-loss probes", "loss_probes"),
    ("Needless (DSACK)", "dsack_recv"),
    ("Reorderings", "sack_reorder"),
    ("Out of order", "ofo_queue"),
    ("SYNs again", "syn_retrans"),
    ("Attempts failed", "attempt_fails"),
    ("Resets", "estab_resets"),
    ("Dropped by listeners", "listen_drops"),
    ("Dropped, no buffer", "rcv_q_drop"),
    ("Marked (CE)", "in_ce_pkts"),
)
"""By the TCP of each node, in a second; what nobody counted is left out."""
PLOTS = ("one-way-delay", "queueing-ms")


def paths_detail_section(result: RunResult, plots: Mapping[str, Plot]) -> Html:
    """The one-way delays drawn, everything else in tables to be opened."""
    affected = {path: place for place, path in enumerate(affected_paths(result))}
    ordered = sorted(result.path_summaries, key=lambda one: (affected.get(one.path, len(affected)), one.path))
    drawn = [figure(plots[name]) for name in PLOTS if name in plots]
    tables = [
        folded(title, table(f"{title}: before → after the event, affected paths first", heads, rows, right=numbers))
        for title, columns in (
            ("Every path one way at a time, by probes", PROBED),
            ("What the flows of every path saw", HEARD),
        )
        if (rows := _rows(ordered, columns))
        for heads in [("Path", *(head for head, _ in _known(ordered, columns)))]
        for numbers in [range(1, len(heads))]
    ]
    tables += [_node_tcp(result)] if result.node_tcp else []
    if not drawn and not tables:
        return join()
    return section(
        "ways",
        "Paths, one way at a time",
        Html(f'<div class="multiples">{join(*drawn)}</div>') if drawn else "",
        *tables,
        lead="Both ends of a probe are stamped by kernels that share one clock, so nothing here is half a round trip.",
    )


def _node_tcp(result: RunResult) -> Html:
    nan = float("nan")
    shown = [
        one for one in COUNTED if any(node.before.get(one[1]) or node.after.get(one[1]) for node in result.node_tcp)
    ]
    rows = [
        (
            one.node,
            *(f"{number(one.before.get(name, nan))} → {number(one.after.get(name, nan))}" for _, name in shown),
        )
        for one in result.node_tcp
    ]
    title = "What the TCP of every node counted"
    heads = ("Node", *(head for head, _ in shown))
    caption = f"{title} in a second: in the baseline → after the last event"
    return folded(title, table(caption, heads, rows, right=range(1, len(heads))))


def _known(ordered: Sequence[PathSummary], columns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The columns that any path has a value of."""
    return [one for one in columns if any(one[1] in path.before or one[1] in path.after for path in ordered)]


def _rows(ordered: Sequence[PathSummary], columns: Sequence[tuple[str, str]]) -> list[tuple[object, ...]]:
    known = _known(ordered, columns)
    return [(path.path, *(_change(path, kpi) for _, kpi in known)) for path in ordered] if known else []


def _change(one: PathSummary, kpi: str) -> str:
    before, after = (measured(kpi, values.get(kpi, float("nan"))) for values in (one.before, one.after))
    unit = f" {KPIS[kpi].unit}"
    if before == after == NOTHING:
        return NOTHING
    return f"{before.removesuffix(unit) if after.endswith(unit) else before} → {after}"
