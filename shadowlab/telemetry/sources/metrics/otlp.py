"""OTLP metrics, as far as an agent's report needs them: protobuf or JSON into scopes with attributes and values.

In: ``ExportMetricsServiceRequest`` messages: bare, or each behind its length (four bytes, as collectors write files).
Out: the same nested objects that OTLP's JSON has, and from them :class:`Scope` values.
Never: a protobuf library for six message types; a value believed without its type.

Field numbers are those of ``opentelemetry/proto/metrics/v1/metrics.proto`` and ``common/v1/common.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shadowlab.telemetry.tally import Tally

MOST_REQUEST_BYTES = 64 * 2**20
_DEEPEST = 12

# Message type -> field number -> (JSON name, what it holds).  A message type in capitals; [] marks a list.
_LAYOUT: dict[str, dict[int, tuple[str, str]]] = {
    "REQUEST": {1: ("resourceMetrics", "[RESOURCE_METRICS]")},
    "RESOURCE_METRICS": {1: ("resource", "RESOURCE"), 2: ("scopeMetrics", "[SCOPE_METRICS]")},
    "RESOURCE": {1: ("attributes", "[KEY_VALUE]")},
    "SCOPE_METRICS": {1: ("scope", "SCOPE"), 2: ("metrics", "[METRIC]")},
    "SCOPE": {1: ("name", "text"), 3: ("attributes", "[KEY_VALUE]")},
    "KEY_VALUE": {1: ("key", "text"), 2: ("value", "ANY_VALUE")},
    "ANY_VALUE": {
        1: ("stringValue", "text"),
        2: ("boolValue", "varint"),
        3: ("intValue", "signed"),
        4: ("doubleValue", "double"),
    },
    "METRIC": {1: ("name", "text"), 5: ("gauge", "POINTS"), 7: ("sum", "POINTS"), 9: ("histogram", "HISTOGRAM")},
    "POINTS": {1: ("dataPoints", "[POINT]")},
    "POINT": {3: ("timeUnixNano", "fixed"), 4: ("asDouble", "double"), 6: ("asInt", "signed")},
    "HISTOGRAM": {1: ("dataPoints", "[HISTOGRAM_POINT]")},
    "HISTOGRAM_POINT": {
        3: ("timeUnixNano", "fixed"),
        4: ("count", "fixed"),
        5: ("sum", "double"),
        11: ("min", "double"),
        12: ("max", "double"),
    },
}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The metrics of one scope.  A value is a number, or ``{"count", "sum", "min", "max"}`` of a histogram with a least
    sample."""

    name: str
    resource: Mapping[str, Any]
    attributes: Mapping[str, Any]
    values: Mapping[str, Any]
    at_ns: int


def recognise(head: bytes) -> bool:
    """Whether the content begins as a request does: its only field, and within it the resource or scope metrics."""
    for start in (0, 4):
        try:
            tag, at = _varint(head, start)
            length, at = _varint(head, at)
            inner, at = _varint(head, at)
        except ValueError:
            continue
        if start == 4 and int.from_bytes(head[:4], "big") < length:
            continue
        if tag == 1 << 3 | _BYTES and inner in (1 << 3 | _BYTES, 2 << 3 | _BYTES) and length > 2:
            try:
                inside, at = _varint(head, at)
            except ValueError:
                continue
            if inside < length and (len(head) <= at or head[at] in (0x0A, 0x10, 0x12, 0x1A)):
                return True
    return False


def protobuf_requests(blocks: Iterator[bytes], tally: Tally) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, request) of each message.  Raises nothing: damage goes to the tally."""
    content = b""
    for block in blocks:
        content += block
        if len(content) > MOST_REQUEST_BYTES:
            tally.refuse("byte 0", f"more than {MOST_REQUEST_BYTES} bytes of OTLP in one piece: split it")
            return
    framed = len(content) > 4 and content[:1] == b"\0"
    at = 0
    while at < len(content):
        end = len(content)
        start = at
        if framed:
            end = at + 4 + int.from_bytes(content[at : at + 4], "big")
            start = at + 4
            if end > len(content):
                tally.refuse(f"byte {at}", "the file breaks off within a message")
                end = len(content)
        try:
            yield f"byte {at}", _decode(content[start:end], "REQUEST", 0)
        except (ValueError, struct.error) as error:
            tally.refuse(f"byte {at}", f"no OTLP metrics: {error}")
        at = max(end, at + 1)


def _decode(data: bytes, kind: str, depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    layout, at = _LAYOUT[kind], 0
    message: dict[str, Any] = {}
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        raw: int | bytes
        if wire == _VARINT:
            raw, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
            raw, at = data[at : at + size], at + size
        elif wire == _BYTES:
            length, at = _varint(data, at)
            raw, at = data[at : at + length], at + length
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        if at > len(data):
            raise ValueError("a field leads outside of its message")
        if number in layout:
            name, holds = layout[number]
            value = _value(raw, holds.strip("[]"), depth)
            if holds[0] == "[":
                message.setdefault(name, []).append(value)
            else:
                message[name] = value
    return message


def _value(raw: int | bytes, holds: str, depth: int) -> Any:
    if holds in ("varint", "signed", "fixed") and isinstance(raw, int):
        return raw - 2**64 if holds == "signed" and raw >= 2**63 else raw
    if isinstance(raw, bytes):
        if holds == "double" and len(raw) == 8:
            return struct.unpack("<d", raw)[0]
        if holds in ("fixed", "signed") and len(raw) == 8:
            return struct.unpack("<q" if holds == "signed" else "<Q", raw)[0]
        if holds == "text":
            return raw.decode("utf-8", "replace")
        if holds in _LAYOUT:
            return _decode(raw, holds, depth + 1)
    raise ValueError(f"a field that should hold {holds.lower()} holds something else")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a number breaks off")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def scopes(request: Mapping[str, Any]) -> Iterator[Scope]:
    """The scopes of a request in JSON's names (or in protobuf's, with underscores).  Raises ValueError."""
    for resource_metrics in _list(request, "resourceMetrics"):
        resource = _attributes(_object(resource_metrics, "resource"))
        for scope_metrics in _list(resource_metrics, "scopeMetrics"):
            scope = _object(scope_metrics, "scope")
            values, at_ns = _values(_list(scope_metrics, "metrics"))
            name = scope.get("name")
            yield Scope(
                name=name if isinstance(name, str) else "",
                resource=resource,
                attributes=_attributes(scope),
                values=values,
                at_ns=at_ns,
            )


def _values(metrics: list[Any]) -> tuple[dict[str, Any], int]:
    values: dict[str, Any] = {}
    at_ns = 0
    for metric in metrics:
        if not isinstance(metric, dict) or not isinstance(metric.get("name"), str):
            raise ValueError("a metric has no name")
        points: list[Any] = []
        for form in ("gauge", "sum", "histogram"):
            points += _list(_object(metric, form), "dataPoints")
        for point in points:
            if not isinstance(point, dict):
                raise ValueError(f"a data point of {metric['name'][:60]} is no object")
            at_ns = max(at_ns, _whole(_named(point, "timeUnixNano")) or 0)
            values[metric["name"]] = _point(point)
    return values, at_ns


def _point(point: Mapping[str, Any]) -> Any:
    total = point.get("sum")
    if total is None:
        number = _named(point, "asInt")
        return _whole(number) if number is not None else _named(point, "asDouble")
    # The agent sends single numbers, too, as histograms: of one sample, without a least and a largest one.
    if point.get("min") is None:
        return total
    return {"count": _whole(point.get("count")), "sum": total, "min": point.get("min"), "max": point.get("max")}


def _whole(value: Any) -> int | None:
    """JSON has 64-bit numbers as texts."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _attributes(owner: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in _list(owner, "attributes"):
        if not isinstance(one, dict) or not isinstance(one.get("key"), str):
            raise ValueError("an attribute has no key")
        for name in ("stringValue", "intValue", "doubleValue", "boolValue"):
            value = _named(_object(one, "value"), name)
            if value is not None:
                found[one["key"]] = value
    return found


def _named(owner: Mapping[str, Any], name: str) -> Any:
    """The value by its JSON name, or by the name that protobuf gives it."""
    value = owner.get(name)
    return value if value is not None else owner.get("".join("_" + c.lower() if c.isupper() else c for c in name))


def _list(owner: Mapping[str, Any], name: str) -> list[Any]:
    value = _named(owner, name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list")
    return value


def _object(owner: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(owner, Mapping):
        raise ValueError(f"an object with {name} was expected")
    value = _named(owner, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no object")
    return value
