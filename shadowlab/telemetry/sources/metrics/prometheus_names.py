"""What the metrics of known exporters say of TCP: the table behind both Prometheus readers.

In: a metric's name and labels.  Out: which field of which record it is; None if it is none.
A new exporter is a few lines here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from shadowlab.model.telemetry import Scope


class Meaning(NamedTuple):
    """Which field a sample is.  Samples of the same field of the same record are added up if ``adds``."""

    field: str
    scope: Scope
    adds: bool = False


IDLE_MODES = ("idle", "iowait")
"""Of a processor that does nothing: fields from which the readers make a share, two samples at a time."""
_NETSTAT = {  # of node_exporter, by what /proc/net/netstat and /proc/net/snmp call them
    "Tcp_OutSegs": "segments_out",
    "Tcp_InSegs": "segments_in",
    "Tcp_RetransSegs": "retransmits_total",
    "Tcp_AttemptFails": "connections_failed",
    "Tcp_EstabResets": "connections_severed",
    "Tcp_CurrEstab": "connections_open",
    "TcpExt_TCPTimeouts": "timeouts",
    "TcpExt_TCPFastRetrans": "fast_retransmits",
    "TcpExt_TCPDSACKRecv": "dsack_duplicates",
    "TcpExt_TCPOFOQueue": "out_of_order_segments",
    "TcpExt_TCPToZeroWindowAdv": "zero_windows",
}
_PLAIN = {f"node_netstat_{name}": Meaning(field, "host") for name, field in _NETSTAT.items()} | {
    "node_netstat_Tcp_ActiveOpens": Meaning("connections_opened", "host", True),
    "node_netstat_Tcp_PassiveOpens": Meaning("connections_opened", "host", True),
    "node_memory_MemTotal_bytes": Meaning("host_memory_total_bytes", "host"),
    "node_memory_MemAvailable_bytes": Meaning("available", "host"),
    "node_procs_running": Meaning("host_run_queue", "host"),
    "networkobservability_adv_tcpretrans_count": Meaning("retransmits_total", "pair"),
    "networkobservability_adv_tcp_retransmission_count": Meaning("retransmits_total", "pair"),
    "ebpf_exporter_tcp_retransmit_ipv4_packets_total": Meaning("retransmits_total", "pair", True),
    "ebpf_exporter_tcp_retransmit_ipv6_packets_total": Meaning("retransmits_total", "pair", True),
}
_FLAGS = {"SYN": "connections_opened", "RST": "connections_severed"}
_RETINA_STATISTICS = {name.rpartition("_")[2]: field for name, field in _NETSTAT.items()}
_SOURCE = ("source_pod", "source_podname", "source", "source_workload", "source_ip", "local_ip")
_TARGET = ("destination_pod", "destination_podname", "destination", "destination_workload", "destination_ip", "peer_ip")
_SOURCE_ADDRESS, _TARGET_ADDRESS = ("source_ip", "local_ip"), ("destination_ip", "peer_ip")


def meaning_of(name: str, labels: Mapping[str, str]) -> Meaning | None:
    """The field that a sample is."""
    if name in _PLAIN:
        return _PLAIN[name]
    if name == "node_cpu_seconds_total":
        mode = labels.get("mode", "")
        return Meaning(mode, "host", True) if mode in IDLE_MODES else None
    if name == "node_tcp_connection_states":
        return Meaning("connections_open", "host") if labels.get("state") == "established" else None
    if name == "networkobservability_tcp_state":
        return Meaning("connections_open", "host") if labels.get("state") == "ESTABLISHED" else None
    if name == "networkobservability_tcp_connection_stats":
        field = _RETINA_STATISTICS.get(labels.get("statistic_name", ""))
        return Meaning(field, "host") if field else None
    if name in ("hubble_tcp_flags_total", "networkobservability_adv_tcpflags_count"):
        field = _FLAGS.get(labels.get("flag", ""))
        return Meaning(field, "pair", True) if field else None
    if name in ("networkobservability_adv_forward_bytes", "networkobservability_adv_forward_count"):
        out = labels.get("direction") != "ingress"
        if name.endswith("bytes"):
            return Meaning("wire_bytes_out" if out else "wire_bytes_in", "pair")
        return Meaning("segments_out" if out else "segments_in", "pair")
    return None


class Ends(NamedTuple):
    """Whom a sample is about."""

    scope: Scope
    instance: str
    local_address: str
    peer: str
    peer_address: str
    port: str


def ends_of(scope: Scope, labels: Mapping[str, str], otherwise: str) -> Ends:
    """The ends that the labels name; ``otherwise`` is the instance if they name none."""
    if scope == "host":
        name = labels.get("nodename") or labels.get("node") or labels.get("instance", "")
        host, colon, port = name.rpartition(":")
        return Ends("host", (host if colon and port.isdecimal() else name) or otherwise, "", "", "", "")
    return Ends(
        "pair",
        _first(labels, _SOURCE) or otherwise,
        _first(labels, _SOURCE_ADDRESS),
        _first(labels, _TARGET),
        _first(labels, _TARGET_ADDRESS),
        labels.get("main_port", ""),
    )


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")
