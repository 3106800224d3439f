"""UDP of a capture becomes streams and lookups between instances of the map."""

from __future__ import annotations

import gzip
import ipaddress
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from shadowlab.calibrate import datagrams
from shadowlab.calibrate.datagrams import LATE, MANY, SHORT
from shadowlab.lab.inputs.recorded_udp import ELSEWHERE, recorded_datagrams
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.traffic.workload import Datagrams, Lookups
from shadowlab.telemetry.rules import NO_RULES

MS, S = 10**6, 10**9
ZERO = 1_700_000_000 * S
WEB, DB, WEB6, DB6 = "10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"
NETWORK = Network(
    name="two",
    nodes=(Node(id="web", kind="host", addresses=(WEB, WEB6)), Node(id="db", kind="host", addresses=(DB, DB6))),
    links=(Link(id="web-db", a="web", b="db"),),
)
Sent = tuple[int, str, int, str, int, int]
"""Moment, source and port, target and port, payload."""


def packet(one: Sent, dscp: int = 0) -> bytes:
    _, source, source_port, target, target_port, size = one
    udp = struct.pack("!HHHH", source_port, target_port, size + 8, 0) + bytes(size)
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    if ":" in source:
        return b"\0" * 12 + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28 | dscp << 22, len(udp), 17, 64) + ends + udp
    head = struct.pack("!BBHHHBBH", 0x45, dscp << 2, 20 + len(udp), 0, 0, 64, 17, 0)
    return b"\0" * 12 + b"\x08\x00" + head + ends + udp


def capture(folder: Path, sent: Sequence[Sent], *, dscp: int = 0, cut: int = 96) -> Path:
    parts = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65_535, 1)]
    for one in sorted(sent):
        frame, at_ns = packet(one, dscp), ZERO + one[0]
        parts += [struct.pack("<IIII", at_ns // S, at_ns % S, min(cut, len(frame)), len(frame)), frame[:cut]]
    path = folder / "some.pcap"
    path.write_bytes(b"".join(parts))
    return path


def every(gap_ms: int, count: int, size: int, *, begin_ms: int = 0, ends: tuple[str, int, str, int]) -> list[Sent]:
    return [((begin_ms + number * gap_ms) * MS, *ends, size) for number in range(count)]


VOICE = (WEB, 4000, DB, 5004)


def test_an_even_stream_keeps_its_rate_its_size_and_its_class(tmp_path: Path) -> None:
    found = recorded_datagrams(
        capture(tmp_path, every(20, 500, 160, ends=VOICE), dscp=46), NETWORK, NO_RULES, (), run_ns=60 * S
    )

    (voice,) = found.workloads
    assert isinstance(voice, Datagrams)
    assert (voice.name, voice.source, voice.target) == ("web→db:5004/udp", "web", "db")
    assert voice.rate_bps == 64_000
    assert (voice.payload_bytes, voice.mix_bytes, voice.on_ns, voice.dscp) == (160, (), None, 46)
    assert (voice.begin_ns, voice.end_ns, found.driven, found.left_out) == (0, None, 500, {})


def test_bursts_keep_their_lengths_and_the_rate_while_on(tmp_path: Path) -> None:
    bursts = [one for begin in range(0, 10_000, 1_000) for one in every(10, 20, 1_000, begin_ms=begin, ends=VOICE)]

    (stream,) = recorded_datagrams(capture(tmp_path, bursts), NETWORK, NO_RULES, (), run_ns=60 * S).workloads

    assert isinstance(stream, Datagrams)
    assert stream.rate_bps == 800_000
    assert stream.on_ns is not None and stream.off_ns is not None
    assert (stream.on_ns.mean(), stream.off_ns.mean()) == (200 * MS, 800 * MS)


def test_sizes_are_mixed_as_they_were(tmp_path: Path) -> None:
    sent = [(number * 10 * MS, *VOICE, (100, 1_400)[number % 2]) for number in range(1_000)]

    (stream,) = recorded_datagrams(capture(tmp_path, sent), NETWORK, NO_RULES, (), run_ns=60 * S).workloads

    assert isinstance(stream, Datagrams)
    assert set(stream.mix_bytes) == {100, 1_400}
    assert sum(stream.mix_bytes) / len(stream.mix_bytes) == pytest.approx(750, rel=0.2)
    assert stream.rate_bps == pytest.approx(600_000)


def test_questions_that_were_answered_are_lookups_and_others_are_told(tmp_path: Path) -> None:
    sent: list[Sent] = every(100, 100, 50, ends=(DB6, 1, WEB6, 2))
    for number in range(8):
        sent += [
            (number * S, WEB, 30_000 + number, DB, 53, 40),
            (number * S + 5 * MS, DB, 53, WEB, 30_000 + number, 120),
        ]
    sent += [(S, WEB, 9, DB, 9, 10), (S, WEB, 9, "192.0.2.9", 9, 10)]

    found = recorded_datagrams(capture(tmp_path, sent), NETWORK, NO_RULES, (), run_ns=60 * S)

    stream, lookups = found.workloads
    assert isinstance(stream, Datagrams) and stream.ipv6
    assert isinstance(lookups, Lookups)
    assert (lookups.clients, lookups.servers, lookups.service) == (("web",), ("db",), "dns")
    assert (lookups.request.mean(), lookups.response.mean()) == (40, 120)
    assert lookups.arrivals.rate_per_s == pytest.approx(8 / 9.9)
    assert (found.driven, found.left_out) == (116, {SHORT: 1, ELSEWHERE: 1})


def test_a_stream_begins_and_ends_where_it_did_and_not_after_the_run(tmp_path: Path) -> None:
    whole = every(1_000, 100, 50, ends=(WEB, 1, DB, 2))
    middle = every(20, 500, 160, begin_ms=20_000, ends=VOICE)
    late = every(20, 500, 160, begin_ms=80_000, ends=(DB, 7, WEB, 8))

    found = recorded_datagrams(capture(tmp_path, whole + middle + late), NETWORK, NO_RULES, (), run_ns=60 * S)

    spans = {one.name: (one.begin_ns, one.end_ns) for one in found.workloads}
    assert spans["web→db:5004/udp"] == (20 * S, 20 * S + 499 * 20 * MS + 1)
    assert spans["web→db:2/udp"] == (0, None)
    assert found.left_out == {LATE: 500}


def test_a_packed_capture_is_read_and_another_file_is_left_alone(tmp_path: Path) -> None:
    path = capture(tmp_path, every(20, 500, 160, ends=VOICE))
    packed, other = tmp_path / "some.pcap.gz", tmp_path / "dump.ss"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    other.write_text("ESTAB 0 0 10.0.0.1:1 10.0.0.2:2\n")

    assert recorded_datagrams(packed, NETWORK, NO_RULES, (), run_ns=60 * S).driven == 500
    assert recorded_datagrams(other, NETWORK, NO_RULES, (), run_ns=60 * S).workloads == ()


def test_of_very_many_streams_the_largest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "MOST_STREAMS", 2)
    sent = [one for port in (1, 2, 3) for one in every(100, 20, 100 * port, ends=(WEB, port, DB, port))]

    found = recorded_datagrams(capture(tmp_path, sent), NETWORK, NO_RULES, (), run_ns=60 * S)

    assert [one.name for one in found.workloads] == ["web→db:2/udp", "web→db:3/udp"]
    assert (found.driven, found.left_out) == (40, {MANY: 20})
