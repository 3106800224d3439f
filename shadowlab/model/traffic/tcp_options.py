"""How the sockets of a flow are set.

In: plain values.  Out: a frozen set of options.  Never: a system call (:mod:`shadowlab.traffic.tcp_socket` does those).
Imported inside the guest: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TcpOptions:
    """None leaves an option to the kernel; what is set is read back.

    By socket: ``congestion_control`` (``control_recorded``: a record names it and nobody asked for it, so that a kernel
    without it may take another); ``mss`` (payload bytes of a segment, TCP's options not counted);
    ``window_bytes``, the largest receive window; ``send_buffer_bytes``, what a sender may hold unacknowledged and
    unsent; ``pacing_bps``, the cap of the sender's pacing; ``dscp``, 0 to 63; ``keepalive_ns``, the idle time before a
    keep-alive probe; ``no_delay`` (Nagle's algorithm off).

    By route: ``initial_cwnd_segments`` of the sender, ``initial_rwnd_segments`` of the receiver; ``ecn``, negotiated by
    both ends.

    By namespace (one value for all connections of a node): ``sack``, ``timestamps``, ``window_scaling``.  A flow that
    differs from the other flows of its node is marked, see :mod:`shadowlab.traffic`.
    """

    congestion_control: str = "cubic"
    control_recorded: bool = False
    mss: int | None = None
    window_bytes: int | None = None
    send_buffer_bytes: int | None = None
    pacing_bps: int | None = None
    initial_cwnd_segments: int | None = None
    initial_rwnd_segments: int | None = None
    ecn: bool | None = None
    dscp: int = 0
    keepalive_ns: int | None = None
    no_delay: bool = False
    sack: bool | None = None
    timestamps: bool | None = None
    window_scaling: bool | None = None

    def __post_init__(self) -> None:
        for name in (
            "mss",
            "window_bytes",
            "send_buffer_bytes",
            "pacing_bps",
            "initial_cwnd_segments",
            "initial_rwnd_segments",
            "keepalive_ns",
        ):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above zero, got {value}")
        if not 0 <= self.dscp <= 63:
            raise ValueError(f"dscp must lie between 0 and 63, got {self.dscp}")
