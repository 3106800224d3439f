"""What held a sender back.

In: its records.  Out: a class of flow, and the evidence in words.  Never: a class that no record supports: what is not
known is replayed as it was measured.

A sender's time divides into (``tcp_info``: ``busy_time`` counts while data is in flight and *includes* the other two)::

    idle = elapsed - busy          the application had nothing to send
    rwnd_limited                   the receiver's window was full
    sndbuf_limited                 the sender's own buffer was full
    busy - both                    the network's turn: congestion window, pacing

A paced writer over a long path is busy all the time, so ``busy`` alone does not show it: the kernel's ``app_limited``
mark with nothing left unsent does.  It stands on a writer whose buffer is full as well (``tcp_rate_check_app_limited``
asks for less than a segment unsent and room in the window), so the two limits of time come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shadowlab.model.flow import FlowClass
from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.units import NS_PER_S, format_fraction

FULL_WINDOW = 0.5
"""A flow that the network limits fills its congestion window; one that uses less of it does not."""


class Limit(NamedTuple):
    """What limits a flow, and why one thinks so."""

    flow_class: FlowClass
    why: str


@dataclass(frozen=True, kw_only=True)
class TimeShares:
    """How a sender spent its time.  ``idle`` is None where the elapsed time is unknown (one point in time)."""

    idle: float | None
    rwnd: float
    sndbuf: float
    network: float


def time_shares(records: Sequence[TcpRecord]) -> TimeShares | None:
    """How the sender spent the time between its first and last record, or, of one record, its busy time.

    None if the records do not say.
    """
    last = records[-1]
    first = records[0] if len(records) > 1 else None
    if last.busy_ns is None:
        return None

    def spent(name: str) -> int:
        before = getattr(first, name) if first is not None else 0
        return max((getattr(last, name) or 0) - (before or 0), 0)

    busy, rwnd, sndbuf = spent("busy_ns"), spent("rwnd_limited_ns"), spent("sndbuf_limited_ns")
    whole = last.at_ns - first.at_ns if first is not None else busy
    if whole <= 0:
        return None
    return TimeShares(
        idle=max(1 - busy / whole, 0.0) if first is not None else None,
        rwnd=min(rwnd / whole, 1.0),
        sndbuf=min(sndbuf / whole, 1.0),
        network=min(max(busy - rwnd - sndbuf, 0) / whole, 1.0),
    )


def limit_of(records: Sequence[TcpRecord], rate: float | None) -> Limit:
    """What limits the sender of these records, which moved ``rate`` bits per second of payload (None: unknown)."""
    if not records:
        return Limit("paced", "only the receiver was recorded, so what limits the sender is unknown")
    shares = time_shares(records)
    if shares is not None and shares.rwnd > 0 and shares.rwnd >= max(shares.sndbuf, shares.network, shares.idle or 0):
        return Limit("receiver-limited", f"the receiver's window was full {format_fraction(shares.rwnd)} of the time")
    if shares is not None and shares.sndbuf > shares.network and shares.sndbuf >= (shares.idle or 0):
        return Limit("sender-limited", f"its own send buffer was full {format_fraction(shares.sndbuf)} of the time")
    marks = [record.app_limited for record in records if record.app_limited is not None]
    waiting = records[-1].not_sent_bytes or 0
    drained = waiting <= 2 * (records[-1].mss or 1448)
    if marks and sum(marks) * 2 >= len(marks) and drained:
        words = f"marked so in {sum(marks)} of {len(marks)} records, hardly anything left unsent"
        return Limit("paced", f"application-limited: {words}")
    if shares is None:
        if marks or waiting:
            return Limit("greedy", "data was waiting to be sent" if waiting else "not marked application-limited")
        words = "what limits the sender is unknown (no busy time, no mark), so it is replayed as measured"
        return Limit("paced", words)
    if shares.idle is not None and shares.idle >= max(shares.network, shares.sndbuf) and not waiting:
        return Limit("paced", f"application-limited: nothing in flight {format_fraction(shares.idle)} of the time")
    used = _window_use(records[-1], rate)
    if used is not None and used < FULL_WINDOW:
        return Limit(
            "paced",
            f"application-limited: with data in flight {format_fraction(shares.network)} of the time, but on average "
            f"only {format_fraction(used)} of its congestion window",
        )
    return Limit("greedy", f"network-limited {format_fraction(shares.network)} of the time")


def _window_use(last: TcpRecord, rate: float | None) -> float | None:
    """Bytes in flight on average (rate x smoothed RTT: Little's law) over the congestion window; None if unknown."""
    if rate is None or not last.srtt_ns or not last.cwnd_segments or not last.mss:
        return None
    return rate / 8 * last.srtt_ns / NS_PER_S / (last.cwnd_segments * last.mss)
