"""How the sockets of a connection were set, as far as its records tell.

In: a connection's records.  Out: options, and in words where those come from that are not plain.
Never: a setting that no record supports.

Three figures are not read but found:

- What a sender-limited flow holds: the send queue at its fullest (bytes unacknowledged or unsent), or, where that was
  not recorded, what was in flight on average (rate x smoothed RTT: Little's law) and what waited.
- The initial congestion window: the window of a record of a connection that nothing has been acknowledged to.
- The receiver's initial window: what it had granted by then.
"""

from __future__ import annotations

from collections.abc import Sequence

from shadowlab.calibrate.observed import ObservedConnection, agreed, last_known
from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.model.units import NS_PER_S, format_rate

LEAST_SEGMENTS = 2
"""A scaled window smaller than this many segments would meet the delayed ACK and stall; it is raised, and said so."""
USUAL_SEGMENT = 1448
KERNELS_WINDOW = 60_000
"""Linux announces up to 65 535 bytes, in whole segments, to a connection that begins: more than this is no setting."""
SYN_BYTES = 1
"""The kernel counts the SYN among the bytes acknowledged."""
VARIES = 0.5
"""Of a window that was seen this small against its largest, the application read too slowly, not only its limit."""


def settings_of(
    one: ObservedConnection, *, window: int | None, held: int | None, scale: float
) -> tuple[TcpOptions, list[str]]:
    """The options.  ``window`` (the receiver's, at the recorded size) and ``held`` (by the sender) are those of a flow
    that is limited by them."""
    words: list[str] = []
    records = one.sender_records
    control = last_known(records, "congestion_control")
    mss = agreed(one, "mss") or None
    cap = last_known(records, "max_pacing_rate_bps")
    if cap:
        words.append(f"pacing capped at {format_rate(cap)}")
        cap = max(round(cap / scale), 1)
    sizes = []
    for name, size in (("window", window), ("send buffer", held)):
        sizes.append(_scaled(name, size, mss, scale, words))
    if scale != 1:
        words.append(f"divided by {scale:g}")
    if control is None:
        words.append("congestion control unknown, cubic assumed")
    cwnd, rwnd = initial_windows(records)
    if cwnd is not None:
        words.append(f"began with {cwnd} segments")
    return (
        TcpOptions(
            congestion_control=control or "cubic",
            control_recorded=control is not None,
            mss=mss,
            window_bytes=sizes[0],
            send_buffer_bytes=sizes[1],
            pacing_bps=cap or None,
            initial_cwnd_segments=cwnd,
            initial_rwnd_segments=rwnd,
            ecn=agreed(one, "ecn"),
            dscp=last_known(records, "dscp") or 0,
            sack=agreed(one, "sack"),
            timestamps=agreed(one, "timestamps"),
            window_scaling=agreed(one, "window_scaling"),
        ),
        words,
    )


def _scaled(name: str, size: int | None, mss: int | None, scale: float, words: list[str]) -> int | None:
    if size is None:
        return None
    words.append(f"{name} {size} bytes")
    floor = LEAST_SEGMENTS * (mss or USUAL_SEGMENT)
    scaled = round(size / scale)
    if scaled < floor and scale != 1:
        words.append(f"scaled down to {scaled}, raised to {floor}: {LEAST_SEGMENTS} segments")
        scaled = floor
    return max(scaled, 1)


def initial_windows(records: Sequence[TcpRecord]) -> tuple[int | None, int | None]:
    """In segments, the sender's and the receiver's, of a connection that was recorded before its first data were
    acknowledged; None: unknown, or the kernel's own."""
    if not records:
        return None, None
    first = records[0]
    if (
        first.bytes_acked is None
        or first.bytes_acked > SYN_BYTES
        or first.retransmits_total != 0
        or not first.cwnd_segments
        or first.state != "ESTAB"
    ):
        return None, None
    granted = first.send_window_bytes
    announced = granted // first.mss if granted and first.mss and granted < KERNELS_WINDOW else None
    return first.cwnd_segments, announced or None


def held_by_sender(records: Sequence[TcpRecord], rate: float | None) -> int | None:
    """Bytes that a sender-limited flow holds, unacknowledged or unsent; None if no record tells."""
    queues = [record.send_queue_bytes for record in records if record.send_queue_bytes]
    if queues:
        return max(queues)
    rtt_ns, waiting = last_known(records, "srtt_ns"), last_known(records, "not_sent_bytes")
    if rate is None or not rtt_ns:
        return None
    return round(rate / 8 * rtt_ns / NS_PER_S) + (waiting or 0) or None


def window_of(one: ObservedConnection) -> int | None:
    """The window that held the sender: the last one it was granted, else the receiver's own, else half its buffer.

    Half, because Linux grants windows of half the receive buffer (``tcp_adv_win_scale`` 1, the default).
    """
    if one.sender_records and one.sender_records[-1].send_window_bytes:
        return one.sender_records[-1].send_window_bytes
    if one.receiver_records:
        last = one.receiver_records[-1]
        if last.receive_window_bytes:
            return last.receive_window_bytes
        if last.receive_buffer_bytes:
            return last.receive_buffer_bytes // 2
    return None


def reads_slowly(records: Sequence[TcpRecord]) -> tuple[int, int] | None:
    """The least and the largest window that the sender was granted, where they tell of an application that lets its
    buffer fill: a window that stood at its limit would be the same in every record."""
    windows = [record.send_window_bytes for record in records if record.send_window_bytes is not None]
    if len(windows) < 3 or min(windows) >= VARIES * max(windows):
        return None
    return min(windows), max(windows)
