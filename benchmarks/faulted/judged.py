"""What the product says of a case, and what the published localisers say of the same evidence.

In: the raw records of a run, what was known beforehand.  Out: plain values.  Never: the truth, or the case's events:
the path is that of ``shadowlab run``, from the records on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from shadowlab.correlate.fault_free import fault_free_table
from shadowlab.lab.analyse import EVIDENCE_STEPS_NS, Judgement, Measured, gather, judge, measure
from shadowlab.lab.diagnosis.links import filling_links
from shadowlab.lab.prepare import Prepared
from shadowlab.localize.likelihood import IN_THE_SHADOW, observe
from shadowlab.localize.methods import DEFAULT, METHODS
from shadowlab.model.verdict import Suspect

PANEL, REFERENCE = "panel", "zscore"
DETECTORS = (PANEL, REFERENCE)


def judged(folder: Path, shadow: Path | None, known: Prepared) -> dict[str, Any]:
    """``crossing`` has the links of every path there and back, when the baseline ended; ``said`` by detector what was
    noticed and placed; ``references`` by method the links it names, the best first; ``full`` the links that
    filled up, and when that was known, in seconds; ``carried`` bits a second of directions in the baseline.  Without a
    ``shadow`` only production's own baseline says what is usual."""
    duration_ns = known.scenario.duration_ns
    measured = measure(folder, known, duration_ns)
    sound = None
    if shadow is not None:
        asked = measure(shadow, known, duration_ns).paths
        sound = fault_free_table(asked, from_ns=known.scenario.baseline_ns[0], to_ns=duration_ns)
    said = {name: judge(measured, known, [name], sound) for name in DETECTORS}
    return {
        "crossing": _crossing(measured, known),
        "paths": len(known.paths),
        "shadow": sound is not None,
        "said": {name: _said(one) for name, one in said.items()},
        "references": _references(measured, known, said[PANEL]),
        "full": _full(measured, known),
        "carried": _carried(measured, known),
    }


def _crossing(measured: Measured, known: Prepared) -> dict[str, list[str]]:
    """Of probes and of flows."""
    found: dict[str, set[str]] = {str(path): set() for path in known.paths}
    pairs = {flow.id: f"{flow.source}→{flow.target}" for flow in known.flows}
    ways = [(path, hops) for at, path, hops in measured.hops if at <= known.scenario.baseline_ns[1]]
    ways += [(pairs[flow], hops) for at, flow, hops in measured.flow_hops if at <= known.scenario.baseline_ns[1]]
    for path, hops in ways:
        source, _, target = path.partition("→")
        for name in (path, f"{target}→{source}"):
            if name in found:
                found[name] |= {one.link for one in hops}
    return {path: sorted(links) for path, links in found.items()}


def _said(one: Judgement) -> dict[str, Any]:
    domain = one.domain
    return {
        "alerts": [[a.path, a.detected_ns / 1e9, a.onset_ns / 1e9, a.leading_kpi] for a in one.anomalies],
        "localised_s": one.localised_ns / 1e9,
        "kind": domain.kind if domain else "",
        "confidence": domain.confidence if domain else 0.0,
        "suspects": [_suspect(some) for some in domain.suspects] if domain else [],
        "runners_up": [_suspect(some) for some in domain.runners_up] if domain else [],
        "overloaded": list(domain.overloaded) if domain else [],
    }


def _suspect(one: Suspect) -> dict[str, Any]:
    return {
        "label": one.label,
        "links": sorted({direction.link for direction in one.directions}),
        "directions": len(one.directions),
        "fault": one.fault,
        "posterior": one.posterior,
    }


def _full(measured: Measured, known: Prepared) -> list[tuple[str, float]]:
    link_of = {str(one): one.link for one in known.network.directions}
    found = filling_links(measured.links, known.scenario.baseline_ns)
    return [(link_of[one.path], one.detected_ns / 1e9) for one in found]


def _carried(measured: Measured, known: Prepared) -> dict[str, float]:
    """Bits a second that each direction carried in the baseline."""
    first_ns, last_ns = known.scenario.baseline_ns
    rows = (measured.links.times_ns > first_ns) & (measured.links.times_ns <= last_ns)
    means = np.nan_to_num(measured.links.values["link_throughput_mbps"][rows]).mean(axis=0)
    return {name: 1e6 * float(mean) for name, mean in zip(measured.links.subjects, means, strict=True)}


def _references(measured: Measured, known: Prepared, panel: Judgement) -> dict[str, list[str]]:
    """On the evidence that ours had when it was done: 007, NetBouncer and the coverage know losses only."""
    if not panel.anomalies:
        return {}
    until = panel.localised_ns
    some = [one for one in panel.anomalies if until - EVIDENCE_STEPS_NS[-1] <= one.detected_ns <= until]
    onset = min(one.onset_ns for one in some or panel.anomalies)
    evidence = gather(measured, known, {one.path for one in some}, known.scenario.baseline_ns, (onset, until))
    seen = observe(evidence, network=known.network)
    found = {}
    for name, method in METHODS.items():
        if name != DEFAULT:
            named = method(seen, IN_THE_SHADOW).suspects
            found[name] = [one.components[0].name.split("|")[0] for one in named]
    return found
