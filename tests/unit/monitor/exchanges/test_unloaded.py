"""The time an exchange takes alone: propagation, serialisation, slow start."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.impairment import Impairment
from shadowlab.monitor.exchanges.unloaded import IdlePair

MS = 1_000_000
MSS = 1448


def pair(rate_bps: int | None = None, delay_ns: int = 5 * MS) -> IdlePair:
    access = Impairment(delay_ns=delay_ns)
    narrow = Impairment(delay_ns=delay_ns, rate_bps=rate_bps)
    return IdlePair(there=(access, narrow), back=(access, access))


def transfer_ms(one: IdlePair, size: int) -> float:
    return float(one.transfer_ns(np.array([float(size)]))[0]) / MS


@pytest.mark.parametrize(
    ("segments", "round_trips"), [(1, 1.5), (10, 1.5), (11, 2.5), (30, 2.5), (31, 3.5), (70, 3.5), (71, 4.5)]
)
def test_without_rates_it_is_one_round_trip_to_connect_and_one_for_every_window(
    segments: int, round_trips: float
) -> None:
    assert transfer_ms(pair(), segments * MSS) == pytest.approx(20 * round_trips)


def test_once_the_pipe_is_full_every_segment_takes_its_time_at_the_bottleneck() -> None:
    one = pair(rate_bps=10_000_000)

    more = transfer_ms(one, 2_000 * MSS) - transfer_ms(one, 1_000 * MSS)

    assert more == pytest.approx(1_000 * 1538 * 8 / 10e6 * 1e3)


def test_a_small_transfer_takes_its_frames_time_on_the_wire() -> None:
    syn, ack, data = 60 + 14 + 24, 52 + 14 + 24, 100 + 52 + 14 + 24

    assert transfer_ms(pair(rate_bps=1_000_000), 100) == pytest.approx(30 + (syn + ack + data) * 8 / 1e6 * 1e3)


@given(sizes=st.lists(st.integers(1, 10**8), min_size=2, max_size=30), rate=st.none() | st.integers(10**5, 10**10))
def test_more_bytes_never_take_less_time(sizes: list[int], rate: int | None) -> None:
    found = pair(rate_bps=rate).transfer_ns(np.array(sorted(sizes), dtype=np.float64))

    assert np.all(np.diff(found) >= -1e-3)


def test_a_request_over_an_open_connection_saves_the_handshake() -> None:
    sizes = np.array([300.0, 300.0]), np.array([1_000.0, 1_000.0])

    fresh, reused = pair().request_ns(*sizes, np.array([True, False]))

    assert (fresh / MS, reused / MS) == (pytest.approx(40), pytest.approx(20))


def test_a_lookup_is_a_datagram_each_way() -> None:
    found = pair(rate_bps=1_000_000).lookup_ns(np.array([60.0]), np.array([200.0]))

    assert found[0] / MS == pytest.approx(20 + (60 + 28 + 14 + 24) * 8 / 1e6 * 1e3)
