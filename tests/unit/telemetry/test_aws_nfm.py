"""The Network Flow Monitor agent's report, as JSON and as OTLP in both its forms: one pair of ends per flow."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telemetry_reading import read

from shadowlab.telemetry.sources.metrics import aws_nfm

FLOW = {"protocol": "TCP", "local_address": "10.0.0.1", "remote_address": "::ffff:192.0.2.7", "local_port": 443}
FLOW |= {"remote_port": 0}
COUNTS = {"sockets_established": 3, "severed_connect": 2, "severed_establish": 1, "connect_attempts": 14}
COUNTS |= {"bytes_received": 43, "bytes_delivered": 47, "segments_received": 53, "segments_delivered": 59}
COUNTS |= {"retrans_syn": 20, "retrans_est": 19, "retrans_close": 18, "rtos_syn": 17, "rtos_est": 16, "rtos_close": 15}
RTT = {
    "rtt_us": {"count": 3, "min": 14, "max": 16, "sum": 45},
    "rtt_smoothed_us": {"count": 2, "min": 1, "max": 2, "sum": 30},
}
AT_NS = 1_795_338_000_000_000_000


def report(flow: dict[str, Any] = FLOW, **stats: object) -> bytes:
    document = {
        "network_stats": [{"flow": flow, "stats": {**COUNTS, **RTT, **stats}}],
        "env_metadata": [["instance_id", {"String": "i-1"}]],
        "report_version": "1.1",
    }
    return json.dumps(document, indent=2).encode()


def value_of(value: object) -> dict[str, object]:
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def otlp(at_ns: int = AT_NS, scope: str = "network_stats") -> dict[str, Any]:
    metrics: list[dict[str, Any]] = []
    for name, value in (COUNTS | RTT).items():
        point: dict[str, Any] = {"timeUnixNano": str(at_ns), "count": "1"}
        point |= value | {"count": str(value["count"])} if isinstance(value, dict) else {"sum": value}
        metrics.append({"name": name, "histogram": {"dataPoints": [point]}})
    attributes = [{"key": key, "value": value_of(value)} for key, value in FLOW.items()]
    resource = {"attributes": [{"key": "instance_id", "value": {"stringValue": "i-1"}}]}
    return {
        "resourceMetrics": [
            {
                "resource": resource,
                "scopeMetrics": [{"scope": {"name": scope, "attributes": attributes}, "metrics": metrics}],
            }
        ]
    }


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def protobuf(at_ns: int = AT_NS) -> bytes:
    """The same request as :func:`otlp`, by the field numbers of metrics.proto, written here a second time."""

    def double(number: int, value: float) -> bytes:
        return varint(number << 3 | 1) + struct.pack("<d", value)

    def fixed(number: int, value: int) -> bytes:
        return varint(number << 3 | 1) + struct.pack("<Q", value)

    def attribute(key: str, value: object) -> bytes:
        inner = varint(3 << 3) + varint(value) if isinstance(value, int) else field(1, str(value).encode())
        return field(1, key.encode()) + field(2, inner)

    metrics = b""
    for name, value in (COUNTS | RTT).items():
        point = fixed(2, at_ns) + fixed(3, at_ns)
        if isinstance(value, dict):
            point += fixed(4, value["count"]) + double(5, value["sum"])
            point += double(11, value["min"]) + double(12, value["max"])
        else:
            point += fixed(4, 1) + double(5, value)  # type: ignore[arg-type]
        histogram = field(1, point) + varint(2 << 3) + varint(1)
        metrics += field(2, field(1, name.encode()) + field(9, histogram))
    scope = field(1, b"network_stats") + b"".join(field(3, attribute(key, value)) for key, value in FLOW.items())
    resource = field(1, attribute("instance_id", "i-1"))
    return field(1, field(1, resource) + field(2, field(1, scope) + metrics))


FORMS = {"json": report(), "otlp json": json.dumps(otlp()).encode(), "protobuf": protobuf()}


@pytest.mark.parametrize("form", FORMS)
def test_all_three_forms_give_the_same_record(form: str) -> None:
    assert aws_nfm.recognise(FORMS[form])

    reading = read("aws-nfm", FORMS[form], at_ns=AT_NS)

    (one,) = reading.records
    assert (one.scope, one.instance, one.at_ns, one.from_ns) == ("pair", "i-1", AT_NS, AT_NS)
    assert one.connection == ("10.0.0.1", 443, "192.0.2.7", 0)
    assert (one.bytes_acked, one.bytes_received, one.delivered_segments, one.segments_in) == (47, 43, 59, 53)
    assert (one.retransmits_total, one.timeouts) == (57, 48)
    assert (one.connections_opened, one.connections_failed, one.connections_severed) == (14, 2, 1)
    assert (one.rtt_samples, one.rtt_mean_ns, one.min_rtt_ns, one.rtt_max_ns) == (3, 15_000, 14_000, 16_000)
    assert (one.srtt_ns, one.connections_open, one.bytes_sent) == (15_000, 3, None)
    assert reading.tally.unreadable == 0


def test_requests_behind_their_lengths_are_read_one_by_one_and_intervals_join_up() -> None:
    framed = b""
    for second in range(3):
        one = protobuf(AT_NS + second * 30_000_000_000)
        framed += struct.pack(">I", len(one)) + one

    reading = read("aws-nfm", framed, framed[:40])

    assert aws_nfm.recognise(framed)
    assert [(one.at_ns - AT_NS, one.from_ns - AT_NS) for one in reading.records if one.from_ns] == [
        (0, 0),
        (30_000_000_000, 0),
        (60_000_000_000, 30_000_000_000),
    ]
    assert "breaks off" in reading.messages[0]


def test_an_interval_without_a_sample_has_no_round_trip_time() -> None:
    (one,) = read("aws-nfm", report(rtt_us={"count": 0, "min": 0, "max": 0, "sum": 0}), at_ns=1).records

    assert one.rtt_samples is one.min_rtt_ns is one.rtt_mean_ns is None


def test_a_part_of_a_sum_is_no_sum() -> None:
    (one,) = read("aws-nfm", report(rtos_syn=None), at_ns=1).records

    assert (one.timeouts, one.retransmits_total) == (None, 57)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (report(), "give --at TIME"),
        (report(bytes_received=-1), "bytes_received is -1"),
        (report({**FLOW, "local_address": "web"}), "'web' is not an IP address"),
        (report({**FLOW, "local_port": 70_000}), "local_port is 70000"),
        (b'{"network_stats": 5}', "network_stats is no list"),
        (b'{"network_stats": [5]}', "a flow is an object"),
        (b'{"resourceMetrics": [5]}', "an object with resource"),
        (b'{"network_stats": [', "no JSON"),
        (json.dumps(otlp(at_ns=1_795_338_000_000_000)).encode(), "time is not known"),
    ],
)
def test_what_is_wrong_is_told(content: bytes, why: str) -> None:
    reading = read("aws-nfm", content, at_ns=None if "TIME" in why or "time" in why else 1)

    assert reading.records == ()
    assert why in reading.messages[0]


def test_other_protocols_and_scopes_are_passed_over() -> None:
    udp = read("aws-nfm", report({**FLOW, "protocol": "UDP"}), at_ns=1)
    host = read("aws-nfm", json.dumps(otlp(scope="host_stats")).encode())

    assert (udp.records, host.records) == ((), ())
    assert [list(one.tally.passed_over.values()) for one in (udp, host)] == [[1], [1]]


@given(st.binary(max_size=60), st.integers(0, len(FORMS["protobuf"])), st.sampled_from(sorted(FORMS)))
def test_arbitrary_bytes_raise_nothing(noise: bytes, at: int, form: str) -> None:
    content = FORMS[form]

    found = read("aws-nfm", content[:at], noise, content[at + len(noise) :], at_ns=1)

    assert all(one.local_address and one.peer_address and min(one.bytes_received or 0, 0) == 0 for one in found.records)
