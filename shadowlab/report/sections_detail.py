"""The part of the page for engineers: the evidence.

In: a result and its plots.  Out: sections.  Never: a verdict without what it stands on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from shadowlab.model.traffic.parameters import OBSERVED
from shadowlab.model.units import format_duration, format_rate
from shadowlab.report.choice import affected_paths
from shadowlab.report.markup import Html, badge, facts, figure, folded, join, long_table, section, table, tag
from shadowlab.report.words import NOTHING, indicator, moment, number, percent, plural, void_windows

if TYPE_CHECKING:
    from shadowlab.model.result import LinkSummary, RunResult
    from shadowlab.model.traffic.parameters import FlowParameters
    from shadowlab.model.verdict import Suspect
    from shadowlab.report.figure import Plot


def domain_section(result: RunResult) -> Html:
    """Why this segment and no other."""
    domain = result.fault_domain
    if domain is None:
        return section("domain", "Fault domain", tag("p", "No fault domain was found.", class_="none"))
    rows = [(_suspect(one, "suspect")) for one in domain.suspects] + [
        _suspect(one, "runner-up") for one in domain.runners_up
    ]
    heads = ("Direction", "Role", "Posterior", "Score", "Loss", "Added delay", "Affected / crossing paths")
    return section(
        "domain",
        "Fault domain",
        facts(
            [
                ("Links", ", ".join(domain.links) or NOTHING),
                ("Symptom", domain.kind),
                ("Onset", moment(domain.onset_ns)),
                ("Confidence", percent(domain.confidence)),
                (
                    "Affected",
                    f"{plural(len(domain.affected_paths), 'path')}, {plural(len(domain.affected_flows), 'flow')}",
                ),
                ("Services", ", ".join(domain.affected_services) or NOTHING),
                ("Groups", ", ".join(domain.groups) or NOTHING),
                ("Full, not faulty", ", ".join(domain.overloaded) or NOTHING),
                ("Told apart by", "; ".join(one.split_by for one in domain.suspects if one.split_by) or NOTHING),
                ("Half of the directions would show", f"a loss of {percent(domain.visible_loss)}"),
            ]
        ),
        table("Suspects and runners-up", heads, rows, right=range(2, 7)),
        tag("p", _unseen(domain.unseen), class_="note"),
        lead="Links ranked by how well they explain which packets were lost and which were late.",
    )


def _suspect(one: Suspect, role: str) -> tuple[object, ...]:
    return (
        one.name,
        badge(role, "bad" if role == "suspect" else "plain"),
        percent(one.posterior),
        number(one.score),
        _loss(one),
        format_duration(one.excess_delay_ns),
        f"{one.paths_affected} / {one.paths_crossing}",
    )


def _loss(one: Suspect) -> str:
    low, high = one.loss_interval
    return f"{percent(one.loss)} ({percent(low)} to {percent(high)})" if low < high else percent(one.loss)


def _unseen(unseen: tuple[str, ...]) -> str:
    if not unseen:
        return "Every direction carried evidence."
    more = f" and {len(unseen) - 20} more" if len(unseen) > 20 else ""
    return f"No evidence, so nothing can be said of: {', '.join(unseen[:20])}{more}."


def anomalies_section(result: RunResult) -> Html:
    """Which paths left their baseline, and by how much."""
    ordered = sorted(result.anomalies, key=lambda one: (-one.score, one.path))
    rows = [
        (
            one.path,
            moment(one.onset_ns),
            moment(one.detected_ns),
            number(one.score),
            indicator(one.leading_kpi),
            ", ".join(
                f"{indicator(kpi)} {value:+.1f}"
                for kpi, value in sorted(one.zscores.items(), key=lambda pair: (-abs(pair[1]), pair[0]))[:4]
            ),
            one.detector,
        )
        for one in ordered
    ]
    heads = ("Path", "Onset", "Detected", "Score", "Leading indicator", "Largest z-scores", "Detector")
    first, last = result.baseline_ns
    return section(
        "anomalies",
        "Anomalies",
        long_table("Anomalies, strongest first", heads, rows, right=(1, 2, 3), empty="No path left its baseline."),
        lead=f"Against the baseline learned from {moment(first)} to {moment(last)}.",
    )


def links_section(result: RunResult, plots: Mapping[str, Plot]) -> Html:
    """Load and loss of the links."""
    guilty = set(result.fault_domain.links) if result.fault_domain else set()
    ordered = sorted(
        result.link_summaries, key=lambda one: (one.link not in guilty, -one.utilisation_after, one.direction)
    )
    marked = any(one.marks_before or one.marks_after for one in ordered)
    rows = [
        (
            one.direction,
            format_rate(one.rate_bps) if one.rate_bps else "unlimited",
            f"{percent(one.utilisation_before)} → {percent(one.utilisation_after)}",
            f"{percent(one.loss_before)} → {percent(one.loss_after)}",
            _dropped_where(one),
            *([f"{percent(one.marks_before)} → {percent(one.marks_after)}"] if marked else []),
        )
        for one in ordered
    ]
    heads = ("Direction", "Rate", "Load", "Dropped", "Where", *(["Marked (ECN)"] if marked else []))
    names = ("link-utilisation", "link-queue-packets", "link-marks")
    drawn = [figure(plots[name]) for name in names if name in plots]
    return section(
        "links",
        "Latency and links",
        figure(plots["heat-map"]) if "heat-map" in plots else "",
        Html(f'<div class="multiples">{join(*drawn)}</div>') if drawn else "",
        folded(
            f"All {plural(len(rows), 'direction')}",
            table("Fault domain first, then by load", heads, rows, right=(1, 2, 3, 5)),
        ),
    )


def _dropped_where(one: LinkSummary) -> str:
    """By the counters where they tell it, else by what the direction is able to do."""
    if not one.loss_before and not one.loss_after:
        return NOTHING
    if one.line_loss_after is None:
        return f"{one.drops_in}: one counter" if one.drops_in == "queue or line" else one.drops_in
    return f"{percent(one.line_loss_after)} on the line, the rest in the queue"


def traffic_section(result: RunResult) -> Html:
    """What was driven through the shadow, and the routes it took."""
    use = result.telemetry
    hit = set(result.fault_domain.affected_flows) if result.fault_domain else set()
    flows = [
        (
            one.id,
            f"{one.source}→{one.target}",
            one.service or NOTHING,
            one.flow_class,
            one.tcp.congestion_control,
            format_rate(one.rate_bps) if one.rate_bps else NOTHING,
            badge("affected", "bad") if one.id in hit else "",
            one.evidence or NOTHING,
        )
        for one in sorted(result.flows, key=lambda one: (one.id not in hit, one.id))
    ]
    heads = ("Flow", "Path", "Service", "Class", "Congestion control", "Rate", "", "Stands on")
    affected = set(affected_paths(result))
    traces = [
        (
            f"{one.path} (flow {one.flow})" if one.flow else one.path,
            f"from {moment(one.since_ns)}",
            " → ".join(one.nodes),
            _smallest_mtu(result, one.nodes),
            badge(one.fault, "bad") if one.fault else "",
        )
        for one in sorted(result.traces, key=lambda one: (one.path not in affected, one.path, one.since_ns))
    ]
    left_out = [(reason, count) for reason, count in sorted(use.left_out.items())]
    return section(
        "traffic",
        "Traffic and routes",
        facts(
            [
                ("Telemetry records", plural(use.records, "record")),
                ("Unreadable", plural(use.unreadable, "record")),
                ("Connections", plural(use.connections, "connection")),
                ("Flows driven", plural(len(result.flows), "flow")),
            ]
        ),
        table("Left out of the replay", ("Reason", "Records"), left_out, right=(1,), empty="No record was left out."),
        folded(plural(len(flows), "flow"), table("Flows, affected ones first", heads, flows, right=(5,))),
        _tcp(result),
        folded(
            f"{plural(len(traces), 'trace')} before and after",
            table(
                "Routes in the kernel's own tables",
                ("Path", "In force", "Route", "Path MTU", "Fault"),
                traces,
                right=(3,),
            ),
        ),
    )


def _smallest_mtu(result: RunResult, nodes: Sequence[str]) -> str:
    """Of the links of the map between these nodes; a dash where two of them share none."""
    of_ends = {frozenset((link.a, link.b)): link.mtu for link in result.network.links}
    mtus = [of_ends.get(frozenset(ends)) for ends in pairwise(nodes)]
    known = [one for one in mtus if one is not None]
    return str(min(known)) if known and len(known) == len(mtus) else NOTHING


def _tcp(result: RunResult) -> Html:
    """What TCP made of each flow: production's mean, and the shadow's."""
    if not result.tcp:
        return join()
    names = tuple(one.name for one in OBSERVED)
    rows = [
        (one.flow, badge(one.differs, "bad") if one.differs else "", *(_pair(one, name) for name in names))
        for one in sorted(result.tcp, key=lambda one: (not one.differs, one.flow))
    ]
    heads = ("Flow", "Holds otherwise", *(name.replace("_", " ") for name in names))
    caption = "Recorded → shadow before the first event, means"
    return folded("TCP parameters, flow by flow", table(caption, heads, rows, right=range(2, 2 + len(names))))


def _pair(one: FlowParameters, name: str) -> str:
    nobody = (math.nan, math.nan)
    recorded, shadow = (number(math.nan if value is None else value) for value in one.observed.get(name, nobody))
    return f"{recorded} → {shadow}"


def method_section(result: RunResult, manifest: Mapping[str, object]) -> Html:
    """How the run was made, what it cannot say, and how to repeat it."""
    origin = result.provenance
    every = f"of each flow every {moment(origin.flow_sample_ns)}"
    law = result.scaling
    scale = "not scaled" if law.factor == 1 else f"capacities, demands and buffers divided by {law.factor:g}, RTT kept"
    derived = [(one.subject, one.value, one.origin) for one in sorted(result.network.derived)]
    stated = [(key, _plain(value)) for key, value in sorted(manifest.items())]
    expected = [
        (name, badge("met", "good") if met else badge("not met", "bad"))
        for name, met in sorted(result.expectations.items())
    ]
    return section(
        "method",
        "Method, limits and provenance",
        tag("p", METHOD),
        tag("p", LIMITS),
        facts(
            [
                ("Validity", join(badge("valid", "good") if origin.valid else badge("void", "bad"), origin.validity)),
                ("Void windows", void_windows(origin)),
                ("Scaling", f"{scale} ({law.reason})" if law.reason else scale),
                ("Rates of the map", _rates(law.map_rate_scale)),
                ("Seed", origin.seed),
                ("Kernel", f"{origin.kernel} ({origin.kernel_kind})"),
                ("Clock", origin.clock),
                ("ShadowLab", origin.shadowlab),
                ("Congestion controls", ", ".join(origin.congestion_controls) or NOTHING),
                ("Probes", f"{plural(origin.probes_sent, 'probe')} sent, {origin.probes_lost} lost"),
                ("TCP samples", f"{plural(origin.tcp_samples, 'sample')}, {every}"),
                ("Queue samples", plural(origin.queue_samples, "sample")),
            ]
        ),
        table(
            "Expectations of the scenario",
            ("Expectation", "Result"),
            expected,
            empty="The scenario states no expectation.",
        ),
        folded(
            f"Derived values of the map ({len(derived)})",
            table("Values the map did not state", ("Subject", "Value", "Origin"), derived),
        )
        if derived
        else "",
        folded("Manifest", table("Manifest of the run folder", ("Entry", "Value"), stated)) if stated else "",
    )


def _rates(scale: float) -> str:
    return "as in reality" if scale == 1 else f"reality divided by {scale:g}"


METHOD = (
    "The map was built as Linux network namespaces joined by veth pairs, with netem queues for delay, loss, rate and "
    "buffer. Flows taken from recorded TCP telemetry were driven through it; latency and loss were measured by probes, "
    "TCP state and queue counters were read from the kernel. Nothing here is computed from a formula of a network."
)
LIMITS = (
    "The shadow knows only what the map and the telemetry say. Flows nobody recorded are missing; "
    "applications do not react to a slow network as people do; a cure's cost outside the network is not counted."
)


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_plain(one)}" for key, one in sorted(value.items(), key=lambda pair: str(pair[0])))
    if isinstance(value, list | tuple):
        return ", ".join(_plain(one) for one in value)
    return NOTHING if value is None else str(value)
