"""The two file formats, whole and damaged."""

from __future__ import annotations

import struct
import tracemalloc

import pytest
from capture_packets import (
    ACK,
    MS,
    START_NS,
    Packet,
    block,
    blocks_of,
    enhanced,
    ethernet,
    interface,
    ipv4,
    pcap,
    pcapng,
    section,
    see,
    tcp,
)
from telemetry_reading import read

from shadowlab.errors import InputError
from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.packets.open import read_frames


def frame(number: int = 0) -> bytes:
    return ethernet(ipv4(tcp(1000, 80, number, 0, ACK, payload=bytes(10))))


PACKETS: list[Packet] = [(START_NS + number * MS, frame(number * 10)) for number in range(5)]


def times(capture: bytes, piece_bytes: int = 1 << 20) -> tuple[list[int], Account]:
    account = Account(name="x")
    found = [
        at for one in read_frames(blocks_of(capture), account, piece_bytes=piece_bytes) for at in one.at_ns.tolist()
    ]
    return found, account


@pytest.mark.parametrize("piece_bytes", [1, 100, 1 << 20])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_formats_are_read_in_both_byte_orders(order: str, piece_bytes: int) -> None:
    expected = [at for at, _ in PACKETS]

    for capture in (
        pcap(PACKETS, order=order),
        pcap(PACKETS, order=order, nanoseconds=False),
        pcapng(PACKETS, order=order),
        pcapng(PACKETS, order=order, unit=6),
    ):
        assert times(capture, piece_bytes)[0] == expected


@pytest.mark.parametrize(
    ("unit", "stamp"), [(0, 1_700_000_000), (3, 1_700_000_000_000), (0x80 | 20, 1_700_000_000 << 20)]
)
def test_times_have_the_resolution_that_the_interface_states(unit: int, stamp: int) -> None:
    capture = section() + interface(unit=unit) + enhanced(stamp, frame())

    assert times(capture)[0] == [START_NS]


def test_finer_times_than_nanoseconds_and_offsets_are_understood() -> None:
    fine = section() + interface(unit=12, offset_s=1_700_000_000) + enhanced(1_500_000, frame())
    binary = section() + interface(unit=0x80 | 40, offset_s=1_700_000_000) + enhanced(1 << 39, frame())

    assert times(fine)[0] == [START_NS + 1500]
    assert times(binary)[0] == [START_NS + 500 * MS]


def test_the_variant_with_longer_record_headers_is_read() -> None:
    head = struct.pack("<IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 65_535, 1)
    records = [struct.pack("<IIIIQ", 5, number, len(frame()), len(frame()), 0) + frame() for number in range(3)]

    assert times(head + b"".join(records))[0] == [5 * 10**9 + number * 1000 for number in range(3)]


def test_sections_and_interfaces_may_follow_each_other() -> None:
    first = section("<") + interface("<", unit=9) + interface("<", unit=6) + enhanced(START_NS, frame())
    first += enhanced(START_NS // 1000 + 1, frame(), number=1) + block(0x0BAD, b"what nobody knows")
    second = section(">") + interface(">", unit=9) + enhanced(START_NS + 5000, frame(), ">")

    assert times(first + second)[0] == [START_NS, START_NS + 1000, START_NS + 5000]


def test_simple_and_obsolete_packets_are_read() -> None:
    simple = block(3, struct.pack("<I", len(frame())) + frame())
    obsolete = block(2, struct.pack("<HHIIII", 0, 0, START_NS >> 32, START_NS & 0xFFFF_FFFF, 64, 64) + frame())

    found, account = times(section() + interface(unit=9) + obsolete + simple)

    assert found == [START_NS, START_NS]
    assert account.left_out == {"a packet without a time (it is given that of the one before)": 1}


@pytest.mark.parametrize("make", [pcap, pcapng])
def test_of_a_cut_file_the_whole_packets_are_kept(make: object) -> None:
    capture = make(PACKETS)  # type: ignore[operator]
    begun = len(capture) - len(make(PACKETS[:4]))  # type: ignore[operator]

    for lost in range(1, begun):
        found, account = times(capture[:-lost])
        assert found == [at for at, _ in PACKETS[:4]]
        assert account.cut_at == len(capture) - begun


@pytest.mark.parametrize(
    ("capture", "why"),
    [
        (pcap(PACKETS) + struct.pack("<IIII", 1, 1, 0xFFFF_FFFF, 10), "the length is damaged"),
        (pcap(PACKETS) + struct.pack("<IIII", 1, 1, 300_000, 300_000) + bytes(400_000), "the length is damaged"),
        (pcapng(PACKETS) + struct.pack("<II", 6, 0xFFFF_FFFC) + bytes(100), "a packet block of 4294967292 octets"),
        (pcapng(PACKETS) + struct.pack("<II", 6, 0) + bytes(100), "a packet block of 0 octets"),
        (pcapng(PACKETS) + struct.pack("<II", 5, 0) + bytes(100), "a block of 0 octets"),
        (
            pcapng(PACKETS) + struct.pack("<II", 5, 0xFFFF_FFFC) + bytes(100),
            "inside the block of 4294967292",
        ),
        (pcapng(PACKETS) + block(0x0A0D0D0A, b"nothing!"), "byte-order magic"),
        (pcapng(PACKETS) + b"\xff" * 7, "the file ends inside a block"),
    ],
)
def test_damage_ends_the_reading_and_says_where(capture: bytes, why: str) -> None:
    for piece_bytes in (64, 1 << 20):
        found, account = times(capture, piece_bytes)

        assert found == [at for at, _ in PACKETS]
        assert why in account.places[-1].message
        assert account.places[-1].place.startswith("x:byte ")
        assert account.cut_at is not None


def test_a_frame_longer_than_its_block_is_left_out() -> None:
    capture = section() + interface(unit=9) + enhanced(START_NS, frame(), captured=5000) + enhanced(START_NS, frame())

    found, account = times(capture)

    assert found == [START_NS]
    assert account.left_out == {"a packet block whose frame is longer than the block": 1}


def test_packets_without_an_interface_are_counted() -> None:
    before = section() + enhanced(START_NS, frame()) + interface(unit=9) + enhanced(START_NS, frame(), number=7)

    found, account = times(before + enhanced(START_NS, frame()))

    assert found == [START_NS]
    assert account.left_out == {"a packet of an interface that was never described": 2}


def test_impossible_times_are_left_out() -> None:
    capture = section() + interface(unit=0) + enhanced(0xFFFF_FFFF_FFFF_FFFF, frame()) + enhanced(1, frame())

    found, account = times(capture)

    assert found == [10**9]
    assert account.left_out == {"a packet whose time is before 1970 or after 2116": 1}


def test_empty_captures_hold_nothing() -> None:
    assert times(pcap([]))[0] == times(section())[0] == []
    assert times(pcap([])[:20])[1].left_out == {"the file ends inside its 24-octet header": 1}


def test_what_is_no_capture_is_refused() -> None:
    with pytest.raises(InputError, match="begins with 68 61 6c 6c; expected a packet capture"):
        times(b"hallo")
    with pytest.raises(InputError, match="the file is empty"):
        times(b"")


def test_a_large_block_that_is_not_needed_is_not_kept_in_memory() -> None:
    def blocks() -> object:
        yield section() + interface(unit=9) + struct.pack("<II", 0x0BAD, 64 << 20)
        for _ in range(64):
            yield bytes(1 << 20)
        yield enhanced(START_NS, frame())

    account = Account(name="x")
    tracemalloc.start()

    list(read_frames(iter(blocks()), account, piece_bytes=1 << 20))  # type: ignore[call-overload]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 8 << 20


def test_records_come_through_the_registry_and_tell_what_was_left_out() -> None:
    arp = (START_NS, ethernet(bytes(28), 0x0806))

    reading = read("pcap", pcap([*PACKETS, arp])[:-3])

    assert [one.local_address for one in reading.records] == ["10.0.0.1"]
    assert reading.records[0].bytes_sent == 50
    assert reading.messages == ["the file ends inside a record"]
    assert see(pcap([*PACKETS, arp])).account.left_out == {"a frame that carries no IP": 1}
