"""Round trips on an idle path, by the probes of a run: delay, rate and placement over a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.truth import theory
from benchmarks.truth.drive import Run, Seen, run_cells
from benchmarks.truth.outcome import Outcome
from benchmarks.truth.pairs import GBIT, KBIT, MBIT, MS, US, Cell, Place
from shadowlab.model.impairment import Impairment
from shadowlab.model.queue import Codel, Queue
from shadowlab.model.units import format_duration, format_rate
from shadowlab.monitor.probes import PAYLOAD_BYTES

GROUP = "RTT error on an idle path"
TARGET_NS = {"virtual": 1_000.0, "real": 300_000.0}
PROBE_FRAME_BYTES = PAYLOAD_BYTES + 8 + 20 + 14

DELAYS_NS = (0, 100 * US, MS, 10 * MS, 100 * MS)
RATES_BPS = (None, 256 * KBIT, 10 * MBIT, GBIT)
FEW_DELAYS_NS, FEW_RATES_BPS = (MS, 25 * MS), (None, 10 * MBIT)
EARLY = (
    "a shaper behind an instance lets a packet that finds it idle pass at once: it is early by its own length on the "
    "wire (see shadow/plan.py)"
)

TWICE = (
    "a packet passes two netems in a row, each of which reads the clock as it is due: where probes of other cells are "
    "due at the same moment it waits for their readings, 256 ns each, twice"
)


def cells(*, few: bool = False) -> list[Cell]:
    """Plain netem at both places, and a queue discipline of its own at both."""
    kinds: tuple[tuple[Place, Queue | None], ...] = (("router", None), ("host", None), ("router", Codel()))
    kinds = kinds if few else (*kinds, ("host", Codel()))
    found = []
    for delay_ns in FEW_DELAYS_NS if few else DELAYS_NS:
        for rate_bps in FEW_RATES_BPS if few else RATES_BPS:
            for place, queue in kinds:
                if queue is not None and rate_bps is None:
                    continue
                wish = Impairment(delay_ns=delay_ns, rate_bps=rate_bps, queue=queue)
                name = f"i{len(found)}"
                found.append(Cell(name=name, there=wish, back=wish, place=place, probed=True))
    return found


def wished_ns(cell: Cell) -> float:
    """Delay and time on the wire, there and back."""
    one = cell.there
    wire = theory.wire_s(PROBE_FRAME_BYTES, one.rate_bps) * 1e9 if one.rate_bps else 0.0
    return 2 * (one.delay_ns + wire)


def describe(cell: Cell) -> str:
    rate = "no rate" if cell.there.rate_bps is None else format_rate(cell.there.rate_bps)
    queue = f", {cell.there.queue.kind}" if cell.there.queue else ""
    return f"2 × {format_duration(cell.there.delay_ns)}, {rate}{queue}, leaves a {cell.place}"


def measure(run: Run, *, few: bool = False) -> list[Outcome]:
    """Every cell.  37 ms is no multiple of any timer here, and probes of a path shift within their slot."""
    return judge(run, run_cells(run, cells(few=few), seconds=10, probe_every_ns=37 * MS))


def judge(run: Run, runs: Sequence[Seen]) -> list[Outcome]:
    """The probe that is farthest from its wish on the virtual clock; the 99th percentile of them on a real one."""
    found = []
    for seen in runs:
        answered = seen.probes["round_trip_ns"][seen.probes["round_trip_ns"] >= 0]
        if not len(answered):
            found.append(_unanswered(seen, TARGET_NS[run.place.clock]))
            continue
        errors = answered - wished_ns(seen.cell)
        early = seen.cell.there.queue is not None and seen.cell.place == "host"
        worst = float(np.abs(errors).max() if run.virtual else np.percentile(np.abs(errors), 99))
        found.append(
            Outcome(
                group=GROUP,
                cell=describe(seen.cell),
                measured=worst,
                unit="ns",
                target=None if early else TARGET_NS[run.place.clock],
                seen=float(np.median(answered)),
                wished=wished_ns(seen.cell),
                samples=len(errors),
                note=EARLY if early else TWICE if seen.cell.there.netems > 1 else "",
            )
        )
    return found


def _unanswered(seen: Seen, target: float) -> Outcome:
    """On a machine so slow that no probe came back: an error as large as the round trip itself."""
    return Outcome(
        group=GROUP,
        cell=describe(seen.cell),
        measured=max(wished_ns(seen.cell), 10 * target),
        unit="ns",
        target=target,
        seen=f"none of {len(seen.probes)} probes answered",
        wished=wished_ns(seen.cell),
    )
