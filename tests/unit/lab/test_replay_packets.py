"""A capture becomes the packets a replay sends: of the right node, with right addresses, lengths and checksums."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.errors import InputError
from shadowlab.lab.workloads.capture import Packets, packets_of
from shadowlab.model.traffic.workload import Replay
from shadowlab.traffic.replays import HEAD

OLD = {"192.0.2.1": "a", "192.0.2.2": "b", "2001:db8::1": "a", "2001:db8::2": "b"}
NEW = {"a": "10.0.0.1", "b": "10.0.0.2"}
NEW6 = {"a": "fd00::1", "b": "fd00::2"}
MS = 1_000_000


def udp(payload: bytes, *, port: int = 53) -> bytes:
    return struct.pack("!HHHH", 4000, port, 8 + len(payload), 7) + payload


def tcp(payload: bytes, *, port: int = 80) -> bytes:
    return struct.pack("!HHIIBBHHH", 4000, port, 1, 1, 5 << 4, 0x18, 1000, 7, 0) + payload


def ipv4(
    protocol: int, inner: bytes, source: str = "192.0.2.1", destination: str = "192.0.2.2", flags: int = 0
) -> bytes:
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inner), 1, flags, 3, protocol, 0) + ends + inner


def ipv6(protocol: int, inner: bytes) -> bytes:
    ends = b"".join(socket.inet_pton(socket.AF_INET6, one) for one in ("2001:db8::1", "2001:db8::2"))
    return struct.pack("!IHBB", 6 << 28, len(inner), protocol, 3) + ends + inner


def capture(*packets: bytes, gap_us: int = 5000, cut: int = 65_535, padding: int = 0) -> Iterator[bytes]:
    yield struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
    for number, packet in enumerate(packets):
        kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
        frame = bytes(12) + kind + packet + bytes(padding)
        yield struct.pack("<IIII", 100, number * gap_us, len(frame[:cut]), len(frame)) + frame[:cut]


def made(*packets: bytes, **others: int) -> Packets:
    replay = Replay(name="old", node="a", file="old.pcap", addresses=OLD)
    return packets_of(replay, capture(*packets, **others), NEW, NEW6)


def sent(packets: Packets) -> list[tuple[int, bytes]]:
    body = packets.file[packets.file.index(b"\n") + 1 :]
    found = []
    while body:
        at_ns, length = HEAD.unpack_from(body)
        found.append((at_ns, body[HEAD.size : HEAD.size + length]))
        body = body[HEAD.size + length :]
    return found


def ones_sum(octets: bytes) -> int:
    """RFC 1071: over data with its checksum in place this is 0xFFFF."""
    total = sum(struct.unpack(f"!{(len(octets) + 1) // 2}H", octets + b"\0" * (len(octets) & 1)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def transport_sum(packet: bytes) -> int:
    if packet[0] >> 4 == 4:
        ends, begin, protocol = packet[12:20], 20, packet[9]
    else:
        ends, begin, protocol = packet[8:40], 40, packet[6]
    return ones_sum(ends + struct.pack("!II", len(packet) - begin, protocol) + packet[begin:])


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_addresses_are_the_nodes_and_every_checksum_is_right(payload: bytes, over_tcp: bool, new: bool) -> None:
    inner, protocol = (tcp(payload), 6) if over_tcp else (udp(payload), 17)
    ((at_ns, packet),) = sent(made((ipv6 if new else ipv4)(protocol, inner)))
    assert at_ns == 0 and transport_sum(packet) == 0xFFFF
    if new:
        assert packet[8:40] == socket.inet_pton(socket.AF_INET6, "fd00::1") + socket.inet_pton(
            socket.AF_INET6, "fd00::2"
        )
        assert packet[7] == 64
    else:
        assert packet[12:20] == socket.inet_aton("10.0.0.1") + socket.inet_aton("10.0.0.2")
        assert packet[8] == 64 and ones_sum(packet[:20]) == 0xFFFF
    assert packet[-len(payload) :] == payload or not payload


def test_moments_lengths_and_muted_ports() -> None:
    packets = made(ipv4(17, udp(b"x" * 900)), ipv4(6, tcp(b"")), cut=60, padding=4)
    assert [(at_ns, len(packet)) for at_ns, packet in sent(packets)] == [(0, 928), (5 * MS, 40)]
    assert all(transport_sum(packet) == 0xFFFF for _, packet in sent(packets)), "what was cut off is zeros"
    assert packets.file.startswith(b'{"mute": [["b", "udp", "10.0.0.2", 53], ["b", "tcp", "10.0.0.2", 80]]}\n')


def test_udp_without_a_checksum_stays_without_and_fragments_stay_as_they_are() -> None:
    bare = struct.pack("!HHHH", 4000, 53, 12, 0) + b"abcd"
    fragment = ipv4(17, udp(b"y" * 64), flags=0x2000)
    packets = made(ipv4(17, bare), fragment)
    (_, first), (_, second) = sent(packets)
    assert first[26:28] == b"\0\0" and second[20:] == fragment[20:] and ones_sum(second[:20]) == 0xFFFF


def test_what_is_left_out_is_counted() -> None:
    packets = made(
        ipv4(17, udp(b"")),
        ipv4(17, udp(b""), source="192.0.2.2", destination="192.0.2.1"),
        ipv4(17, udp(b""), destination="198.51.100.1"),
        b"\x45" + bytes(10),
    )
    assert packets.kept == 1
    assert packets.left_out == {
        "sent by others": 1,
        "to an address that stands for no other node": 1,
        "an IP packet cut inside its header, or damaged": 1,
    }


def test_faults_are_told_plainly() -> None:
    with pytest.raises(InputError, match=r"replay old: no packet of a in it \(sent by others: 1\)"):
        made(ipv4(17, udp(b""), source="192.0.2.9"))
    with pytest.raises(InputError, match="begins with"):
        packets_of(Replay(name="old", node="a", file="x", addresses=OLD), iter([b"no capture at all"]), NEW, NEW6)
    with pytest.raises(InputError, match=r"'nobody', which 192\.0\.2\.1 stands for, is no node of the shadow"):
        packets_of(Replay(name="o", node="a", file="x", addresses={"192.0.2.1": "nobody"}), capture(), NEW, NEW6)
    with pytest.raises(InputError, match=r"'192\.0\.2\.x' is not an IP address"):
        packets_of(Replay(name="o", node="a", file="x", addresses={"192.0.2.x": "a"}), capture(), NEW, NEW6)
