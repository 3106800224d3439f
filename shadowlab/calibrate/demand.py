"""Connections become demands: what each flow wants, and what holds it back.

In: connections with the records of their ends over time, the network.  Out: one :class:`FlowSpec` per connection whose
demand is known, and a reason for each one whose demand is not.  Never: a rate that no record supports.

A sender's time divides into (``tcp_info``: ``busy_time`` counts while data is in flight and *includes* the other two)::

    idle = elapsed - busy          the application had nothing to send
    rwnd_limited                   the receiver's window was full
    sndbuf_limited                 the sender's own buffer was full
    busy - both                    the network's turn: congestion window, pacing

A paced writer over a long path is busy all the time, so ``busy`` alone does not show it: the kernel's ``app_limited``
mark with nothing left unsent does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from shadowlab.model.flow import FlowClass, FlowSpec
from shadowlab.model.network import Network
from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.model.units import NS_PER_S, format_fraction, format_rate

SERVICES: Mapping[int, str] = {
    21: "ftp",
    22: "ssh",
    25: "smtp",
    53: "dns",
    80: "http",
    179: "bgp",
    389: "ldap",
    443: "https",
    445: "smb",
    873: "rsync",
    1433: "mssql",
    2049: "nfs",
    3306: "mysql",
    5201: "iperf3",
    5432: "postgresql",
    5672: "amqp",
    6379: "redis",
    8080: "http",
    8443: "https",
    9092: "kafka",
    9200: "elasticsearch",
    11211: "memcached",
    27017: "mongodb",
}
"""Services by the port IANA or habit gives them; others may be passed in."""

EPHEMERAL_FROM = 32_768
"""Linux takes the client's port from here on (``ip_local_port_range``)."""
FULL_WINDOW = 0.5
"""A flow that the network limits fills its congestion window; one that uses less of it does not."""
LEAST_SEGMENTS = 2
"""A scaled window smaller than this many segments would meet the delayed ACK and stall; it is raised, and said so."""


class ObservedConnection(Protocol):
    """What telemetry knows of one connection; each end's records ascend in time."""

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def source_port(self) -> int: ...
    @property
    def target_port(self) -> int: ...
    @property
    def sender_records(self) -> tuple[TcpRecord, ...]: ...
    @property
    def receiver_records(self) -> tuple[TcpRecord, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Demands:
    """``unknown`` names each connection without a flow, and why."""

    flows: tuple[FlowSpec, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TimeShares:
    """How a sender spent its time.  ``idle`` is None where the elapsed time is unknown (one point in time)."""

    idle: float | None
    rwnd: float
    sndbuf: float
    network: float


def flows_from_connections(
    connections: Iterable[ObservedConnection],
    network: Network,
    *,
    telemetry_scale: float = 1.0,
    services: Mapping[int, str] = SERVICES,
) -> tuple[FlowSpec, ...]:
    """The flows of :func:`read_demands` alone."""
    return read_demands(connections, network, telemetry_scale=telemetry_scale, services=services).flows


def read_demands(
    connections: Iterable[ObservedConnection],
    network: Network,
    *,
    telemetry_scale: float = 1.0,
    services: Mapping[int, str] = SERVICES,
) -> Demands:
    """One flow per connection, ordered by source, target and ports.

    ``telemetry_scale`` divides rates and windows (the RTT is kept): pass ``network.rate_scale`` for telemetry recorded
    at full size, 1 for telemetry recorded in a network as slow as the map.  Raises ValueError if it is not above zero.
    """
    if not telemetry_scale > 0:
        raise ValueError(f"telemetry_scale must be above zero, got {telemetry_scale:g}")
    ordered = sorted(connections, key=lambda one: (one.source, one.target, one.target_port, one.source_port))
    names = Counter(_name(one) for one in ordered)
    flows: list[FlowSpec] = []
    unknown: list[str] = []
    for one in ordered:
        name = _name(one) if names[_name(one)] == 1 else f"{_name(one)}#{_client_port(one)}"
        missing = [end for end in (one.source, one.target) if end not in network.nodes_by_id]
        flow = f"{missing[0]} is not a node of the map" if missing else _flow(one, name, telemetry_scale, services)
        if isinstance(flow, FlowSpec):
            flows.append(flow)
        else:
            unknown.append(f"{name}: {flow}")
    return Demands(flows=tuple(_distinct(flows)), unknown=tuple(unknown))


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


def measured_rate(one: ObservedConnection) -> tuple[float | None, str]:
    """Payload bits per second at the recorded size, and in words where it comes from or why it is unknown."""
    for records, name, words in (
        (one.sender_records, "bytes_acked", "bytes acknowledged"),
        (one.receiver_records, "bytes_received", "bytes received"),
        (one.sender_records, "wire_bytes_out", "bytes on the wire, headers included"),
        (one.receiver_records, "wire_bytes_in", "bytes on the wire, headers included"),
    ):
        if len(records) > 1:
            before, after = getattr(records[0], name), getattr(records[-1], name)
            elapsed = records[-1].at_ns - records[0].at_ns
            if before is not None and after is not None and elapsed > 0:
                return (after - before) * 8 * NS_PER_S / elapsed, f"{words} over {elapsed / NS_PER_S:.3g} s"
    last = one.sender_records[-1] if one.sender_records else None
    if last is None:
        return None, "its rate is unknown: only the receiver was recorded, at one point in time"
    if last.delivery_rate_bps and last.app_limited is False:
        return float(last.delivery_rate_bps), "delivery rate at one point in time"
    return None, (
        "its rate is unknown: recorded at one point in time, and its delivery rate is "
        + ("a past maximum (application-limited)" if last.delivery_rate_bps else "not printed")
        + "; record a second dump"
    )


def _flow(one: ObservedConnection, name: str, scale: float, services: Mapping[int, str]) -> FlowSpec | str:
    """The flow, or in words why there is none."""
    last = one.sender_records[-1] if one.sender_records else None
    shares = time_shares(one.sender_records) if one.sender_records else None
    rate, rate_words = measured_rate(one)
    if rate == 0:
        return "it moved no byte between its records"
    flow_class, why = _classify(one.sender_records, shares, rate)
    window = _window(one) if flow_class == "receiver-limited" else None
    words = [why]
    if flow_class == "receiver-limited" and window is None:
        flow_class = "paced"
        words.append("its window is unknown, so it is paced instead")
    rate_bps = None
    if flow_class == "paced":
        if rate is None:
            return rate_words
        rate_bps = max(round(rate / scale), 1)
        words.append(f"{format_rate(rate)} ({rate_words})")
    mss = last.mss if last is not None else None
    if window is not None:
        words.append(f"window {window} bytes")
        floor = LEAST_SEGMENTS * (mss or 1448)
        scaled = round(window / scale)
        if scaled < floor and scale != 1:
            words.append(f"scaled down to {scaled}, raised to {floor}: {LEAST_SEGMENTS} segments")
            scaled = floor
        window = max(scaled, 1)
    if scale != 1:
        words.append(f"divided by {scale:g}")
    control = last.congestion_control if last is not None else None
    if control is None:
        words.append("congestion control unknown, cubic assumed")
    return FlowSpec(
        id=name,
        source=one.source,
        target=one.target,
        flow_class=flow_class,
        tcp=TcpOptions(congestion_control=control or "cubic", mss=mss or None, window_bytes=window),
        rate_bps=rate_bps,
        ipv6=":" in (*one.sender_records, *one.receiver_records)[0].local_address,
        service=services.get(_service_port(one), ""),
        evidence="; ".join(words),
    )


def _classify(records: Sequence[TcpRecord], shares: TimeShares | None, rate: float | None) -> tuple[FlowClass, str]:
    """What held the flow back, and the evidence in words."""
    if not records:
        return "paced", "only the receiver was recorded, so what limits the sender is unknown"
    if shares is not None and shares.rwnd > 0 and shares.rwnd >= max(shares.sndbuf, shares.network, shares.idle or 0):
        return "receiver-limited", f"the receiver's window was full {format_fraction(shares.rwnd)} of the time"
    marks = [record.app_limited for record in records if record.app_limited is not None]
    waiting = records[-1].not_sent_bytes or 0
    drained = waiting <= 2 * (records[-1].mss or 1448)
    if marks and sum(marks) * 2 >= len(marks) and drained:
        return (
            "paced",
            f"application-limited: marked so in {sum(marks)} of {len(marks)} records, hardly anything left unsent",
        )
    if shares is None:
        if marks or waiting:
            return "greedy", "data was waiting to be sent" if waiting else "not marked application-limited"
        return "paced", "what limits the sender is unknown (no busy time, no mark), so it is replayed as measured"
    if shares.idle is not None and shares.idle >= max(shares.network, shares.sndbuf) and not waiting:
        return "paced", f"application-limited: nothing in flight {format_fraction(shares.idle)} of the time"
    if shares.sndbuf > shares.network:
        return "paced", (
            f"held by its own send buffer {format_fraction(shares.sndbuf)} of the time, so it is replayed as measured"
        )
    used = _window_use(records[-1], rate)
    if used is not None and used < FULL_WINDOW:
        return "paced", (
            f"application-limited: with data in flight {format_fraction(shares.network)} of the time, but on average "
            f"only {format_fraction(used)} of its congestion window"
        )
    return "greedy", f"network-limited {format_fraction(shares.network)} of the time"


def _window_use(last: TcpRecord, rate: float | None) -> float | None:
    """Bytes in flight on average (rate x smoothed RTT: Little's law) over the congestion window; None if unknown."""
    if rate is None or not last.srtt_ns or not last.cwnd_segments or not last.mss:
        return None
    return rate / 8 * last.srtt_ns / NS_PER_S / (last.cwnd_segments * last.mss)


def _window(one: ObservedConnection) -> int | None:
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


def _service_port(one: ObservedConnection) -> int:
    """The server's port: the one that is not ephemeral; if that does not tell, the target's, or the lower one."""
    source, target = one.source_port, one.target_port
    if (source < EPHEMERAL_FROM) != (target < EPHEMERAL_FROM):
        return min(source, target)
    return target if target < EPHEMERAL_FROM else min(source, target)


def _client_port(one: ObservedConnection) -> int:
    return one.source_port if _service_port(one) == one.target_port else one.target_port


def _name(one: ObservedConnection) -> str:
    """``web→db:5001``, or ``db:5001→web`` where the server sends."""
    port = _service_port(one)
    if port == one.target_port:
        return f"{one.source}→{one.target}:{port}"
    return f"{one.source}:{port}→{one.target}"


def _distinct(flows: list[FlowSpec]) -> list[FlowSpec]:
    """Ids that still coincide (one node, several addresses, the same ports) are numbered."""
    seen: Counter[str] = Counter()
    result = []
    for flow in flows:
        seen[flow.id] += 1
        result.append(flow if seen[flow.id] == 1 else replace(flow, id=f"{flow.id}/{seen[flow.id]}"))
    return result
