"""Two round-trip times at one bottleneck: how far the shorter one takes more than its half.

In: where to run.  Out: for each congestion control and queue the exponent a of rate ~ RTT^-a, over several beginnings.
Never: a target: theory gives the two ends, and how synchronised losses are decides between them.

With losses that meet both flows alike and at random, Reno's rate is as 1/RTT (Mathis); where each full queue makes both
flows halve at once, their windows grow in step with their round trips, and the rate is as 1/RTT^2 (Lakshman and Madhow,
The performance of TCP/IP for networks with high bandwidth-delay products and random loss, IEEE/ACM ToN 1997).  CUBIC's
windows grow with time instead: 1/RTT when synchronised, 1/RTT^(1/4) at random (RFC 9438, sections 4.2 and 5.1 with the
response function W ~ (RTT/p)^(3/4)), and like Reno's where it imitates Reno, at small products of rate and RTT.
The round trips are those that the flows measured, the queue's time among them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.truth import theory
from benchmarks.truth.drive import Run, Seen, run_cells
from benchmarks.truth.goodput import rate_of
from benchmarks.truth.outcome import Outcome
from benchmarks.truth.pairs import MBIT, MS, SECOND, Cell
from shadowlab.model.flow import FlowSpec
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Node
from shadowlab.model.queue import Queue, Red
from shadowlab.model.traffic.chance import Chance

RATE_BPS = 20 * MBIT
RTTS_MS = (20, 80)
BEGINNINGS = 5
SECONDS, SETTLED_S = 120, 20
_FRAME = theory.FRAME_BYTES
_PIPE = RATE_BPS * RTTS_MS[1] * MS // (8 * SECOND * _FRAME)
QUEUES: tuple[tuple[str, Queue | None, int], ...] = (
    ("a short queue, dropped at its end", None, _PIPE // 4),
    ("a queue of one pipe, dropped at its end", None, _PIPE),
    ("RED", Red(limit_bytes=4 * _PIPE * _FRAME, min_bytes=20 * _FRAME, max_bytes=60 * _FRAME, probability=0.1), _PIPE),
)
ENDS = {"reno": ("Reno", "1 (random) to 2 (synchronised)"), "cubic": ("CUBIC", "0.25 (random) to 1 (synchronised)")}


@dataclass(frozen=True, kw_only=True)
class SharedCell(Cell):
    """Two sources, near and far, one router, one target."""

    delays_ns: tuple[int, int] = (0, 0)

    @property
    def sources(self) -> tuple[str, str]:
        return f"{self.name}-a", f"{self.name}-c"

    @property
    def nodes(self) -> tuple[Node, ...]:
        return (*super().nodes, Node(id=self.sources[1], kind="host"))

    @property
    def links(self) -> tuple[Link, ...]:
        router = f"{self.name}-r"
        access = (
            Link(
                id=f"{self.name}-k{number}",
                a=source,
                b=router,
                forward=Impairment(delay_ns=delay_ns),
                backward=Impairment(delay_ns=delay_ns),
            )
            for number, (source, delay_ns) in enumerate(zip(self.sources, self.delays_ns, strict=True))
        )
        return (*access, Link(id=f"{self.name}-l", a=router, b=self.target, forward=self.there))


def cells(seed: int, *, few: bool = False) -> list[SharedCell]:
    """For each control and queue as many as there are beginnings: which flow starts when is drawn by the seed."""
    found = []
    chance = Chance(seed, "shared bottleneck")
    for control in ENDS:
        for place, (_, queue, packets) in enumerate(QUEUES[: 1 if few else None]):
            for number in range(1 if few else BEGINNINGS):
                there = Impairment(rate_bps=RATE_BPS, queue_packets=packets)
                bare = SharedCell(
                    name=f"{control[0]}{place}{number}",
                    there=there if queue is None else replace(there, queue=queue),
                    delays_ns=(RTTS_MS[0] * MS // 2, RTTS_MS[1] * MS // 2),
                    facts={"queue": place},
                )
                flows = tuple(
                    replace(_flow(bare, control, source), start_ns=chance.below(2 * SECOND)) for source in bare.sources
                )
                found.append(replace(bare, flows=flows))
    return found


def _flow(cell: Cell, control: str, source: str) -> FlowSpec:
    return replace(cell.flow(control), id=source, source=source)


def exponent(seen: Seen) -> tuple[float, float, float]:
    """The exponent of a cell, the near flow's rate over the far one's, the far one's measured RTT over the near's."""
    late = seen.tcp[seen.tcp["at_ns"][:, 0] >= SETTLED_S * SECOND]
    near, far = (rate_of(seen, flow=number, from_s=SETTLED_S) for number in (0, 1))
    near_rtt, far_rtt = late["srtt_us"].mean(axis=0)
    return math.log(near / far) / math.log(far_rtt / near_rtt), near / far, float(far_rtt / near_rtt)


def measure(run: Run, *, few: bool = False) -> list[Outcome]:
    """One outcome for each control and queue: the mean exponent, and how far beginnings spread it."""
    groups: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    for seen in run_cells(run, cells(run.seed, few=few), seconds=SECONDS // (4 if few else 1)):
        key = (seen.cell.flows[0].tcp.congestion_control, int(seen.cell.facts["queue"]))
        groups.setdefault(key, []).append(exponent(seen))
    found = []
    for (control, place), values in groups.items():
        exponents, ratios, rtts = (np.array(one) for one in zip(*values, strict=True))
        name, ends = ENDS[control]
        found.append(
            Outcome(
                group=f"shared bottleneck: exponent of {name}'s rate over its RTT",
                cell=f"{RTTS_MS[0]} ms and {RTTS_MS[1]} ms, {QUEUES[place][0]}",
                measured=float(exponents.mean()),
                unit="",
                seen=f"{exponents.mean():.2f} ({exponents.min():.2f} to {exponents.max():.2f})",
                wished=ends,
                samples=len(values),
                note=f"rates {ratios.mean():.1f} : 1 at measured round trips of 1 : {rtts.mean():.1f}, "
                f"{len(values)} beginnings",
            )
        )
    return found
