"""Connections of a capture become records, one for each end.

In: :class:`Told`.  Out: :class:`~shadowlab.model.telemetry.TcpRecord`.  Never: half a round trip told as a whole one.
docs/reference/captures.md has the table.
"""

from __future__ import annotations

from collections.abc import Iterator

from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.capture.analysis import Analysis, Told
from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.summary import Connection, Direction
from shadowlab.telemetry.source import Source

_STAMPS_OCTETS = 12
"""What timestamps take from each segment's payload."""


def read(source: Source) -> Iterator[TcpRecord]:
    """For each end of each connection one record when the connection ends, or the file does; with
    ``source.interval_ns`` one for every interval in which the connection was seen."""
    account = Account(name=source.name)
    analysis = Analysis(account, interval_ns=source.interval_ns)
    for told in analysis.read(source.blocks):
        yield from records_of(told, source.name, by_interval=source.interval_ns is not None)
    for fault in account.places:
        source.tally.refuse(fault.place.removeprefix(f"{source.name}:"), fault.message)
    for reason, count in account.left_out.items():
        source.tally.pass_over(reason, count)


def records_of(told: Told, name: str, *, by_interval: bool = False) -> Iterator[TcpRecord]:
    """What each end would know, the client first; an end of which nothing was seen has no record."""
    one = told.connection
    for own, peer in ((one.client, one.server), (one.server, one.client)):
        if own.counts is not None:
            yield _record(told, own, peer, name, by_interval)


def _record(told: Told, own: Direction, peer: Direction, name: str, by_interval: bool) -> TcpRecord:
    one = told.connection
    sent, got = own.counts or {}, peer.counts or {}
    trips = one.round_trip_ns(own)
    over = one.ending in ("closed", "severed") and (told.final or one.last_ns <= told.to_ns)
    span_ns = told.to_ns - told.from_ns
    return TcpRecord(
        at_ns=told.to_ns,
        from_ns=told.from_ns if by_interval or not one.opened else None,
        instance=own.address,
        local_address=own.address,
        local_port=own.port,
        peer_address=peer.address,
        peer_port=peer.port,
        state="CLOSED" if over else "ESTAB",
        mss=_mss(own, peer),
        receive_window_bytes=own.window_bytes,
        send_window_bytes=peer.window_bytes,
        min_rtt_ns=trips.least_ns if trips else None,
        rtt_mean_ns=trips.mean_ns if trips else None,
        rtt_p50_ns=trips.median_ns if trips else None,
        rtt_p95_ns=trips.p95_ns if trips else None,
        rtt_samples=trips.count if trips else None,
        bytes_sent=sent["octets"],
        bytes_acked=own.acked_octets,
        bytes_received=peer.acked_octets,
        bytes_retransmitted=sent["resent_octets"],
        segments_out=sent["segments"],
        segments_in=got.get("segments"),
        data_segments_out=sent["data_segments"],
        data_segments_in=got.get("data_segments"),
        retransmits_total=sent["resent"],
        fast_retransmits=sent["fast_retransmission"],
        timeout_retransmits=sent["timed_out"],
        spurious_retransmits=sent["spurious_retransmission"],
        delivered_ce_segments=sent["congestion_experienced"],
        dsack_duplicates=got.get("duplicate_sacks"),
        out_of_order_segments=_disordered(peer),
        zero_windows=sent["zero_window"],
        delivery_rate_bps=own.acked_octets * 8 * 10**9 // span_ns
        if by_interval and own.acked_octets is not None
        else None,
        opened_ns=one.first_ns if one.opened else None,
        closed_ns=one.last_ns if over else None,
        severed=one.ending == "severed" if over else None,
        source=name,
    )


def _mss(own: Direction, peer: Direction) -> int | None:
    """The payload of a full segment: what the peer takes, less the timestamps if both use them."""
    if peer.mss is None:
        return None
    least = peer.mss if own.mss is None else min(own.mss, peer.mss)
    return least - _STAMPS_OCTETS if own.stamps and peer.stamps else least


def _disordered(peer: Direction) -> int | None:
    """Segments from the peer that came late and for the first time."""
    return None if peer.counts is None else peer.counts["disordered"]


def connections_of(analysis: Analysis, blocks: Iterator[bytes]) -> Iterator[Connection]:
    """The connections of a capture, whole."""
    return (told.connection for told in analysis.read(blocks))
