"""What became of a connection: round trips, the kinds of retransmission, windows, beginning and end."""

from __future__ import annotations

import struct

import pytest
from capture_packets import ACK, FIN, MS, RST, START_NS, SYN, Talk, blocks_of, ethernet, ipv4, pcap, see, tcp

from shadowlab.telemetry.capture.analysis import Analysis
from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.records import records_of
from shadowlab.telemetry.capture.summary import Connection
from shadowlab.telemetry.capture.verdicts import Verdict


def counts(one: Connection, *names: str) -> tuple[int, ...]:
    assert one.client.counts is not None
    return tuple(one.client.counts[name] for name in names)


def sack(*blocks: tuple[int, int]) -> bytes:
    return bytes([1, 1, 5, 2 + 8 * len(blocks)]) + b"".join(struct.pack(">II", *block) for block in blocks)


def test_the_handshake_tells_round_trips_scales_and_mss() -> None:
    talk = Talk()
    talk.open(rtt_ms=20, scale=7)
    talk.client(30, 1, 1, length=500, window=100)

    one = see(pcap(talk.packets)).only

    assert (one.opened, one.ending, one.handshake_ns) == (True, "open", 20_010_000)
    assert (one.client.address, one.client.port, one.client.mss, one.client.window_scale) == (
        "10.0.0.1",
        40000,
        1460,
        7,
    )
    assert (one.client.opening_round_trip_ns, one.server.opening_round_trip_ns) == (20 * MS, 10_000)
    assert (one.client.window_bytes, one.client.window_most_bytes) == (100 << 7, 1000 << 7)
    assert (one.client.sack_permitted, one.server.sack_permitted) == (True, True)


def test_a_window_scale_that_one_side_did_not_offer_is_not_used() -> None:
    talk = Talk()
    talk.client(0, 0, 0, SYN, options=bytes([3, 3, 7]))
    talk.server(20, 0, 1, SYN | ACK)
    talk.client(21, 1, 1, window=100)

    one = see(pcap(talk.packets)).only

    assert (one.client.window_bytes, one.client.window_scale, one.server.window_scale) == (100, 0, 0)


def test_without_the_handshake_scale_windows_and_the_way_to_the_client_are_unknown() -> None:
    talk = Talk()
    talk.client(0, 1000, 1, length=100)
    talk.server(20, 1, 1100)

    seen = see(pcap(talk.packets))
    one = seen.only

    assert (one.opened, one.handshake_ns, one.client.window_bytes, one.client.window_scale) == (False, None, None, None)
    assert seen.round_trips_ns == [20 * MS]
    assert one.round_trip_ns(one.client) is None
    assert one.client.acked_octets == 100


def test_a_fast_retransmission_follows_duplicate_acks_at_once() -> None:
    talk = Talk()
    talk.open()
    for number in range(5):
        talk.client(30 + number, 1 + 100 * number, 1, length=100)
    for number in range(3):
        talk.server(51 + number, 1, 101)
    talk.server(50, 1, 101)
    talk.packets.sort()
    talk.client(55, 101, 1, length=100)
    talk.server(75, 1, 501)

    seen = see(pcap(talk.packets))

    assert seen.frames(Verdict.DUPLICATE_ACK) == [10, 11, 12]
    assert seen.frames(Verdict.FAST_RETRANSMISSION) == seen.frames(Verdict.RESENT) == [13]
    assert counts(seen.only, "resent", "resent_octets", "octets") == (1, 100, 600)
    assert seen.only.client.acked_octets == 500
    assert seen.only.client.round_trips is not None
    assert seen.only.client.round_trips.count == 2  # SYN and the first; the last acknowledges what was sent twice


def test_a_timeout_comes_after_silence_and_a_spurious_one_after_the_acknowledgement() -> None:
    talk = Talk()
    talk.open()
    talk.client(30, 1, 1, length=100)
    talk.client(300, 1, 1, length=100)
    talk.server(321, 1, 101)
    talk.client(330, 1, 1, length=100)

    seen = see(pcap(talk.packets))

    assert seen.frames(Verdict.TIMED_OUT) == seen.frames(Verdict.RETRANSMISSION) == [5]
    assert seen.frames(Verdict.SPURIOUS_RETRANSMISSION) == [7]
    assert counts(seen.only, "resent", "timed_out", "spurious_retransmission") == (2, 1, 1)


def test_a_syn_that_nobody_answered_timed_out() -> None:
    talk = Talk()
    for at_ms in (0, 1000, 3000):
        talk.client(at_ms, 0, 0, SYN)

    one = see(pcap(talk.packets)).only

    assert counts(one, "syns", "resent", "timed_out") == (3, 2, 2)
    assert (one.server.counts, one.client.acked_octets, one.handshake_ns) == (None, None, None)


def test_what_comes_late_and_for_the_first_time_is_disorder_and_no_retransmission() -> None:
    talk = Talk()
    talk.open()
    for at_ms, number in ((30, 0), (30.1, 2), (30.2, 1), (30.3, 3), (30.4, 1)):
        talk.client(at_ms, 1 + 100 * number, 1, length=100)

    seen = see(pcap(talk.packets))

    assert seen.frames(Verdict.LOST_SEGMENT) == [5]
    assert seen.frames(Verdict.OUT_OF_ORDER) == [6, 8]
    assert seen.frames(Verdict.DISORDERED) == [6]
    assert seen.frames(Verdict.RESENT) == [8]


def test_zero_windows_probes_and_keep_alives_are_told_apart() -> None:
    talk = Talk()
    talk.open(scale=0)
    talk.client(30, 1, 1, length=100)
    talk.server(50, 1, 101, window=0)
    talk.client(250, 101, 1, length=1)
    talk.server(270, 1, 101, window=0)
    talk.server(300, 1, 101, window=500)
    talk.client(9000, 100, 1)
    talk.server(9020, 1, 101, window=500)

    seen = see(pcap(talk.packets))

    assert seen.frames(Verdict.ZERO_WINDOW) == [5, 7]
    assert (seen.frames(Verdict.ZERO_WINDOW_PROBE), seen.frames(Verdict.ZERO_WINDOW_PROBE_ACK)) == ([6], [7])
    assert (seen.frames(Verdict.WINDOW_UPDATE), seen.frames(Verdict.KEEP_ALIVE)) == ([8], [9])
    assert seen.frames(Verdict.KEEP_ALIVE_ACK) == [10]


def test_a_segment_that_ends_at_the_edge_of_the_scaled_window_fills_it() -> None:
    talk = Talk()
    talk.open(scale=1)
    talk.server(25, 1, 1, window=100)
    talk.client(30, 1, 1, length=100)
    talk.client(31, 101, 1, length=100)

    assert see(pcap(talk.packets)).frames(Verdict.WINDOW_FULL) == [6]


def test_duplicate_sacks_are_counted() -> None:
    talk = Talk()
    talk.open()
    talk.client(30, 1, 1, length=300)
    base = talk.first
    talk.server(50, 1, 301, options=sack((base + 1, base + 101)))
    talk.server(51, 1, 301, options=sack((base + 500, base + 600), (base + 400, base + 700)))
    talk.server(52, 1, 301, options=sack((base + 400, base + 500)))

    server = see(pcap(talk.packets)).only.server

    assert server.counts is not None
    assert server.counts["duplicate_sacks"] == 2


@pytest.mark.parametrize(
    ("ends", "ending"),
    [
        ([(True, FIN | ACK)], "half-closed"),
        ([(True, FIN | ACK), (False, FIN | ACK)], "closed"),
        ([(False, RST | ACK)], "severed"),
        ([(True, FIN | ACK), (False, FIN | ACK), (True, RST)], "closed"),
    ],
)
def test_the_end_of_a_connection_is_told(ends: list[tuple[bool, int]], ending: str) -> None:
    talk = Talk()
    talk.open()
    for number, (by_client, flags) in enumerate(ends):
        (talk.client if by_client else talk.server)(40 + number, 1, 1, flags)

    assert see(pcap(talk.packets)).only.ending == ending


def test_ports_used_again_make_another_connection() -> None:
    first, second = Talk(), Talk(first=900_000, answer=7)
    for talk, octets in ((first, 100), (second, 300)):
        talk.open()
        talk.client(30, 1, 1, length=octets)
        talk.server(50, 1, 1 + octets)
    later = [(at_ns + 1000 * MS, frame) for at_ns, frame in second.packets]

    for piece_bytes in (100, 1 << 20):
        seen = see(pcap([*first.packets, *later]), piece_bytes=piece_bytes)
        assert [one.client.acked_octets for one in seen.connections] == [100, 300]
        assert not seen.frames(Verdict.RESENT)


def test_sequence_numbers_wrap_and_transfers_exceed_4_gigabytes() -> None:
    talk = Talk(first=0xFFFF_FF00)
    talk.open()
    size, parts = 1_000_000, [pcap(talk.packets)]  # super-frames: the IP header states no length
    for number in range(6000):
        ends = [(40000, 80, talk.first + 1 + number * size, talk.answer + 1)]
        ends += [(80, 40000, talk.answer + 1, talk.first + 1 + (number + 1) * size)] * (number % 500 == 499)
        for source, target, sequence, ack in ends:
            by_client = source == 40000
            packet = ipv4(tcp(source, target, sequence, ack, ACK), f"10.0.0.{2 - by_client}", f"10.0.0.{1 + by_client}")
            frame = ethernet(packet[:2] + bytes(2) + packet[4:] if by_client else packet)
            at_ns = 30 * MS + number * 1000
            parts += [struct.pack("<IIII", START_NS // 10**9, at_ns, len(frame), len(frame) + by_client * size), frame]

    seen = see(b"".join(parts))

    assert counts(seen.only, "octets", "resent", "lost_segment", "out_of_order") == (6_000_000_000, 0, 0, 0)
    assert seen.only.client.acked_octets == 6_000_000_000


def test_a_clock_that_runs_backwards_gives_no_negative_round_trip() -> None:
    talk = Talk()
    talk.open()
    talk.client(500, 1, 1, length=100)
    talk.server(100, 1, 101)
    talk.client(130, 101, 1, length=100)
    talk.server(150, 1, 201)

    seen = see(pcap(talk.packets))

    assert seen.round_trips_ns == [10_000, 20 * MS, 20 * MS]
    assert seen.only.first_ns == START_NS
    assert seen.only.last_ns == START_NS + 500 * MS


def test_more_connections_than_are_tracked_are_told_early_and_counted() -> None:
    packets = [
        (START_NS + number * MS, ethernet(ipv4(tcp(number, 80, 1, 0, SYN), f"10.1.{number // 250}.{number % 250}")))
        for number in range(2000)
    ]

    seen = see(pcap(packets), piece_bytes=5000, most_tracked=100)

    assert len(seen.connections) == 2000
    assert seen.account.left_out["a connection told before its end, to bound memory"] > 1800


def records(talk: Talk, interval_ns: int | None = None) -> list[dict[str, object]]:
    analysis = Analysis(Account(name="x"), interval_ns=interval_ns)
    return [
        {name: value for name, value in vars(record).items() if value is not None}
        for told in analysis.read(blocks_of(pcap(talk.packets)))
        for record in records_of(told, "x", by_interval=interval_ns is not None)
    ]


def test_both_ends_have_a_record_with_the_whole_round_trip() -> None:
    talk = Talk()
    talk.open()
    talk.client(30, 1, 1, length=1000)
    talk.server(50, 1, 1001)

    client, server = records(talk)

    assert (client["instance"], client["peer_address"], server["instance"]) == ("10.0.0.1", "10.0.0.2", "10.0.0.2")
    assert (client["min_rtt_ns"], server["min_rtt_ns"]) == (20_010_000, 20_010_000)
    assert (client["bytes_sent"], client["bytes_acked"], server["bytes_received"]) == (1000, 1000, 1000)
    assert (client["opened_ns"], "closed_ns" in client, "from_ns" in client) == (START_NS, False, False)
    assert not {"srtt_ns", "cwnd_segments", "congestion_control", "delivery_rate_bps"} & client.keys()


def test_intervals_add_up() -> None:
    talk = Talk()
    talk.open()
    for number in range(10):
        talk.client(100 * number + 30, 1 + 1000 * number, 1, length=1000)
        talk.server(100 * number + 50, 1, 1001 + 1000 * number)

    parts = [one for one in records(talk, 250 * MS) if one["local_port"] == 40000]

    assert [one["bytes_sent"] for one in parts] == [3000, 2000, 3000, 2000]
    assert [one["from_ns"] for one in parts] == [START_NS + 250 * MS * number for number in range(4)]
    assert [one["delivery_rate_bps"] for one in parts] == [64_000, 96_000, 64_000, 96_000]
    assert [one["rtt_samples"] for one in parts] == [3, 3, 2, 3]  # the SYN's is one of them
