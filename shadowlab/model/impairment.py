"""What one direction of a link does to packets.

In: plain numbers.  Out: a frozen value that checks itself.  Never: a value clipped in silence.
"""

from __future__ import annotations

from dataclasses import dataclass

from shadowlab.model.units import format_duration, format_fraction, format_rate

DEFAULT_QUEUE_PACKETS = 100
"""Buffer of a link whose map states none: packets that may wait, beyond those in flight."""

ETHERNET_FRAMING_BYTES = 24
"""Preamble, inter-frame gap and checksum of an Ethernet frame: what a wire carries beyond the socket buffer."""

FULL_FRAME_BYTES = 1514
"""A frame of 1500 bytes of payload with its Ethernet header."""


@dataclass(frozen=True, kw_only=True)
class Impairment:
    """Delay, jitter, loss, rate and buffer of one direction of a link.

    ``rate_bps`` None means: as fast as the kernel is.  ``queue_packets`` is the buffer *beyond* the packets in flight;
    the kernel's limit, which counts both, is :meth:`limit_packets`.
    """

    delay_ns: int = 0
    jitter_ns: int = 0
    loss: float = 0.0
    rate_bps: int | None = None
    queue_packets: int = DEFAULT_QUEUE_PACKETS

    def __post_init__(self) -> None:
        if self.delay_ns < 0:
            raise ValueError(f"delay must not be negative, got {format_duration(self.delay_ns)}")
        if self.jitter_ns < 0:
            raise ValueError(f"jitter must not be negative, got {format_duration(self.jitter_ns)}")
        if not 0.0 <= self.loss <= 1.0:
            raise ValueError(f"loss must lie between 0 and 1 (0 % and 100 %), got {self.loss:g}")
        if self.rate_bps is not None and self.rate_bps <= 0:
            raise ValueError(
                "rate must be above zero; leave it out for an unlimited link, or fail the link by an event"
            )
        if self.queue_packets < 1:
            raise ValueError(f"queue must hold at least one packet, got {self.queue_packets}")

    def limit_packets(self) -> int:
        """netem's ``limit``: full frames in flight at the full rate, and the buffer (netem counts both)."""
        if self.rate_bps is None:
            # Nothing bounds the packets in flight of an unlimited link; a limit would be an invented bottleneck.
            return max(self.queue_packets, 100_000)
        in_flight = (
            (self.delay_ns + self.jitter_ns) * self.rate_bps / (8 * 1e9 * (FULL_FRAME_BYTES + ETHERNET_FRAMING_BYTES))
        )
        return int(in_flight) + 1 + self.queue_packets

    def describe(self) -> str:
        """One line for plans and reports."""
        words = [f"delay {format_duration(self.delay_ns)}"]
        if self.jitter_ns:
            words.append(f"jitter {format_duration(self.jitter_ns)}")
        if self.loss:
            words.append(f"loss {format_fraction(self.loss)}")
        words.append(f"rate {format_rate(self.rate_bps)}" if self.rate_bps is not None else "rate unlimited")
        words.append(f"queue {self.queue_packets} packets")
        return ", ".join(words)
