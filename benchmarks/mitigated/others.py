"""What others would choose, from the same knowledge: rules of operators, a fluid model, a closed formula.

In: the scene that a shadow is made of, its candidates.  Out: the name of one, or every candidate's figure.
Never: a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.mitigated.incidents import WEB_BYTES, Incident
from benchmarks.mitigated.trying import Scene, demands
from shadowlab.mitigate.candidate import NOTHING, Candidate
from shadowlab.model.cure.action import SetMetric
from shadowlab.model.network import Direction
from shadowlab.topology.routing import path_directions

LOSS_RULE, RATE_RULE, ROOM_RULE = 0.001, 0.5, 0.75
"""Disable a link that loses more than this, or has less than this of its rate, if no other is filled beyond that."""
_SEGMENT, _FIRST_WINDOW, _RETRY_S = 1448, 10, 0.25

Candidates = Mapping[str, Candidate]
Ways = dict[tuple[str, str], tuple[Direction, ...]]


def do_nothing(scene: Scene, known: Incident, some: Candidates) -> str:
    return NOTHING.name


def always_disable(scene: Scene, known: Incident, some: Candidates) -> str:
    return "reroute" if "reroute" in some else NOTHING.name


def thresholds(scene: Scene, known: Incident, some: Candidates) -> str:
    bad = known.amount < RATE_RULE if known.kind == "capacity" else known.amount > LOSS_RULE
    if not bad or "reroute" not in some:
        return NOTHING.name
    return "reroute" if max(_loads(scene, some["reroute"]).values()) <= ROOM_RULE else NOTHING.name


def fluid(scene: Scene, known: Incident, some: Candidates) -> str:
    """The fullest link as empty as possible, a lossy link having that much less to give."""
    return _least(some, lambda one: max(_loads(scene, one).values()))


def formula(scene: Scene, known: Incident, some: Candidates) -> str:
    """The 99 % point over pairs of: rounds of slow start, waiting as in M/M/1, a retry for each segment lost."""
    return _least(some, lambda one: _formula(scene, one))


OTHERS: Mapping[str, Callable[[Scene, Incident, Candidates], str]] = {
    "do nothing": do_nothing,
    "always disable": always_disable,
    "operator thresholds": thresholds,
    "fluid model": fluid,
    "closed formula": formula,
}


def _least(some: Candidates, figure: Callable[[Candidate], float]) -> str:
    known = {name: figure(one) for name, one in some.items()}
    return min(known, key=lambda name: (round(known[name], 3), some[name].effort, name))


def _ways(scene: Scene, one: Candidate) -> Ways:
    metrics = {action.link: action.after for action in one.actions if isinstance(action, SetMetric)}
    found: Ways = {}
    for path in demands(scene.network, scene.traffic):
        source, _, target = path.partition("→")
        found[source, target] = path_directions(scene.network, source, target, metrics=metrics)
    return found


def _loads(scene: Scene, one: Candidate) -> dict[Direction, float]:
    carried: Counter[Direction] = Counter()
    asked = demands(scene.network, scene.traffic)
    for (source, target), steps in _ways(scene, one).items():
        for step in steps:
            carried[step] += round(asked[f"{source}→{target}"])
    return {
        step: bps / ((1 - scene.network.impairment(step).loss) * (scene.network.impairment(step).rate_bps or 1e12))
        for step, bps in carried.items()
    }


def _formula(scene: Scene, one: Candidate) -> float:
    loads = _loads(scene, one)
    segments = WEB_BYTES / _SEGMENT
    rounds = 1 + np.ceil(np.log2(1 + segments / _FIRST_WINDOW))
    times = []
    for (source, target), steps in _ways(scene, one).items():
        back = path_directions(scene.network, target, source)
        trip = sum(scene.network.impairment(step).delay_ns for step in (*steps, *back)) / 1e9
        waits = sum(
            1500 * 8 / (scene.network.impairment(step).rate_bps or 1e12) / max(0.02, 1 - loads[step]) for step in steps
        )
        kept = float(np.prod([1 - scene.network.impairment(step).loss for step in steps]))
        times.append(rounds * (trip + waits) + segments * (1 - kept) * _RETRY_S)
    return float(np.percentile(times, 99))
