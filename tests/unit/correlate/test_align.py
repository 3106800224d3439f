"""Production and shadow are laid on one clock: instances that disagree, and runs that begin elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from shadowlab.correlate.align import certain, clock_offsets, find_lag
from shadowlab.correlate.cross_check import find_liars
from shadowlab.correlate.residual import production_series, residuals
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.attach import Connection

S, MS = 10**9, 10**6
EPOCH = 1_760_000_000 * S
RTT_MS = 40


def connection(
    source: str, target: str, *, clocks: dict[str, int] | None = None, mbps: float = 8.0, told: float = 1.0
) -> Connection:
    """Both ends told once a second by their own clocks; ``told``: by what the receiver multiplies its count."""
    ahead = clocks or {}

    def record(at_ns: int, instance: str, **fields: int) -> TcpRecord:
        return TcpRecord(
            at_ns=at_ns + ahead.get(instance, 0),
            instance=instance,
            local_address="10.0.0.1",
            local_port=1,
            peer_address="10.0.0.2",
            peer_port=2,
            **fields,
        )

    def counted(seconds: float) -> int:
        return round(mbps * 1e6 / 8 * (seconds + 10))

    moments = [EPOCH + number * S for number in range(30)]
    return Connection(
        source=source,
        target=target,
        source_address="10.0.0.1",
        source_port=1,
        target_address="10.0.0.2",
        target_port=2,
        sender_records=tuple(
            record(
                at,
                source,
                srtt_ns=RTT_MS * MS,
                bytes_acked=counted((at - EPOCH) / S - RTT_MS / 2e3),
                data_segments_out=100 * (index + 1),
                retransmits_total=index,
            )
            for index, at in enumerate(moments)
        ),
        receiver_records=tuple(
            record(at, target, bytes_received=round(told * counted((at - EPOCH) / S))) for at in moments
        ),
    )


HOSTS = ("a", "b", "c", "d")


def test_a_clock_that_is_ahead_is_found_by_the_counters_of_both_ends() -> None:
    clocks = {"c": 700 * MS}
    some = [connection(a, b, clocks=clocks) for a in HOSTS for b in HOSTS if a != b]

    found = {one.instance: one.offset_ns for one in clock_offsets(some)}

    assert found["c"] == pytest.approx(700 * MS, abs=5 * MS)
    assert max(abs(found[name]) for name in "abd") < 5 * MS
    assert set(certain(clock_offsets(some))) == {"c"}


def test_connections_with_one_end_say_nothing_of_clocks() -> None:
    one = connection("a", "b")

    assert clock_offsets([Connection(**{**vars(one), "receiver_records": ()})]) == ()


def test_a_series_has_rates_shares_and_round_trips_per_window() -> None:
    series = production_series([connection("a", "b")])

    assert series.subjects == ("a→b",)
    assert series.times_ns[0] == S
    assert np.nanmedian(series.values["throughput_mbps"]) == pytest.approx(8.0)
    assert np.nanmedian(series.values["retransmission_share"]) == pytest.approx(0.01)
    assert np.nanmax(series.values["srtt_ms"]) == RTT_MS


def table(values: np.ndarray) -> SeriesTable:
    return SeriesTable(
        times_ns=np.arange(1, len(values) + 1, dtype=np.int64) * S,
        subjects=("a→b",),
        values={"throughput_mbps": values[:, None].astype(float)},
    )


def test_a_run_that_begins_elsewhere_is_shifted_and_a_steady_one_is_not() -> None:
    rng = np.random.default_rng(1)
    wave = rng.uniform(1, 5, 120)

    assert find_lag(table(wave[7:67]), table(wave)).lag_ns == 7 * S
    assert find_lag(table(wave[:60]), table(wave)).lag_ns == 0
    assert find_lag(table(np.full(60, 2.0)), table(np.full(60, 2.0))).lag_ns == 0


def test_residuals_are_production_less_the_shadow_in_productions_windows() -> None:
    theirs = table(np.full(60, 6.5))

    found = residuals(production_series([connection("a", "b")]), theirs)

    assert np.nanmedian(found.values["throughput_mbps"]) == pytest.approx(1.5)
    assert "srtt_ms" not in found.values


def test_an_instance_that_counts_bits_for_bytes_is_named_with_the_factor() -> None:
    some = [connection(a, b, told=8.0 if b == "d" else 1.0) for a in HOSTS for b in HOSTS if a != b and a != "d"]

    (liar,) = find_liars(some)

    assert (liar.instance, liar.connections) == ("d", 3)
    assert liar.factor == pytest.approx(8)
    assert "bits for bytes" in liar.describe()


def test_one_odd_connection_accuses_nobody() -> None:
    some = [connection(a, b, told=3.0 if (a, b) == ("a", "b") else 1.0) for a in HOSTS for b in HOSTS if a != b]

    assert find_liars(some) == ()


def test_short_lives_told_at_different_moments_accuse_nobody() -> None:
    whole = [connection(a, "d") for a in "abc"]
    clipped = [
        Connection(
            **{
                **vars(one),
                "sender_records": one.sender_records[3:5],
                "receiver_records": one.receiver_records[3:6],
            }
        )
        for one in whole
    ]

    assert find_liars(clipped) == ()
