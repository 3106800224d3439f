"""Other people's programs in the same namespaces: ping for round trips, iperf3 for TCP and UDP."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

from benchmarks.truth import theory
from benchmarks.truth.drive import Run, run_cells, run_inside
from benchmarks.truth.goodput import TARGET as GOODPUT_TARGET
from benchmarks.truth.goodput import rate_of, room
from benchmarks.truth.idle import TARGET_NS
from benchmarks.truth.outcome import Outcome
from benchmarks.truth.pairs import MBIT, MS, Cell
from shadowlab.errors import CannotRunError
from shadowlab.model.impairment import Impairment
from shadowlab.model.units import format_duration, format_fraction, format_rate

PING_FRAME_BYTES = 98
PING_COUNT = 50
LINKS: tuple[tuple[int | None, int], ...] = ((None, MS), (None, 20 * MS), (10 * MBIT, 10 * MS), (50 * MBIT, 5 * MS))
LOSSES = (0.01, 0.05)
IPERF_SECONDS, OMITTED_S = 20, 6
PING_GRAIN_NS = 1_000
"""ping writes whole microseconds, cut."""


def need() -> None:
    """Raises CannotRunError naming the packages that are missing."""
    packages = {"ping": "iputils-ping", "iperf3": "iperf3"}
    missing = [package for program, package in packages.items() if shutil.which(program) is None]
    if missing:
        raise CannotRunError(
            f"the witnesses need {' and '.join(missing)}: as root, apt-get install {' '.join(missing)} "
            "(scripts/setup --tests does)"
        )


def cells() -> list[Cell]:
    found = []
    for rate_bps, half_ns in LINKS:
        buffer = round(3 * room(rate_bps or 0, 2 * half_ns)) + 30
        wish = Impairment(delay_ns=half_ns, rate_bps=rate_bps, queue_packets=buffer)
        found.append(Cell(name=f"v{len(found)}", there=wish, back=wish))
    found += [
        Cell(name=f"v{len(found) + number}", there=Impairment(delay_ns=5 * MS, loss=loss), back=Impairment())
        for number, loss in enumerate(LOSSES)
    ]
    return found


def _server(cell: Cell) -> dict[str, object]:
    return {"node": cell.target, "argv": ["iperf3", "-s", "-1", "-J"], "timeout_s": 120}


def _client(cell: Cell, *words: str) -> list[dict[str, object]]:
    argv = ["iperf3", "-c", f"{{{cell.target}}}", "-J", *words]
    return [_server(cell), {"node": cell.source, "argv": argv, "timeout_s": 300}]


def measure(run: Run) -> list[Outcome]:
    """ping against the map, iperf3 against the wire, and our own engine beside iperf3 on the same link."""
    need()
    some = cells()
    rated = [cell for cell in some if cell.there.rate_bps]
    lossy = [cell for cell in some if cell.there.loss]
    pings: list[list[dict[str, object]]] = [
        [
            {
                "node": cell.source,
                "argv": ["ping", "-q", "-c", str(PING_COUNT), "-i", "0.2", f"{{{cell.target}}}"],
                "timeout_s": 60,
            }
        ]
        for cell in some
        if not cell.there.loss
    ]
    seconds = ["-t", str(IPERF_SECONDS), "-O", str(OMITTED_S), "-C", "cubic"]
    floods = [_client(cell, *seconds) for cell in rated]
    udps = [_client(cell, "-u", "-b", "4M", "-l", "1000", "-t", "10") for cell in lossy]
    _, outputs = run_inside(run, some, programs=[*pings, *floods, *udps])
    found = []
    idle = [cell for cell in some if not cell.there.loss]
    for cell, (told,) in zip(idle, outputs, strict=False):
        found.append(_ping(run, cell, told))
    engine = run_cells(
        run, [replace(cell, flows=(cell.flow("cubic"),)) for cell in rated], seconds=IPERF_SECONDS + OMITTED_S
    )
    for cell, seen, (_, told) in zip(rated, engine, outputs[len(pings) :], strict=False):
        iperf3 = float(_result(told)["end"]["sum_received"]["bits_per_second"])
        most = theory.goodput_bps(cell.there.rate_bps or 1)
        where = f"{format_rate(cell.there.rate_bps or 0)}, RTT {format_duration(2 * cell.there.delay_ns)}"
        ours = rate_of(seen, from_s=OMITTED_S)
        for group, value, wished in (
            ("iperf3: goodput against the wire", iperf3, most),
            ("our engine's goodput against iperf3's on the same link", ours, iperf3),
        ):
            found.append(
                Outcome(
                    group=group,
                    cell=where,
                    measured=value / wished - 1,
                    unit="share",
                    target=GOODPUT_TARGET[run.place.clock],
                    seen=round(value),
                    wished=round(wished),
                    samples=round(IPERF_SECONDS * most / 8 / theory.MSS_BYTES),
                )
            )
    for cell, (_, told) in zip(lossy, outputs[len(pings) + len(floods) :], strict=True):
        found.append(_udp(cell, told))
    return found


def _result(told: dict[str, object]) -> dict[str, dict[str, dict[str, float]]]:
    result: dict[str, dict[str, dict[str, float]]] = json.loads(str(told["stdout"]))
    if told["exit_code"] or "error" in result:
        raise CannotRunError(f"{told['argv']}: {result.get('error') or told['stderr']}")
    return result


def _ping(run: Run, cell: Cell, told: dict[str, object]) -> Outcome:
    figures = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+) ms", str(told["stdout"]))
    if figures is None:
        raise CannotRunError(f"ping told no round trips: {told['stdout']} {told['stderr']}")
    low, mean, high, _ = (float(one) * 1e6 for one in figures.groups())
    wire = theory.wire_s(PING_FRAME_BYTES, cell.there.rate_bps) * 1e9 if cell.there.rate_bps else 0.0
    wished = 2 * (cell.there.delay_ns + wire)
    rate = "no rate" if cell.there.rate_bps is None else format_rate(cell.there.rate_bps)
    return Outcome(
        group="ping: mean round trip",
        cell=f"2 × {format_duration(cell.there.delay_ns)}, {rate}",
        measured=mean - wished,
        unit="ns",
        # Its figures are cut to whole microseconds, and it reads the clock itself: each reading takes 256 ns.
        target=TARGET_NS[run.place.clock] + PING_GRAIN_NS,
        seen=f"{low / 1e6:.3f}/{mean / 1e6:.3f}/{high / 1e6:.3f} ms",
        wished=wished,
        samples=PING_COUNT,
    )


def _udp(cell: Cell, told: dict[str, object]) -> Outcome:
    from benchmarks.truth.chance import binomial_interval

    figures = _result(told)["end"]["sum"]
    lost, count = int(figures["lost_packets"]), int(figures["packets"])
    low, high = binomial_interval(count, cell.there.loss)
    # Distance from the share in half-widths of its interval: above 1 is outside.
    middle, half = (low + high) / 2, max(1.0, (high - low) / 2)
    return Outcome(
        group="iperf3: UDP loss, in half-widths of its 95 % interval",
        cell=format_fraction(cell.there.loss),
        measured=(lost - middle) / half,
        unit="half-widths",
        target=1.0,
        seen=lost / count,
        wished=cell.there.loss,
        samples=count,
    )
