"""The course of a trial: the incident's traffic and routes, a calm beginning, then the fault that is tried.

In: what was prepared, the window that is compared, operations.  Out: a job.  Never: an impairment that the scenario's
events make: those are what is to be found.

What anybody can see of production is part of every trial, the fault-free one too: its demand, and links and routes that
went or came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shadowlab.lab.job import Job
from shadowlab.lab.prepare import Prepared, watched_interfaces
from shadowlab.model.units import NS_PER_S
from shadowlab.shadow.ops import ImpairEgress, ImpairIngress, Op, TimedChange

LEAD_NS = 4 * NS_PER_S
"""Fault-free: slow start is over."""
SETTLE_NS = 2 * NS_PER_S
"""After the fault came."""
JUDGED_NS = 12 * NS_PER_S
LEAST_JUDGED_NS = 5 * NS_PER_S


def trial(prepared: Prepared, window_ns: tuple[int, int], ops: Sequence[Op]) -> Job:
    """A trial whose last ``window_ns[1] - window_ns[0]`` stand for that window of the incident."""
    begin_ns = LEAD_NS + SETTLE_NS
    changes = [
        replace(change, at_ns=max(0, change.at_ns - window_ns[0] + begin_ns), ops=seen)
        for change in prepared.timeline.changes
        if change.at_ns < window_ns[1]
        if (seen := tuple(op for op in change.ops if not isinstance(op, ImpairEgress | ImpairIngress)))
    ]
    if ops:
        changes.append(TimedChange(at_ns=LEAD_NS, reason="the fault that is tried", ops=tuple(ops)))
    changes.sort(key=lambda one: one.at_ns)
    return replace(
        prepared.job(),
        duration_ns=begin_ns + window_ns[1] - window_ns[0],
        timeline=tuple(changes),
        watched=watched_interfaces(prepared.plan, changes),
    )
