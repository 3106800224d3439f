"""What a run of production or of a shadow came to, by the same code: goodput, round-trip times, retransmissions of its
lasting flows, completion times of its short exchanges.

In: a folder of raw records, the traffic, a window.  Out: one value per subject and indicator.

A subject is an ordered pair of hosts, in the direction in which most bytes go: what production calls a request and a
shadow a transfer are the same subject.  Lasting flows and short exchanges of one pair are two subjects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.hidden.network import GHOST
from benchmarks.hidden.workload import Traffic
from shadowlab.model.network import Network
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.monitor.layout import FLAG_CLOSED, FLAG_FAILED, FLAG_IDLE
from shadowlab.monitor.raw_records import read_tcp
from shadowlab.store.reader import read_records
from shadowlab.store.recorder import ENDING

FLOW_KPIS = ("goodput_mbps", "srtt_p50_ms", "srtt_p95_ms", "retransmission_share")
SHORT_KPIS = ("completion_p50_ms", "completion_p99_ms")
KPIS = (*FLOW_KPIS, *SHORT_KPIS)
FLOORS: Mapping[str, float] = {
    "goodput_mbps": 0.05,
    "srtt_p50_ms": 1.0,
    "srtt_p95_ms": 1.0,
    "retransmission_share": 0.005,
    "completion_p50_ms": 1.0,
    "completion_p99_ms": 1.0,
}
"""A relative error is an error over the true value, or over this where the value is smaller: a share of 0.1 % that
comes out as 0.2 % is not 100 % wrong in any way that matters."""
LEAST_SAMPLES = 10
"""Of a flow's state; and of completed exchanges.  A 99th percentile of fewer than 100 is close to their largest."""

Subject = str
Values = Mapping[Subject, Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Of one run, by subject and indicator."""

    values: Values

    def to_json(self) -> object:
        """Plain."""
        return to_plain(self)

    @staticmethod
    def from_json(plain: object) -> Seen:
        """What :meth:`to_json` made."""
        return from_plain(Seen, plain)


def measure(folder: Path, network: Network, traffic: Traffic, *, from_s: float, to_s: float) -> Seen:
    """Of the window (``from_s``, ``to_s``]; what too few samples tell of is left out, and so are ghosts."""
    found: dict[Subject, dict[str, float]] = {}
    found.update(_flows(folder, traffic, round(from_s * 1e9), round(to_s * 1e9)))
    found.update(_short(folder, sorted(node.id for node in network.nodes), round(from_s * 1e9), round(to_s * 1e9)))
    return Seen(values={one: found[one] for one in sorted(found) if GHOST not in one})


def _flows(folder: Path, traffic: Traffic, from_ns: int, to_ns: int) -> dict[Subject, dict[str, float]]:
    samples = read_tcp(folder, len(traffic.flows))
    if not samples.size:
        return {}
    at_ns = samples["at_ns"][:, 0]
    rows = np.flatnonzero((at_ns >= from_ns) & (at_ns <= to_ns))
    by_pair: dict[Subject, list[int]] = {}
    for number, flow in enumerate(traffic.flows):
        if flow.size_bytes is None or flow.start_ns < from_ns:
            by_pair.setdefault(f"{flow.source}→{flow.target}", []).append(number)
    found = {}
    for pair, numbers in by_pair.items():
        some = samples[np.ix_(rows, numbers)]
        lives = (some["flags"] & (FLAG_CLOSED | FLAG_FAILED | FLAG_IDLE)) == 0
        rtts = some["srtt_us"][lives & (some["srtt_us"] > 0)] / 1e3
        if len(rows) < 2 or rtts.size < LEAST_SAMPLES:
            continue
        seconds = (at_ns[rows[-1]] - at_ns[rows[0]]) / 1e9
        sent = float((some["data_segs_out"][-1].astype(float) - some["data_segs_out"][0]).sum())
        again = float((some["total_retrans"][-1].astype(float) - some["total_retrans"][0]).sum())
        values = {
            "goodput_mbps": float((some["received_bytes"][-1] - some["received_bytes"][0]).sum()) * 8 / seconds / 1e6,
            "srtt_p50_ms": float(np.percentile(rtts, 50)),
            "srtt_p95_ms": float(np.percentile(rtts, 95)),
        }
        if sent > 0 and again >= 0:
            values["retransmission_share"] = again / sent
        found[pair] = values
    return found


def _short(folder: Path, nodes: Sequence[str], from_ns: int, to_ns: int) -> dict[Subject, dict[str, float]]:
    records = read_records(folder / f"exchanges{ENDING}")
    if not len(records):
        return {}
    good = (records["outcome"] == 0) & (records["start_ns"] > from_ns) & (records["end_ns"] <= to_ns)
    found: dict[Subject, list[float]] = {}
    for source, target, sent, received, start, end in zip(
        *(records[name][good] for name in ("source", "target", "sent_bytes", "received_bytes", "start_ns", "end_ns")),
        strict=True,
    ):
        a, b = nodes[source], nodes[target]
        pair = f"{a}→{b}" if sent >= received else f"{b}→{a}"
        found.setdefault(f"{pair} short", []).append((int(end) - int(start)) / 1e6)
    return {
        pair: {
            "completion_p50_ms": float(np.percentile(times, 50)),
            "completion_p99_ms": float(np.percentile(times, 99)),
        }
        for pair, times in found.items()
        if len(times) >= LEAST_SAMPLES
    }


def errors(truth: Seen, other: Seen) -> dict[tuple[Subject, str], float]:
    """The relative error of each value that both have."""
    return {
        (subject, kpi): abs(other.values[subject][kpi] - true) / max(abs(true), FLOORS[kpi])
        for subject, values in truth.values.items()
        for kpi, true in values.items()
        if kpi in other.values.get(subject, {})
    }


def coverage(truth: Seen, other: Seen) -> float:
    """The share of the truth's values that the other has at all."""
    wanted = [(subject, kpi) for subject, values in truth.values.items() for kpi in values]
    return sum(kpi in other.values.get(subject, {}) for subject, kpi in wanted) / max(1, len(wanted))
