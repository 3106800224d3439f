"""More demand, as each kind of flow grows: what an application paces sends more, what the network limits becomes more
flows or longer ones.

In: flows and workloads, a factor.  Out: flows and workloads.  Never: a greedy flow sped up: it is as fast as it gets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from shadowlab.model.flow import FlowSpec

Elastic = Literal["number", "bytes"]
"""How what the network limits grows: in how many there are, or in how much each one has to move."""


def grown(flows: Sequence[FlowSpec], factor: float, *, elastic: Elastic = "number") -> tuple[FlowSpec, ...]:
    """The flows at ``factor`` times their demand.

    A paced flow sends at ``factor`` times its rate.  Of the others, by ``number``: each is there floor(factor) times,
    and a share of them, spread evenly, once more; by ``bytes``: those of a known size move so much more (one without an
    end has no bytes to grow in, and stays).  Raises ValueError for a factor that is not above zero.
    """
    if not 0 < factor < math.inf:
        raise ValueError(f"the factor of growth must be above zero, got {factor:g}")
    result: list[FlowSpec] = []
    due = 0.0
    for flow in flows:
        if flow.flow_class == "paced" and flow.rate_bps is not None:
            pattern = tuple(replace(one, rate_bps=round(one.rate_bps * factor)) for one in flow.pattern)
            result.append(replace(flow, rate_bps=max(round(flow.rate_bps * factor), 1), pattern=pattern))
        elif elastic == "bytes":
            size = None if flow.size_bytes is None else max(round(flow.size_bytes * factor), 1)
            result.append(replace(flow, size_bytes=size))
        else:
            due += factor
            count = math.floor(due + 1e-9)
            due -= count
            result += [flow if copy == 0 else replace(flow, id=f"{flow.id}*{copy + 1}") for copy in range(count)]
    return tuple(result)
