"""How long an instance serves a request, and how many at once, where its host's figures tell.

In: records of connections and of whole hosts.  Out: one value each per instance that tells.  Never: a service time read
from round-trip times: those are the network's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from shadowlab.model.calibration import UNKNOWN, InstanceCalibration, Value
from shadowlab.model.telemetry import TcpRecord


def instance_values(records: Iterable[TcpRecord], nodes: Mapping[str, str]) -> tuple[InstanceCalibration, ...]:
    """``nodes`` gives the node of each recorded instance; others are left out."""
    service: dict[str, list[tuple[int, float]]] = defaultdict(list)
    queue: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for record in records:
        node = nodes.get(record.instance)
        if node is None:
            continue
        if record.host_service_time_ns:
            service[node].append((record.at_ns, float(record.host_service_time_ns)))
        if record.host_run_queue is not None:
            queue[node].append((record.at_ns, record.host_run_queue))
    return tuple(
        InstanceCalibration(
            node=node,
            service_time_ns=_value(service.get(node, []), "the mean of what its host says"),
            concurrency=_value(queue.get(node, []), "how many of its processes ran or waited to, on the mean"),
        )
        for node in sorted({*service, *queue})
    )


def _value(samples: list[tuple[int, float]], why: str) -> Value:
    """The mean over distinct moments: a host's figure stands in every record of the same moment."""
    if not samples:
        return UNKNOWN
    moments = dict(samples)
    values = np.array(list(moments.values()))
    mean, half = float(values.mean()), 2 * float(values.std()) / np.sqrt(len(values))
    return Value(
        value=mean,
        low=max(mean - half, 0.0),
        high=mean + half,
        standing="measured",
        samples=len(values),
        seen_ns=max(moments),
        why=why,
    )
