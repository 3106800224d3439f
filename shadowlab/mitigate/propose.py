"""Candidate cures for a fault domain, as operations.

In: the situation, what may be tried.  Out: candidates, each with the operations that do it, the operations that undo
it, and both in words.  Doing nothing comes first.
Never: an effect, an order of merit: merit is measured by ``rehearse``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shadowlab.mitigate.actions import links, routes, traffic, weights
from shadowlab.mitigate.allowed import (
    Allowed,
    Around,
    ChangeCongestion,
    ChangeQueue,
    DrainSubject,
    Limit,
    MoreInstances,
    MoreWorkers,
    MoveInstance,
    Pin,
    RaiseMetric,
    Script,
    ShiftWeights,
    Upgrade,
)
from shadowlab.mitigate.candidate import NOTHING, Candidate
from shadowlab.mitigate.situation import Situation

_ACTIONS: Mapping[type, Callable[[Any, Situation], Candidate]] = {
    Around: routes.around,
    RaiseMetric: routes.raise_metric,
    ShiftWeights: weights.shift_weights,
    DrainSubject: routes.drain,
    Upgrade: links.upgrade,
    ChangeQueue: links.change_queue,
    Script: links.script,
    ChangeCongestion: traffic.change_congestion,
    Limit: traffic.limit,
    MoreWorkers: traffic.more_workers,
    MoreInstances: traffic.more_instances,
    MoveInstance: traffic.move_instance,
    Pin: routes.pin,
}
"""One line for each kind of cure."""


def propose(at: Situation, allowed: Sequence[Allowed]) -> tuple[Candidate, ...]:
    """Every candidate in the order of ``allowed``, doing nothing first.

    Of two that would do the very same only the first is to be tried.
    """
    found = [NOTHING]
    for one in allowed:
        made = _ACTIONS[type(one)](one, at)
        same = next((other.name for other in found if made.ops and other.ops == made.ops), None)
        found.append(made if same is None else replace(made, impossible=f"it does the same as {same} does"))
    return tuple(found)
