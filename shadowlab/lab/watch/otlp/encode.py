"""Metrics of :mod:`prometheus_client` as an OTLP request in JSON (``ExportMetricsServiceRequest``).

In: metric families, the moment they hold for.  Out: the body.  Names stay Prometheus', without the ending ``_total``
that a collector puts behind counters where it exposes them: rules and dashboards hold for both ways.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from prometheus_client.core import Metric

from shadowlab import __version__

_CUMULATIVE = 2
"""``AGGREGATION_TEMPORALITY_CUMULATIVE``."""


def request(families: Iterable[Metric], *, watch: str, at_ns: int) -> bytes:
    """Numbers of 64 bits are text in OTLP's JSON, as protobuf's mapping has them."""
    metrics = [_metric(one, at_ns) for one in families if one.samples]
    resource = {"attributes": [_attribute("service.name", "shadowlab"), _attribute("service.instance.id", watch)]}
    scope = {"scope": {"name": "shadowlab.watch", "version": __version__}, "metrics": metrics}
    document = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}
    return json.dumps(document, ensure_ascii=False, sort_keys=True).encode()


def _metric(one: Metric, at_ns: int) -> dict[str, Any]:
    points = [
        {
            "attributes": [_attribute(name, value) for name, value in sorted(sample.labels.items())],
            "timeUnixNano": str(at_ns),
            "asDouble": sample.value,
        }
        for sample in one.samples
    ]
    found: dict[str, Any] = {"name": one.name, "description": one.documentation}
    if one.type == "counter":
        return found | {"sum": {"dataPoints": points, "aggregationTemporality": _CUMULATIVE, "isMonotonic": True}}
    return found | {"gauge": {"dataPoints": points}}


def _attribute(name: str, value: str) -> dict[str, Any]:
    return {"key": name, "value": {"stringValue": value}}
