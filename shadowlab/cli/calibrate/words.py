"""A calibration in lines for people.

In: a calibration.  Out: lines.  Never: a value without its standing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from shadowlab.model.calibration import Calibration, LinkCalibration, Value
from shadowlab.model.units import format_duration, format_fraction, format_rate

_COLUMNS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("delay", "delay_ns", lambda value: format_duration(round(value))),
    ("rate", "rate_bps", format_rate),
    ("queue", "queue_packets", lambda value: f"{value:.0f}"),
    ("loss", "loss", format_fraction),
    ("jitter", "jitter_ns", lambda value: format_duration(round(value))),
    ("reorder", "reorder", format_fraction),
)
_SIGNS = {"measured": "", "unidentifiable": "~", "prior": "?"}
LEGEND = "≥ ≤ a bound; ~ only with others; ? no evidence: the map's word, or a guess; . nothing known"


def outcome_lines(found: Calibration, *, most_findings: int | None) -> Iterator[str]:
    """What is known, what limits the network, what does not fit."""
    for title, name, _ in _COLUMNS:
        counts = Counter(getattr(one, name).standing for one in found.links)
        parts = [
            f"{counts[word]} {word}" for word in ("measured", "bounded", "unidentifiable", "prior") if counts[word]
        ]
        yield f"{title}: {', '.join(parts)}"
    for link in found.links:
        if link.congested > 0 and link.rate_bps.value:
            more = f"; queue {shown(link.queue_packets, _COLUMNS[2][2])} packets" if link.queue_packets.value else ""
            kind = {"aqm": ", an AQM", "fifo": "", "": ""}[link.discipline] + (", marks (ECN)" if link.ecn else "")
            yield (
                f"bottleneck {link.direction}: {shown(link.rate_bps, format_rate)}, "
                f"packets waited {format_fraction(link.congested)} of the time{more}{kind}"
            )
    for link in found.links:
        if link.loss.standing in ("measured", "unidentifiable") and link.loss.value:
            yield f"lossy {link.direction}: {shown(link.loss, format_fraction)}; {link.loss.why}"
    for segment in found.segments:
        names = " ".join(sorted({one.link for one in segment.directions}))
        total = shown(segment.delay_ns, _COLUMNS[0][2])
        yield f"segment {names}: {total} there and back; {segment.probe} would split it"
    for step in found.refinement:
        yield f"run {step.number}: {step.tried}: misfit {step.misfit:.3g}{', kept' if step.kept else ''}"
    findings = found.findings if most_findings is None else found.findings[:most_findings]
    for one in findings:
        yield f"{one.kind}: {one.subject}: {one.message}; {one.effect}"
    if len(findings) < len(found.findings):
        yield f"and {len(found.findings) - len(findings)} more findings; --report shows all"
    demands = found.demands
    classes = Counter(flow.flow_class for flow in demands.flows)
    words = ", ".join(f"{count} {name}" for name, count in sorted(classes.items()))
    yield f"demand: {len(demands.flows)} flows{f' ({words})' if words else ''}, {len(demands.workloads)} workloads"


def report_lines(found: Calibration) -> Iterator[str]:
    """A line for every direction."""
    rows = [("direction", *(title for title, _, _ in _COLUMNS), "flows", "samples")]
    for link in found.links:
        cells = [shown(getattr(link, name), words) for _, name, words in _COLUMNS]
        rows.append((str(link.direction), *cells, *_evidence(link)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    yield LEGEND
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _evidence(link: LinkCalibration) -> tuple[str, str]:
    values = [getattr(link, name) for _, name, _ in _COLUMNS]
    return str(max(one.flows for one in values)), str(max(one.samples for one in values))


def shown(value: Value, words: Callable[[float], str]) -> str:
    """``5 ms (4.9 to 5.1)``, ``≥ 12 Mbit/s``, ``?5 ms``, or a dot."""
    if value.standing == "bounded":
        if value.low and value.high is None:
            return f"≥ {words(value.low)}"
        return f"≤ {words(value.high)}" if value.high is not None else "."
    if value.value is None:
        return "."
    text = _SIGNS[value.standing] + words(value.value)
    if value.standing != "prior" and value.low is not None and value.high is not None:
        text += f" ({words(value.low)} to {words(value.high)})"
    return text
