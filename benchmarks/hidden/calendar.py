"""Thirty days of a production, sampled: how many alarms are false, and how many of those the shadow takes away.

In: a case.  Out: one row: alarms per thirty days with and without the shadow, recall, intervals.

The calendar has windows of half a minute.  Its load goes up and down with the hours and drifts upward with the days;
now and then it steps up for half an hour; now and then a link loses packets, slows down, or has half its rate.  Windows
are drawn from each kind, run, and weighed by how many of them thirty days hold.

Two detectors hear each window.  The *simple* one is as simple as can be: the largest deviation of a round-trip time
(median, 95th percentile) or a retransmitted share from the mean of the runs at the usual load, in units of their
scatter, alarms above :data:`THRESHOLD`.  The *panel* is that of ``shadowlab run`` (steps of each path's indicators,
counted losses), which hears the seconds of the usual run and then those of the window.  With the shadow an alarm stands
unless what ``shadowlab run`` says of the window is that nothing happened, or that demand moved.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.hidden.book import Book, Given
from benchmarks.hidden.incidents import told
from benchmarks.hidden.measured import Seen
from benchmarks.hidden.network import MS
from benchmarks.hidden.stages import SECONDS, WINDOW, Case
from benchmarks.hidden.workload import utilisation
from shadowlab.correlate.residual import production_series
from shadowlab.detect.baseline import learn
from shadowlab.detect.panel.of_table import TablePanel
from shadowlab.lab.sources import attach_file
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Network

WINDOWS = 30 * 24 * 120
KINDS: Mapping[str, int] = {"load step": 20 * 60, "fault": 12 * 20}
"""Windows of thirty days: twenty steps of half an hour, a dozen faults of ten minutes; all others are usual."""
DRAWN: Mapping[str, int] = {"usual": 10, "load step": 10, "fault": 10}
EXPLAINED = ("confirmed", "demand moved", "not compared")
"""Verdicts that take an alarm back."""
DETECTORS = ("simple", "panel")
THRESHOLD = 4.0
JUDGED = ("srtt_p50_ms", "srtt_p95_ms", "retransmission_share")
_LEAST_SCATTER: Mapping[str, tuple[float, float]] = {
    "srtt_p50_ms": (0.5, 0.03),
    "srtt_p95_ms": (1.0, 0.05),
    "retransmission_share": (0.002, 0.1),
}
"""Of a scatter: in the indicator's unit, and as a share of the value."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Of one window."""

    kind: str
    simple: bool
    panel: bool
    said: str

    def alarms(self, detector: str, *, with_shadow: bool) -> bool:
        """Whether this detector's alarm is heard."""
        alone = bool(getattr(self, detector))
        return alone and not (with_shadow and self.said in EXPLAINED)


def calendar(book: Book, case: Case, drawn: Mapping[str, int] = DRAWN) -> list[dict[str, object]]:
    """Windows are of production as it is (the case's load is its mean), with its shadow as it was calibrated once."""
    chance = random.Random(f"calendar {case.hidden.family} {case.hidden.seed}")
    verdicts = []
    for kind, count in drawn.items():
        for number in range(count):
            factor, network = _window(kind, case, chance)
            verdicts.append(_verdict(book, case, kind, network, factor, seed=1000 + number))
    return _summed(case, verdicts)


def _window(kind: str, case: Case, chance: random.Random) -> tuple[float, Network]:
    """How much demand, and the network then."""
    hour, day = chance.uniform(0, 24), chance.uniform(0, 30)
    factor = (1 + 0.25 * math.sin(2 * math.pi * hour / 24)) * (1 + 0.003 * day)
    if kind == "load step":
        return factor * chance.uniform(1.4, 1.9), case.hidden.network
    return factor, _faulty(case, chance) if kind == "fault" else case.hidden.network


def _faulty(case: Case, chance: random.Random) -> Network:
    """One direction of a trunk that something crosses."""
    network = case.hidden.network
    used = utilisation(network, [*case.traffic.flows, *case.traffic.workloads])
    trunks = sorted(one for one in used if not network.is_access(network.links_by_id[one.link]))
    direction = chance.choice(trunks)
    usual = network.impairment(direction)
    kind = chance.choice(("loss", "delay", "rate"))
    if kind == "loss":
        worse = usual.with_loss(chance.uniform(0.01, 0.04))
    elif kind == "delay":
        worse = replace(usual, delay_ns=usual.delay_ns + round(chance.uniform(10, 40) * MS))
    else:
        worse = replace(usual, rate_bps=(usual.rate_bps or 0) // 2)
    return network.with_links(network.links_by_id[direction.link].with_impairment(direction, worse))


def _verdict(book: Book, case: Case, kind: str, network: Network, factor: float, *, seed: int) -> Verdict:
    production = replace(case.hidden, network=network)
    given, (now,) = book.production(
        production, case.traffic.grown(factor), [WINDOW], seed=seed, seconds=SECONDS, told_s=SECONDS
    )
    correlation = told(book, case, case.given.telemetry, given.telemetry)
    return Verdict(kind=kind, simple=_simple(case, now), panel=_panel(case, given), said=correlation.verdict)


def _simple(case: Case, now: Seen) -> bool:
    worst = 0.0
    for subject, values in now.values.items():
        for kpi in JUDGED:
            usual = [one.values[subject][kpi] for one in case.seen if kpi in one.values.get(subject, {})]
            if kpi in values and len(usual) >= 2:
                worst = max(worst, abs(values[kpi] - float(np.mean(usual))) / _scatter(kpi, usual))
    return worst > THRESHOLD


def _panel(case: Case, given: Given) -> bool:
    usual, now = (
        production_series(attach_file(one.telemetry, case.copy.guess)[0].connections) for one in (case.given, given)
    )
    settled = usual.times_ns > round(WINDOW[0] * 1e9)
    shared = tuple(one for one in usual.subjects if one in now.subjects)
    end_ns = int(usual.times_ns[-1])
    late = now.times_ns > round(WINDOW[0] * 1e9)
    values = {
        kpi: np.concatenate([_columns(usual, kpi, shared)[settled], _columns(now, kpi, shared)[late]])
        for kpi in usual.values
    }
    times = np.concatenate([usual.times_ns[settled], now.times_ns[late] + end_ns - round(WINDOW[0] * 1e9)])
    joined = SeriesTable(times_ns=times, subjects=shared, values=values)
    baseline = learn(joined, from_ns=round(WINDOW[0] * 1e9), to_ns=end_ns)
    return bool(TablePanel().detect(joined, baseline))


def _columns(table: SeriesTable, kpi: str, subjects: Sequence[str]) -> NDArray[np.float64]:
    return table.values[kpi][:, [table.subjects.index(one) for one in subjects]]


def _scatter(kpi: str, usual: Sequence[float]) -> float:
    least, share = _LEAST_SCATTER[kpi]
    return max(float(np.std(usual, ddof=1)), least, share * abs(float(np.mean(usual))))


def _summed(case: Case, verdicts: Sequence[Verdict]) -> list[dict[str, object]]:
    return [
        {
            "stage": "calendar",
            "seed": case.hidden.seed,
            "family": case.hidden.family,
            "load": case.load,
            "who": detector,
            "said": [[one.kind, one.said] for one in verdicts],
            **{
                name: _weighed(verdicts, detector, with_shadow=with_shadow)
                for name, with_shadow in (("alone", False), ("with_shadow", True))
            },
        }
        for detector in DETECTORS
    ]


def _weighed(verdicts: Sequence[Verdict], detector: str, *, with_shadow: bool) -> dict[str, object]:
    """Alarms of thirty days, from what was drawn of each kind."""
    weights = {**KINDS, "usual": WINDOWS - sum(KINDS.values())}
    parts = {
        kind: [one.alarms(detector, with_shadow=with_shadow) for one in verdicts if one.kind == kind]
        for kind in weights
    }
    false = {kind: some for kind, some in parts.items() if kind != "fault" and some}
    sides = [wilson(sum(some), len(some)) for some in false.values()]
    return {
        "false": sum(weights[kind] * sum(some) / len(some) for kind, some in false.items()),
        "interval": [
            sum(weights[kind] * both[side] for kind, both in zip(false, sides, strict=True)) for side in (0, 1)
        ],
        "recall": sum(parts["fault"]) / max(1, len(parts["fault"])),
        "counts": {kind: [sum(some), len(some)] for kind, some in parts.items()},
    }


def wilson(hits: int, tries: int, z: float = 1.96) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927): about 95 %."""
    if not tries:
        return 0.0, 1.0
    share, square = hits / tries, z * z / tries
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(share * (1 - share) / tries + square / (4 * tries))
    return max(0.0, middle - half), min(1.0, middle + half)
