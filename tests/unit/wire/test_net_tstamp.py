"""Stamps and errors of the error queue, as bytes and from this machine's own loopback."""

from __future__ import annotations

import socket
import struct
import time

from hypothesis import given
from hypothesis import strategies as st

from shadowlab.kernel.sockets.stamped import StampedSocket
from shadowlab.wire import net_tstamp
from shadowlab.wire.net_tstamp import ExtendedError, parse_error, parse_stamp
from shadowlab.wire.tcp_probe import MARK, pack_segment, parse_segment

PORTS = st.integers(1, 65_535)


def test_a_stamp_is_the_first_of_three_moments() -> None:
    content = struct.pack("6q", 3, 17, 0, 0, 9, 9)

    assert parse_stamp([(socket.SOL_SOCKET, net_tstamp.SCM_TIMESTAMPING, content)]) == 3_000_000_017
    assert parse_stamp([(socket.SOL_SOCKET, net_tstamp.SCM_TIMESTAMPING, bytes(48))]) is None
    assert parse_stamp([]) is None


def test_an_error_names_who_sent_it() -> None:
    head = struct.pack("=IBBBxII", 113, net_tstamp.ORIGIN_ICMP, 11, 0, 0, 0)
    four = head + struct.pack("=HH4B8x", socket.AF_INET, 0, 10, 0, 0, 7)
    six = head + struct.pack("=HHI", socket.AF_INET6, 0, 0) + bytes(15) + b"\1" + bytes(4)

    assert parse_error([(socket.SOL_IP, net_tstamp.IP_RECVERR, four)]) == ExtendedError(113, 2, 11, 0, 0, 0, "10.0.0.7")
    found = parse_error([(socket.IPPROTO_IPV6, net_tstamp.IPV6_RECVERR, six)])
    assert found is not None
    assert found.offender == "::1"
    assert parse_error([(socket.SOL_IP, 99, four)]) is None


def test_the_kernel_stamps_what_is_sent_and_what_arrives_in_order() -> None:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as one, socket.socket(family, socket.SOCK_DGRAM) as other:
            one.setblocking(False)
            other.settimeout(5)
            other.bind((address, 0))
            sender, receiver = StampedSocket(one, driver=True), StampedSocket(other)
            before_ns = time.time_ns()

            sent = [sender.send(b"x", other.getsockname()[:2]) for _ in range(3)]
            arrived = [receiver.receive(64) for _ in range(3)]

            sender.clear_errors()
            assert sorted(sender.left_ns) == [0, 1, 2]
            for number in range(3):
                at_ns, came = sent[number], arrived[number]
                assert at_ns is not None
                assert came is not None
                assert came.at_ns is not None
                assert came.payload == b"x"
                assert before_ns <= at_ns <= sender.left_ns[number] <= came.at_ns <= time.time_ns()
            assert not sender.clear_errors()


def test_who_asks_for_errors_is_told_who_refused() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
    ):
        free.bind(("127.0.0.1", 0))
        nobody = free.getsockname()
        free.close()
        one.setblocking(False)
        sender = StampedSocket(one, errors=True)

        sender.send(b"is anybody there", nobody)
        trouble = sender.read_trouble()

        assert trouble is not None
        assert (trouble.error.icmp_type, trouble.error.icmp_code, trouble.error.offender) == (3, 3, "127.0.0.1")
        assert trouble.quoted == b"is anybody there"
        assert trouble.at_ns is not None


@given(st.sampled_from([("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")]), PORTS, PORTS, st.binary(max_size=40))
def test_a_crafted_segment_comes_back_and_no_tcp_would_take_it(
    ends: tuple[str, str], source_port: int, target_port: int, payload: bytes
) -> None:
    ipv6 = ":" in ends[0]
    segment = pack_segment(*ends, (source_port, target_port), payload)
    packet = segment if ipv6 else bytes([0x46]) + bytes(23) + segment  # a header of 24 bytes

    assert parse_segment(packet, ipv6=ipv6) == ((source_port, target_port), payload)
    packed = [socket.inet_pton(socket.AF_INET6 if ipv6 else socket.AF_INET, end) for end in ends]
    whole = b"".join(packed) + struct.pack("!II", len(segment), 6) + segment
    whole += bytes(len(whole) % 2)
    assert sum(struct.unpack(f"!{len(whole) // 2}H", whole)) % 0xFFFF != 0


def test_what_is_no_segment_of_ours_is_left_alone() -> None:
    segment = bytearray(pack_segment("fd00::1", "fd00::2", (1, 2), b""))

    assert parse_segment(bytes(segment[:19]), ipv6=True) is None
    assert parse_segment(b"", ipv6=False) is None
    segment[18:20] = (MARK ^ 1).to_bytes(2, "big")
    assert parse_segment(bytes(segment), ipv6=True) is None
