"""Whether links can carry what a change of routes would put on them.

In: what each path carried, the ways after the change.  Out: the links that would be overloaded, in words.
Never: a simulation: that is the rehearsal, this only says beforehand what to look at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from shadowlab.mitigate.situation import Situation
from shadowlab.model.network import Direction
from shadowlab.model.units import format_rate
from shadowlab.topology.routing import path_directions

FULL = 0.95
"""Beyond this share of its rate a link has no room for what comes in bursts."""


def overloaded(
    at: Situation, *, avoid: frozenset[str] = frozenset(), metrics: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """One sentence for each direction that would carry more than :data:`FULL` of its rate, and does not so now.

    Paths that would have no way are left out: whoever proposes the change has seen to that.
    """
    loads: Counter[Direction] = Counter()
    for path, carried_bps in at.rates_bps.items():
        source, _, target = path.partition("→")
        try:
            steps = path_directions(at.network, source, target, avoid=avoid, metrics=metrics)
        except ValueError:
            continue
        for step in steps:
            loads[step] += round(carried_bps)
    now: Counter[Direction] = Counter()
    for path, steps in at.hops.items():
        for step in steps:
            now[step] += round(at.rates_bps.get(path, 0.0))
    found = []
    for step, load_bps in sorted(loads.items(), key=lambda one: str(one[0])):
        rate_bps = at.network.links_by_id[step.link].impairment(step).rate_bps
        if rate_bps is not None and load_bps > FULL * rate_bps and load_bps > now[step]:
            found.append(
                f"{step} would have to carry {format_rate(load_bps)} of its {format_rate(rate_bps)} "
                f"({load_bps / rate_bps * 100:.0f} %)"
            )
    return tuple(found)
