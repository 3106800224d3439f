"""Buffers: how many packets they hold, and how long a queue stands.

- *limit*: more packets come than the wire takes, until the buffer is full and stays so: the longest wait is the buffer.
- *burst*: many packets at once on an idle wire.
- *standing queue*: a flow held by its receiver's window keeps a known number of packets in flight; what the wire does
  not hold waits, and probes see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.truth import theory
from benchmarks.truth.drive import Passed, Run, Seen, Train, run_cells, run_inside
from benchmarks.truth.goodput import room
from benchmarks.truth.idle import PROBE_FRAME_BYTES
from benchmarks.truth.outcome import Outcome
from benchmarks.truth.pairs import MBIT, MS, SECOND, Cell, Place
from shadowlab.model.impairment import Impairment
from shadowlab.model.queue import Fifo
from shadowlab.model.units import format_duration, format_rate

LIMIT_TARGET = {"virtual": 1.0, "real": 2.0}
FULL_PAYLOAD, SMALL_PAYLOAD = 1472, 100
# rate, one-way delay, buffer, payload, a queue discipline of its own
LIMITS: tuple[tuple[int, int, int, int, bool], ...] = (
    (10 * MBIT, 0, 20, FULL_PAYLOAD, False),
    (10 * MBIT, 10 * MS, 20, FULL_PAYLOAD, False),
    (10 * MBIT, 10 * MS, 100, FULL_PAYLOAD, False),
    (50 * MBIT, 25 * MS, 50, FULL_PAYLOAD, False),
    (10 * MBIT, 10 * MS, 50, FULL_PAYLOAD, True),
    (50 * MBIT, 25 * MS, 50, FULL_PAYLOAD, True),
    (10 * MBIT, 10 * MS, 50, SMALL_PAYLOAD, False),
    (10 * MBIT, 10 * MS, 50, SMALL_PAYLOAD, True),
)
IDLE = (
    "fewer packets are in flight than a tenth of the buffer, so one netem is the whole link, and its limit counts "
    "both: on an idle wire nothing is in flight yet, and as many more may wait"
)
CREDIT = (
    "a shaper's credit is one full frame, which is eleven packets of this size: so many more are let through at once"
)
CREDIT_PACKETS = 2
"""What an idle shaper lets through at once: one on the wire, one by its credit."""


def limit_cells(grid: tuple[tuple[int, int, int, int, bool], ...], place: Place) -> list[Cell]:
    return [
        Cell(
            name=f"q{number}{place[0]}",
            there=Impairment(
                delay_ns=delay_ns,
                rate_bps=rate_bps,
                queue_packets=buffer,
                queue=Fifo(bytes=buffer * theory.FRAME_BYTES) if own else None,
            ),
            place=place,
        )
        for number, (rate_bps, delay_ns, buffer, _, own) in enumerate(grid)
    ]


def describe(cell: Cell, payload: int) -> str:
    wish = cell.there
    own = " full frames (bfifo)" if wish.queue else " packets"
    return (
        f"{format_rate(wish.rate_bps or 0)}, {format_duration(wish.delay_ns)}, buffer {wish.queue_packets}{own}, "
        f"packets of {payload + 42} bytes, leaves a {cell.place}"
    )


def _room(cell: Cell, payload: int) -> int:
    """Packets of that size that the buffer is to hold."""
    whole = cell.there.queue_packets
    return whole if cell.there.queue is None else whole * theory.FRAME_BYTES // (payload + 42)


def _packet_ns(cell: Cell, payload: int) -> float:
    return theory.wire_s(payload + 42, cell.there.rate_bps or 1) * 1e9


def measure_limits(run: Run, *, few: bool = False) -> list[Outcome]:
    """The longest wait in full packets, and packets that survive a burst on the idle wire."""
    grid = LIMITS[1:5] if few else LIMITS
    places: tuple[Place, ...] = ("router",) if few else ("router", "host")
    cells = [cell for place in places for cell in limit_cells(grid, place)]
    payloads = [payload for _ in places for *_, payload, _ in grid]
    over, bursts = [], []
    for cell, payload in zip(cells, payloads, strict=True):
        packet_ns, buffer = _packet_ns(cell, payload), _room(cell, payload)
        in_flight = cell.there.delay_ns / packet_ns
        # A quarter too fast, until the buffer is full five times over; then a second's rest.
        fill = int(5 * (buffer + in_flight) + 200)
        over.append(Train(cell=cell, count=fill, gap_ns=round(packet_ns * 0.8), payload_bytes=payload))
        bursts.append(Train(cell=cell, count=int(3 * (buffer + in_flight) + 50), gap_ns=0, payload_bytes=payload))
    passed, _ = run_inside(run, cells, trains=[*over, *bursts])
    found = []
    for one, payload in zip(passed[: len(cells)], payloads, strict=True):
        found.append(_limit(run, one, payload))
    for one, payload in zip(passed[len(cells) :], payloads, strict=True):
        found.append(_burst(run, one, payload))
    return found


def _limit(run: Run, one: Passed, payload: int) -> Outcome:
    cell = one.train.cell
    packet_ns = _packet_ns(cell, payload)
    # Behind an instance nothing but the shaper takes time, and it sends at once what it has credit for.
    own_ns = 0.0 if cell.there.queue is not None and cell.place == "host" else packet_ns
    held = float(np.percentile(one.delays_ns - cell.there.delay_ns - own_ns, 99)) / packet_ns
    why = CREDIT if payload == SMALL_PAYLOAD and cell.there.queue is not None else ""
    return Outcome(
        group="queue limit: packets waiting at the most, against the buffer",
        cell=describe(cell, payload),
        measured=held - _room(cell, payload),
        unit="packets",
        target=LIMIT_TARGET[run.place.clock],
        seen=round(held, 2),
        wished=_room(cell, payload),
        samples=len(one.numbers),
        note=why,
    )


def _burst(run: Run, one: Passed, payload: int) -> Outcome:
    cell = one.train.cell
    survived = len(one.numbers)
    own = cell.there.queue is not None
    through = CREDIT_PACKETS if own else 1
    apart = own or cell.there.netems > 1 or cell.there.in_flight_packets < 1
    why = CREDIT if own and payload == SMALL_PAYLOAD else "" if apart else IDLE
    return Outcome(
        group="burst on an idle wire: packets that survive, against the buffer and the one on the wire",
        cell=describe(cell, payload),
        measured=survived - _room(cell, payload) - through,
        unit="packets",
        target=LIMIT_TARGET[run.place.clock],
        seen=survived,
        wished=_room(cell, payload) + through,
        samples=len(one.sent_ns),
        note=why,
    )


STANDING = ((10 * MBIT, 20 * MS, 30), (10 * MBIT, 40 * MS, 100), (50 * MBIT, 20 * MS, 60))
"""Rate, round trip, packets that are to stand in the queue."""


def standing_cells() -> list[Cell]:
    """A flow each that keeps so many packets waiting."""
    cells = []
    for rate_bps, rtt_ns, standing in STANDING:
        in_flight = room(rate_bps, rtt_ns)
        segments = round(in_flight + standing)
        bare = Cell(
            name=f"d{len(cells)}",
            there=Impairment(delay_ns=rtt_ns // 2, rate_bps=rate_bps, queue_packets=3 * segments),
            back=Impairment(delay_ns=rtt_ns // 2),
            probed=True,
        )
        flow = bare.flow("reno", window_bytes=segments * theory.MSS_BYTES)
        cells.append(replace(bare, flows=(flow,), facts={"queue": segments - in_flight - 1, "rtt": rtt_ns}))
    return cells


def measure_standing(run: Run) -> list[Outcome]:
    """Every cell."""
    return judge_standing(run, run_cells(run, standing_cells(), seconds=20, probe_every_ns=37 * MS))


def judge_standing(run: Run, runs: Sequence[Seen]) -> list[Outcome]:
    """The mean wait of probes, in packets, against the window less what the wire holds and the one it is sending."""
    found = []
    for seen in runs:
        rate_bps = seen.cell.there.rate_bps or 1
        late = seen.probes[seen.probes["sent_ns"] > 8 * SECOND]
        one_way = late["one_way_ns"][late["one_way_ns"] > 0] / 1e9
        idle = seen.cell.there.delay_ns / 1e9 + theory.wire_s(PROBE_FRAME_BYTES, rate_bps)
        waiting = float((one_way - idle).mean() / theory.wire_s(theory.FRAME_BYTES, rate_bps))
        found.append(
            Outcome(
                group="standing queue of a flow held by its receiver's window",
                cell=f"{format_rate(rate_bps)}, RTT {format_duration(int(seen.cell.facts['rtt']))}",
                measured=waiting - seen.cell.facts["queue"],
                unit="packets",
                target=LIMIT_TARGET[run.place.clock],
                seen=round(waiting, 2),
                wished=round(seen.cell.facts["queue"], 2),
                samples=len(one_way),
            )
        )
    return found
