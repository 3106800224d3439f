"""Which factor of the scaling law a run takes.

In: what was asked for, what the run would cost at a factor, its rehearsals, its budget.  Out: the factor.  Never: a
figure that depends on the machine: the same inputs are scaled alike everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from shadowlab.predict.budget import GUEST_PACKET_HOPS_PER_S, RUN_OVERHEAD_S, Cost

Scale = float | Literal["auto", "near", "off"]
"""A factor (at least 1; as stated, whatever it takes), ``auto`` (what the budget needs, or refused), ``near`` (that, or
what comes near it), ``off`` (1, or refused)."""

_ROUNDS = 20
_MORE = 1.001
"""From round to round at least: rates are whole numbers, windows and buffers have a least size."""
_MOST = 1000.0
_NEAR = 1.25
"""Of what the largest factor takes: more scaling would make the shadow coarser, and hardly cheaper."""


def whole_wall_s(cost: Cost, rehearsals: Sequence[float]) -> float:
    """Expected wall seconds of a main run of that cost and its rehearsals, one after the other.

    ``rehearsals`` holds the length of each as a share of the main run's.  That several cores rehearse several at once
    is left out on purpose: the factor must not depend on how many there are.
    """
    return cost.wall_s + sum(RUN_OVERHEAD_S + share * (cost.wall_s - RUN_OVERHEAD_S) for share in rehearsals)


def fitting_factor(cost_at: Callable[[float], Cost], wall_budget_s: float, rehearsals: Sequence[float] = ()) -> float:
    """The least factor (1 or more) that brings a run with its rehearsals into its budget, as ``cost_at`` tells.

    Not all work shrinks: probes, packets that carry little, the exchanges' own cost.  Raises ValueError, saying by how
    much, if no factor up to 1000 does it.
    """
    cost = cost_at(1.0)
    if whole_wall_s(cost, rehearsals) <= wall_budget_s:
        return 1.0
    work, boots_s = 1 + sum(rehearsals), RUN_OVERHEAD_S * (1 + len(rehearsals))
    smallest = cost_at(_MOST)
    factor = 1.0
    for _ in range(_ROUNDS):
        # Packet-hops are taken to be shrinking / factor + kept, through this factor's and the smallest's.
        shrinking = (cost.packet_hops - smallest.packet_hops) / (1 / factor - 1 / _MOST)
        kept = cost.packet_hops - shrinking / factor
        left_s = (wall_budget_s - boots_s) / work - cost.exchanges_s
        left_hops = left_s * GUEST_PACKET_HOPS_PER_S - kept
        if left_hops <= 0 or shrinking / left_hops >= _MOST / _MORE:
            break
        factor = max(factor * _MORE, shrinking / left_hops)
        cost = cost_at(factor)
        if whole_wall_s(cost, rehearsals) <= wall_budget_s:
            return factor
    raise ValueError(f"even at 1/{_MOST:g} of all rates it would take about {whole_wall_s(smallest, rehearsals):.0f} s")


def nearest_factor(cost_at: Callable[[float], Cost], rehearsals: Sequence[float] = ()) -> float:
    """Where no factor keeps the budget: the least one that costs hardly more than the largest."""
    enough_s = _NEAR * whole_wall_s(cost_at(_MOST), rehearsals)
    low, high = 1.0, _MOST
    for _ in range(_ROUNDS):
        middle = math.sqrt(low * high)
        if whole_wall_s(cost_at(middle), rehearsals) <= enough_s:
            high = middle
        else:
            low = middle
    return high
