"""The demands of a map become flows.

In: a network with demands, the unit somebody vouches for, a factor.  Out: paced flows between instances, and a count of
what carries none, by reason.  Never: a unit guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import DEMAND_UNITS, Network
from shadowlab.model.units import format_rate

NO_INSTANCE = "demands of nodes without an instance"
NOTHING = "demands below one bit a second"
WITHIN = "demands between nodes that share an instance"


@dataclass(frozen=True, kw_only=True)
class MapTraffic:
    """``left_out`` counts demands by reason."""

    flows: tuple[FlowSpec, ...]
    left_out: Mapping[str, int]


def map_traffic(network: Network, *, unit: str, scale: float = 1.0) -> MapTraffic:
    """One paced flow for each demand, in map order.  A demand of a router is that of the first instance, by name, that
    hangs on it.

    ``unit`` is one of :data:`~shadowlab.model.network.DEMAND_UNITS`; empty: the map's own.  Demands are at full size,
    and are divided by the map's rate scale as its rates were.  Raises ValueError where the map states no demand, where
    nobody states a unit, and where both state different ones.
    """
    demands = network.demands
    if not demands.between:
        raise ValueError("this map states none")
    if not unit and not demands.unit:
        raise ValueError(f"the map does not say what its values are in; add unit: one of {', '.join(DEMAND_UNITS)}")
    if unit and demands.unit and unit != demands.unit:
        raise ValueError(f"the map states the unit {demands.unit}, so it cannot be {unit}; leave the unit out")
    known = unit or demands.unit
    instances = _instances(network)
    flows: list[FlowSpec] = []
    names: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for one in demands.between:
        source, target = instances.get(one.source), instances.get(one.target)
        rate = round(one.value * DEMAND_UNITS[known] * scale / network.rate_scale)
        if source is None or target is None:
            left_out[NO_INSTANCE] += 1
        elif source == target:
            left_out[WITHIN] += 1
        elif rate < 1:
            left_out[NOTHING] += 1
        else:
            name = f"{source}→{target}:demand"
            names[name] += 1
            words = [f"the map's demand of {one.value:g} {known} from {one.source} to {one.target}"]
            words += [f"times {scale:g}"] if scale != 1 else []
            words += [f"at the map's scale of 1/{network.rate_scale:g}"] if network.rate_scale != 1 else []
            flows.append(
                FlowSpec(
                    id=name if names[name] == 1 else f"{name} of {one.source}→{one.target}",
                    source=source,
                    target=target,
                    flow_class="paced",
                    rate_bps=rate,
                    evidence=f"{format_rate(rate)}: {', '.join(words)}",
                )
            )
    return MapTraffic(flows=tuple(flows), left_out=dict(sorted(left_out.items())))


def _instances(network: Network) -> Mapping[str, str]:
    """By node the instance that sends and receives for it: a host for itself."""
    found = {host.id: host.id for host in network.hosts}
    for link in network.links:
        for host, other in ((link.a, link.b), (link.b, link.a)):
            if network.nodes_by_id[host].kind == "host" and network.nodes_by_id[other].kind == "router":
                found[other] = min(host, found.get(other, host))
    return found
