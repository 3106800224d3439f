"""Thirty days of a production, sampled: how many alarms are false, and how many of those the shadow takes away.

In: a case.  Out: one row: alarms per thirty days with and without the shadow, recall, intervals.

The calendar has windows of half a minute.  Its load goes up and down with the hours and drifts upward with the days;
now and then it steps up for half an hour; now and then a link loses packets, slows down, or has half its rate.  Windows
are drawn from each kind, run, and weighed by how many of them thirty days hold.

The detector is as simple as can be: the largest deviation of a round-trip time (median, 95th percentile) or a
retransmitted share from the mean of the runs at the usual load, in units of their scatter, alarms above
:data:`THRESHOLD`.  With the shadow the same is also asked of the residual, production − a shadow of a sound network
under the window's own demand, and both must alarm.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.hidden.book import Book
from benchmarks.hidden.copy import copy_of
from benchmarks.hidden.network import MS
from benchmarks.hidden.stages import SECONDS, WINDOW, Case
from benchmarks.hidden.workload import utilisation
from shadowlab.model.network import Network

WINDOWS = 30 * 24 * 120
KINDS: Mapping[str, int] = {"load step": 20 * 60, "fault": 12 * 20}
"""Windows of thirty days: twenty steps of half an hour, a dozen faults of ten minutes; all others are usual."""
DRAWN: Mapping[str, int] = {"usual": 6, "load step": 4, "fault": 6}
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
    alone: bool
    with_shadow: bool


def calendar(book: Book, case: Case, drawn: Mapping[str, int] = DRAWN) -> list[dict[str, object]]:
    """Windows are of production as it is (the case's load is its mean), with its shadow as it was calibrated once."""
    chance = random.Random(f"calendar {case.hidden.family} {case.hidden.seed}")
    verdicts = []
    for kind, count in drawn.items():
        for number in range(count):
            factor, network = _window(kind, case, chance)
            verdicts.append(_verdict(book, case, kind, network, factor, seed=1000 + number))
    return [_summed(case, verdicts)]


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
    today = copy_of(book, given, seconds=SECONDS, refine=False).traffic
    shadow = book.shadow(case.copy.network, today, WINDOW, seed=1, seconds=SECONDS)
    alone = residual = 0.0
    for subject, values in now.values.items():
        for kpi in JUDGED:
            usual = [one.values[subject][kpi] for one in case.seen if kpi in one.values.get(subject, {})]
            if kpi not in values or len(usual) < 2:
                continue
            mean, scatter = float(np.mean(usual)), _scatter(kpi, usual)
            score = abs(values[kpi] - mean) / scatter
            alone = max(alone, score)
            sides = [one.values.get(subject, {}).get(kpi) for one in (shadow, case.shadow)]
            if sides[0] is None or sides[1] is None:
                residual = max(residual, score)  # the shadow has nothing to say of it
            else:
                left = (values[kpi] - mean) - (sides[0] - sides[1])
                # The scatter of two more runs, and a tenth of what the shadow explains, are in a residual.
                noise = math.hypot(scatter * math.sqrt(2), 0.1 * abs(sides[0] - sides[1]))
                residual = max(residual, min(score, abs(left) / noise))
    return Verdict(kind=kind, alone=alone > THRESHOLD, with_shadow=residual > THRESHOLD)


def _scatter(kpi: str, usual: Sequence[float]) -> float:
    least, share = _LEAST_SCATTER[kpi]
    return max(float(np.std(usual, ddof=1)), least, share * abs(float(np.mean(usual))))


def _summed(case: Case, verdicts: Sequence[Verdict]) -> dict[str, object]:
    weights = {**KINDS, "usual": WINDOWS - sum(KINDS.values())}
    found: dict[str, object] = {"stage": "calendar", "seed": case.hidden.seed, "family": case.hidden.family,
                                "load": case.load, "who": "shadow"}  # fmt: skip
    for name in ("alone", "with_shadow"):
        parts = {kind: [getattr(one, name) for one in verdicts if one.kind == kind] for kind in weights}
        false = {kind: some for kind, some in parts.items() if kind != "fault" and some}
        found[f"false_{name}"] = sum(weights[kind] * sum(some) / len(some) for kind, some in false.items())
        found[f"false_{name}_interval"] = [
            sum(weights[kind] * wilson(sum(some), len(some))[side] for kind, some in false.items()) for side in (0, 1)
        ]
        found[f"recall_{name}"] = sum(parts["fault"]) / max(1, len(parts["fault"]))
        found[f"counts_{name}"] = {kind: [sum(some), len(some)] for kind, some in parts.items()}
    return found


def wilson(hits: int, tries: int, z: float = 1.96) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927): about 95 %."""
    if not tries:
        return 0.0, 1.0
    share, square = hits / tries, z * z / tries
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(share * (1 - share) / tries + square / (4 * tries))
    return max(0.0, middle - half), min(1.0, middle + half)
