"""One observation of production TCP: a connection, a pair of ends, or a whole host.

In: what a source knew.  Out: a frozen record in which an unknown field is None and never zero (an unknown name or
address is an empty text, an unknown port 0).  Never: a unit without its name in the field's name.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal

Scope = Literal["connection", "pair", "host"]
"""What a record is about: one TCP connection; all that went between two ends; all TCP of the instance."""


@dataclass(frozen=True, kw_only=True)
class TcpRecord:
    """What an instance knew of its TCP at ``at_ns`` (Unix time, nanoseconds).

    Rates are bits per second, times nanoseconds, windows bytes except those in segments, shares fractions from 0 to 1.
    Counters count from the opening of the connection (of a host: from its start), unless ``from_ns`` is known: then
    the record is about the interval from ``from_ns`` to ``at_ns``, and its counters count within it.
    """

    at_ns: int
    instance: str
    local_address: str
    local_port: int
    peer_address: str
    peer_port: int
    state: str = "ESTAB"
    scope: Scope = "connection"
    from_ns: int | None = None
    peer: str = ""
    """The peer's name, where the source names it: an instance, a pod, a host."""
    service: str = ""
    """What the source calls the program or the service that the connection belongs to."""

    congestion_control: str | None = None
    mss: int | None = None
    pmtu: int | None = None
    cwnd_segments: int | None = None
    ssthresh_segments: int | None = None
    receive_window_bytes: int | None = None
    """The window last granted to the peer (``rcv_wnd``), scaled."""
    send_window_bytes: int | None = None
    """The window the peer last granted (``snd_wnd``), scaled."""
    receive_buffer_bytes: int | None = None
    send_buffer_bytes: int | None = None
    """``SO_SNDBUF`` as accounted: the heads of segments count."""
    send_queue_bytes: int | None = None
    """Payload that is not acknowledged or not yet sent."""
    not_sent_bytes: int | None = None
    reordering_segments: int | None = None
    """How far TCP takes segments to be out of order before it takes one for lost: a state, not a counter."""

    ecn: bool | None = None
    sack: bool | None = None
    timestamps: bool | None = None
    window_scaling: bool | None = None
    """These four: what the ends agreed on when the connection opened."""
    dscp: int | None = None

    srtt_ns: int | None = None
    rttvar_ns: int | None = None
    """A mean deviation, not a variance."""
    min_rtt_ns: int | None = None
    rtt_mean_ns: int | None = None
    rtt_p50_ns: int | None = None
    rtt_p95_ns: int | None = None
    rtt_max_ns: int | None = None
    rtt_samples: int | None = None
    """What the figures over samples (mean, p50, p95, max) stand on."""
    rto_ns: int | None = None

    bytes_sent: int | None = None
    bytes_acked: int | None = None
    bytes_received: int | None = None
    bytes_retransmitted: int | None = None
    wire_bytes_out: int | None = None
    """With all headers: what a source knows that looks at packets instead of sockets."""
    wire_bytes_in: int | None = None
    segments_out: int | None = None
    segments_in: int | None = None
    data_segments_out: int | None = None
    data_segments_in: int | None = None
    retransmits_total: int | None = None
    fast_retransmits: int | None = None
    timeout_retransmits: int | None = None
    spurious_retransmits: int | None = None
    timeouts: int | None = None
    """Times the retransmission timer ran out (``total_rto``)."""
    lost_segments: int | None = None
    """Segments that count as lost now: a state, not a counter."""
    delivered_segments: int | None = None
    delivered_ce_segments: int | None = None
    dsack_duplicates: int | None = None
    reordering_seen: int | None = None
    out_of_order_segments: int | None = None
    zero_windows: int | None = None

    delivery_rate_bps: int | None = None
    """With ``app_limited`` true a past maximum, not the present rate."""
    pacing_rate_bps: int | None = None
    max_pacing_rate_bps: int | None = None
    """The cap that the program set (``SO_MAX_PACING_RATE``)."""
    app_limited: bool | None = None
    busy_ns: int | None = None
    """Time with data in flight; includes the two below."""
    rwnd_limited_ns: int | None = None
    sndbuf_limited_ns: int | None = None

    opened_ns: int | None = None
    closed_ns: int | None = None
    severed: bool | None = None
    """Whether the connection ended without both sides' consent: reset, timed out, or destroyed."""
    connections_opened: int | None = None
    connections_failed: int | None = None
    connections_severed: int | None = None
    connections_open: int | None = None
    """How many are open now: a state, not a counter."""

    host_cpu_share: float | None = None
    host_run_queue: float | None = None
    host_memory_used_bytes: int | None = None
    host_memory_total_bytes: int | None = None
    host_service_time_ns: int | None = None

    source: str = ""

    @property
    def connection(self) -> tuple[str, int, str, int]:
        """Local address and port, peer address and port."""
        return (self.local_address, self.local_port, self.peer_address, self.peer_port)

    @property
    def known(self) -> tuple[str, ...]:
        """The names of the measured fields that this record knows, in the order of the class."""
        return tuple(name for name in MEASURED if getattr(self, name) is not None)


ALWAYS = (
    *("at_ns", "instance", "local_address", "local_port", "peer_address", "peer_port"),
    *("state", "scope", "peer", "service", "source"),
)
"""The fields that say what a record is about: never None."""
MEASURED = tuple(one.name for one in fields(TcpRecord) if one.name not in ALWAYS)
"""The fields that may be unknown."""
COUNTERS = (
    *("bytes_sent", "bytes_acked", "bytes_received", "bytes_retransmitted"),
    *("wire_bytes_out", "wire_bytes_in", "segments_out", "segments_in", "data_segments_out", "data_segments_in"),
    *("retransmits_total", "fast_retransmits", "timeout_retransmits", "spurious_retransmits", "timeouts"),
    *("delivered_segments", "delivered_ce_segments", "dsack_duplicates", "reordering_seen", "out_of_order_segments"),
    *("zero_windows", "busy_ns", "rwnd_limited_ns", "sndbuf_limited_ns"),
    *("connections_opened", "connections_failed", "connections_severed"),
)
"""The fields that only ever grow while a connection (or host) lives."""


def record_of(known: dict[str, Any]) -> TcpRecord:
    """The record of these fields, which the caller vouches for and gives away: types, ranges, and all of the address.

    Filling a frozen dataclass of 70 fields through its constructor takes longer than reading a socket's text; an absent
    field falls back to the class's default, which is None.  A test holds both ways equal.
    """
    record = _new(TcpRecord)
    _set(record, "__dict__", known)
    return record


_new = object.__new__
_set = object.__setattr__


@cache
def field_kinds() -> dict[str, type]:
    """Each field's plain type: ``int``, ``float``, ``bool`` or ``str``."""
    words = {"int": int, "float": float, "bool": bool, "str": str, "Scope": str}
    return {one.name: words[str(one.type).partition(" ")[0]] for one in fields(TcpRecord)}
