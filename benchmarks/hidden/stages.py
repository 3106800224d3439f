"""The stages of the test bench for one case: a seed at a load.

In: a book, a seed, a load.  Out: rows of plain figures.  Never: a copy that has seen the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from benchmarks.hidden.baselines import fluid, formulas
from benchmarks.hidden.book import Book, Given
from benchmarks.hidden.copy import Copy, copy_of
from benchmarks.hidden.measured import KPIS, Seen, coverage, errors
from benchmarks.hidden.network import GHOST, Hidden, hidden
from benchmarks.hidden.workload import Traffic, traffic
from shadowlab.calibrate.observed import last_known
from shadowlab.model.network import Network
from shadowlab.telemetry.attach import Connection

SETTLE_S, SECONDS = 5.0, 30.0
"""A run lasts half a minute, its first seconds are discarded."""
LATER_S = 55.0
"""Until here the first run goes on, unheard: the time held out."""
WINDOW, HELD_OUT = (SETTLE_S, SECONDS), (SECONDS, LATER_S)
CONTROLS = ("bbr", "reno")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One production at one load, its runs and its copy.  ``seen`` are the repeats, the first of which was told of."""

    hidden: Hidden
    load: float
    traffic: Traffic
    seen: Sequence[Seen]
    later: Seen
    copy: Copy
    shadow: Seen
    given: Given

    @property
    def told(self) -> Seen:
        """The run that telemetry is of."""
        return self.seen[0]

    def noise(self) -> Mapping[tuple[str, str], float]:
        """By subject and indicator: the median relative error between two runs of production."""
        pairs = [errors(a, b) for a, b in combinations(self.seen, 2)]
        return {
            key: float(np.median([one[key] for one in pairs if key in one]))
            for key in {key for one in pairs for key in one}
        }


def make_case(book: Book, seed: int, load: float, *, repeats: int, family: str = "", refine: bool = True) -> Case:
    """Run production ``repeats`` times, copy it, run the copy."""
    production = hidden(seed, family)
    demand = traffic(production, load)
    given, (told, later) = book.production(
        production, demand, [WINDOW, HELD_OUT], seed=1, seconds=LATER_S, told_s=SECONDS
    )
    others = [
        book.production(production, demand, [WINDOW], seed=1 + number, seconds=SECONDS, told_s=SECONDS)[1][0]
        for number in range(1, repeats)
    ]
    copy = copy_of(book, given, seconds=SECONDS, refine=refine)
    shadow = book.shadow(copy.network, copy.traffic, WINDOW, seed=1, seconds=SECONDS)
    return Case(hidden=production, load=load, traffic=demand, seen=(told, *others), later=later, copy=copy,
                shadow=shadow, given=given)  # fmt: skip


def replication(book: Book, case: Case) -> list[dict[str, object]]:
    """Production again from its telemetry: us and the baselines against the run that was told of, and its noise."""
    copy = case.copy
    others = {
        "shadow": case.shadow,
        "no calibration": book.shadow(copy.guess, copy.traffic, WINDOW, seed=1, seconds=SECONDS),
        "formulas": formulas(copy.network, copy.traffic, losses_of(copy.connections)),
        "fluid": fluid(copy.network, copy.traffic),
        "true links": book.shadow(true_links(case), copy.traffic, WINDOW, seed=1, seconds=SECONDS),
        "production again": case.seen[1] if len(case.seen) > 1 else case.told,
    }
    return [_row("replication", case, name, case.told, one) for name, one in others.items()]


def held_out_time(case: Case) -> list[dict[str, object]]:
    """The seconds after those that were told of, under the same demand."""
    rows = [_row("held-out time", case, "shadow", case.later, case.shadow)]
    return [*rows, _row("held-out time", case, "last value", case.later, case.told)]


def held_out_control(book: Book, case: Case) -> list[dict[str, object]]:
    """Production over a congestion control that no record was of."""
    control = CONTROLS[case.hidden.seed % len(CONTROLS)]
    _, (truth,) = book.production(
        case.hidden, case.traffic.controlled(control), [WINDOW], seed=1, seconds=SECONDS, told_s=SECONDS
    )
    copy = case.copy
    ours = book.shadow(copy.network, copy.traffic.controlled(control), WINDOW, seed=1, seconds=SECONDS)
    others = {
        "shadow": ours,
        "last value": case.told,
        "formulas": formulas(copy.network, copy.traffic.controlled(control), losses_of(copy.connections)),
        "fluid": fluid(copy.network, copy.traffic.controlled(control)),
    }
    return [_row(f"held-out control ({control})", case, name, truth, one) for name, one in others.items()]


def true_links(case: Case) -> Network:
    """The map with the truth on its links: what is left then is the demand's fault, and the unmodelled."""
    kept = case.copy.guess.links_by_id
    links = tuple(link for link in case.hidden.network.links if link.id in kept)
    return replace(case.copy.guess, links=links)


def losses_of(connections: Sequence[Connection]) -> dict[str, float]:
    """The retransmitted share of each path's segments, over all its records."""
    sent: dict[str, list[float]] = {}
    for one in connections:
        out, again = (last_known(one.sender_records, name) for name in ("data_segments_out", "retransmits_total"))
        total = sent.setdefault(str(one.path), [0.0, 0.0])
        total[0] += float(out or 0)
        total[1] += float(again or 0)
    return {path: again / out for path, (out, again) in sent.items() if out > 0}


def _row(stage: str, case: Case, who: str, truth: Seen, other: Seen) -> dict[str, object]:
    found = errors(truth, other)
    noise = case.noise()
    common = [key for key in found if key in noise]
    by_kpi = {name: _median([value for (_, kpi), value in found.items() if kpi == name]) for name in KPIS}
    ours, theirs = _median([found[key] for key in common]), _median([noise[key] for key in common])
    return {
        "stage": stage,
        "seed": case.hidden.seed,
        "family": case.hidden.family,
        "load": case.load,
        "who": who,
        "error": _median(list(found.values())),
        "noise": theirs,
        "noise_ratio": ours / theirs if ours is not None and theirs else None,
        "values": len(found),
        "coverage": coverage(truth, other),
        **{f"error_{name}": value for name, value in by_kpi.items()},
    }


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if len(values) else None


def links(case: Case) -> list[dict[str, object]]:
    """How far each property of each direction is from the truth, where the calibration says that it was measured; and
    what the calibration cost."""
    rows: list[dict[str, object]] = [
        {
            "stage": "calibration",
            "seed": case.hidden.seed,
            "family": case.hidden.family,
            "load": case.load,
            "nodes": len(case.copy.network.nodes),
            "refining_runs": case.copy.refining_runs,
            "processor_s": case.copy.processor_s,
        }
    ]
    for one in case.copy.calibration.links:
        if GHOST in str(one.direction):
            continue
        truth = case.hidden.network.impairment(one.direction)
        for name, value, true in (
            ("delay_ms", one.delay_ns, truth.delay_ns / 1e6),
            ("rate_mbps", one.rate_bps, (truth.rate_bps or 0) / 1e6),
            ("loss", one.loss, truth.mean_loss),
        ):
            per = 1.0 if name == "loss" else 1e6
            rows.append(
                {
                    "stage": "links",
                    "seed": case.hidden.seed,
                    "family": case.hidden.family,
                    "load": case.load,
                    "direction": str(one.direction),
                    "property": name,
                    "standing": value.standing,
                    "value": None if value.value is None else float(value.value / per),
                    "truth": true,
                    "inside": None
                    if value.low is None or value.high is None
                    else bool(value.low / per <= true <= value.high / per),
                }
            )
    return rows
