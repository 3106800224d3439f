"""One observation of one production TCP connection.

In: what a source knew.  Out: a frozen record in which an unknown field is None and never zero.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TcpRecord:
    """The state of one connection as its host saw it at ``at_ns`` (Unix time, nanoseconds).

    Rates are bits per second, times nanoseconds, windows bytes except ``cwnd_segments``.  Counters count from the
    opening of the connection.
    """

    at_ns: int
    instance: str
    local_address: str
    local_port: int
    peer_address: str
    peer_port: int
    state: str = "ESTAB"
    congestion_control: str | None = None
    mss: int | None = None
    pmtu: int | None = None
    cwnd_segments: int | None = None
    ssthresh_segments: int | None = None
    srtt_ns: int | None = None
    rttvar_ns: int | None = None
    min_rtt_ns: int | None = None
    rto_ns: int | None = None
    bytes_sent: int | None = None
    bytes_acked: int | None = None
    bytes_received: int | None = None
    bytes_retransmitted: int | None = None
    segments_out: int | None = None
    segments_in: int | None = None
    data_segments_out: int | None = None
    data_segments_in: int | None = None
    retransmits_total: int | None = None
    lost_segments: int | None = None
    dsack_duplicates: int | None = None
    reordering_seen: int | None = None
    delivered_segments: int | None = None
    delivery_rate_bps: int | None = None
    pacing_rate_bps: int | None = None
    app_limited: bool | None = None
    busy_ns: int | None = None
    rwnd_limited_ns: int | None = None
    sndbuf_limited_ns: int | None = None
    receive_window_bytes: int | None = None
    send_window_bytes: int | None = None
    receive_buffer_bytes: int | None = None
    not_sent_bytes: int | None = None
    source: str = ""

    @property
    def connection(self) -> tuple[str, int, str, int]:
        """Local address and port, peer address and port."""
        return (self.local_address, self.local_port, self.peer_address, self.peer_port)
