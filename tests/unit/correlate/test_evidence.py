"""What production alone tells: longer ways, demand that moved, and how far a shadow's queues are believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shadowlab.correlate.cross_check import find_liars
from shadowlab.correlate.evidence import LEAST_READINGS, base_changes, demand_moved, expected
from shadowlab.correlate.explain import Change
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.attach import Connection

MS = 1_000_000
WAYS = {"a→b": ("ar", "rb"), "b→a": ("br", "ra"), "c→d": ("cs", "sd"), "d→c": ("ds", "sc"), "e→b": ("er", "rb"),
        "b→e": ("br", "re")}  # fmt: skip


def connection(path: str, *, base_ms: float = 20.0, srtt_ms: float = 30.0, acked: int = 0, **more: Any) -> Connection:
    source, _, target = path.partition("→")
    records = tuple(
        TcpRecord(at_ns=at * 1000 * MS, instance=source, local_address=source, local_port=1, peer_address=target,
                  peer_port=2, srtt_ns=round(srtt_ms * MS), min_rtt_ns=round(base_ms * MS),
                  **({"bytes_acked": acked + at * 10_000} | more))
        for at in range(LEAST_READINGS)
    )  # fmt: skip
    return Connection(source=source, target=target, source_address=source, source_port=1, target_address=target,
                      target_port=2, sender_records=records, receiver_records=())  # fmt: skip


def change(path: str, kpi: str, **values: float) -> Change:
    usual = {"production": 0.0, "demand": 0.0, "replayed": 0.0, "noise": 0.1, "level": 1.0, "scatter": 0.01}
    return Change(path=path, kpi=kpi, **(usual | {"calm": 1.0} | values))


def test_a_way_that_got_longer_shows_in_new_connections_at_once() -> None:
    before = [connection("a→b", acked=500_000)]

    (found,) = base_changes(before, [connection("a→b", base_ms=26.0, acked=0)])

    assert found.production == pytest.approx(6.0)
    assert found.production > 3 * found.noise


def test_of_a_connection_that_goes_on_the_kernel_s_memory_is_not_believed() -> None:
    before = [connection("a→b", acked=0)]

    (found,) = base_changes(before, [connection("a→b", base_ms=20.0, srtt_ms=31.0, acked=500_000)])

    assert found.production == pytest.approx(11.0)


def test_too_few_readings_say_nothing_of_a_way() -> None:
    short = connection("a→b")
    few = replace(short, sender_records=short.sender_records[:2])

    assert base_changes([few], [short]) == []


def test_where_connections_are_spread_over_ways_their_differences_are_noise() -> None:
    paths = {"a→b": 20.0, "c→d": 20.0, "e→b": 20.0}
    before = [connection(path, base_ms=base) for path, base in paths.items()]
    after = [
        connection(path, base_ms=base + more)
        for (path, base), more in zip(paths.items(), (-2.0, 0.0, 2.0), strict=True)
    ]

    spread, one_way = (base_changes(before, after, spread=yes) for yes in (True, False))

    assert min(one.noise for one in spread) > 2.0 > max(one.noise for one in one_way)


def test_rates_that_rise_are_demand_and_rates_that_fall_where_packets_get_lost_are_not() -> None:
    risen = [change(path, "throughput_mbps", production=0.5) for path in ("a→b", "e→b")]
    fallen = [change(path, "throughput_mbps", production=-0.5, demand=-0.5) for path in ("a→b", "e→b")]
    lossy = [change(path, "retransmission_share", production=0.1) for path in ("a→b", "e→b")]

    assert demand_moved(risen) == demand_moved(fallen) == {"a→b", "e→b"}
    assert demand_moved([*fallen, *lossy]) == demand_moved(risen[:1]) == frozenset()


def test_a_shadow_is_asked_only_where_demand_moved_and_believed_to_within_the_change() -> None:
    changes = [change(path, "srtt_ms", production=3.0, demand=9.0) for path in ("a→b", "c→d")]

    busy, calm = expected(changes, WAYS, {"e→b"})

    assert (busy.demand, calm.demand) == (9.0, 0.0)
    assert abs(busy.production - busy.demand) < 1.5 * busy.noise
    assert calm.noise < busy.noise


def test_segments_that_hold_more_than_segments_can_accuse_by_themselves() -> None:
    liar = connection("a→b", mss=1448, data_segments_out=100, bytes_acked=100 * 8 * 1400)
    honest = connection("c→d", mss=1448, data_segments_out=100, bytes_acked=100 * 1400)

    (found,) = find_liars([liar, honest])

    assert (found.instance, found.overfull) == ("a", True)
    assert "bits for bytes" in found.describe()
