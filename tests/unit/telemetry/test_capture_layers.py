"""Where the TCP header is: link types, tags, tunnels, extension headers; and what is no whole TCP header."""

from __future__ import annotations

import struct

import pytest
from capture_packets import ACK, START_NS, SYN, ethernet, ipv4, ipv6, pcap, see, tcp

from shadowlab.telemetry.capture.summary import Direction

SEGMENT = tcp(1000, 80, 7, 9, ACK, payload=bytes(100))
PACKET, PACKET_6 = ipv4(SEGMENT), ipv6(SEGMENT)
UDP_VXLAN = struct.pack(">HHHH", 5555, 4789, 0, 0) + bytes([8, 0, 0, 0, 0, 0, 1, 0])
UDP_GENEVE = struct.pack(">HHHH", 5555, 6081, 0, 0) + bytes([1, 0]) + struct.pack(">H", 0x6558) + bytes(8)
HOP_BY_HOP = bytes([43, 0]) + bytes(6)
ROUTING = bytes([6, 1]) + bytes(14)
FRAGMENT = bytes([6, 0, 0, 1]) + bytes(4)
SHORT = tcp(1, 2, 3, 4, ACK)[:12] + b"\xf0" + bytes(7)
WHOLE_FRAGMENT = bytes([6, 0, 0, 0]) + bytes(4)


def sent(frame: bytes, link: int = 1, snap: int = 0) -> Direction:
    """What the one segment's sender sent."""
    one = see(pcap([(START_NS, frame)], link=link, snap=snap)).only
    return next(end for end in (one.client, one.server) if end.counts is not None)


@pytest.mark.parametrize(
    ("frame", "link"),
    [
        (ethernet(PACKET), 1),
        (ethernet(PACKET_6, 0x86DD), 1),
        (ethernet(PACKET, tags=bytes.fromhex("81000005")), 1),
        (ethernet(PACKET_6, 0x86DD, tags=bytes.fromhex("88a8000581000006")), 1),
        (ethernet(bytes.fromhex("00010000 00020100") + PACKET, 0x8847), 1),
        (ethernet(bytes.fromhex("00020100") + PACKET_6, 0x8847), 1),
        (ethernet(bytes.fromhex("1100000100820021") + PACKET, 0x8864), 1),
        (bytes(12) + struct.pack(">H", 8 + len(PACKET)) + bytes.fromhex("aaaa030000000800") + PACKET, 1),
        (PACKET, 101),
        (PACKET_6, 101),
        (PACKET, 228),
        (PACKET_6, 229),
        (struct.pack("<I", 2) + PACKET, 0),
        (struct.pack(">I", 30) + PACKET_6, 0),
        (struct.pack(">I", 2) + PACKET, 108),
        (bytes(14) + struct.pack(">H", 0x0800) + PACKET, 113),
        (struct.pack(">H", 0x86DD) + bytes(18) + PACKET_6, 276),
        (ethernet(ipv4(SEGMENT, options=8)), 1),
        (ethernet(ipv6(HOP_BY_HOP + ROUTING + SEGMENT, following=0), 0x86DD), 1),
        (ethernet(ipv6(WHOLE_FRAGMENT + SEGMENT, following=44), 0x86DD), 1),
        (ethernet(ipv4(PACKET, "1.1.1.1", "2.2.2.2", protocol=4)), 1),
        (ethernet(ipv4(PACKET_6, "1.1.1.1", "2.2.2.2", protocol=41)), 1),
        (ethernet(ipv4(bytes.fromhex("00000800") + PACKET, protocol=47)), 1),
        (ethernet(ipv4(bytes.fromhex("2000655800000007") + ethernet(PACKET), protocol=47)), 1),
        (ethernet(ipv4(UDP_VXLAN + ethernet(PACKET), protocol=17)), 1),
        (ethernet(ipv6(UDP_VXLAN + ethernet(PACKET_6, 0x86DD), following=17), 0x86DD), 1),
        (ethernet(ipv4(UDP_GENEVE + ethernet(PACKET), protocol=17)), 1),
    ],
)
def test_the_segment_is_found(frame: bytes, link: int) -> None:
    one = sent(frame, link)

    assert (one.address, one.port) in (("10.0.0.1", 1000), ("fd00::1", 1000))
    assert one.counts is not None
    assert (one.counts["segments"], one.counts["octets"]) == (1, 100)


def test_the_padding_of_short_frames_is_no_payload() -> None:
    one = sent(ethernet(ipv4(tcp(1, 2, 3, 4, ACK))) + bytes(6))

    assert one.counts is not None
    assert one.counts["octets"] == 0


def test_frames_cut_behind_the_tcp_header_count_in_full() -> None:
    one = sent(ethernet(PACKET), snap=54)

    assert one.counts is not None
    assert one.counts["octets"] == 100


def test_options_cut_by_the_snap_length_are_read_as_far_as_they_go() -> None:
    options = bytes([2, 4, 5, 180, 3, 3, 7, 1, 8, 10]) + bytes(8)

    one = sent(ethernet(ipv4(tcp(1, 2, 3, 4, SYN, options=options))), snap=14 + 20 + 20 + 9)

    assert (one.mss, one.window_scale, one.stamps) == (1460, 7, False)


@pytest.mark.parametrize("total", [0, 20 + 20 + 65_000])
def test_super_frames_have_the_length_of_the_frame_or_of_the_header(total: int) -> None:
    one = sent(ethernet(ipv4(tcp(1, 2, 3, 4, ACK, payload=bytes(65_000)), total=total)))

    assert one.counts is not None
    assert one.counts["octets"] == 65_000


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (ethernet(PACKET)[:50], "a frame cut (or ending) inside its headers"),
        (ethernet(PACKET)[:30], "a frame cut (or ending) inside its headers"),
        (ethernet(PACKET_6, 0x86DD)[:40], "a frame cut (or ending) inside its headers"),
        (b"", "a frame cut (or ending) inside its headers"),
        (ethernet(bytes(28), 0x0806), "a frame that carries no IP"),
        (ethernet(ipv4(bytes(8), protocol=1)), "a packet that carries no TCP"),
        (ethernet(ipv4(struct.pack(">HHHH", 53, 53, 8, 0) + bytes(8), protocol=17)), "a packet that carries no TCP"),
        (ethernet(ipv4(SEGMENT, fragment=0x2000)), "an IP fragment (not reassembled)"),
        (ethernet(ipv4(SEGMENT, fragment=100)), "an IP fragment (not reassembled)"),
        (
            ethernet(ipv6(b"\x06\x00\x00\x01" + bytes(4) + SEGMENT, following=44), 0x86DD),
            "an IP fragment (not reassembled)",
        ),
        (ethernet(ipv4(SEGMENT, total=10)), "an IP header whose lengths contradict each other"),
        (ethernet(b"\x42" + PACKET[1:]), "an IP header whose lengths contradict each other"),
        (ethernet(ipv4(SEGMENT[:12] + b"\x10" + SEGMENT[13:])), "a TCP header whose lengths contradict each other"),
        (
            ethernet(ipv4(tcp(1, 2, 3, 4, ACK)[:12] + b"\xf0" + bytes(7))),
            "a TCP header whose lengths contradict each other",
        ),
        (ethernet(b"", tags=bytes.fromhex("81000005") * 40), "a frame of too many headers"),
        (ethernet(ipv6((bytes([0, 0]) + bytes(6)) * 40, following=0), 0x86DD), "a frame of too many headers"),
    ],
)
def test_what_is_no_whole_segment_is_counted(frame: bytes, reason: str) -> None:
    seen = see(pcap([(START_NS, frame)]))

    assert not seen.connections
    assert seen.account.left_out == {reason: 1}


def test_link_types_that_are_not_read_are_named() -> None:
    assert see(pcap([(START_NS, PACKET)], link=147)).account.left_out == {
        "a frame of link type 147, which is not read": 1
    }
