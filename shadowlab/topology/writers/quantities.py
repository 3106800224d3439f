"""What a link does to packets, as tools commonly spell it.

In: an impairment.  Out: text by key, and what these keys have no place for.
"""

from __future__ import annotations

from shadowlab.model.impairment import DEFAULT_QUEUE_PACKETS, Impairment
from shadowlab.model.network import Link, Network
from shadowlab.model.units import exact_duration, exact_percent, exact_rate
from shadowlab.topology.quantities import UNLIMITED


def plain_quantities(link: Link, left_out: list[str]) -> dict[str, str]:
    """Delay, jitter, loss, rate and queue of the way forward; what else there is goes to ``left_out``."""
    one = link.forward
    left_out += [f"link {link.id}: {name}" for name, value in _more(one).items() if value]
    if link.backward != link.forward or link.metric_backward is not None:
        left_out.append(f"link {link.id}: what differs from {link.b} to {link.a}")
    found = {"delay": exact_duration(one.delay_ns)}
    if one.jitter_ns:
        found["jitter"] = exact_duration(one.jitter_ns)
    if one.loss:
        found["loss"] = exact_percent(one.loss)
    found["rate"] = UNLIMITED if one.rate_bps is None else exact_rate(one.rate_bps)
    if one.queue_packets != DEFAULT_QUEUE_PACKETS:
        found["queue"] = str(one.queue_packets)
    return found


def _more(one: Impairment) -> dict[str, object]:
    return {
        "the shape of its jitter": one.jitter_shape,
        "the pattern of its losses": one.loss_correlation or one.loss_model,
        "duplication": one.duplicate,
        "corruption": one.corrupt,
        "reordering": one.reorder,
        "framing": one.framing,
        "slots": one.slot,
        "ECN": one.ecn,
        "the seed of its chances": one.seed is not None,
        "its queue discipline": one.queue,
    }


def beyond_links(network: Network) -> list[str]:
    """What a network has that is neither node nor link."""
    counts = {
        "groups": len(network.groups),
        "demands": len(network.demands.between),
        "exceptions to shortest paths": len(network.static_routes) + len(network.source_routes),
    }
    found = [f"{count} {name}" for name, count in counts.items() if count]
    found += ["equal-cost multipath"] if network.ecmp else []
    return found + ([f"the rate scale {network.rate_scale:g}"] if network.rate_scale != 1 else [])
