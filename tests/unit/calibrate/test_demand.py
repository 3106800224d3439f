"""Each connection becomes a demand by what its records prove, or says what is missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from shadowlab.calibrate.demand import Demands, flows_from_connections, read_demands
from shadowlab.calibrate.limits import time_shares
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.traffic.workload import Transfers

NETWORK = Network(
    name="two",
    nodes=(Node(id="web", kind="host"), Node(id="db", kind="host")),
    links=(Link(id="web-db", a="web", b="db"),),
)


@dataclass(frozen=True)
class Seen:
    """A connection as telemetry describes it."""

    sender_records: tuple[TcpRecord, ...] = ()
    receiver_records: tuple[TcpRecord, ...] = ()
    source: str = "web"
    target: str = "db"
    source_port: int = 40000
    target_port: int = 5432


def record(at_s: float = 0, **fields: Any) -> TcpRecord:
    known: dict[str, Any] = {"mss": 1448, "congestion_control": "bbr"} | fields
    return TcpRecord(
        at_ns=round(at_s * 1e9),
        instance="web",
        local_address="10.0.0.1",
        local_port=40000,
        peer_address="10.0.0.2",
        peer_port=5432,
        **known,
    )


def spent(busy_s: float, rwnd_s: float = 0, sndbuf_s: float = 0) -> dict[str, int]:
    return {
        "busy_ns": round(busy_s * 1e9),
        "rwnd_limited_ns": round(rwnd_s * 1e9),
        "sndbuf_limited_ns": round(sndbuf_s * 1e9),
    }


def demand(*connections: Seen, **options: Any) -> Demands:
    return read_demands(connections, NETWORK, **options)


def test_a_connection_over_ipv6_is_driven_over_ipv6() -> None:
    dumps = (record(0, bytes_acked=0, app_limited=True), record(10, bytes_acked=10**6, app_limited=True))
    over_ipv6 = tuple(replace(one, local_address="2001:db8::1", peer_address="2001:db8::2") for one in dumps)

    assert [flow.ipv6 for flow in demand(Seen(dumps)).flows] == [False]
    assert [flow.ipv6 for flow in demand(Seen(over_ipv6)).flows] == [True]


def test_an_application_limited_flow_is_paced_at_what_was_acknowledged_between_two_dumps() -> None:
    seen = Seen(
        (
            record(0, bytes_acked=1_000_000, app_limited=True, delivery_rate_bps=10**9, not_sent_bytes=0, **spent(1)),
            record(10, bytes_acked=3_500_000, app_limited=True, delivery_rate_bps=10**9, not_sent_bytes=0, **spent(11)),
        )
    )

    (flow,) = demand(seen).flows

    assert (flow.id, flow.flow_class, flow.rate_bps) == ("web→db:5432", "paced", 2_000_000)
    assert (flow.tcp.congestion_control, flow.tcp.mss, flow.tcp.window_bytes, flow.service) == (
        "bbr",
        1448,
        None,
        "postgresql",
    )
    assert flow.evidence == (
        "application-limited: marked so in 2 of 2 records, hardly anything left unsent; "
        "2 Mbit/s (bytes acknowledged over 10 s)"
    )


def test_a_flow_that_is_mostly_idle_is_paced_even_without_the_mark() -> None:
    seen = Seen((record(0, bytes_acked=0, **spent(0)), record(10, bytes_acked=125_000, **spent(1))))

    (flow,) = demand(seen).flows

    assert (flow.flow_class, flow.rate_bps) == ("paced", 100_000)
    assert "nothing in flight 90 % of the time" in flow.evidence


def test_a_flow_held_by_the_receivers_window_gets_that_window() -> None:
    seen = Seen(
        (
            record(0, bytes_acked=0, send_window_bytes=65_536, **spent(0)),
            record(10, bytes_acked=10**7, send_window_bytes=65_536, **spent(10, rwnd_s=8)),
        )
    )

    (flow,) = demand(seen).flows

    assert (flow.flow_class, flow.tcp.window_bytes, flow.rate_bps) == ("receiver-limited", 65_536, None)


@pytest.mark.parametrize(
    ("receiver", "window"), [({"receive_window_bytes": 30_000}, 30_000), ({"receive_buffer_bytes": 50_000}, 25_000)]
)
def test_the_receivers_own_record_gives_the_window_where_the_sender_does_not(
    receiver: dict[str, int], window: int
) -> None:
    sender = (record(0, bytes_acked=0, **spent(0)), record(10, bytes_acked=10**7, **spent(10, rwnd_s=8)))

    (flow,) = demand(Seen(sender, (record(10, **receiver),))).flows

    assert flow.tcp.window_bytes == window


def test_a_network_limited_flow_is_greedy() -> None:
    seen = Seen(
        (
            record(0, bytes_acked=0, app_limited=False, **spent(0)),
            record(10, bytes_acked=10**7, app_limited=False, not_sent_bytes=10**6, **spent(10, rwnd_s=1)),
        )
    )

    (flow,) = demand(seen).flows

    assert (flow.flow_class, flow.rate_bps, flow.tcp.window_bytes) == ("greedy", None, None)
    assert flow.evidence == "network-limited 90 % of the time"


def test_an_old_mark_does_not_outweigh_data_waiting_to_be_sent() -> None:
    seen = Seen(
        (
            record(0, bytes_acked=0, app_limited=True, **spent(0)),
            record(10, bytes_acked=10**7, app_limited=True, not_sent_bytes=10**6, **spent(10)),
        )
    )

    assert demand(seen).flows[0].flow_class == "greedy"


def test_one_dump_gives_a_rate_only_if_the_delivery_rate_is_the_present_one() -> None:
    present = Seen((record(delivery_rate_bps=5_000_000, app_limited=False, **spent(3, sndbuf_s=2)),))
    past = Seen((record(delivery_rate_bps=5_000_000, app_limited=True, not_sent_bytes=0, **spent(3)),))

    known, unknown = demand(present), demand(past)

    assert [(flow.flow_class, flow.rate_bps) for flow in known.flows] == [("paced", 5_000_000)]
    assert unknown.flows == ()
    assert unknown.unknown == (
        "web→db:5432: its rate is unknown: recorded at one point in time, and its delivery rate is a past maximum "
        "(application-limited); record a second dump",
    )


def test_the_receivers_counters_stand_in_for_a_sender_that_was_not_recorded() -> None:
    seen = Seen((), (record(0, bytes_received=0), record(8, bytes_received=10**6)))

    (flow,) = demand(seen).flows

    assert (flow.flow_class, flow.rate_bps, flow.tcp.congestion_control) == ("paced", 1_000_000, "cubic")
    assert "congestion control unknown, cubic assumed" in flow.evidence


def test_an_idle_connection_has_no_demand_and_is_named() -> None:
    seen = Seen((record(0, bytes_acked=500, **spent(0)), record(10, bytes_acked=500, **spent(0))))

    assert demand(seen) == Demands(flows=(), unknown=("web→db:5432: it moved no byte between its records",))


def test_full_size_telemetry_is_divided_by_its_scale() -> None:
    paced = Seen((record(0, bytes_acked=0, **spent(0)), record(10, bytes_acked=125_000_000, **spent(1))))
    held = Seen(
        (
            record(0, bytes_acked=0, send_window_bytes=65_536, **spent(0)),
            record(10, bytes_acked=10**7, send_window_bytes=65_536, **spent(10, rwnd_s=8)),
        ),
        target_port=80,
    )

    http, postgres = demand(paced, held, telemetry_scale=100).flows

    assert postgres.rate_bps == 1_000_000
    assert http.tcp.window_bytes == 2 * 1448
    assert "scaled down to 655, raised to 2896" in http.evidence


def test_ids_name_the_service_and_stay_apart() -> None:
    records = (record(0, bytes_acked=0, **spent(0)), record(10, bytes_acked=10**6, **spent(9)))
    download = Seen(records, source="db", target="web", source_port=443, target_port=50000)
    twins = [Seen(records, source_port=port) for port in (40001, 40000)]

    flows = flows_from_connections([*twins, download], NETWORK)

    assert [flow.id for flow in flows] == ["db:443→web", "web→db:5432#40000", "web→db:5432#40001"]
    assert flows == flows_from_connections([download, *reversed(twins)], NETWORK)


def test_shares_of_time_are_differences_and_add_up() -> None:
    shares = time_shares([record(0, **spent(100, 50, 20)), record(10, **spent(108, 52, 21))])

    assert shares is not None
    assert (shares.idle, shares.rwnd, shares.sndbuf, shares.network) == pytest.approx((0.2, 0.2, 0.1, 0.5))


def test_a_scale_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        demand(telemetry_scale=0)


def test_a_flow_held_by_its_own_buffer_holds_what_its_send_queue_held() -> None:
    seen = Seen(
        (
            record(0, bytes_acked=0, app_limited=True, send_queue_bytes=50_000, **spent(0)),
            record(10, bytes_acked=10**7, app_limited=True, send_queue_bytes=64_000, **spent(10, sndbuf_s=9)),
        )
    )

    (flow,) = demand(seen).flows

    assert (flow.flow_class, flow.rate_bps, flow.tcp.send_buffer_bytes) == ("sender-limited", None, 64_000)
    assert flow.evidence == "its own send buffer was full 90 % of the time; send buffer 64000 bytes"


def test_without_a_send_queue_a_buffer_is_what_was_in_flight_on_average() -> None:
    seen = Seen(
        (
            record(0, bytes_acked=0, **spent(0)),
            record(10, bytes_acked=10**7, srtt_ns=40_000_000, **spent(10, sndbuf_s=9)),
        )
    )

    assert demand(seen).flows[0].tcp.send_buffer_bytes == 40_000


def test_a_window_that_varies_is_a_slow_reader() -> None:
    counts = (0, 1_250_000, 2_500_000)
    windows = (65_536, 8_000, 30_000)
    seen = Seen(
        tuple(
            record(at_s, bytes_acked=count, send_window_bytes=window, **spent(at_s, rwnd_s=at_s))
            for at_s, count, window in zip((0, 5, 10), counts, windows, strict=True)
        )
    )

    (flow,) = demand(seen).flows

    assert (flow.flow_class, flow.tcp.window_bytes, flow.rate_bps) == ("receiver-limited", 65_536, 2_000_000)
    assert "its window varied between 8000 and 65536 bytes: its application reads slowly, at 2 Mbit/s" in flow.evidence


def test_what_the_ends_agreed_on_and_what_the_program_set_is_kept() -> None:
    set_by_program = {"dscp": 46, "max_pacing_rate_bps": 8_000_000, "ecn": True, "sack": False, "timestamps": True}
    seen = Seen(
        (record(0, bytes_acked=0, app_limited=True), record(10, bytes_acked=10**6, app_limited=True, **set_by_program))
    )

    (flow,) = demand(seen, telemetry_scale=2).flows

    assert (flow.tcp.dscp, flow.tcp.pacing_bps, flow.tcp.ecn, flow.tcp.sack, flow.tcp.timestamps) == (
        46,
        4_000_000,
        True,
        False,
        True,
    )
    assert flow.tcp.window_scaling is None
    assert "pacing capped at 8 Mbit/s" in flow.evidence


def test_initial_windows_are_those_of_a_connection_that_nothing_was_acknowledged_to() -> None:
    young = record(0, bytes_acked=1, cwnd_segments=20, retransmits_total=0, send_window_bytes=28_960)
    old = record(10, bytes_acked=10**6, cwnd_segments=80, retransmits_total=0, send_window_bytes=10**6)

    (fresh,) = demand(Seen((young, old))).flows
    (grown,) = demand(Seen((replace(young, bytes_acked=5_000), old))).flows

    assert (fresh.tcp.initial_cwnd_segments, fresh.tcp.initial_rwnd_segments) == (20, 20)
    assert (grown.tcp.initial_cwnd_segments, grown.tcp.initial_rwnd_segments) == (None, None)


def test_rates_between_records_are_a_pattern_whose_mean_is_the_rate() -> None:
    bursts = ((0, 0), (5, 5_000_000), (10, 5_000_000), (20, 10_000_000))
    steady = ((0, 0), (5, 2_500_000), (10, 5_000_000), (20, 10_100_000))

    (bursty,) = demand(Seen(tuple(record(at, bytes_acked=count, app_limited=True) for at, count in bursts))).flows
    (even,) = demand(Seen(tuple(record(at, bytes_acked=count, app_limited=True) for at, count in steady))).flows

    assert [(one.duration_ns // 10**9, one.rate_bps) for one in bursty.pattern] == [
        (5, 8_000_000),
        (5, 0),
        (10, 4_000_000),
    ]
    assert sum(one.duration_ns * one.rate_bps for one in bursty.pattern) == bursty.rate_bps * 20 * 10**9
    assert even.pattern == ()


def test_a_long_pattern_is_joined_without_losing_a_byte() -> None:
    dumps = tuple(record(at, bytes_acked=(at // 40) * 1_000_000, app_limited=True) for at in range(1_001))

    (flow,) = demand(Seen(dumps)).flows

    assert len(flow.pattern) <= 256
    assert sum(one.duration_ns * one.rate_bps for one in flow.pattern) == pytest.approx(25 * 8e6 * 1e9, rel=1e-6)


STANDING = Seen(tuple(record(at, bytes_acked=at * 10**6, app_limited=True) for at in (0, 10, 20, 30)), source_port=1)


def end(at_s: float, **fields: Any) -> TcpRecord:
    return record(at_s, state="CLOSED", closed_ns=round(at_s * 1e9), **fields)


def test_a_flow_that_came_and_went_within_the_recording_begins_and_ends_in_the_run() -> None:
    dumps = (record(10, bytes_acked=1_000_001, app_limited=True), record(20, bytes_acked=3_000_001, app_limited=True))

    _, flow = demand(STANDING, Seen((*dumps, end(24, bytes_acked=4_000_001)))).flows

    assert (flow.start_ns, flow.size_bytes) == (5 * 10**9, 4_000_000)
    assert "ended 24 s into the recording after 4000000 bytes; opened 5 s into the recording" in flow.evidence


def test_a_flow_that_was_there_from_the_start_ends_after_what_was_seen_of_it() -> None:
    dumps = (record(0, bytes_acked=7_000_000, app_limited=True), record(10, bytes_acked=8_000_000, app_limited=True))

    _, flow = demand(STANDING, Seen((*dumps, end(15, bytes_acked=8_500_000)))).flows

    assert (flow.start_ns, flow.size_bytes) == (0, 1_500_000)


def test_an_end_of_which_only_the_ports_are_known_leaves_the_counters_before_it() -> None:
    dumps = (record(0, bytes_acked=0, app_limited=True), record(10, bytes_acked=1_250_000, app_limited=True))

    _, flow = demand(STANDING, Seen((*dumps, record(20, state="CLOSED", congestion_control=None)))).flows

    assert (flow.rate_bps, flow.size_bytes, flow.tcp.congestion_control) == (1_000_000, 1_250_000, "bbr")


def test_what_opened_after_the_end_of_the_run_has_no_part_in_it() -> None:
    late = Seen((record(20, bytes_acked=0, app_limited=True), record(30, bytes_acked=10**6, app_limited=True)))

    found = demand(STANDING, late, run_ns=15 * 10**9)

    assert len(found.flows) == 1
    assert found.unknown == ("web→db:5432#40000: it opened later in the recording than the run lasts",)


def test_connections_that_no_reading_saw_open_are_a_workload_of_their_number_and_sizes() -> None:
    short = [
        Seen((end(5 + port / 10, bytes_sent=size + 100, bytes_retransmitted=100),), source_port=port)
        for port, size in ((11, 1_000), (12, 3_000), (13, 2_000))
    ]

    found = demand(STANDING, *short)

    (workload,) = found.workloads
    assert len(found.flows) == 1
    assert isinstance(workload, Transfers)
    assert (workload.name, workload.sources, workload.targets) == ("web→db:5432 (short)", ("web",), ("db",))
    assert workload.arrivals.rate_per_s == pytest.approx(3 / 30)
    assert [value for value, _ in workload.size.points] == [1_000, 2_000, 3_000]
    assert (workload.service, workload.tcp.congestion_control) == ("postgresql", "bbr")


def test_an_end_before_the_first_reading_may_be_of_a_long_life() -> None:
    found = demand(STANDING, Seen((end(-1, bytes_sent=10**9, bytes_retransmitted=0),)))

    assert found.workloads == ()
    assert len(found.unknown) == 1


def test_a_connection_that_a_single_reading_met_is_one_of_the_short_ones() -> None:
    met = Seen(
        (record(11, bytes_sent=900, bytes_acked=10, busy_ns=0), end(11.2, bytes_sent=40_000, bytes_retransmitted=0))
    )
    missed = Seen((end(15, bytes_sent=60_000, bytes_retransmitted=0),), source_port=2)

    found = demand(STANDING, met, missed)

    (workload,) = found.workloads
    assert len(found.flows) == 1
    assert isinstance(workload, Transfers)
    assert [value for value, _ in workload.size.points] == [40_000, 60_000]


def test_an_end_before_the_first_reading_is_short_if_it_can_have_carried_little() -> None:
    hardly_busy = end(-1, bytes_sent=20_000, bytes_retransmitted=0, busy_ns=30_000_000)

    (workload,) = demand(STANDING, Seen((hardly_busy,), source_port=3)).workloads

    assert isinstance(workload, Transfers)
    assert workload.size.mean() == 20_000
