"""Do the two ends of connections tell the same story?  An instance that lies is no broken network.

In: connections.  Out: the instances whose counters contradict their peers', or their own segments, and by what factor.
Never: an instance accused by a single connection for what its peer says; a segment that holds several times what a
segment can hold accuses by itself.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shadowlab.telemetry.attach import Connection

MOST_FACTOR = 1.5
"""Two ends' rates may differ by this: their records are of different moments."""
LEAST_BYTES = 10_000
LEAST_SPAN_NS = 5_000_000_000
LEAST_CONNECTIONS = 2
LEAST_SHARE = 0.7
"""Of an instance's connections that must contradict their other ends."""
OVERFULL = 4.0
"""Times its largest payload that a connection's mean segment must hold to be impossible."""
LEAST_SEGMENTS = 20
KNOWN_FACTORS = {8.0: "bits for bytes", 1000.0: "kilo left out", 1024.0: "Ki left out", 1e6: "mega left out"}
_NEAR = 0.15


@dataclass(frozen=True, kw_only=True)
class Liar:
    """``factor`` is what its counters show for each byte that the other ends count."""

    instance: str
    factor: float
    connections: int
    of: int
    overfull: bool = False
    """It is accused by its own segments, which would hold ``factor`` times what a segment can."""

    def describe(self) -> str:
        """One line, with the usual cause of such a factor if there is one."""
        big = max(self.factor, 1 / self.factor)
        known = next((words for value, words in KNOWN_FACTORS.items() if abs(big / value - 1) < _NEAR), "")
        what = (
            f"counts {self.factor:.3g} times the bytes that its own segments can hold, in {self.connections} of its "
            f"{self.of} connections"
            if self.overfull
            else f"counts {self.factor:.3g} times what the other ends of {self.connections} of its {self.of} "
            "connections do"
        )
        return f"{self.instance} {what}" + (f" ({known}?)" if known else "")


def find_liars(connections: Iterable[Connection]) -> tuple[Liar, ...]:
    """The worst first.  What contradicts an instance already accused accuses nobody else."""
    known = list(connections)
    ratios: dict[tuple[str, str, int], float] = {}
    for number, one in enumerate(known):
        ratio = _ratio(one)
        if ratio is not None:
            ratios[(one.source, one.target, number)] = math.log(ratio)
    found = _overfull(known)
    ratios = {key: ratio for key, ratio in ratios.items() if not {one.instance for one in found} & set(key[:2])}
    while True:
        by_instance: dict[str, list[float]] = defaultdict(list)
        for (source, target, _), ratio in ratios.items():
            by_instance[source].append(ratio)
            by_instance[target].append(-ratio)
        worst = max(by_instance.items(), key=lambda one: (_guilt(one[1]), one[0]), default=("", []))
        if _guilt(worst[1]) == 0:
            return tuple(found)
        name, own = worst
        wrong = sorted(one for one in own if abs(one) > math.log(MOST_FACTOR))
        factor = math.exp(wrong[len(wrong) // 2])
        found.append(Liar(instance=name, factor=factor, connections=len(wrong), of=len(own)))
        ratios = {key: ratio for key, ratio in ratios.items() if name not in key[:2]}


def _overfull(connections: Sequence[Connection]) -> list[Liar]:
    """Those whose segments hold more than segments can, in most of the connections that tell."""
    fills: dict[str, list[float]] = defaultdict(list)
    for one in connections:
        for end, records, names in (
            (one.source, one.sender_records, ("bytes_acked", "data_segments_out")),
            (one.target, one.receiver_records, ("bytes_received", "data_segments_in")),
        ):
            last = records[-1] if records else None
            if last is None:
                continue
            moved, segments = (getattr(last, name) for name in names)
            if moved is not None and last.mss and segments is not None and segments >= LEAST_SEGMENTS:
                fills[end].append(moved / segments / last.mss)
    found = []
    for name, own in sorted(fills.items()):
        wrong = sorted(one for one in own if one > OVERFULL)
        if wrong and len(wrong) >= LEAST_SHARE * len(own):
            factor = wrong[len(wrong) // 2]
            found.append(Liar(instance=name, factor=factor, connections=len(wrong), of=len(own), overfull=True))
    return found


def _guilt(ratios: Sequence[float]) -> int:
    wrong = sum(abs(one) > math.log(MOST_FACTOR) for one in ratios)
    return wrong if wrong >= max(LEAST_CONNECTIONS, LEAST_SHARE * len(ratios)) else 0


def _ratio(one: Connection) -> float | None:
    """What the source's counter shows for each byte of the target's: of a whole life that both told the end of, else of
    a time long enough for their records not to be of quite the same moments."""
    ends = [
        [(record, value) for record in records if (value := getattr(record, name)) is not None]
        for records, name in ((one.sender_records, "bytes_acked"), (one.receiver_records, "bytes_received"))
    ]
    if not all(ends):
        return None
    if all(some[-1][0].closed_ns is not None for some in ends):
        totals = [some[-1][1] for some in ends]
        return float(totals[0] / totals[1]) if min(totals) >= LEAST_BYTES else None
    rates = []
    for some in ends:
        span_ns = some[-1][0].at_ns - some[0][0].at_ns
        moved = some[-1][1] - some[0][1]
        if span_ns < LEAST_SPAN_NS or moved < LEAST_BYTES:
            return None
        rates.append(moved / span_ns)
    return float(rates[0] / rates[1])
