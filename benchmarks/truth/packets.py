"""What happens to single packets: lost, lost in bursts, duplicated, corrupted, sent ahead; trains over each cell.

A share is held against the exact binomial interval of 95 %.  Of many honest cells one in twenty or so lies outside:
a group's figure is how many of its cells do, and its target the most that chance allows (97.5 %).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from statistics import NormalDist

import numpy as np

from benchmarks.truth import chance, theory
from benchmarks.truth.drive import Passed, Run, Train, run_inside
from benchmarks.truth.outcome import Outcome
from benchmarks.truth.pairs import GBIT, MBIT, MS, US, Cell
from shadowlab.model.impairment import Impairment
from shadowlab.model.loss import Chance, GilbertElliott, Reorder
from shadowlab.model.queue import Fifo, Queue
from shadowlab.model.units import format_fraction

COUNT, FEW_COUNT, SLOW_COUNT = 4_000, 2_000, 500
LOSSES = (0.002, 0.01, 0.02, 0.05, 0.1, 0.3)
SHARES = (0.01, 0.05, 0.2, 0.5)
BURSTS = ((0.005, 0.5), (0.01, 0.25), (0.02, 0.1))
WIRE_TARGET = {"virtual": 0.02, "real": 0.05}
"""Three standard errors of the losses themselves; what the real clock adds."""
GAP_NS = {"virtual": 100 * US, "real": MS}


def _outside(group: str, inside: Sequence[bool], unit: str = "cells outside") -> Outcome:
    cells = len(inside)
    outside = cells - sum(inside)
    return Outcome(
        group=group,
        cell=f"{cells} cells",
        measured=outside,
        unit=unit,
        target=cells - chance.least_inside(cells),
        seen=f"{sum(inside)} of {cells} inside",
        wished=f"95 %: at least {chance.least_inside(cells)}",
        samples=cells,
    )


def _share_outcome(group: str, cell: str, hits: int, count: int, share: float) -> tuple[Outcome, bool]:
    low, high = chance.binomial_interval(count, share)
    inside = low <= hits <= high
    one = Outcome(
        group=f"{group}, each cell",
        cell=cell,
        measured=hits / count - share,
        unit="share",
        seen=hits / count,
        wished=share,
        samples=count,
        note="" if inside else f"outside of {low} to {high} of {count}",
    )
    return one, inside


def loss_cells(*, few: bool) -> list[Cell]:
    """Shares over delays, rates, buffers and places: none of them may matter."""
    around: tuple[tuple[int, int | None, int], ...] = ((0, None, 100), (20 * MS, None, 100), (5 * MS, GBIT, 1000))
    around = around[:2] if few else (*around, (50 * MS, 100 * MBIT, 400))
    found = []
    for loss, (delay_ns, rate_bps, queue), place in product(LOSSES, around, ("router", "host")):
        wish = Impairment(delay_ns=delay_ns, rate_bps=rate_bps, queue_packets=queue, loss=loss)
        found.append(Cell(name=f"l{len(found)}", there=wish, place=place))  # type: ignore[arg-type]
    return found


def measure_loss(run: Run, *, few: bool = False, count: int = 0) -> list[Outcome]:
    """One train each; on the virtual clock three, on three parts of the kernel's chance."""
    cells = loss_cells(few=few)
    size = count or (COUNT if run.virtual else SLOW_COUNT)
    trains = [Train(cell=cell, count=size, gap_ns=GAP_NS[run.place.clock]) for cell in cells]
    trains *= 1 if few or not run.virtual else 3
    passed, _ = run_inside(run, cells, trains=trains)
    pairs = [
        _share_outcome(
            "loss",
            f"{format_fraction(one.train.cell.there.loss)}, {one.train.cell.there.describe()}, {one.train.cell.place}",
            int(one.lost.sum()),
            len(one.lost),
            one.train.cell.there.loss,
        )
        for one in passed
    ]
    return [_outside("loss outside its 95 % interval", [inside for _, inside in pairs]), *(one for one, _ in pairs)]


def measure_bursts(run: Run) -> list[Outcome]:
    """Gilbert-Elliott: mean loss, and the distribution of burst lengths, which is geometric."""
    cells = [
        Cell(name=f"b{number}", there=Impairment(delay_ns=MS, loss_model=GilbertElliott(p=p, r=r)))
        for number, (p, r) in enumerate(BURSTS)
    ]
    count = 40_000 if run.virtual else 4_000
    passed, _ = run_inside(
        run, cells, trains=[Train(cell=cell, count=count, gap_ns=GAP_NS[run.place.clock]) for cell in cells]
    )
    found = []
    for one, (p, r) in zip(passed, BURSTS, strict=True):
        lengths = chance.runs_of(one.lost)
        expected = 1 / r
        spread = np.sqrt(1 - r) / r / np.sqrt(len(lengths))
        where = f"p {format_fraction(p)}, r {format_fraction(r)}"
        doubt = chance.TOGETHER / (2 * len(BURSTS))
        critical = chance.ks_critical(len(lengths), doubt)
        longest = int(lengths.max())
        cumulative = np.cumsum(np.bincount(lengths, minlength=longest + 1)[1:]) / len(lengths)
        distance = float(np.abs(cumulative - (1 - (1 - r) ** np.arange(1, longest + 1))).max())
        found += [
            Outcome(
                group="Gilbert-Elliott: mean burst, in standard errors",
                cell=where,
                measured=float((lengths.mean() - expected) / spread),
                unit="standard errors",
                target=round(NormalDist().inv_cdf(1 - doubt / 2), 2),
                seen=round(float(lengths.mean()), 3),
                wished=expected,
                samples=len(lengths),
            ),
            Outcome(
                group="Gilbert-Elliott: burst lengths, distance from geometric over its critical value",
                cell=where,
                measured=distance / critical,
                unit="of the critical distance",
                target=1.0,
                seen=round(distance, 4),
                wished=round(critical, 4),
                samples=len(lengths),
            ),
        ]
    return found


def _duplicated(one: Passed) -> int:
    return len(one.numbers) - len(np.unique(one.numbers))


def _corrupted(one: Passed) -> int:
    """Arrived changed, or not at all: a bit of a header was hit."""
    return len(one.sent_ns) - len(one.numbers)


def _ahead(one: Passed) -> int:
    return int(np.count_nonzero(one.delays_ns < one.train.cell.there.delay_ns // 2))


KINDS: tuple[tuple[str, Callable[[float], Impairment], Callable[[Passed], int]], ...] = (
    ("duplicates", lambda share: Impairment(delay_ns=MS, duplicate=Chance(share=share)), _duplicated),
    ("corruption", lambda share: Impairment(delay_ns=MS, corrupt=Chance(share=share)), _corrupted),
    ("reordering", lambda share: Impairment(delay_ns=20 * MS, reorder=Reorder(share=share)), _ahead),
)


def measure_shares(run: Run) -> list[Outcome]:
    """Duplicates, corruption and reordering: each share, on three trains."""
    found: list[Outcome] = []
    for name, wish, count_of in KINDS:
        cells = [Cell(name=f"s{number}", there=wish(share)) for number, share in enumerate(SHARES)]
        count = COUNT if run.virtual else SLOW_COUNT
        trains = [Train(cell=cell, count=count, gap_ns=GAP_NS[run.place.clock], payload_bytes=1000) for cell in cells]
        passed, _ = run_inside(run, cells, trains=trains * (3 if run.virtual else 1))
        pairs = []
        for number, one in enumerate(passed):
            share = SHARES[number % len(SHARES)]
            pairs.append(_share_outcome(name, format_fraction(share), count_of(one), len(one.sent_ns), share))
        found += [_outside(f"{name} outside their 95 % interval", [inside for _, inside in pairs])]
        found += [one for one, _ in pairs]
    return found


def measure_wire(run: Run) -> list[Outcome]:
    """What a link that loses a tenth delivers when it is offered more than it carries: what is lost took its time."""
    rate_bps, loss = 10 * MBIT, 0.1
    frame = theory.FRAME_BYTES
    queues: tuple[Queue | None, ...] = (None, Fifo(bytes=50 * frame))
    cells = [
        Cell(
            name=f"y{number}", there=Impairment(delay_ns=MS, rate_bps=rate_bps, queue_packets=50, loss=loss, queue=one)
        )
        for number, one in enumerate(queues)
    ]
    packet_ns = round(theory.wire_s(frame, rate_bps) * 1e9)
    trains = [Train(cell=cell, count=4_000, gap_ns=packet_ns * 3 // 4, payload_bytes=frame - 42) for cell in cells]
    passed, _ = run_inside(run, cells, trains=trains)
    found = []
    for one in passed:
        # The start is left out: the buffer is not full yet.
        moments = one.moments_ns[500:]
        delivered = (len(moments) - 1) * packet_ns / float(moments[-1] - moments[0])
        found.append(
            Outcome(
                group="a full link that loses a tenth: share of its rate delivered",
                cell="bfifo, two devices" if one.train.cell.there.queue else "netems in a row",
                measured=delivered / (1 - loss) - 1,
                unit="share",
                target=WIRE_TARGET[run.place.clock],
                seen=round(delivered, 4),
                wished=1 - loss,
                samples=len(moments),
            )
        )
    return found
