"""Prometheus, netobserv and tcplife: what they know becomes records, and nothing else does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telemetry_reading import CAPTURES, read

from shadowlab.telemetry.formats import FORMATS, recognise

AT_NS = 1_795_338_000_000_000_000
PAGE = b"""# HELP node_netstat_Tcp_OutSegs Statistic TcpOutSegs.
# TYPE node_netstat_Tcp_OutSegs untyped
node_netstat_Tcp_OutSegs 1.234567e+06
node_netstat_Tcp_InSegs 1000000
node_netstat_Tcp_RetransSegs 321
node_netstat_Tcp_ActiveOpens 30
node_netstat_Tcp_PassiveOpens 12
node_netstat_Tcp_CurrEstab 7
node_netstat_TcpExt_TCPTimeouts 5
node_memory_MemTotal_bytes 8.0e+09
node_memory_MemAvailable_bytes 6.0e+09
node_procs_running 3
node_load1 0.5
"""
PAIRS = (CAPTURES / "pairs.prom").read_bytes()


def test_a_node_exporter_page_is_one_record_of_the_host() -> None:
    reading = read("prometheus", PAGE, instance="web", at_ns=AT_NS)

    (one,) = reading.records
    assert (one.scope, one.instance, one.at_ns, one.local_address) == ("host", "web", AT_NS, "")
    assert (one.segments_out, one.segments_in, one.retransmits_total, one.timeouts) == (1_234_567, 1_000_000, 321, 5)
    assert (one.connections_opened, one.connections_open) == (42, 7)
    assert (one.host_memory_total_bytes, one.host_memory_used_bytes, one.host_run_queue) == (8 * 10**9, 2 * 10**9, 3.0)
    assert one.bytes_sent is one.connections_failed is None
    assert reading.tally.passed_over == {"samples of metrics that say nothing of TCP": 1}


def test_retina_hubble_and_ebpf_exporter_give_pairs_of_ends() -> None:
    reading = read("prometheus", PAIRS, at_ns=AT_NS)

    by_ends = {(one.instance, one.peer): one for one in reading.records}
    assert {one.scope for one in reading.records} == {"pair"}
    retina, hubble, ebpf = by_ends["a", "b"], by_ends['default/x"y', "default/z"], by_ends["10.0.0.1", "10.0.0.9"]
    assert (retina.retransmits_total, retina.wire_bytes_out, retina.peer_address) == (9, 5000, "10.0.0.2")
    assert (hubble.connections_opened, hubble.at_ns) == (6, AT_NS)
    assert (ebpf.retransmits_total, ebpf.local_address, ebpf.peer_port) == (4, "10.0.0.1", 443)
    assert reading.tally.unreadable == 0


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"node_netstat_Tcp_OutSegs", "no sample"),
        (b"node_netstat_Tcp_OutSegs NaN", "counts nothing"),
        (b"node_netstat_Tcp_OutSegs -1", "counts nothing"),
        (b"node_netstat_Tcp_OutSegs 1e300", "counts nothing"),
        (b"node_netstat_Tcp_OutSegs many", "could not convert"),
        (b'node_netstat_Tcp_OutSegs{a="b} 1', "labels cannot be read"),
        (b"node_netstat_Tcp_OutSegs 1 1.2.3", "could not convert"),
    ],
)
def test_a_wrong_sample_is_located_and_the_others_are_read(line: bytes, why: str) -> None:
    reading = read("prometheus", PAGE, line + b"\n", at_ns=AT_NS)

    assert (len(reading.records), reading.places) == (1, ["x:14"])
    assert why in reading.messages[0]


def test_a_page_of_unknown_time_is_not_guessed_at() -> None:
    assert "give --at TIME" in read("prometheus", PAGE).messages[0]


def series(name: str, *values: object, **labels: str) -> dict[str, object]:
    return {"metric": {"__name__": name, **labels}, "values": list(values)}


def answer(*result: object) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": list(result)}}).encode()


@pytest.mark.parametrize("block", [7, 100, 100_000])
def test_range_queries_join_their_series_by_instance_and_moment(block: int) -> None:
    out = series("node_netstat_Tcp_OutSegs", [1795338000, "100"], [1795338015.5, "200"], instance="web:9100")
    again = series("node_netstat_Tcp_RetransSegs", [1795338000, "1"], [1795338015.5, "NaN"], instance="web:9100")
    nameless = {"metric": {"instance": "web:9100"}, "values": [[1795338000, "0.5"]]}
    content = answer(out, again, nameless) + b"\n" + answer(series("node_load1", [1, "2"]), 5)

    reading = read("prometheus-json", *(content[at : at + block] for at in range(0, len(content), block)))

    assert [(one.instance, one.at_ns, one.segments_out, one.retransmits_total) for one in reading.records] == [
        ("web", AT_NS, 100, 1),
        ("web", AT_NS + 15_500_000_000, 200, None),
    ]
    assert (reading.tally.unreadable, sum(reading.tally.passed_over.values())) == (2, 2)


FLOW = {"SrcAddr": "10.0.0.1", "DstAddr": "10.0.0.2", "SrcPort": 40000, "DstPort": 443, "Proto": 6, "Bytes": 5000}
FLOW |= {"Packets": 4, "TimeFlowStartMs": 1795338000000, "TimeFlowEndMs": 1795338005000, "FlowDirection": 1}
FLOW |= {"TimeFlowRttNs": 7_114_000, "SrcK8S_Name": "web", "DstK8S_Name": "db", "DstK8S_OwnerName": "database"}


def flows(*values: object) -> bytes:
    return b"\n".join(json.dumps(value).encode() for value in values)


def test_a_flow_counts_for_the_end_where_it_was_captured() -> None:
    leaving, arriving = read("netobserv", flows(FLOW, FLOW | {"FlowDirection": 0})).records

    assert leaving.connection == ("10.0.0.1", 40000, "10.0.0.2", 443)
    assert (leaving.instance, leaving.peer, leaving.service) == ("web", "db", "database")
    assert (leaving.at_ns, leaving.from_ns) == (AT_NS + 5_000_000_000, AT_NS)
    assert (leaving.wire_bytes_out, leaving.segments_out, leaving.srtt_ns) == (5000, 4, 7_114_000)
    assert leaving.wire_bytes_in is leaving.bytes_sent is None
    assert arriving.connection == ("10.0.0.2", 443, "10.0.0.1", 40000)
    assert (arriving.instance, arriving.wire_bytes_in, arriving.segments_in, arriving.wire_bytes_out) == (
        "db",
        5000,
        4,
        None,
    )


def test_what_is_no_tcp_or_was_captured_twice_is_passed_over() -> None:
    reading = read("netobserv", flows(FLOW | {"Proto": 17}, FLOW | {"Duplicate": True}, FLOW))

    assert (len(reading.records), sum(reading.tally.passed_over.values())) == (1, 2)


@pytest.mark.parametrize(
    "wrong",
    [{"SrcAddr": None}, {"Bytes": -1}, {"DstPort": 70_000}, {"TimeFlowStartMs": 1795338006000}, {"SrcK8S_Name": 5}],
)
def test_a_wrong_flow_is_located_and_the_next_one_read(wrong: dict[str, object]) -> None:
    reading = read("netobserv", flows(FLOW | wrong, FLOW))

    assert (len(reading.records), reading.places) == (1, ["x:byte 0"])


def test_a_flow_whose_interval_is_unknown_keeps_the_moment_it_was_received() -> None:
    timeless = FLOW | {"TimeFlowStartMs": 0, "TimeFlowEndMs": 0, "TimeReceived": 1795338000}

    (one,) = read("netobserv", json.dumps([timeless]).encode()).records

    assert (one.at_ns, one.from_ns) == (AT_NS, AT_NS)


TCPLIFE = b"""Tracing process exits and TCP... Ctrl-C to end.
TIME(s)   PID   COMM       LADDR           LPORT RADDR           RPORT TX_KB RX_KB MS
0.000000  22597 my prog    10.0.0.1        35388 10.0.0.2        80        0     1 0.50
2.500000  3277  redis-serv ::ffff:10.0.0.1 28282 2001:db8::1     5001     20     0 1500.00
oops
"""


def test_tcplife_gives_whole_lives() -> None:
    reading = read("tcplife", TCPLIFE, instance="web", at_ns=AT_NS)

    first, second = reading.records
    assert first.connection == ("10.0.0.1", 35388, "10.0.0.2", 80)
    assert (first.service, first.state, first.bytes_acked, first.bytes_received) == ("my prog", "CLOSED", None, 1024)
    assert (second.closed_ns, second.opened_ns) == (AT_NS + 2_500_000_000, AT_NS + 1_000_000_000)
    assert (second.local_address, second.peer_address, second.bytes_acked) == ("10.0.0.1", "2001:db8::1", 20_480)
    assert (reading.places, reading.tally.dumps) == (["x:5"], 1)


def test_tcplife_with_a_time_of_day_passes_midnight_and_commas_are_read_too() -> None:
    content = b"TIME,PID,COMM,IP,LADDR,LPORT,RADDR,RPORT,TX_KB,RX_KB,MS\n"
    content += (
        b"23:59:59,1,a,4,10.0.0.1,1,10.0.0.2,2,1,1,1\n00:00:01,1,a,4,10.0.0.1,1,10.0.0.2,2,1,1,1\n24:00:00,1,a,4,"
    )
    content += b"10.0.0.1,1,10.0.0.2,2,1,1,1\n"
    began = 1_795_391_990_000_000_000  # 23:59:50

    reading = read("tcplife", content, at_ns=began)

    assert [one.at_ns - began for one in reading.records] == [9_000_000_000, 11_000_000_000]
    assert "no time of day" in reading.messages[0]


SAMPLES = {
    "prometheus": PAGE,
    "prometheus-json": answer(series("up", [1, "2"])),
    "netobserv": flows(FLOW),
    "tcplife": TCPLIFE,
    "ss": b"ESTAB 0 0 1.1.1.1:1 1.1.1.2:2\n",
    "jsonl": b'{"shadowlab": "telemetry/1"}\n',
    "mlab": b'{"Timestamp": "", "Metadata": {"UUID": "x"}}\n',
    "ndt7": b'{"ServerIP": "", "Download": {"ServerMeasurements": []}}',
    "aws-nfm": b'{\n "network_stats": []}',
}


@pytest.mark.parametrize("name", SAMPLES)
def test_each_format_is_recognised_by_its_content_and_by_no_other_reader(name: str) -> None:
    assert recognise(SAMPLES[name], name="x").name == name
    assert [one.name for one in FORMATS if one.recognise(SAMPLES[name])] == [name]


@given(
    st.binary(max_size=40),
    st.integers(0, 300),
    st.sampled_from(["prometheus", "prometheus-json", "netobserv", "tcplife"]),
)
def test_arbitrary_bytes_raise_nothing(noise: bytes, at: int, name: str) -> None:
    content = SAMPLES[name]

    found = read(name, content[:at], noise, content[at:], at_ns=AT_NS)

    assert noise or found.records == read(name, content, at_ns=AT_NS).records
    assert all(min(one.bytes_sent or 0, one.segments_out or 0) >= 0 for one in found.records)


def cpu_series(mode: str, cpu: int, *values: tuple[int, float]) -> dict[str, object]:
    metric = {"__name__": "node_cpu_seconds_total", "instance": "web:9100", "cpu": str(cpu), "mode": mode}
    return {"metric": metric, "values": [[at, str(value)] for at, value in values]}


def shares(*series: dict[str, object]) -> list[tuple[int, float | None]]:
    found = read("prometheus-json", answer(*series)).records
    return [(one.at_ns // 10**9, one.host_cpu_share) for one in found]


def test_a_hosts_cpu_share_comes_from_two_samples_of_its_idle_processors() -> None:
    found = shares(
        cpu_series("idle", 0, (100, 50.0), (110, 55.0), (120, 65.1)),
        cpu_series("idle", 1, (100, 70.0), (110, 78.0), (120, 88.0)),
        cpu_series("iowait", 0, (100, 1.0), (110, 2.0), (120, 2.0)),
        cpu_series("user", 0, (100, 9.0), (110, 13.0), (120, 13.0)),
    )

    assert found == [(110, pytest.approx(0.3)), (120, 0.0)]


@pytest.mark.parametrize("again", [(110, 3.0), (110, 70.0)])
def test_a_restart_and_impossible_times_leave_the_share_unknown(again: tuple[int, float]) -> None:
    assert shares(cpu_series("idle", 0, (100, 50.0), again)) == []


def test_a_processor_that_came_leaves_the_share_unknown() -> None:
    assert shares(cpu_series("idle", 0, (100, 5.0), (110, 10.0)), cpu_series("idle", 1, (110, 3.0))) == []
