"""How Reno, CUBIC and BBR answer to loss and to round trips, beside what theory says they do.

Three experiments:

- *random loss* on a link without a rate, so nothing waits and the round trip is constant: mean window, by realised
  loss, beside the closed formulas and beside a simulation of the control's rules;
- *even loss*: one flow alone overflows a short buffer, so it loses a packet whenever its window has grown to the same
  size, which is what the formulas assume;
- *BBR under loss*, and two flows of different round trips on links that lose alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth import linux_cubic, theory
from benchmarks.truth.drive import Run, Seen, run_cells
from benchmarks.truth.goodput import rate_of
from benchmarks.truth.outcome import Outcome
from benchmarks.truth.pairs import MBIT, MS, SECOND, Cell
from shadowlab.model.impairment import Impairment
from shadowlab.model.units import format_fraction

TARGET = {"virtual": 0.10, "real": 0.15}

# (control, round trip, loss): the mean window tells how many packets a cell costs, and seconds / RTT how many teeth.
RANDOM = (
    *(("reno", rtt_ms, loss) for loss in (0.0003, 0.001, 0.003, 0.01, 0.03) for rtt_ms in (20, 100)),
    *(("cubic", rtt_ms, loss) for loss in (0.001, 0.003, 0.01) for rtt_ms in (20, 100, 400)),
    ("cubic", 100, 0.0003),
    ("cubic", 400, 0.0003),
)
WARM_UP_ROUNDS = 100
LOSSES = 600
"""Teeth for each cell: of a mean over fewer the error of chance is no longer small against the target."""
MOST_SECONDS = 3_600
MOST_PACKETS = 1_000_000


def expected_window(kind: str, loss: float, rtt_s: float) -> float:
    """By the closed formula that governs there."""
    if kind == "reno":
        return theory.mathis_window(loss)
    return max(theory.cubic_window(loss, rtt_s), theory.cubic_friendly_window(loss))


def random_cells(grid: tuple[tuple[str, int, float], ...]) -> list[Cell]:
    found = []
    for kind, rtt_ms, loss in grid:
        name = f"w{len(found)}"
        window = expected_window(kind, loss, rtt_ms / 1e3)
        rounds = min(LOSSES / loss, MOST_PACKETS) / window + WARM_UP_ROUNDS
        seconds = min(MOST_SECONDS, math.ceil(rounds * rtt_ms / 1e3))
        half = rtt_ms * MS // 2
        bare = Cell(name=name, there=Impairment(delay_ns=half, loss=loss), back=Impairment(delay_ns=half))
        facts = {"rtt": rtt_ms / 1e3, "loss": loss, "seconds": seconds}
        found.append(replace(bare, flows=(bare.flow(kind),), facts=facts))
    return found


def realised(seen: Seen, from_s: float) -> tuple[float, float, int]:
    """Mean window (packets a round trip), share of its packets lost, and the number of them, from ``from_s`` on."""
    rtt_s = seen.cell.facts["rtt"]
    queue = seen.queue[seen.queue["at_ns"] >= from_s * SECOND]
    lost = int(queue["drops"][-1]) - int(queue["drops"][0])
    offered = int(queue["offered_packets"][-1]) - int(queue["offered_packets"][0])
    packets_a_second = rate_of(seen, from_s=from_s) / 8 / theory.MSS_BYTES
    return packets_a_second * rtt_s, lost / max(1, offered), lost


def measure_random(run: Run, grid: tuple[tuple[str, int, float], ...] = RANDOM) -> list[Outcome]:
    """Each cell against the formula, and against the rules simulated."""
    cells = random_cells(grid)
    found: list[Outcome] = []
    means: dict[tuple[str, int, float], tuple[float, float]] = {}
    # Cells that last alike share a guest.
    lengths = sorted({_length(cell) for cell in cells})
    seen = {
        one.cell.name: one
        for seconds in lengths
        for one in run_cells(run, [cell for cell in cells if _length(cell) == seconds], seconds=seconds)
    }
    for (kind, rtt_ms, loss), cell in zip(grid, cells, strict=True):
        rtt_s = rtt_ms / 1e3
        window, p, losses = realised(seen[cell.name], WARM_UP_ROUNDS * rtt_s)
        means[kind, rtt_ms, loss] = (window, p)
        where = f"{kind}, RTT {rtt_ms} ms, loss {format_fraction(loss)}"
        rules = theory.simulated_window(kind, p, rtt_s)
        closed = _closed(kind, p, rtt_s)
        short = SHORT_TEETH if 1 / (p * theory.ott_window(p)) < LEAST_TOOTH else ""
        name = "Reno" if kind == "reno" else "CUBIC"
        simulated = [(f"{name}, random losses, against its rules simulated", rules, short)]
        if kind == "cubic":
            whole = linux_cubic.simulated_window(p, rtt_s, losses=3_000)
            simulated.append(("CUBIC, random losses, against Linux's whole numbers simulated", whole, ""))
        for group, wished, why_not in (*closed, *simulated):
            found.append(
                Outcome(
                    group=group,
                    cell=where,
                    measured=window / wished - 1,
                    unit="share",
                    target=None if why_not else TARGET[run.place.clock],
                    seen=round(window, 2),
                    wished=round(wished, 2),
                    samples=losses,
                    note=why_not,
                )
            )
    return found + _fairness(run, means)


def _fairness(run: Run, means: Mapping[tuple[str, int, float], tuple[float, float]]) -> list[Outcome]:
    """At equal loss, how many times a flow of a shorter round trip is faster.

    Windows depend on the round trip as the rules have it: not at all for Reno, as RTT^0.75 for CUBIC.  What differs in
    realised loss is in the rules' own ratio, simulated at either loss; CUBIC's in Linux's whole numbers, which take
    most from the smaller window.
    """
    found = []
    for (kind, short_ms, loss), (fast, p_fast) in means.items():
        for (other, long_ms, same), (slow, p_slow) in means.items():
            if (other, same) != (kind, loss) or long_ms <= short_ms or 1 / (p_fast * fast) < LEAST_TOOTH:
                continue
            times = long_ms / short_ms
            rules = _simulated(kind, p_fast, short_ms / 1e3) / _simulated(kind, p_slow, long_ms / 1e3)
            found.append(
                Outcome(
                    group=f"RTT fairness of {'Reno' if kind == 'reno' else 'CUBIC'} at equal loss: ratio of rates",
                    cell=f"{short_ms} ms and {long_ms} ms, loss {format_fraction(loss)}",
                    measured=fast / slow / rules - 1,
                    unit="share",
                    target=TARGET[run.place.clock],
                    seen=round(fast / slow * times, 3),
                    wished=round(rules * times, 3),
                )
            )
    return found


def _simulated(kind: str, loss: float, rtt_s: float) -> float:
    if kind == "cubic":
        return linux_cubic.simulated_window(loss, rtt_s, losses=3_000)
    return theory.simulated_window(kind, loss, rtt_s)


def _length(cell: Cell) -> int:
    """Rounded up, to few lengths."""
    seconds = cell.facts["seconds"]
    return next(one for one in (60, 150, 400, 900, 1_600, MOST_SECONDS) if one >= seconds)


RTO_S = 0.2
LEAST_TOOTH = 12
MOST_TIMEOUTS = 0.1
BORDER = 1.3
SHORT_TEETH = (
    "fewer than 12 round trips between losses: the one that a reduction takes is no longer small, "
    "and it is in no formula"
)
TIMEOUTS = "PFTK counts time-outs at more than a tenth of the time; with SACK there are hardly any"
UNEVEN = "the formula assumes even losses; random ones raise the mean, as Reno's constant from 1.22 to 1.31"
AT_BORDER = "both of CUBIC's regions contribute near their border"


def _closed(kind: str, loss: float, rtt_s: float) -> list[tuple[str, float, str]]:
    """Group, window, and why the formula does not hold there."""
    reno = theory.ott_window(loss)
    short = SHORT_TEETH if 1 / (loss * reno) < LEAST_TOOTH else ""
    if kind == "reno":
        late = TIMEOUTS if theory.pftk_timeouts(loss, rtt_s, rtt_s + RTO_S) > MOST_TIMEOUTS else ""
        return [
            ("Reno against PFTK", theory.pftk_window(loss, rtt_s, rtt_s + RTO_S), short or late),
            ("Reno, random losses (Ott, 1.31)", reno, short),
        ]
    cubic, friendly = theory.cubic_window(loss, rtt_s), theory.cubic_friendly_window(loss)
    if cubic >= friendly:
        return [("CUBIC, random losses, against RFC 9438 (equation 5)", cubic, UNEVEN)]
    border = AT_BORDER if cubic * BORDER > friendly else ""
    return [("CUBIC in its Reno-friendly region against Reno's formula", friendly, short or border)]


EVEN = (("reno", 50, 40), ("reno", 200, 100), ("cubic", 100, 300), ("cubic", 200, 200), ("cubic", 400, 150))
"""Control, round trip in ms, and the window at which a packet is lost."""
EVEN_BUFFER = 10
EVEN_EPOCHS = 14
CONVERGES = (
    "the formula leaves fast convergence out (RFC 9438, 4.7): a flow that loses twice at the same window aims lower "
    "the second time, so every other tooth is longer and the mean lower"
)


def even_cells() -> list[Cell]:
    """A wire that holds so many packets, and a buffer that is short against it: the round trip hardly moves."""
    found = []
    for kind, rtt_ms, most in EVEN:
        rtt_s = rtt_ms / 1e3
        rate_bps = round(8 * theory.WIRE_BYTES * (most - EVEN_BUFFER) / rtt_s / 8000) * 8000
        bare = Cell(
            name=f"t{len(found)}",
            there=Impairment(delay_ns=rtt_ms * MS // 2, rate_bps=rate_bps, queue_packets=EVEN_BUFFER),
            back=Impairment(delay_ns=rtt_ms * MS // 2),
        )
        epoch_s = theory.cubic_epoch_s(most) + 2 if kind == "cubic" else most / 2 * rtt_s
        seconds = math.ceil((EVEN_EPOCHS + 3) * epoch_s)
        facts = {"rtt": rtt_s, "rate": rate_bps, "most": most, "seconds": seconds}
        found.append(replace(bare, flows=(bare.flow(kind),), facts=facts))
    return found


def reductions_s(seen: Seen) -> NDArray[Any]:
    """Moments at which the window had fallen by a seventh or more within two round trips: PRR lowers it in steps."""
    window, at_ns = seen.tcp["cwnd"][:, 0].astype(float), seen.tcp["at_ns"][:, 0]
    back = max(2, round(2 * seen.cell.facts["rtt"] * 1e9 / float(at_ns[1] - at_ns[0])))
    fallen = np.zeros(len(window), dtype=bool)
    fallen[back:] = window[back:] < 0.86 * window[:-back]
    return at_ns[np.flatnonzero(fallen[1:] & ~fallen[:-1]) + 1] / 1e9


def run_even(run: Run) -> list[Seen]:
    """The cells, the longest of which decides for all."""
    cells = even_cells()
    return run_cells(run, cells, seconds=round(max(cell.facts["seconds"] for cell in cells)), sample_every_ns=20 * MS)


def measure_even(run: Run, runs: Sequence[Seen] = ()) -> list[Outcome]:
    """Mean window between the third reduction and the last, beside the formula at the realised share of loss."""
    found = []
    for seen in runs or run_even(run):
        facts, kind = seen.cell.facts, seen.cell.flows[0].tcp.congestion_control
        moments = reductions_s(seen)[2:]
        at_s = seen.tcp["at_ns"][:, 0] / 1e9
        inside = (at_s >= moments[0]) & (at_s <= moments[-1])
        acked = seen.tcp["bytes_acked"][inside, 0].astype(float)
        packets, teeth = (acked[-1] - acked[0]) / theory.MSS_BYTES, len(moments) - 1
        rtt_s = float(seen.tcp["srtt_us"][inside, 0].mean()) / 1e6
        window, p = packets / (moments[-1] - moments[0]) * rtt_s, teeth / packets
        rules, every = theory.simulated_even_window(kind, facts["most"] + 1, rtt_s)
        name = "Reno" if kind == "reno" else "CUBIC"
        formula = theory.mathis_window(p) if kind == "reno" else theory.cubic_window(p, rtt_s)
        closed = "Mathis (1.22)" if kind == "reno" else "RFC 9438 (equation 5)"
        for group, wished, why_not in (
            (f"{name}, even losses, against {closed}", formula, "" if kind == "reno" else CONVERGES),
            (f"{name}, even losses, against its rules simulated", rules, ""),
        ):
            found.append(
                Outcome(
                    group=group,
                    cell=f"RTT {facts['rtt'] * 1e3:.0f} ms, lost at {facts['most']:.0f} packets, "
                    f"one loss in {1 / p:.0f} packets (by the rules {every:.0f})",
                    measured=window / wished - 1,
                    unit="share",
                    target=None if why_not else TARGET[run.place.clock],
                    seen=round(window, 2),
                    wished=round(wished, 2),
                    samples=teeth,
                    note=why_not,
                )
            )
    return found


def measure_bbr(run: Run) -> list[Outcome]:
    """Goodput of BBR at rising loss on one link, beside what Reno gets there."""
    rate_bps, half = 10 * MBIT, 10 * MS
    cells = []
    for kind in ("bbr", "reno"):
        for loss in (0.0, 0.001, 0.01, 0.05, 0.1):
            bare = Cell(
                name=f"r{len(cells)}",
                there=Impairment(delay_ns=half, rate_bps=rate_bps, queue_packets=60, loss=loss),
                back=Impairment(delay_ns=half),
            )
            cells.append(replace(bare, flows=(bare.flow(kind),), facts={"loss": loss, "rtt": 0.02}))
    found = []
    for seen in run_cells(run, cells, seconds=60):
        kind, loss = seen.cell.flows[0].tcp.congestion_control, seen.cell.facts["loss"]
        got = rate_of(seen, from_s=10)
        most = theory.goodput_bps(rate_bps) * (1 - loss)
        wished = theory.bbr_goodput_bps(rate_bps, loss) if kind == "bbr" else most
        found.append(
            Outcome(
                group="BBR's goodput under loss" if kind == "bbr" else "Reno's goodput on the same link",
                cell=f"{kind}, loss {format_fraction(loss)}",
                measured=got / wished - 1,
                unit="share",
                target=TARGET[run.place.clock] if kind == "bbr" else None,
                seen=round(got),
                wished=round(wished),
                samples=50,
            )
        )
    return found
