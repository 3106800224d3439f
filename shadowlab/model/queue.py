"""Queue disciplines: what a bottleneck does with the packets that must wait.

In: plain numbers.  Out: frozen values that check themselves.  Never: a rate or a delay, which are the link's.
Imported inside the guest: standard library only.

The kernel counts times here in whole microseconds and sizes in 32 bits; what does not fit is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from shadowlab.model.units import NS_PER_MS, NS_PER_US, format_duration, format_rate

ETHERNET_FRAMING_BYTES = 24
"""Preamble, inter-frame gap and checksum of an Ethernet frame: what a wire carries beyond the socket buffer."""

FULL_FRAME_BYTES = 1514
"""A frame of 1500 bytes of payload with its Ethernet header."""

_MOST = (1 << 32) - 1
_LEAST_RATE_BPS = 1_000
"""HTB counts at most a minute of credit, and its burst ends at 275 s: slower, a full frame would come too early."""


def _check_size(what: str, value: int, least: int = 1) -> None:
    if not least <= value <= _MOST:
        raise ValueError(f"{what} must lie between {least} and {_MOST}, got {value}")


def _check_time(what: str, value_ns: int) -> None:
    if value_ns < NS_PER_US or value_ns % NS_PER_US or value_ns > _MOST * NS_PER_US // 4:
        reach = f"1 µs to {format_duration(_MOST * NS_PER_US // 4)}"
        raise ValueError(f"{what} must be whole microseconds, {reach}, got {format_duration(value_ns)}")


@dataclass(frozen=True, kw_only=True)
class Fifo:
    """First in, first out, drop at the tail.  The limit is in packets or in bytes, exactly one of the two."""

    packets: int | None = None
    bytes: int | None = None

    def __post_init__(self) -> None:
        if (self.packets is None) == (self.bytes is None):
            raise ValueError("a limit is in packets or in bytes")
        _check_size("limit", self.packets if self.packets is not None else self.bytes or 0)

    @property
    def kind(self) -> str:
        return "pfifo" if self.packets is not None else "bfifo"

    def describe(self) -> str:
        return f"{self.packets} packets" if self.packets is not None else f"{self.bytes} bytes"


@dataclass(frozen=True, kw_only=True)
class Red:
    """Random early detection (Floyd and Jacobson 1993): drops, or marks, at random once the *average* queue exceeds
    ``min_bytes``, up to ``probability`` at ``max_bytes``, and everything beyond; ``limit_bytes`` is the real buffer."""

    limit_bytes: int
    min_bytes: int
    max_bytes: int
    probability: float = 0.1
    ecn: bool = True
    adaptive: bool = False
    kind = "red"

    def __post_init__(self) -> None:
        for what in ("limit_bytes", "min_bytes", "max_bytes"):
            _check_size(what.replace("_bytes", ""), getattr(self, what))
        if not self.min_bytes < self.max_bytes <= self.limit_bytes:
            raise ValueError(
                f"RED needs min below max, and max within the limit, got {self.min_bytes}, {self.max_bytes} and "
                f"{self.limit_bytes} bytes"
            )
        if not 0.0 < self.probability <= 1.0:
            raise ValueError(f"probability must lie above 0 and up to 1 (100 %), got {self.probability:g}")

    def describe(self) -> str:
        more = f"{', ECN' if self.ecn else ''}{', adaptive' if self.adaptive else ''}"
        return f"RED {self.min_bytes} to {self.max_bytes} of {self.limit_bytes} bytes{more}"


@dataclass(frozen=True, kw_only=True)
class Codel:
    """Controlled delay (RFC 8289), or with ``fair`` FQ-CoDel (RFC 8290), which has a queue for each flow."""

    fair: bool = False
    limit_packets: int = 1000
    target_ns: int = 5 * NS_PER_MS
    interval_ns: int = 100 * NS_PER_MS
    ecn: bool = True

    def __post_init__(self) -> None:
        _check_size("limit", self.limit_packets)
        _check_time("target", self.target_ns)
        _check_time("interval", self.interval_ns)

    @property
    def kind(self) -> str:
        return "fq_codel" if self.fair else "codel"

    def describe(self) -> str:
        name = "FQ-CoDel" if self.fair else "CoDel"
        return f"{name} {format_duration(self.target_ns)} of {self.limit_packets} packets{', ECN' if self.ecn else ''}"


@dataclass(frozen=True, kw_only=True)
class Pie:
    """Proportional integral controller enhanced (RFC 8033)."""

    limit_packets: int = 1000
    target_ns: int = 15 * NS_PER_MS
    update_ns: int = 20 * NS_PER_MS
    """The kernel rounds it up to its timer tick: a multiple of 20 ms is exact everywhere, one of 10 ms nearly."""
    alpha: int = 2
    beta: int = 20
    ecn: bool = True
    kind = "pie"

    def __post_init__(self) -> None:
        _check_size("limit", self.limit_packets)
        _check_time("target", self.target_ns)
        if self.target_ns >= 1 << 32:
            raise ValueError(f"target must be below {format_duration(1 << 32)}, got {format_duration(self.target_ns)}")
        if self.update_ns <= 0 or self.update_ns % (10 * NS_PER_MS):
            raise ValueError(f"update must be a multiple of 10 ms, got {format_duration(self.update_ns)}")
        for what in ("alpha", "beta"):
            if not 0 <= getattr(self, what) <= 32:
                raise ValueError(f"{what} must lie between 0 and 32, got {getattr(self, what)}")

    def describe(self) -> str:
        return f"PIE {format_duration(self.target_ns)} of {self.limit_packets} packets{', ECN' if self.ecn else ''}"


@dataclass(frozen=True, kw_only=True)
class Cake:
    """Common applications kept enhanced: its own shaper, fair between hosts and flows, marks whatever can be marked."""

    rtt_ns: int = 100 * NS_PER_MS
    memory_bytes: int = 0
    """Its buffer; 0: its own choice, by rate and round-trip time."""
    flows: Literal["flowblind", "hosts", "flows", "triple-isolate"] = "triple-isolate"
    priorities: Literal["besteffort", "diffserv3", "diffserv4", "diffserv8"] = "diffserv3"
    kind = "cake"

    def __post_init__(self) -> None:
        _check_size("memory", self.memory_bytes, least=0)
        _check_time("rtt", self.rtt_ns)
        if self.rtt_ns < 20 * NS_PER_US:
            raise ValueError(f"rtt must be at least 20 µs, got {format_duration(self.rtt_ns)}")

    def describe(self) -> str:
        size = f" of {self.memory_bytes} bytes" if self.memory_bytes else ""
        return f"CAKE {format_duration(self.rtt_ns)}{size} {self.flows} {self.priorities}"


Queue = Fifo | Red | Codel | Pie | Cake


@dataclass(frozen=True, kw_only=True)
class Shaper:
    """A rate and the discipline of what waits for it: what one device does while another delays."""

    rate_bps: int
    queue: Queue
    frame_overhead_bytes: int = ETHERNET_FRAMING_BYTES

    def __post_init__(self) -> None:
        if self.rate_bps < _LEAST_RATE_BPS:
            raise ValueError(f"a queue discipline needs a rate of at least {_LEAST_RATE_BPS} bit/s")
        if not 0 <= self.frame_overhead_bytes < 1 << 8:
            raise ValueError(
                f"a queue discipline takes an overhead of 0 to 255 bytes a frame, got {self.frame_overhead_bytes}"
            )

    def describe(self) -> str:
        """``10 Mbit/s, CoDel 5 ms of 1000 packets, ECN``."""
        return f"{format_rate(self.rate_bps)}, {self.queue.describe()}"


def resized(queue: Queue, packets: int) -> Queue:
    """The same discipline with a buffer of so many packets: full frames where it counts bytes."""
    size = packets * FULL_FRAME_BYTES
    if isinstance(queue, Fifo):
        return Fifo(packets=packets) if queue.packets is not None else Fifo(bytes=size)
    if isinstance(queue, Red):
        share = size / queue.limit_bytes
        least = max(1, round(queue.min_bytes * share))
        return replace(
            queue,
            limit_bytes=size,
            min_bytes=least,
            max_bytes=min(size, max(least + 1, round(queue.max_bytes * share))),
        )
    if isinstance(queue, Cake):
        return replace(queue, memory_bytes=size)
    return replace(queue, limit_packets=packets)


def scaled_queue(queue: Queue, factor: float) -> Queue:
    """The discipline with its buffer divided by ``factor``, at least two full frames; its times are kept."""
    full = FULL_FRAME_BYTES
    if isinstance(queue, Fifo):
        if queue.packets is not None:
            return Fifo(packets=max(2, round(queue.packets / factor)))
        return Fifo(bytes=max(2 * full, round((queue.bytes or 0) / factor)))
    if isinstance(queue, Red):
        least = max(1, round(queue.min_bytes / factor))
        most = max(least + 1, round(queue.max_bytes / factor))
        return replace(
            queue, limit_bytes=max(2 * full, most, round(queue.limit_bytes / factor)), min_bytes=least, max_bytes=most
        )
    if isinstance(queue, Cake):
        return replace(queue, memory_bytes=round(queue.memory_bytes / factor))
    return replace(queue, limit_packets=max(2, round(queue.limit_packets / factor)))
