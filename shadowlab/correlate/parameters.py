"""What TCP made of each connection in production, beside what it makes of it in the shadow.

In: means of both, by flow.  Out: one comparison per flow, in their order.  Never: a judgement: windows and timers
follow from the network, and where they differ, the network or the demand does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from shadowlab.model.traffic.parameters import OBSERVED, FlowParameters


def compare_parameters(
    flows: Sequence[str],
    recorded: Mapping[str, Mapping[str, float]],
    shadow: Sequence[Mapping[str, float]],
    differs: Mapping[str, str],
    *,
    scale: float = 1.0,
) -> tuple[FlowParameters, ...]:
    """``recorded`` by flow and name, ``shadow`` in the order of ``flows``; ``scale`` divides what was recorded and
    scales with a run.  A name that neither side knows is left out."""
    found = []
    for flow, held in zip(flows, shadow, strict=True):
        known = recorded.get(flow, {})
        observed = {
            one.name: (
                known[one.name] / (scale if one.scales else 1.0) if one.name in known else math.nan,
                held.get(one.name, math.nan),
            )
            for one in OBSERVED
            if one.name in known or one.name in held
        }
        found.append(FlowParameters(flow=flow, differs=differs.get(flow, ""), observed=observed))
    return tuple(found)
