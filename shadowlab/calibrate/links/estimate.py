"""All properties of all directions, in the order in which each needs the others.

In: what was seen, the network, what is known beforehand.  Out: a calibration per direction, the segments that the
telemetry cannot take apart, findings.  Never: a file, a run.

Queues are told from delays by the least RTTs; how long full segments take to be sent, which is in every RTT but the
handshake's, follows from the rates; the rates follow from the queues.  So rates are found twice, the second time with
the sending times that the first rates come to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shadowlab.calibrate.links.capacity import FULL_WIRE_BYTES, Capacity, capacities
from shadowlab.calibrate.links.congestion import Congestion, congestion_of
from shadowlab.calibrate.links.delay import DelayPrior, Delays, delays, tellable
from shadowlab.calibrate.links.kin import Kin
from shadowlab.calibrate.links.losses import Losses, losses
from shadowlab.calibrate.links.numbers import Flags, Floats
from shadowlab.calibrate.links.plausible import believable
from shadowlab.calibrate.links.scatter import scatter
from shadowlab.calibrate.links.seen import Seen
from shadowlab.model.calibration import UNKNOWN, Finding, LinkCalibration, Segment, Value
from shadowlab.model.impairment import DEFAULT_QUEUE_PACKETS, Impairment
from shadowlab.model.network import Direction, Network
from shadowlab.model.queue import ETHERNET_FRAMING_BYTES
from shadowlab.model.units import NS_PER_S

SMALL_WIRE_BYTES = 74 + ETHERNET_FRAMING_BYTES
"""A SYN with its options: what the least RTT of most connections was measured by."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkEstimates:
    """``congestion`` and ``base_rtt_ns`` are kept for refinement."""

    links: tuple[LinkCalibration, ...]
    segments: tuple[Segment, ...]
    findings: tuple[Finding, ...]
    congestion: Congestion
    base_rtt_ns: Floats


def estimate_links(seen: Seen, network: Network, prior: DelayPrior, stated_bps: Sequence[int | None]) -> LinkEstimates:
    """``seen.directions`` must be those of ``network``, in their order."""
    trusted, findings = believable(seen, prior.floor_ns)
    stated = np.array([np.nan if one is None else float(one) for one in stated_bps])
    rates = stated.copy()
    explained = np.full(len(seen.pairs), np.nan)
    kin = Kin(seen=seen, prior=prior, stated_bps=stated, least_rtt_ns=least_rtts(seen, trusted), trusted=trusted)
    beforehand = kin.rates({}, (), ())
    told = tellable(seen, prior, trusted)
    for _ in range(2):
        base = base_rtts(seen, trusted, np.where(np.isfinite(rates), rates, beforehand.rate_bps), explained)
        congestion = congestion_of(seen, base, stated_bps)
        found, scattering, of_rates = capacities(seen, congestion, stated_bps)
        found, shifted = kin.shifted(found, congestion, beforehand)
        rates = stated.copy()
        for one, full in found.items():
            if full.rate_bps.standing != "bounded" and full.rate_bps.value:
                rates[one] = full.rate_bps.value
        beforehand = kin.rates(found, shifted, scattering, congestion)
        full_ways = _crosses(seen, congestion)
        small = replace(prior, sending_ns=_sending_ns(rates, SMALL_WIRE_BYTES))
        delay = delays(seen, small, trusted, full_ways, told)
        # A queue that stood from a connection's first moment to its last is in its least RTT, but not in its links'.
        explained = np.where(full_ways, delay.explained_ns, np.nan)
    random = losses(seen, congestion, base, rates)
    jitter = scatter(seen, random.quiet)
    links = []
    for number, direction in enumerate(seen.directions):
        capacity = found.get(number)
        links.append(
            LinkCalibration(
                direction=direction,
                delay_ns=delay.values[number],
                rate_bps=capacity.rate_bps if capacity else UNKNOWN,
                queue_packets=capacity.queue_packets if capacity else UNKNOWN,
                loss=random.loss[number],
                jitter_ns=jitter[number],
                reorder=random.reorder[number],
                background_bps=capacity.background_bps if capacity else UNKNOWN,
                congested=capacity.congested if capacity else 0.0,
                discipline=capacity.discipline if capacity else "",
                ecn=bool(capacity and capacity.ecn),
            )
        )
    return LinkEstimates(
        links=tuple(
            kin.completed(
                _mirrored(links, stated_bps, prior.reverse.tolist(), found),
                beforehand,
                congestion,
                shifted,
                np.array([_open_buffer(network.impairment(one)) for one in seen.directions], dtype=np.bool_),
            )
        ),
        segments=tuple(_segments(seen, network, prior, delay, random)),
        findings=(*findings, *of_rates, *delay.findings),
        congestion=congestion,
        base_rtt_ns=base,
    )


def _mirrored(
    links: Sequence[LinkCalibration],
    stated_bps: Sequence[int | None],
    reverse: Sequence[int],
    found: Mapping[int, Capacity],
) -> tuple[LinkCalibration, ...]:
    """A direction whose rate nobody tells is taken to be as fast as the other one at its fastest, as nearly all links
    are: what a changing rate lacks beside its highest level may be taken by traffic that nobody records, one way."""
    result = []
    for number, link in enumerate(links):
        other = links[reverse[number]]
        least = link.rate_bps.low or 0.0
        known = other.rate_bps.standing in ("measured", "unidentifiable") and other.rate_bps.value
        if stated_bps[number] is None and link.rate_bps.standing in ("prior", "bounded") and known and known >= least:
            why = "taken to be as fast as its other direction"
            capacity = found.get(reverse[number])
            fastest = max(known, capacity.ceiling_bps) if capacity else known
            rate = replace(
                other.rate_bps,
                value=fastest,
                low=least or None,
                high=None,
                standing="prior",
                flows=0,
                samples=0,
                why=why,
            )
            buffer = replace(other.queue_packets, standing="prior", flows=0, samples=0, why=why)
            link = replace(link, rate_bps=rate, queue_packets=buffer)
        result.append(link)
    return tuple(result)


def _open_buffer(stated: Impairment) -> bool:
    """Whether the map leaves the buffer at its default."""
    return stated.queue is None and stated.queue_packets == DEFAULT_QUEUE_PACKETS


def _sending_ns(rates_bps: Floats, size: float) -> Floats:
    """How long a frame of ``size`` bytes takes to be sent, by direction; 0 where no rate is known."""
    return np.nan_to_num(size * 8 * NS_PER_S / rates_bps)


def _crosses(seen: Seen, congestion: Congestion) -> Flags:
    """Which connections' ways lead through a queue, there or back, (C,)."""
    full = np.zeros(len(seen.directions), dtype=np.bool_)
    for bottleneck in congestion.bottlenecks:
        full[list(bottleneck.places)] = True
    return np.asarray(((seen.forward + seen.back)[:, full] > 0).any(axis=1))


def least_rtts(seen: Seen, trusted: Flags) -> Floats:
    """By connection, the least RTT of its pair where there is but one way, else its own, (C,); NaN: not to be used."""
    least: dict[frozenset[str], float] = defaultdict(lambda: float("inf"))
    for one in np.flatnonzero(trusted & seen.certain):
        pair = frozenset(seen.pairs[one])
        least[pair] = min(least[pair], float(seen.least_rtt_ns[one]))
    base = seen.least_rtt_ns.copy()
    for one in np.flatnonzero(trusted & seen.certain):
        both = seen.forward[one] + seen.back[one]
        pair = frozenset(seen.pairs[one])
        if both.any():
            base[one] = least[pair]
    base[~trusted] = np.nan
    return base


def base_rtts(seen: Seen, trusted: Flags, rates_bps: Floats, explained_ns: Floats) -> Floats:
    """By connection, the RTT of a full segment and its acknowledgement where nothing waits, (C,): the least of its
    pair, or what the delays of its links come to (``explained_ns``, NaN where it is not known) if that is less."""
    base = np.fmin(least_rtts(seen, trusted), explained_ns)
    more = _sending_ns(rates_bps, FULL_WIRE_BYTES) - _sending_ns(rates_bps, SMALL_WIRE_BYTES)
    return np.asarray(base + seen.forward @ more)


def _segments(seen: Seen, network: Network, prior: DelayPrior, delay: Delays, random: Losses) -> list[Segment]:
    where = {int(place): number for number, place in enumerate(delay.places)}
    result = []
    for group in delay.classes.groups:
        places = [int(one) for one in delay.places if prior.link[one] in group]
        numbers = [where[one] for one in places]
        total = sum(delay.values[one].value or 0.0 for one in places)
        half = 2 * float(np.sqrt(max(delay.covariance[np.ix_(numbers, numbers)].sum(), 0.0)))
        flows = max(delay.values[one].flows for one in places)
        samples = max(delay.values[one].samples for one in places)
        last_ns = max(delay.values[one].seen_ns for one in places)
        directions = tuple(seen.directions[one] for one in places)
        lost = [random.loss[one] for one in places]
        highs = [one.high for one in lost if one.high is not None]
        result.append(
            Segment(
                directions=directions,
                delay_ns=Value(
                    value=total,
                    low=max(total - half, 0.0),
                    high=total + half,
                    standing="measured",
                    flows=flows,
                    samples=samples,
                    seen_ns=last_ns,
                    why="of all its directions together",
                ),
                loss=Value(
                    value=-float(np.expm1(sum(np.log1p(-min(one.value or 0.0, 0.999999)) for one in lost))),
                    low=0.0,
                    high=max(highs, default=None),
                    standing="bounded" if highs else "prior",
                    flows=flows,
                    samples=samples,
                    seen_ns=last_ns if highs else 0,
                ),
                probe=splitting_probe(network, directions),
            )
        )
    return result


def splitting_probe(network: Network, directions: Sequence[Direction]) -> str:
    """What would tell these links apart: something that crosses a part of them only."""
    links = sorted({one.link for one in directions})
    meeting: dict[str, list[str]] = defaultdict(list)
    for name in links:
        link = network.links_by_id[name]
        meeting[link.a].append(name)
        meeting[link.b].append(name)
    between = sorted(
        (node for node, there in meeting.items() if len(there) > 1), key=lambda one: (-len(meeting[one]), one)
    )
    inside = set(links)
    for node in between:
        for link in network.links:
            if node in (link.a, link.b) and link.id not in inside:
                other = link.b if link.a == node else link.a
                if network.nodes_by_id[other].kind == "host":
                    return f"connections of {other}, which hangs on {node}, across only a part of these links"
    ends = sorted(node for node in meeting if network.nodes_by_id[node].kind == "host")
    ends = ends or [node.id for node in network.hosts[:1]]
    if between:
        return f"a probe from {ends[0] if ends else 'an instance'} whose TTL ends at {between[0]}"
    return "connections between other pairs of instances that cross only one of these links"
