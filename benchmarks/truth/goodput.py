"""Goodput of a greedy TCP flow against the wire's rate, framing taken off: rate, delay, buffer, congestion control."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.truth import theory
from benchmarks.truth.drive import Run, Seen, run_cells
from benchmarks.truth.outcome import Outcome
from benchmarks.truth.pairs import MBIT, MS, SECOND, Cell
from shadowlab.model.impairment import Impairment
from shadowlab.model.units import format_duration, format_rate

GROUP = "TCP goodput"
TARGET = {"virtual": 0.002, "real": 0.01}

RATES_BPS = (2 * MBIT, 10 * MBIT, 50 * MBIT)
RTTS_NS = (4 * MS, 20 * MS, 80 * MS)
BUFFERS_BDP = (1.0, 3.0)
CONTROLS = ("reno", "cubic")
LEAST_BUFFER = 20
SECONDS, WARM_UP_S = 24, 8
OPEN = 0
"""The state of a sender that misses no acknowledgement (enum tcp_ca_state)."""
SLOW_BPS, SLOW_SECONDS = 2 * MBIT, 120
"""At a low rate a packet more or less is a lot of a short time."""


def room(rate_bps: float, rtt_ns: float) -> float:
    """Full segments in flight that fill the way and leave no queue."""
    return rate_bps * rtt_ns / 1e9 / (8 * theory.WIRE_BYTES)


def cells(*, few: bool = False) -> list[Cell]:
    """A buffer of one bandwidth-delay product is the least with which Reno never lets the wire idle."""
    found = []
    for rate_bps in RATES_BPS[:2] if few else RATES_BPS:
        for rtt_ns in RTTS_NS[1:2] if few else RTTS_NS:
            for share in BUFFERS_BDP[:1] if few else BUFFERS_BDP:
                for control in CONTROLS:
                    one_bdp = room(rate_bps, rtt_ns)
                    buffer = max(LEAST_BUFFER, int(share * one_bdp) + 2)
                    name = f"g{len(found)}"
                    plain = Cell(
                        name=name,
                        there=Impairment(delay_ns=rtt_ns // 2, rate_bps=rate_bps, queue_packets=buffer),
                        back=Impairment(delay_ns=rtt_ns // 2),
                    )
                    found.append(
                        Cell(
                            name=name,
                            there=plain.there,
                            back=plain.back,
                            flows=(plain.flow(control),),
                            facts={"rate": rate_bps, "rtt": rtt_ns, "buffer": buffer},
                        )
                    )
    return found


def rate_of(seen: Seen, flow: int = 0, from_s: float = WARM_UP_S) -> float:
    """Acknowledged payload per second, from ``from_s`` to the end, between the first and the last sample at which no
    segment was missing: while one is, what came behind it has arrived and is not acknowledged yet."""
    samples = seen.tcp[seen.tcp["at_ns"][:, flow] >= from_s * SECOND, flow]
    whole = samples[samples["ca_state"] == OPEN]
    samples = whole if len(whole) > len(samples) // 4 else samples
    span_ns = int(samples["at_ns"][-1]) - int(samples["at_ns"][0])
    return 8e9 * float(int(samples["bytes_acked"][-1]) - int(samples["bytes_acked"][0])) / span_ns


def measure(run: Run, *, few: bool = False) -> list[Outcome]:
    """Every cell."""
    some = cells(few=few)
    slow = [cell for cell in some if cell.facts["rate"] <= SLOW_BPS]
    fast = [cell for cell in some if cell.facts["rate"] > SLOW_BPS]
    return judge(run, [*run_cells(run, slow, seconds=SLOW_SECONDS), *run_cells(run, fast, seconds=SECONDS)])


def judge(run: Run, runs: Sequence[Seen]) -> list[Outcome]:
    """The relative error of each cell."""
    found = []
    for seen in runs:
        facts, flow = seen.cell.facts, seen.cell.flows[0]
        got, most = rate_of(seen), theory.goodput_bps(facts["rate"])
        found.append(
            Outcome(
                group=GROUP,
                cell=f"{flow.tcp.congestion_control}, {format_rate(int(facts['rate']))}, RTT "
                f"{format_duration(int(facts['rtt']))}, buffer {facts['buffer']:.0f} packets",
                measured=got / most - 1,
                unit="share",
                target=TARGET[run.place.clock],
                seen=round(got),
                wished=round(most),
                samples=round(float(seen.tcp["bytes_acked"][-1, 0]) / theory.MSS_BYTES),
            )
        )
    return found
