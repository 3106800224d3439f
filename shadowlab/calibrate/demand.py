"""Connections become demands: what each flow wants, and what holds it back.

In: connections with the records of their ends over time, the network.  Out: one :class:`FlowSpec` per connection whose
demand is known, a workload for those too short to be seen alive, and a reason for each one whose demand is not known.
Never: a rate that no record supports.

What limited a flow is found in :mod:`~shadowlab.calibrate.limits`, how fast it was and in what pattern in
:mod:`~shadowlab.calibrate.rates`, how its sockets were set in :mod:`~shadowlab.calibrate.socket_settings`, when it
began and ended in :mod:`~shadowlab.calibrate.lifetimes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from shadowlab.calibrate.dialogues import dialogue_of
from shadowlab.calibrate.lifetimes import Life, recording_of
from shadowlab.calibrate.limits import limit_of
from shadowlab.calibrate.observed import ObservedConnection, recorded_means
from shadowlab.calibrate.rates import counter_of, measured_rate, pattern_of
from shadowlab.calibrate.short_connections import ShortConnection, ShortKey, short_connection, whole_size, workload_of
from shadowlab.calibrate.socket_settings import held_by_sender, reads_slowly, settings_of, window_of
from shadowlab.model.flow import Dialogue, FlowSpec, Phase
from shadowlab.model.network import Network
from shadowlab.model.traffic.workload import Workload
from shadowlab.model.units import NS_PER_S, format_rate

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


@dataclass(frozen=True, kw_only=True)
class Demands:
    """``unknown`` names each connection without a flow, and why.  ``workloads`` are the short connections.
    ``recorded`` holds, by flow, what TCP made of it in production: see
    :func:`~shadowlab.calibrate.observed.recorded_means`."""

    flows: tuple[FlowSpec, ...]
    unknown: tuple[str, ...]
    workloads: tuple[Workload, ...] = ()
    recorded: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


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
    run_ns: int | None = None,
) -> Demands:
    """One flow per connection, ordered by source, target and ports; those that came and went between two readings are
    workloads together, per pair of nodes and service.

    ``telemetry_scale`` divides rates, sizes and windows (the RTT is kept): pass ``network.rate_scale`` for telemetry
    recorded at full size, 1 for telemetry recorded in a network as slow as the map.  Flows begin when they did in the
    recording; what began later than ``run_ns`` after its first moment has no part in a run of that length.  Raises
    ValueError if the scale is not above zero.
    """
    if not telemetry_scale > 0:
        raise ValueError(f"telemetry_scale must be above zero, got {telemetry_scale:g}")
    ordered = sorted(connections, key=lambda one: (one.source, one.target, one.target_port, one.source_port))
    recording = recording_of(ordered)
    lives = [recording.life(one) for one in ordered]
    names = Counter(_name(one) for one, life in zip(ordered, lives, strict=True) if not life.is_short)
    flows: list[FlowSpec] = []
    recorded: list[dict[str, float]] = []
    unknown: list[str] = []
    short: dict[ShortKey, list[ShortConnection]] = {}
    for one, life in zip(ordered, lives, strict=True):
        name = _name(one) if names[_name(one)] <= 1 else f"{_name(one)}#{_client_port(one)}"
        missing = [end for end in (one.source, one.target) if end not in network.nodes_by_id]
        if missing:
            unknown.append(f"{name}: {missing[0]} is not a node of the map")
            continue
        if life.is_short and (found := short_connection(one)) is not None:
            key = ShortKey(
                name=_name(one),
                source=one.source,
                target=one.target,
                service=services.get(_service_port(one), ""),
                ipv6=_over_ipv6(one),
                asker=_asker(one) if found.back_bytes else "",
            )
            short.setdefault(key, []).append(found)
            continue
        flow = _flow(one, life, name, telemetry_scale, services)
        if isinstance(flow, FlowSpec) and run_ns is not None and flow.start_ns >= run_ns:
            flow = "it opened later in the recording than the run lasts"
        if isinstance(flow, FlowSpec):
            flows.append(flow)
            recorded.append(recorded_means(one, telemetry_scale))
        else:
            unknown.append(f"{name}: {flow}")
    workloads = [workload_of(key, some, recording.length_ns, telemetry_scale) for key, some in sorted(short.items())]
    distinct = tuple(_distinct(flows))
    return Demands(
        flows=distinct,
        unknown=tuple(unknown),
        workloads=tuple(workloads),
        recorded={flow.id: means for flow, means in zip(distinct, recorded, strict=True)},
    )


def _flow(one: ObservedConnection, life: Life, name: str, scale: float, services: Mapping[int, str]) -> FlowSpec | str:
    """The flow, or in words why there is none."""
    rate, rate_words = measured_rate(one)
    if rate == 0:
        return "it moved no byte between its records"
    limit = limit_of(one.sender_records, rate)
    flow_class, words = limit.flow_class, [limit.why]
    window = window_of(one) if flow_class == "receiver-limited" else None
    held = held_by_sender(one.sender_records, rate) if flow_class == "sender-limited" else None
    if flow_class in ("receiver-limited", "sender-limited") and window is None and held is None:
        what = "window" if flow_class == "receiver-limited" else "send buffer"
        flow_class = "paced"
        words.append(f"its {what} is unknown, so it is paced instead")
    rate_bps: int | None = None
    pattern: tuple[Phase, ...] = ()
    dialogue: Dialogue | None = None
    talk = dialogue_of(one, asker=_asker(one), scale=scale) if flow_class == "paced" and rate is not None else None
    if rate is not None and talk is not None:
        flow_class, rate_bps, dialogue = "request-response", max(round(rate / scale), 1), talk[0]
        words.append(talk[1])
    elif flow_class == "paced":
        if rate is None:
            return rate_words
        rate_bps, pattern = max(round(rate / scale), 1), pattern_of(one, scale)
        words.append(f"{format_rate(rate)} ({rate_words})")
        if pattern:
            words.append(f"in a pattern of {len(pattern)} phases")
    varied = reads_slowly(one.sender_records) if flow_class == "receiver-limited" else None
    if varied is not None and rate is not None:
        window, rate_bps = varied[1], max(round(rate / scale), 1)
        words.append(
            f"its window varied between {varied[0]} and {varied[1]} bytes: its application reads slowly, at "
            f"{format_rate(rate)}"
        )
    options, set_words = settings_of(one, window=window, held=held, scale=scale)
    size, size_words = _size(one, life, scale)
    return FlowSpec(
        id=name,
        source=one.source,
        target=one.target,
        flow_class=flow_class,
        tcp=options,
        rate_bps=rate_bps,
        pattern=pattern,
        dialogue=dialogue,
        size_bytes=size,
        start_ns=life.opened_ns or 0,
        ipv6=_over_ipv6(one),
        service=services.get(_service_port(one), ""),
        evidence="; ".join([*words, *set_words, *size_words, *_opening_words(life)]),
    )


def _size(one: ObservedConnection, life: Life, scale: float) -> tuple[int | None, list[str]]:
    """What a connection that ended in the recording had moved by then: all of it, if it opened there as well."""
    if life.closed_ns is None:
        return None, []
    counter = counter_of(one)
    ended = f"ended {life.closed_ns / NS_PER_S:.3g} s into the recording"
    moved = whole_size(one) if life.opened_ns is not None else counter.moved if counter is not None else None
    if not moved:
        return None, [f"{ended}, nobody knows after how many bytes"]
    return max(round(moved / scale), 1), [f"{ended} after {moved} bytes"]


def _opening_words(life: Life) -> list[str]:
    return [] if life.opened_ns is None else [f"opened {life.opened_ns / NS_PER_S:.3g} s into the recording"]


def _over_ipv6(one: ObservedConnection) -> bool:
    return ":" in (*one.sender_records, *one.receiver_records)[0].local_address


def _service_port(one: ObservedConnection) -> int:
    """The server's port: the one that is not ephemeral; if that does not tell, the target's, or the lower one."""
    source, target = one.source_port, one.target_port
    if (source < EPHEMERAL_FROM) != (target < EPHEMERAL_FROM):
        return min(source, target)
    return target if target < EPHEMERAL_FROM else min(source, target)


def _asker(one: ObservedConnection) -> Literal["source", "target"]:
    """Who asks: the client."""
    return "target" if _service_port(one) == one.source_port else "source"


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
