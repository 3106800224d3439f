"""Builds captures octet by octet, for the tests of their reader."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import numpy as np

from shadowlab.telemetry.capture.analysis import Analysis
from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.packets.frames import PIECE_BYTES
from shadowlab.telemetry.capture.summary import Connection
from shadowlab.telemetry.capture.verdicts import Verdict

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MS = 10**6
START_NS = 1_700_000_000 * 10**9
Value = int | bytes
Packet = tuple[int, bytes]
"""Moment (ns since 1970) and frame."""


def pcap(
    packets: Sequence[Packet], *, order: str = "<", nanoseconds: bool = True, link: int = 1, snap: int = 0
) -> bytes:
    """A capture in the classic format."""
    magic, unit = (0xA1B23C4D, 1) if nanoseconds else (0xA1B2C3D4, 1000)
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap or 262_144, link)]
    for at_ns, frame in packets:
        kept = frame[:snap] if snap else frame
        out += [struct.pack(order + "IIII", at_ns // 10**9, at_ns % 10**9 // unit, len(kept), len(frame)), kept]
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """One block of pcapng."""
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    """The head of a section of pcapng."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order: str = "<", *, link: int = 1, unit: int | None = None, offset_s: int = 0, snap: int = 0) -> bytes:
    """The description of an interface, with if_tsresol ``unit``."""
    options = b"" if unit is None else struct.pack(order + "HHB3x", 9, 1, unit)
    options += struct.pack(order + "HHq", 14, 8, offset_s) if offset_s else b""
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options + bytes(4 if options else 0), order)


def enhanced(stamp: int, frame: bytes, order: str = "<", *, number: int = 0, captured: int | None = None) -> bytes:
    """A packet of pcapng; ``stamp`` in the interface's unit."""
    length = len(frame) if captured is None else captured
    head = struct.pack(order + "IIIII", number, stamp >> 32, stamp & 0xFFFF_FFFF, length, max(len(frame), length))
    return block(6, head + frame, order)


def pcapng(packets: Sequence[Packet], *, order: str = "<", unit: int = 9, link: int = 1) -> bytes:
    """A capture of one section and one interface with a decimal unit."""
    blocks = [enhanced(at_ns // 10 ** (9 - unit), frame, order) for at_ns, frame in packets]
    return section(order) + interface(order, link=link, unit=unit) + b"".join(blocks)


def ethernet(payload: bytes, kind: int = 0x0800, tags: bytes = b"") -> bytes:
    """A frame; ``tags`` stand between the addresses and the type."""
    return bytes(12) + tags + struct.pack(">H", kind) + payload


def ipv4(
    payload: bytes, source: str = "10.0.0.1", target: str = "10.0.0.2", *, protocol: int = 6, **others: int
) -> bytes:
    """A packet; ``total``, ``fragment``, ``tos`` and ``options`` (octets of padding) may be given."""
    options = others.get("options", 0)
    total = others.get("total", 20 + options + len(payload))
    head = struct.pack(
        ">BBHHHBBH", 0x45 + options // 4, others.get("tos", 0), total, 0, others.get("fragment", 0), 64, protocol, 0
    )
    return head + ip_address(source).packed + ip_address(target).packed + bytes([1]) * options + payload


def ipv6(payload: bytes, source: str = "fd00::1", target: str = "fd00::2", *, following: int = 6) -> bytes:
    """A packet; ``following`` is the next header."""
    head = struct.pack(">IHBB", 6 << 28, len(payload), following, 64)
    return head + ip_address(source).packed + ip_address(target).packed + payload


def tcp(source: int, target: int, sequence: int, ack: int, flags: int, window: int = 1000, **others: bytes) -> bytes:
    """A segment; ``options`` and ``payload`` may be given."""
    options, payload = others.get("options", b""), others.get("payload", b"")
    options += bytes(-len(options) % 4)
    offset = (5 + len(options) // 4) << 4
    ports = struct.pack(">HHII", source, target, sequence & 0xFFFF_FFFF, ack & 0xFFFF_FFFF)
    return ports + struct.pack(">BBHHH", offset, flags, window, 0, 0) + options + payload


@dataclass
class Talk:
    """A conversation of a client (10.0.0.1, port 40000) and a server (10.0.0.2, port 80), segment by segment."""

    first: int = 1000
    answer: int = 5000
    packets: list[Packet] = field(default_factory=list)
    at_ms: float = 0.0

    def client(
        self, at_ms: float, offset: int, ack: int, flags: int = ACK, length: int = 0, **others: int | bytes
    ) -> None:
        """A segment of the client; numbers are relative to both sides' initial ones."""
        self._say(at_ms, True, offset, ack, flags, length, others)

    def server(
        self, at_ms: float, offset: int, ack: int, flags: int = ACK, length: int = 0, **others: int | bytes
    ) -> None:
        """A segment of the server."""
        self._say(at_ms, False, offset, ack, flags, length, others)

    def open(self, rtt_ms: float = 20, scale: int = 7) -> None:
        """Shake hands; the capture is made beside the client."""
        options = bytes([2, 4, 5, 180, 1, 3, 3, scale, 4, 2])
        self.client(0, 0, 0, SYN, options=options)
        self.server(rtt_ms, 0, 1, SYN | ACK, options=options)
        self.client(rtt_ms + 0.01, 1, 1)

    def _say(
        self,
        at_ms: float,
        by_client: bool,
        offset: int,
        ack: int,
        flags: int,
        length: int,
        others: dict[str, Value],
    ) -> None:
        own, other = (self.first, self.answer) if by_client else (self.answer, self.first)
        ports = (40000, 80) if by_client else (80, 40000)
        window, options = others.get("window", 1000), others.get("options", b"")
        assert isinstance(window, int)
        assert isinstance(options, bytes)
        acknowledged = other + ack if flags & ACK else 0
        segment = tcp(*ports, own + offset, acknowledged, flags, window, options=options, payload=bytes(length))
        hosts = ("10.0.0.1", "10.0.0.2") if by_client else ("10.0.0.2", "10.0.0.1")
        self.packets.append((START_NS + round(at_ms * MS), ethernet(ipv4(segment, *hosts))))


@dataclass(frozen=True)
class Seen:
    """What the analysis made of a capture."""

    connections: list[Connection]
    verdicts: dict[int, Verdict]
    """By frame number, of the frames that have any."""
    round_trips_ns: list[int]
    account: Account

    @property
    def only(self) -> Connection:
        (one,) = self.connections
        return one

    def frames(self, verdict: Verdict) -> list[int]:
        """The numbers of the frames with one of these verdicts."""
        return sorted(number for number, bits in self.verdicts.items() if bits & verdict)


def blocks_of(capture: bytes, size: int = 4096) -> Iterator[bytes]:
    """The capture as the telemetry reader would hand it out."""
    return (capture[at : at + size] for at in range(0, len(capture), size))


def see(capture: bytes, *, piece_bytes: int = PIECE_BYTES, most_tracked: int = 1000) -> Seen:
    """Analyse a capture."""
    verdicts: dict[int, Verdict] = {}
    round_trips: list[int] = []

    def note(numbers: np.ndarray, bits: np.ndarray, took_ns: np.ndarray) -> None:  # type: ignore[type-arg]
        verdicts.update(
            {number: Verdict(one) for number, one in zip(numbers.tolist(), bits.tolist(), strict=True) if one}
        )
        round_trips.extend(took_ns.tolist())

    account = Account(name="x")
    analysis = Analysis(account, piece_bytes=piece_bytes, most_tracked=most_tracked, on_piece=note)
    connections = [told.connection for told in analysis.read(blocks_of(capture, min(piece_bytes, 4096)))]
    return Seen(connections, verdicts, sorted(round_trips), account)
