"""What could be wrong: components times kinds of fault, each with a first size, and what it does to a link.

In: the suspects, what was measured.  Out: hypotheses; operations that impose one.  Never: a look at the scenario's
events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shadowlab.model.diagnosis.ablation import FaultKind
from shadowlab.model.fabric import Fabric
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Network
from shadowlab.model.units import format_duration, format_fraction
from shadowlab.model.verdict import FaultDomain, Suspect
from shadowlab.shadow.ops import Op
from shadowlab.shadow.plan import impair_ops

ALL_IS_LOST = 0.98
_RIVALS = 2
"""So many runners-up are tried, each with the kind that it was suspected of."""
_LEAST_LOSS, _LEAST_DELAY_NS = 0.002, 1e6
_LEAST_POSTERIOR = 0.01
"""Of less probability no rival is tried: tomography has settled that."""
_LEAST_BUSY = 0.5
"""A link with a longer queue must be full now and then to be slower for it."""
PROPORTIONAL = frozenset({"loss", "delay"})
"""Twice the size, twice the symptom; of the others only what was imposed counts."""
MOST: dict[FaultKind, float] = {
    "loss": 0.999,
    "delay": 10e9,
    "rate": 0.99,
    "short queue": 0.99,
    "long queue": 63.0,
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What first sizes are taken from: the share of bad packets and the rise of the delay (ns, both ways) on the
    affected paths, and what the suspects carried of their capacity (0 to 1)."""

    loss: float
    delay_ns: float
    utilisation: float


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """``size`` is where to begin, in the unit of its kind (:class:`~shadowlab.model.diagnosis.ablation.Trial`)."""

    component: str
    directions: tuple[Direction, ...]
    kind: FaultKind
    size: float
    split_by: str = ""

    @property
    def name(self) -> str:
        return f"{self.component}: {self.kind}"


def hypotheses(domain: FaultDomain, network: Network, seen: Seen) -> tuple[Hypothesis, ...]:
    """The first suspect with every kind that the symptoms allow, then its rivals; the likeliest first."""
    first = domain.suspects[0]
    rated = all(network.impairment(one).rate_bps is not None for one in first.directions)
    slower = first.excess_delay_ns > 0 or seen.delay_ns > _LEAST_DELAY_NS
    kinds: list[FaultKind] = ["loss"]
    if slower:
        kinds.append("delay")
    if rated:
        # What gets less than it asks for waits first, unless there is next to no place to wait.
        if slower or min(_buffer_ns(network.impairment(one)) for one in first.directions) < 2 * _LEAST_DELAY_NS:
            kinds.append("rate")
        kinds.append("short queue")
        if slower and seen.utilisation >= _LEAST_BUSY:
            kinds.append("long queue")
    found = [_of(first, kind, seen) for kind in kinds]
    rivals = [
        one for one in domain.runners_up if one.directions != first.directions and one.posterior >= _LEAST_POSTERIOR
    ]
    found += [
        _of(one, "delay" if one.excess_delay_ns > 0 and not one.loss else "loss", seen) for one in rivals[:_RIVALS]
    ]
    for one in _links_of(first):
        found.append(_of(one, "loss", seen))
        if all(network.impairment(way).rate_bps is not None for way in one.directions):
            found.append(_of(one, "short queue", seen))
    return tuple(found)


def _buffer_ns(impairment: Impairment) -> float:
    """How long a full buffer takes to leave."""
    return impairment.queue_packets * impairment.mtu * 8e9 / (impairment.rate_bps or float("inf"))


def _links_of(suspect: Suspect) -> tuple[Suspect, ...]:
    """Of a node or a group each link by itself: a fault of one of them may have been taken for one of all."""
    links = sorted({one.link for one in suspect.directions})
    if not suspect.label or len(links) < 2:
        return ()
    ways = {link: tuple(one for one in suspect.directions if one.link == link) for link in links}
    return tuple(
        replace(suspect, directions=own, label=f"{link} both ways" if len(own) > 1 else "")
        for link, own in list(ways.items())[:_RIVALS]
    )


def _of(suspect: Suspect, kind: FaultKind, seen: Seen) -> Hypothesis:
    delay_ns = suspect.excess_delay_ns or seen.delay_ns / max(len({one.source for one in suspect.directions}), 1)
    sizes: dict[FaultKind, float] = {
        "loss": max(suspect.loss, seen.loss if not suspect.loss else 0.0, _LEAST_LOSS),
        "delay": max(delay_ns, _LEAST_DELAY_NS),
        # Where less fits through, what went through of late is what fits through.
        "rate": 1 - min(max(seen.utilisation, 0.03), 0.9),
        # Two packets or so: what a longer one loses is too little to draw a line by.
        "short queue": 0.96,
        "long queue": 7.0,
    }
    return Hypothesis(
        component=suspect.name,
        directions=suspect.directions,
        kind=kind,
        size=min(sizes[kind], MOST[kind]),
        split_by=suspect.split_by,
    )


def imposed(impairment: Impairment, kind: FaultKind, size: float) -> Impairment:
    """The link with this fault.  Raises ValueError for one that it cannot have."""
    if kind == "loss":
        return impairment.with_loss(1 - (1 - impairment.mean_loss) * (1 - size))
    if kind == "delay":
        return replace(impairment, delay_ns=impairment.delay_ns + round(size))
    if kind == "rate":
        if impairment.rate_bps is None:
            raise ValueError("a link without a rate cannot carry less")
        return replace(impairment, rate_bps=max(round(impairment.rate_bps * (1 - size)), 8_000))
    if kind == "short queue":
        return impairment.with_queue_packets(max(round(impairment.queue_packets * (1 - size)), 1))
    if kind == "long queue":
        return impairment.with_queue_packets(round(impairment.queue_packets * (1 + size)))
    raise ValueError(f"{kind} cannot be imposed")


def ops_of(hypothesis: Hypothesis, size: float, fabric: Fabric, network: Network) -> tuple[Op, ...]:
    """What imposes it."""
    return tuple(
        op
        for one in hypothesis.directions
        for op in impair_ops(fabric, network, one, imposed(network.impairment(one), hypothesis.kind, size))
    )


def words(hypothesis: Hypothesis, size: float, interval: Sequence[float], network: Network) -> str:
    """Kind and size for people."""
    low, high = interval
    match hypothesis.kind:
        case "loss":
            if size >= ALL_IS_LOST:
                return "everything is lost"
            return f"random loss of {format_fraction(_short(size))} ({_range(low, high)})"
        case "delay":
            spans = " to ".join(format_duration(round(one, -4)) for one in (low, high))
            return f"{format_duration(round(size, -4))} longer each way it is crossed ({spans})"
        case "rate":
            return f"capacity {format_fraction(_short(size))} less ({_range(low, high)})"
        case "short queue":
            packets = network.impairment(hypothesis.directions[0]).queue_packets
            return f"queue of about {_packets(max(round(packets * (1 - size)), 1))} in place of {packets}"
        case "long queue":
            packets = network.impairment(hypothesis.directions[0]).queue_packets
            return f"queue of about {_packets(round(packets * (1 + size)))} in place of {packets}"
        case _:
            return hypothesis.kind


def _packets(count: int) -> str:
    return f"{count} packet{'' if count == 1 else 's'}"


def _range(low: float, high: float) -> str:
    return f"{format_fraction(_short(low))} to {format_fraction(_short(high))}"


def _short(share: float) -> float:
    """Two significant digits."""
    return float(f"{share:.2g}")
