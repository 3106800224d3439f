"""What one direction of a link does to packets.

In: plain numbers.  Out: a frozen value that checks itself.  Never: a value clipped in silence.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shadowlab.model.jitter import JitterShape, JitterTable
from shadowlab.model.loss import Chance, LossModel, Reorder, check_fraction
from shadowlab.model.queue import (
    ETHERNET_FRAMING_BYTES,
    FULL_FRAME_BYTES,
    Fifo,
    Queue,
    Shaper,
    resized,
    scaled_queue,
)
from shadowlab.model.units import format_duration, format_fraction, format_rate

__all__ = [
    "DEFAULT_MTU",
    "DEFAULT_QUEUE_PACKETS",
    "ETHERNET_FRAMING_BYTES",
    "FULL_FRAME_BYTES",
    "Framing",
    "Impairment",
    "Slot",
]

DEFAULT_QUEUE_PACKETS = 100
"""Buffer of a link whose map states none: packets that may wait, beyond those in flight."""

DEFAULT_MTU = 1500
_EVEN = JitterShape()
_ETHERNET_HEADER_BYTES = 14
_LEAST_FRAME_BYTES = 60
_UNLIMITED_PACKETS = 100_000
_IN_FLIGHT_MATTERS = 10


@dataclass(frozen=True, kw_only=True)
class Framing:
    """What a wire carries beyond the socket buffer, and thus what a rate counts: bytes a frame; and, where it carries
    cells (ATM: 48 and 5), the payload of a cell and its header."""

    packet_bytes: int = ETHERNET_FRAMING_BYTES
    cell_bytes: int = 0
    cell_overhead_bytes: int = 0

    def __post_init__(self) -> None:
        if not -_ETHERNET_HEADER_BYTES <= self.packet_bytes <= 1000:
            raise ValueError(f"overhead must lie between -14 and 1000 bytes a frame, got {self.packet_bytes}")
        if not 0 <= self.cell_bytes <= 65_535 or not 0 <= self.cell_overhead_bytes <= 1000:
            raise ValueError("a cell has at most 65535 bytes, and its overhead at most 1000")
        if self.cell_overhead_bytes and not self.cell_bytes:
            raise ValueError("the overhead of a cell needs the cell's size")


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Packets leave in bursts: after each burst nothing leaves for a time between ``least_ns`` and ``most_ns``.
    A burst ends after so many packets or bytes (0: no such end)."""

    least_ns: int
    most_ns: int
    packets: int = 0
    bytes: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.least_ns <= self.most_ns or self.most_ns == 0:
            raise ValueError("a slot needs a longest pause above zero, and a least one that does not exceed it")
        if not 0 <= self.packets < 1 << 31 or not 0 <= self.bytes < 1 << 31:
            raise ValueError(f"a slot takes 0 to {(1 << 31) - 1} packets and bytes")


@dataclass(frozen=True, kw_only=True)
class Impairment:
    """Everything one direction of a link does to packets.

    ``rate_bps`` None means: as fast as the kernel is.  ``queue_packets`` is the buffer *beyond* the packets in flight;
    the limit of a netem by itself, which counts both, is :meth:`limit_packets`.  With a ``queue`` of its own the
    direction has two devices: a shaper with that discipline, and a delay line for all the rest (see :attr:`split`).
    ``loss`` is the share of single losses; a ``loss_model`` stands in its place.  ``ecn``: what would be lost is marked
    instead, where it can be.  ``seed`` is netem's own (Linux 6.6); without one the kernel draws it.
    """

    delay_ns: int = 0
    jitter_ns: int = 0
    loss: float = 0.0
    rate_bps: int | None = None
    queue_packets: int = DEFAULT_QUEUE_PACKETS
    jitter_shape: JitterShape | None = None
    loss_correlation: float = 0.0
    loss_model: LossModel | None = None
    duplicate: Chance | None = None
    corrupt: Chance | None = None
    reorder: Reorder | None = None
    framing: Framing | None = None
    slot: Slot | None = None
    ecn: bool = False
    seed: int | None = None
    queue: Queue | None = None
    mtu: int = DEFAULT_MTU

    def __post_init__(self) -> None:
        if self.delay_ns < 0:
            raise ValueError(f"delay must not be negative, got {format_duration(self.delay_ns)}")
        if self.jitter_ns < 0:
            raise ValueError(f"jitter must not be negative, got {format_duration(self.jitter_ns)}")
        check_fraction("loss", self.loss)
        check_fraction("loss correlation", self.loss_correlation)
        if self.rate_bps is not None and self.rate_bps <= 0:
            raise ValueError(
                "rate must be above zero; leave it out for an unlimited link, or fail the link by an event"
            )
        if self.queue_packets < 1:
            raise ValueError(f"queue must hold at least one packet, got {self.queue_packets}")
        if self.loss_model is not None and (self.loss or self.loss_correlation):
            raise ValueError("single losses and a loss model exclude each other")
        if self.seed is not None and not 0 <= self.seed < 1 << 64:
            raise ValueError(f"seed must lie between 0 and {(1 << 64) - 1}, got {self.seed}")
        if not 68 <= self.mtu <= 65_521:
            raise ValueError(f"MTU must lie between 68 and 65521 bytes, got {self.mtu}")

    def check(self) -> Impairment:
        """The impairment itself.  Raises ValueError for parts that contradict each other, each of them fine by itself:
        what a file states is whole only once its parts have come together."""
        reach = self.jitter_ns * -self.jitter_table().least if self.jitter_ns else 0
        if reach > self.delay_ns:
            name = self.shape.distribution
            raise ValueError(
                f"jitter {format_duration(self.jitter_ns)} ({name}) reaches {format_duration(reach)} below the delay "
                f"of {format_duration(self.delay_ns)}: no packet arrives before it was sent; at most "
                f"{format_duration(self.delay_ns / -self.jitter_table().least)} is possible"
            )
        if self.reorder is not None and self.reorder.share and not self.delay_ns:
            raise ValueError("reorder sends packets ahead of those that wait out their delay: it needs a delay")
        if self.queue is not None:
            if self.rate_bps is None:
                raise ValueError(f"a queue discipline ({self.queue.kind}) never holds a packet without a rate")
            if self.framing is not None and self.framing.cell_bytes:
                raise ValueError("cells are counted by netem only: leave the queue discipline or the cells out")
        if self.split:
            self.shaper()
        return self

    @property
    def shape(self) -> JitterShape:
        """How the jitter scatters."""
        return self.jitter_shape or _EVEN

    def jitter_table(self) -> JitterTable:
        """What netem draws from."""
        return self.shape.jitter_table()

    @property
    def mean_loss(self) -> float:
        """Share of packets lost in the long run, by the formula."""
        return self.loss if self.loss_model is None else self.loss_model.mean_loss

    @property
    def wire_overhead_bytes(self) -> int:
        """Bytes a frame takes on the wire beyond its socket buffer."""
        return ETHERNET_FRAMING_BYTES if self.framing is None else self.framing.packet_bytes

    @property
    def split(self) -> bool:
        """Whether it needs two devices.

        A queue discipline must see the backlog, and netem's own rate keeps it to itself.  And with a rate of its own
        netem keeps the order, so reordering jitter needs the rate elsewhere.
        """
        return self.queue is not None or (self.shape.reordering and self.jitter_ns > 0 and self.rate_bps is not None)

    def queue_part(self) -> Impairment:
        """What the device with the queue does: its rate, its framing, its discipline."""
        queue = self.queue or Fifo(packets=self.queue_packets)
        return Impairment(
            rate_bps=self.rate_bps, queue_packets=self.queue_packets, queue=queue, framing=self.framing, mtu=self.mtu
        )

    def shaper(self) -> Shaper:
        """The device with the queue, as it is asked for.  Raises ValueError for a rate it cannot hold, or none."""
        if self.rate_bps is None:
            raise ValueError("an unlimited link has no queue to be shaped")
        return Shaper(
            rate_bps=self.rate_bps,
            queue=self.queue or Fifo(packets=self.queue_packets),
            frame_overhead_bytes=self.wire_overhead_bytes,
        )

    def delay_line(self, *, serialise: bool) -> Impairment:
        """The other device: all but the queue.  Its buffer never binds, so the two never share a limit.

        With ``serialise`` it keeps the rate: behind a shaper of the same rate nothing waits in it, but each packet
        takes its time on the wire, which a shaper's credit leaves out.
        """
        rate_bps = self.rate_bps if serialise and not self.shape.reordering else None
        most_ns = self.delay_ns + self.jitter_ns * self.jitter_table().most
        least_bits = 8 * (_LEAST_FRAME_BYTES + max(self.wire_overhead_bytes, 0))
        in_flight = int(most_ns * (self.rate_bps or 0) / (1e9 * least_bits))
        room = max(_UNLIMITED_PACKETS, 2 * in_flight)
        return replace(self, rate_bps=rate_bps, queue=None, queue_packets=room)

    @property
    def in_flight_packets(self) -> int:
        """Full frames that wait out their delay at the full rate; 0 without a rate."""
        if self.rate_bps is None:
            return 0
        frame_bytes = self.mtu + _ETHERNET_HEADER_BYTES + self.wire_overhead_bytes
        longest_ns = self.delay_ns + (self.jitter_ns * max(1.0, self.jitter_table().most) if self.jitter_ns else 0)
        return int(longest_ns * self.rate_bps / (8 * 1e9 * frame_bytes))

    @property
    def netems(self) -> int:
        """How many netems in a row make it (:mod:`shadowlab.wire.netem_tree`); of what is split one, beside a shaper.

        Two where the packets in flight must not count as waiting: where they are more than a tenth of the buffer.
        Below that a second netem costs more than it mends (``docs/explanation/fidelity.md``).  Three where what is lost
        is to have taken its time on the wire.  One where nothing can wait, and for what only a netem alone can do: many
        kernels refuse duplicates where there are several, and slots hold back what has left the wire.
        """
        endless = self.rate_bps is None or self.queue_packets >= _UNLIMITED_PACKETS
        if endless or self.split or self.slot is not None or (self.duplicate is not None and self.duplicate.share):
            return 1
        if self.mean_loss or (self.corrupt is not None and self.corrupt.share):
            return 3
        return 2 if _IN_FLIGHT_MATTERS * self.in_flight_packets > self.queue_packets else 1

    def limit_packets(self) -> int:
        """The ``limit`` of a netem by itself: full frames in flight at the full rate, and the buffer; both count."""
        if self.rate_bps is None:
            # Nothing bounds the packets in flight of an unlimited link; a limit would be an invented bottleneck.
            return max(self.queue_packets, _UNLIMITED_PACKETS)
        return self.in_flight_packets + 1 + self.queue_packets

    def with_queue_packets(self, packets: int) -> Impairment:
        """The same with a buffer of so many packets, whatever its discipline."""
        queue = None if self.queue is None else resized(self.queue, packets)
        return replace(self, queue_packets=packets, queue=queue)

    def with_loss(self, loss: float) -> Impairment:
        """The same with single losses of this share in the place of whatever was lost before."""
        return replace(self, loss=loss, loss_correlation=0.0, loss_model=None)

    def scaled(self, factor: float) -> Impairment:
        """Rate and buffer divided by ``factor``; delays, losses and an unlimited link are kept."""
        if self.rate_bps is None:
            return self
        return replace(
            self,
            rate_bps=max(1, round(self.rate_bps / factor)),
            queue_packets=max(2, round(self.queue_packets / factor)),
            queue=None if self.queue is None else scaled_queue(self.queue, factor),
        )

    def describe(self) -> str:
        """One line for plans and reports."""
        words = [f"delay {format_duration(self.delay_ns)}"]
        if self.jitter_ns:
            more = f" ({self.shape.describe()})" if self.shape.describe() else ""
            words.append(f"jitter {format_duration(self.jitter_ns)}{more}")
        if self.loss:
            more = f" (correlated {format_fraction(self.loss_correlation)})" if self.loss_correlation else ""
            words.append(f"loss {format_fraction(self.loss)}{more}")
        if self.loss_model is not None:
            words.append(f"loss {self.loss_model.describe()}")
        if self.ecn:
            words.append("marks instead of losing")
        for name, chance in (("duplicate", self.duplicate), ("corrupt", self.corrupt), ("reorder", self.reorder)):
            if chance is not None and chance.share:
                words.append(f"{name} {chance.describe()}")
        if self.slot is not None:
            words.append(f"slots of {format_duration(self.slot.least_ns)} to {format_duration(self.slot.most_ns)}")
        words.append(f"rate {format_rate(self.rate_bps)}" if self.rate_bps is not None else "rate unlimited")
        words.append(f"queue {self.queue.describe()}" if self.queue else f"queue {self.queue_packets} packets")
        if self.seed is not None:
            words.append(f"seed {self.seed}")
        return ", ".join(words)
