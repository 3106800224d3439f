"""Whose load has grown, on tables whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from shadowlab.lab.detecting.loads import grown_loads
from shadowlab.model.impairment import Impairment
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Direction, Link, Network, Node
from shadowlab.model.units import NS_PER_S as S

AB, BC = Direction(link="ab", source="a", target="b"), Direction(link="bc", source="b", target="c")
NETWORK = Network(
    name="line",
    nodes=tuple(Node(id=one, kind="router") for one in "abc"),
    links=(
        Link(id="ab", a="a", b="b", forward=Impairment(rate_bps=12_000_000, queue_packets=50)),
        Link(id="bc", a="b", b="c", forward=Impairment(rate_bps=12_000_000, queue_packets=50)),
    ),
)
BUFFER_MS = 50.0
TIMES = np.arange(1, 21, dtype=np.int64) * S
ROUTES = ((0, "a→c", (AB, BC)),)


def grown(before: tuple[float, float], after: tuple[float, float], wait_ms: float = 0.0) -> dict[Direction, float]:
    late = TIMES > 10 * S
    links = SeriesTable(
        times_ns=TIMES,
        subjects=(str(AB), str(BC)),
        values={"link_utilisation": np.where(late[:, None], after, before).astype(float)},
    )
    paths = SeriesTable(
        times_ns=TIMES,
        subjects=("a→c",),
        values={
            "delay_there_ms": np.full((20, 1), 3.0),
            "delay_there_max_ms": 3.0 + wait_ms * late[:, None],
        },
    )
    return grown_loads(paths, links, ROUTES, NETWORK, (0, 10 * S), (10 * S, 20 * S))


def test_what_carries_more_by_a_seventh_has_grown() -> None:
    assert grown((0.4, 0.4), (0.5, 0.44)) == {AB: pytest.approx(0.5)}


def test_a_buffer_that_fills_in_bursts_is_full_where_the_load_grew_by_half() -> None:
    assert grown((0.1, 0.1), (0.3, 0.1), wait_ms=0.8 * BUFFER_MS) == {AB: 1.0}
    assert grown((0.1, 0.1), (0.14, 0.1), wait_ms=0.8 * BUFFER_MS) == {AB: pytest.approx(0.14)}
    assert grown((0.1, 0.1), (0.16, 0.1), wait_ms=0.8 * BUFFER_MS) == {AB: 1.0}
    assert grown((0.1, 0.1), (0.3, 0.1), wait_ms=5 * BUFFER_MS) == {AB: pytest.approx(0.3)}


def test_a_full_link_is_asked_for_more_where_its_neighbours_carry_more() -> None:
    assert grown((0.95, 0.2), (0.97, 0.4)) == {AB: pytest.approx(0.97), BC: pytest.approx(0.4)}
    assert grown((0.95, 0.2), (0.97, 0.2)) == {}


def test_two_buffers_that_fill_one_behind_the_other_are_both_full() -> None:
    assert grown((0.1, 0.1), (0.3, 0.3), wait_ms=1.8 * BUFFER_MS) == {AB: 1.0, BC: 1.0}
    assert grown((0.1, 0.1), (0.3, 0.1), wait_ms=1.8 * BUFFER_MS) == {AB: pytest.approx(0.3)}
