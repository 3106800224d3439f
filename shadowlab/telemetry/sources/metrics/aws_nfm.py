"""The reports of AWS's Network Flow Monitor agent become records: its JSON, and OTLP as protobuf or as JSON.

In: reports, one after the other.  A report holds flows; a flow holds all connections between two addresses and one
service port (the client's port is elided: 0) within the reporting interval.
Out: one record of scope ``pair`` per flow.

Its JSON does not say when it was made: then the caller must.  OTLP does.  The beginning of the interval is in neither:
it is the moment of the instance's report before, in the same file; of the first report the length is unknown, and its
``from_ns`` is its ``at_ns``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shadowlab.model.telemetry import TcpRecord, record_of
from shadowlab.model.units import NS_PER_S
from shadowlab.telemetry.addresses import LATEST_NS, parse_address
from shadowlab.telemetry.json_stream import json_values
from shadowlab.telemetry.source import Source
from shadowlab.telemetry.sources.metrics import otlp
from shadowlab.telemetry.sources.values import count, known, port, text

EXPECTED = "expected reports of the Network Flow Monitor agent: its JSON (`--log-reports on`), or OTLP"
MOST_INSTANCES = 10_000
EARLIEST_NS = 946_684_800 * NS_PER_S
"""The year 2000: a moment before it is no moment."""
_JSON_KEYS = re.compile(rb'"(?:network_stats|resourceMetrics|resource_metrics)"\s*:')


def recognise(head: bytes) -> bool:
    """Whether it is a report in one of the three forms."""
    if head.lstrip()[:1] in (b"{", b"["):
        return _JSON_KEYS.search(head) is not None
    return otlp.recognise(head)


def read(source: Source) -> Iterator[TcpRecord]:
    """The flows, report by report."""
    first = next(source.blocks, b"")
    blocks = _chain(first, source.blocks)
    if first.lstrip()[:1] in (b"{", b"["):
        reports = json_values(blocks, source.tally)
    else:
        reports = otlp.protobuf_requests(blocks, source.tally)
    begins = _Begins()
    for place, report in reports:
        if not isinstance(report, dict):
            source.tally.refuse(place, "a JSON object was expected")
            continue
        source.tally.dumps += 1
        if "network_stats" in report:
            yield from _json_report(report, source, place, begins)
        else:
            yield from _otlp_request(report, source, place, begins)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _json_report(report: dict[str, Any], source: Source, place: str, begins: _Begins) -> Iterator[TcpRecord]:
    flows = report["network_stats"]
    if not isinstance(flows, list):
        source.tally.refuse(place, "network_stats is no list")
        return
    instance = source.instance or _metadata_name(report)
    for number, one in enumerate(flows):
        where = f"{place}, flow {number}"
        try:
            if source.at_ns is None:
                raise ValueError("the report does not say when it was made: give --at TIME")
            if (
                not isinstance(one, dict)
                or not isinstance(one.get("flow"), dict)
                or not isinstance(one.get("stats"), dict)
            ):
                raise ValueError("a flow is an object with flow and stats")
            yield _record(one["flow"], one["stats"], source.at_ns, instance, source, begins)
        except ValueError as error:
            source.tally.refuse(where, str(error))
        except _NotTcp as reason:
            source.tally.pass_over(str(reason))


def _metadata_name(report: Mapping[str, Any]) -> str:
    """The node's or the instance's name out of ``[["instance_id", {"String": "i-1"}]]``."""
    kubernetes = report.get("k8s_metadata")
    pairs = report.get("env_metadata")
    entries = [("k8s_node_name", kubernetes.get("node_name"))] if isinstance(kubernetes, dict) else []
    if isinstance(pairs, list):
        entries += [(one[0], one[1]) for one in pairs if isinstance(one, list) and len(one) == 2]
    elif isinstance(pairs, dict):
        entries += list(pairs.items())
    names: dict[Any, Any] = {}
    for key, value in entries:
        plain = value.get("String") if isinstance(value, dict) else value
        if isinstance(key, str) and isinstance(plain, str) and plain:
            names[key] = plain[:1000]
    return str(names.get("k8s_node_name") or names.get("instance_id") or names.get("instance-id") or "")


def _otlp_request(request: dict[str, Any], source: Source, place: str, begins: _Begins) -> Iterator[TcpRecord]:
    try:
        scopes = list(otlp.scopes(request))
    except ValueError as error:
        source.tally.refuse(place, str(error))
        return
    for number, scope in enumerate(scopes):
        if scope.name != "network_stats":
            source.tally.pass_over(f"OTLP metrics of the scope {scope.name[:60] or '(unnamed)'!r}")
            continue
        try:
            at_ns = scope.at_ns if EARLIEST_NS <= scope.at_ns <= LATEST_NS else source.at_ns
            if at_ns is None:
                raise ValueError("the report's time is not known: give --at TIME")
            instance = source.instance or str(
                scope.resource.get("k8s_node_name") or scope.resource.get("instance_id") or ""
            )
            yield _record(scope.attributes, scope.values, at_ns, instance, source, begins)
        except ValueError as error:
            source.tally.refuse(f"{place}, scope {number}", str(error))
        except _NotTcp as reason:
            source.tally.pass_over(str(reason))


class _NotTcp(Exception):
    """A flow of another protocol."""


class _Begins:
    """When each instance's interval began: the moment of its report before."""

    def __init__(self) -> None:
        self._moments: dict[str, tuple[int, int]] = {}

    def of(self, instance: str, at_ns: int) -> int:
        """The moment of the report before; ``at_ns`` itself if there is none, or a later one."""
        before, last = self._moments.get(instance, (at_ns, at_ns))
        if at_ns > last:
            before, last = last, at_ns
        if len(self._moments) >= MOST_INSTANCES:
            self._moments.clear()
        self._moments[instance] = (before, last)
        return min(before, at_ns)


def _record(
    flow: Mapping[str, Any], stats: Mapping[str, Any], at_ns: int, instance: str, source: Source, begins: _Begins
) -> TcpRecord:
    protocol = text(flow, "protocol") or "TCP"
    if protocol != "TCP":
        raise _NotTcp(f"a flow of {protocol[:20]}")
    fields = known(
        bytes_acked=count(stats, "bytes_delivered"),
        bytes_received=count(stats, "bytes_received"),
        delivered_segments=count(stats, "segments_delivered"),
        segments_in=count(stats, "segments_received"),
        retransmits_total=_sum(stats, "retrans_syn", "retrans_est", "retrans_close"),
        timeouts=_sum(stats, "rtos_syn", "rtos_est", "rtos_close"),
        connections_opened=count(stats, "connect_attempts"),
        connections_failed=count(stats, "severed_connect"),
        connections_severed=count(stats, "severed_establish"),
        connections_open=count(stats, "sockets_established"),
    )
    fields |= _rtt(stats)
    fields |= {
        "at_ns": at_ns,
        "from_ns": begins.of(instance, at_ns),
        "scope": "pair",
        "instance": instance,
        "local_address": parse_address(text(flow, "local_address")),
        "local_port": port(flow, "local_port"),
        "peer_address": parse_address(text(flow, "remote_address")),
        "peer_port": port(flow, "remote_port"),
        "source": source.name,
    }
    return record_of(fields)


def _sum(stats: Mapping[str, Any], *names: str) -> int | None:
    """The sum; None if one of the parts is not known, for a part is not the sum."""
    parts = [count(stats, name) for name in names]
    return None if None in parts else sum(one for one in parts if one is not None)


def _rtt(stats: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in ("rtt_us", "rtt_smoothed_us"):
        samples = stats.get(name)
        if samples is None:
            continue
        if not isinstance(samples, dict):
            raise ValueError(f"{name} is no histogram")
        number, total = count(samples, "count"), count(samples, "sum", 1000)
        if not number or total is None:
            continue  # no sample in this interval
        if name == "rtt_us":
            fields |= known(
                rtt_samples=number,
                rtt_mean_ns=total // number,
                min_rtt_ns=count(samples, "min", 1000),
                rtt_max_ns=count(samples, "max", 1000),
            )
        else:
            fields["srtt_ns"] = total // number
    return fields
