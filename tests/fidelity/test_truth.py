"""The emulation is true: a small part of each grid of ``benchmarks/fidelity.py``, held to the same targets.

The whole grid is in ``test_whole_grid.py`` and takes minutes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.truth import goodput, idle, jitter, packets, queues, response, theory
from benchmarks.truth.drive import Run, Seen, Train, run_cells, run_inside
from benchmarks.truth.outcome import Outcome
from benchmarks.truth.pairs import MS, SECOND, Cell
from benchmarks.truth.repeats import digest

pytestmark = pytest.mark.guest

SECONDS = 20
LOSSY = (("reno", 20, 0.003),)


def assert_met(outcomes: Sequence[Outcome]) -> None:
    """Every cell has a target and meets it."""
    assert outcomes
    assert [one.line() for one in outcomes if not one.met] == []


def grid() -> list[Cell]:
    greedy = [cell for cell in goodput.cells(few=True) if cell.facts["rate"] > goodput.SLOW_BPS]
    return [*idle.cells(few=True), *greedy, queues.standing_cells()[0], *response.random_cells(LOSSY)]


@pytest.fixture(scope="module")
def seen(run: Run) -> list[Seen]:
    return run_cells(run, grid(), seconds=SECONDS, probe_every_ns=67 * MS)


def of(seen: list[Seen], letter: str) -> list[Seen]:
    found = [one for one in seen if one.cell.name.startswith(letter)]
    assert found
    return found


def test_every_round_trip_on_an_idle_path_is_exact_to_a_microsecond(run: Run, seen: list[Seen]) -> None:
    assert_met(idle.judge(run, of(seen, "i")))


def test_tcp_gets_what_the_wire_carries_to_two_parts_in_a_thousand(run: Run, seen: list[Seen]) -> None:
    assert_met(goodput.judge(run, of(seen, "g")))


def test_a_window_larger_than_the_wire_holds_stands_in_the_queue_to_a_packet(run: Run, seen: list[Seen]) -> None:
    assert_met(queues.judge_standing(run, of(seen, "d")))


def test_reno_answers_to_loss_as_its_rules_say(seen: list[Seen]) -> None:
    (one,) = of(seen, "w")

    window, p, losses = response.realised(one, from_s=2)

    assert losses > 40
    # Few teeth: three standard errors are about a quarter.
    assert window == pytest.approx(theory.simulated_window("reno", p, 0.02, losses=4_000), rel=0.25)


def test_the_same_cells_twice_are_the_same_bytes(run: Run) -> None:
    cells = [cell for cell in grid() if cell.name in ("i3", "g2", "d0", "w0")]
    assert len(cells) >= 3

    first, second = (digest(run_cells(run, cells, seconds=2)) for _ in range(2))

    assert first == second


def test_a_share_of_losses_lies_in_its_interval_in_enough_cells(run: Run) -> None:
    outcomes = packets.measure_loss(run, few=True, count=400)

    assert_met([one for one in outcomes if one.target is not None])


def test_buffers_hold_their_packets_and_delays_their_distribution(run: Run) -> None:
    (limited,) = queues.limit_cells(queues.LIMITS[1:2], "router")
    rate_bps, delay_ns, buffer, payload, _ = queues.LIMITS[1]
    shaken = [cell for cell in jitter.cells() if cell.there.shape.distribution in ("normal", "uniform")]
    packet_ns = round(theory.wire_s(payload + 42, rate_bps) * 1e9)

    passed, _ = run_inside(
        run,
        [limited, *shaken],
        trains=[
            Train(cell=limited, count=5 * buffer + 200, gap_ns=packet_ns * 4 // 5, payload_bytes=payload),
            *(Train(cell=cell, count=400, gap_ns=SECOND) for cell in shaken),
        ],
    )

    waits = (passed[0].delays_ns - delay_ns) / packet_ns - 1
    assert np.percentile(waits, 99) == pytest.approx(buffer, abs=1)
    found = {
        f"{one.train.cell.there.shape.distribution}, {one.train.cell.name}": (one.delays_ns - jitter.DELAY_NS)
        / jitter.JITTER_NS
        for one in passed[1:]
    }
    assert_met(jitter.measure(run, found))


def test_a_buffer_holds_a_burst_to_the_packet_unless_few_are_in_flight(run: Run) -> None:
    """And the documented miss: should it change, the page and limits.md are to change with it."""
    outcomes = [one for one in queues.measure_limits(run, few=True) if one.group.startswith("burst")]

    short, ample, long, own = outcomes
    flight = int(10 * MS / (theory.wire_s(theory.FRAME_BYTES, 10e6) * 1e9))
    assert (short.measured, long.measured, own.measured) == (0, 0, 0)
    assert (ample.measured, bool(ample.note)) == (flight, True)


def test_what_is_lost_has_taken_its_time_on_the_wire(run: Run) -> None:
    assert_met(packets.measure_wire(run))
