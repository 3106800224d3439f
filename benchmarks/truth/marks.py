"""DCTCP at a threshold: what it leaves standing in the queue, and what of the wire it uses.

RED with thresholds one packet apart and marking with certainty is as near as the disciplines of a map come to the step
that DCTCP is made for.  RED looks at an average of the queue: what that changes is part of what is measured.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.truth import theory
from benchmarks.truth.drive import Run, Seen, run_cells
from benchmarks.truth.goodput import rate_of, room
from benchmarks.truth.outcome import Outcome
from benchmarks.truth.pairs import MBIT, MS, SECOND, Cell
from shadowlab.model.impairment import Impairment
from shadowlab.model.queue import Red
from shadowlab.model.units import format_duration, format_rate

GRID = ((20 * MBIT, 10 * MS, 20, 1), (20 * MBIT, 10 * MS, 40, 2), (50 * MBIT, 10 * MS, 40, 2))
"""Rate, round trip, threshold in packets, flows."""
TARGET = 0.10


def cells(control: str) -> list[Cell]:
    found = []
    for rate_bps, rtt_ns, threshold, flows in GRID:
        frame = theory.FRAME_BYTES
        step = Red(
            limit_bytes=1000 * frame, min_bytes=threshold * frame, max_bytes=(threshold + 1) * frame, probability=1.0
        )
        bare = Cell(
            name=f"m{len(found)}",
            there=Impairment(delay_ns=rtt_ns // 2, rate_bps=rate_bps, queue=step),
            back=Impairment(delay_ns=rtt_ns // 2),
        )
        facts = {"threshold": threshold, "rtt": rtt_ns / 1e9, "room": room(rate_bps, rtt_ns), "flows": flows}
        some = tuple(bare.flow(control, number=number, ecn=True) for number in range(flows))
        found.append(replace(bare, flows=some, facts=facts))
    return found


def queue_of(seen: Seen) -> np.ndarray:
    """Packets in the queue at each sample after a start of five seconds."""
    late = seen.queue[seen.queue["at_ns"] > 5 * SECOND]
    return late["queued_packets"].astype(float)


def measure(run: Run) -> list[Outcome]:
    """Mean queue against the middle of DCTCP's oscillation, and goodput against the wire."""
    found = []
    for seen in run_cells(run, cells("dctcp"), seconds=20, sample_every_ns=MS):
        facts, rate_bps = seen.cell.facts, seen.cell.there.rate_bps or 1
        low, high = theory.dctcp_queue_packets(facts["threshold"], facts["room"], int(facts["flows"]))
        queue = queue_of(seen)
        marks = int(seen.queue["marks"][-1])
        got = sum(rate_of(seen, flow=number, from_s=5) for number in range(int(facts["flows"])))
        where = (
            f"{format_rate(rate_bps)}, RTT {format_duration(int(facts['rtt'] * 1e9))}, threshold "
            f"{facts['threshold']:.0f} packets, {facts['flows']:.0f} flows"
        )
        found += [
            Outcome(
                group="DCTCP: mean queue at a step threshold",
                cell=where,
                measured=float(queue.mean()) / ((max(low, 0.0) + high) / 2) - 1,
                unit="share",
                target=TARGET,
                seen=round(float(queue.mean()), 2),
                wished=round((max(low, 0.0) + high) / 2, 2),
                samples=len(queue),
            ),
            Outcome(
                group="DCTCP: from the least to the greatest queue (1 to 99 %)",
                cell=where,
                measured=float(np.percentile(queue, 99)) - high,
                unit="packets",
                seen=f"{np.percentile(queue, 1):.0f} to {np.percentile(queue, 99):.0f}",
                wished=f"{max(low, 0.0):.1f} to {high:.1f}",
                samples=len(queue),
                note=f"{marks} marks",
            ),
            Outcome(
                group="DCTCP: goodput at a step threshold",
                cell=where,
                measured=got / theory.goodput_bps(rate_bps) - 1,
                unit="share",
                seen=round(got),
                wished=round(theory.goodput_bps(rate_bps)),
                samples=len(queue),
            ),
        ]
    return found
