"""Refinement in the loop: a few short runs of the shadow mend what formulas cannot tell of a bottleneck.

In: a calibration, the connections it stands on, a place to run shadows on.  Out: the calibration with the buffers and
rates at which the shadow's TCP shows what production's showed.  Never: a run of what is no bottleneck, nor one more
when the difference has come down to production's own noise.

Only the flows that cross a suspected bottleneck are run, over the links that they cross.  Every bottleneck has figures
of its own, so all of them take a step in each run; a step that made its bottleneck worse is halved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from shadowlab.calibrate.demand import read_demands
from shadowlab.calibrate.links.estimate import LinkEstimates
from shadowlab.calibrate.links.seen import Seen
from shadowlab.calibrate.observed import ObservedConnection
from shadowlab.calibrate.refinement import Figures, Wanted, figures_of, misfit, next_queue, next_rate, wanted_of
from shadowlab.lab.calibration.part import part_of
from shadowlab.lab.calibration.shadow_run import run_shadows, shadow_job
from shadowlab.lab.execute import Place
from shadowlab.lab.progress import Progress
from shadowlab.model.calibration import Calibration, Finding, LinkCalibration, RefinementStep, Value
from shadowlab.model.flow import FlowSpec
from shadowlab.model.flow import Path as FlowPath
from shadowlab.model.network import Direction, Network
from shadowlab.model.units import NS_PER_MS, NS_PER_S, format_rate
from shadowlab.predict.budget import Cost, expected_cost, scale_flows, scale_network
from shadowlab.telemetry.attach import Connection
from shadowlab.topology.routing import intended_way

_SETTLED_NS = 6 * NS_PER_S
"""Slow start and its overshoot are not what is compared."""
_SPAN = 0.5
"""A connection that was seen for less than this part of the recording is not driven."""
_SURE = 0.03
"""A rate whose interval is narrower than this to each side is not touched."""
_STAGGER_NS = 37 * NS_PER_MS
_NOISE = 1.0
_STILL = 0.02
"""A step smaller than this share is none."""
_BAD = 3.0
_OFTEN = 0.2
"""A link at which packets waited less often than that has too little to be compared by."""
_MOST_VAIN = 2
_WIDEST = 0.9
"""A rate or a buffer is more than nothing, however far the best run was from production."""
_ENOUGH = 2
"""So many connections that cross no other bottleneck tell of this one alone."""


@dataclass(frozen=True, kw_only=True)
class Refine:
    """Runs of the shadow on the suspected bottlenecks: where, into which folder, at most how many, how long each at
    most, and how much wall time one may be expected to take before it is scaled down."""

    place: Place
    folder: Path
    most_runs: int = 6
    duration_ns: int = 20 * NS_PER_S
    wall_s: float = 4.0
    seed: int = 1


@dataclass(kw_only=True)
class _Suspect:
    """One bottleneck on its way: what was tried last, what was best."""

    places: tuple[int, ...]
    directions: tuple[Direction, ...]
    members: tuple[int, ...]
    bases: Mapping[int, float]
    wanted: Wanted
    rate_moves: bool
    queue: float
    rate: float
    best_queue: float
    best_rate: float
    best_misfit: float = math.inf
    stride: float = 1.0
    done: bool = False
    tried: list[float] = field(default_factory=list)


def refined(
    found: Calibration,
    seen: Seen,
    connections: Sequence[ObservedConnection],
    estimates: LinkEstimates,
    how: Refine,
    *,
    progress: Progress,
    interrupted: Callable[[], bool],
) -> Calibration:
    """``connections`` in the order of ``seen``.  Raises ShadowFailedError if a shadow cannot be run."""
    if not seen.from_ns.size:
        return found  # nothing was seen that a shadow could be held against
    begin, end = _stretch(seen)
    driven = _driven(found, seen, connections, estimates)
    suspects = _suspects(found, seen, connections, estimates, set(driven), begin, end)
    if not suspects:
        return found
    flows = tuple(driven.values())
    # As often as production was asked: how much a smoothed RTT tells depends on it.
    every_ns = min(max(int(np.median(seen.to_ns - seen.from_ns)), NS_PER_S // 5), NS_PER_S)
    steps: list[RefinementStep] = []
    for number in range(1, how.most_runs + 1):
        tried = _with(found, suspects, best=False)
        network = part_of(tried.network(), [(flow.source, flow.target) for flow in flows])
        job_network, job_flows, duration_ns, cost, factor = _affordable(network, flows, how)
        progress.stage(f"refine {_words(suspects)}: run {number} of at most {how.most_runs}")
        job = shadow_job(job_network, job_flows, duration_ns=duration_ns, seed=how.seed, sample_every_ns=every_ns)
        (ran,) = run_shadows(
            how.place,
            [(f"shadow {number}", job)],
            how.folder / f"run-{number}",
            expected_wall_s=cost.wall_s,
            on_progress=progress.work,
            interrupted=interrupted,
        )
        total = _judge(suspects, _by_flow(job_flows, ran), duration_ns, factor)
        kept = not steps or total < min(one.misfit for one in steps)
        steps.append(RefinementStep(number=number, tried=_tried(suspects), misfit=round(total, 4), kept=kept))
        vain = not any(one.kept for one in steps[-_MOST_VAIN:])
        if all(one.done for one in suspects) or vain:
            break
        _step(suspects)
    return _concluded(found, suspects, steps)


def _stretch(seen: Seen) -> tuple[int, int]:
    """The recording less its beginning."""
    begin, end = int(seen.from_ns.min()), int(seen.to_ns.max())
    return (begin + _SETTLED_NS if end - begin > 4 * _SETTLED_NS else begin), end


def _suspects(
    found: Calibration,
    seen: Seen,
    connections: Sequence[ObservedConnection],
    estimates: LinkEstimates,
    driven: set[int],
    begin: int,
    end: int,
) -> list[_Suspect]:
    result = []
    full = np.zeros((len(seen.pairs), len(estimates.congestion.bottlenecks)), dtype=np.bool_)
    for number, bottleneck in enumerate(estimates.congestion.bottlenecks):
        places = list(bottleneck.places)
        full[:, number] = ((seen.forward + seen.back)[:, places] > 0).any(axis=1)
    crossings = full.sum(axis=1)
    for bottleneck in estimates.congestion.bottlenecks:
        links = [found.links[place] for place in bottleneck.places]
        members = tuple(one for one in bottleneck.connections if one in driven and estimates.base_rtt_ns[one] > 0)
        alone = tuple(one for one in members if crossings[one] == 1)
        members = alone if len(alone) >= _ENOUGH else members
        rate = links[0].rate_bps
        if not members or not rate.value or links[0].congested < _OFTEN:
            continue
        if links[0].discipline == "aqm":
            # Its longest queue is its own doing, not its buffer's; and production's discipline need not be ours, so
            # that waits differ whatever the rate: what crossed it while packets waited tells the rate better.
            continue
        buffer = links[0].queue_packets.value or 100.0
        sides = [abs(one / rate.value - 1) for one in (rate.low, rate.high) if one is not None]
        result.append(
            _Suspect(
                places=bottleneck.places,
                directions=tuple(one.direction for one in links),
                members=members,
                bases={one: float(estimates.base_rtt_ns[one]) for one in members},
                wanted=wanted_of(
                    [(connections[one], float(estimates.base_rtt_ns[one])) for one in members],
                    from_ns=begin,
                    to_ns=end,
                ),
                rate_moves=max(sides, default=1.0) > _SURE,
                queue=buffer,
                rate=rate.value,
                best_queue=buffer,
                best_rate=rate.value,
            )
        )
    return result


def _driven(
    found: Calibration, seen: Seen, connections: Sequence[ObservedConnection], estimates: LinkEstimates
) -> dict[int, FlowSpec]:
    """By connection number, the flows of all that surely cross a bottleneck and were there for long enough."""
    crossing = sorted({one for bottleneck in estimates.congestion.bottlenecks for one in bottleneck.connections})
    begin, end = int(seen.from_ns.min()), int(seen.to_ns.max())
    flows: dict[int, FlowSpec] = {}
    for one in crossing:
        rows = seen.connection == one
        if not rows.any() or seen.to_ns[rows].max() - seen.from_ns[rows].min() < _SPAN * (end - begin):
            continue
        alone = read_demands([connections[one]], found.map).flows
        if alone:
            start = (len(flows) * _STAGGER_NS) % NS_PER_S
            flows[one] = replace(alone[0], id=f"{one}", start_ns=start, size_bytes=None)
    return flows


def _with(found: Calibration, suspects: Sequence[_Suspect], *, best: bool) -> Calibration:
    changed = {}
    for one in suspects:
        queue, rate = (one.best_queue, one.best_rate) if best else (one.queue, one.rate)
        for place in one.places:
            link = found.links[place]
            changed[place] = replace(
                link,
                rate_bps=replace(link.rate_bps, value=rate),
                queue_packets=replace(link.queue_packets, value=queue, standing="measured"),
            )
    return replace(found, links=tuple(changed.get(place, link) for place, link in enumerate(found.links)))


def _affordable(
    network: Network, flows: tuple[FlowSpec, ...], how: Refine
) -> tuple[Network, tuple[FlowSpec, ...], int, Cost, float]:
    """What is run: smaller, if it is expected to take longer than it may otherwise."""
    paths = sorted({FlowPath(source=flow.source, target=flow.target) for flow in flows})
    hops = {path: intended_way(network, path.source, path.target).directions for path in paths}

    def cost_of(some: Network, those: Sequence[FlowSpec], duration_ns: int) -> Cost:
        return expected_cost(
            network=some, flows=those, paths=(), hops=hops, duration_ns=duration_ns, probe_every_ns=duration_ns
        )

    duration_ns, factor = how.duration_ns, 1.0
    cost = cost_of(network, flows, duration_ns)
    if cost.wall_s > how.wall_s:  # not shorter: a window that still grows fills no queue
        factor = cost.wall_s / how.wall_s
        network, flows = scale_network(network, factor), scale_flows(flows, factor)
        cost = cost_of(network, flows, duration_ns)
    return network, flows, duration_ns, cost, factor


def _by_flow(flows: Sequence[FlowSpec], ran: Sequence[Connection]) -> dict[int, Connection]:
    """By connection number of production, what became of its flow: of flows between the same ends in their order."""
    left = list(ran)
    result = {}
    for flow in flows:
        match = next((one for one in left if (one.source, one.target) == (flow.source, flow.target)), None)
        if match is not None:
            left.remove(match)
            result[int(flow.id)] = match
    return result


def _judge(
    suspects: Sequence[_Suspect],
    shadow: dict[int, Connection],
    duration_ns: int,
    factor: float,
) -> float:
    """Compare, and keep what was best so far; the mean misfit of this run."""
    total = 0.0
    for one in suspects:
        figures = figures_of(
            [(shadow[member], one.bases[member]) for member in one.members if member in shadow],
            from_ns=_SETTLED_NS,
            to_ns=duration_ns,
        )
        if factor != 1:  # windows have fewer segments then, and lose a larger share of them
            goodput = figures.goodput_bps
            figures = replace(figures, resent=None, goodput_bps=goodput * factor if goodput else None)
        distance = misfit(one.wanted, figures)
        total += distance / len(suspects)
        if distance < one.best_misfit:
            one.best_misfit, one.best_queue, one.best_rate = distance, one.queue, one.rate
            one.stride = 1.0
            _aim(one, figures)
        else:
            one.stride /= 2
        one.done = distance <= _NOISE or one.stride < 0.2 or _small(one)
    return total


def _aim(one: _Suspect, figures: Figures) -> None:
    """Where the best point so far says that the next one lies."""
    rate = next_rate(one.best_rate, one.wanted, figures) if one.rate_moves else one.best_rate
    one.tried = [next_queue(one.best_queue, one.wanted, figures), rate]


def _small(one: _Suspect) -> bool:
    queue, rate = one.tried
    return abs(queue / one.best_queue - 1) < _STILL and abs(rate / one.best_rate - 1) < _STILL


def _step(suspects: Sequence[_Suspect]) -> None:
    for one in suspects:
        queue, rate = one.tried
        stride = 0.0 if one.done else one.stride
        one.queue = one.best_queue * (queue / one.best_queue) ** stride
        one.rate = one.best_rate * (rate / one.best_rate) ** stride


def _concluded(found: Calibration, suspects: Sequence[_Suspect], steps: Sequence[RefinementStep]) -> Calibration:
    mended = _with(found, suspects, best=True)
    links = list(mended.links)
    findings = []
    for one in suspects:
        words = f"refined by {len(steps)} runs of the shadow, to a misfit of {one.best_misfit:.2g}"
        share = min(max(0.05, 0.05 * one.best_misfit), _WIDEST)
        for place in one.places:
            links[place] = _marked(links[place], found.links[place], words, share, rate_moved=one.rate_moves)
            _mirror(links, found, place)
        if one.best_misfit > _BAD:
            findings.append(
                Finding(
                    kind="not converged",
                    subject=" or ".join(map(str, one.directions)),
                    message=f"the best run of the shadow is {one.best_misfit:.2g} times production's own noise away",
                    effect="its values are the best that were tried; do not trust what the shadow says of this link",
                )
            )
    return replace(mended, links=tuple(links), findings=(*mended.findings, *findings), refinement=tuple(steps))


def _mirror(links: list[LinkCalibration], found: Calibration, place: int) -> None:
    """A direction that was taken to be like this one stays like it."""
    other = next(number for number, one in enumerate(links) if one.direction == links[place].direction.reverse)
    before, now = found.links[other], links[place]
    for name in ("rate_bps", "queue_packets"):
        value = getattr(before, name)
        if (
            value.standing == "prior"
            and value.value is not None
            and value.value == getattr(found.links[place], name).value
        ):
            links[other] = replace(links[other], **{name: replace(value, value=getattr(now, name).value)})


def _marked(
    link: LinkCalibration, before: LinkCalibration, words: str, share: float, *, rate_moved: bool
) -> LinkCalibration:
    def around(value: Value) -> Value:
        assert value.value is not None
        low, high = value.value * (1 - share), value.value * (1 + share)
        return replace(value, low=low, high=high, why=f"{value.why}; {words}" if value.why else words)

    standing = before.rate_bps.standing
    queue = around(replace(link.queue_packets, standing="measured"))
    queue = replace(queue, flows=link.rate_bps.flows, samples=link.rate_bps.samples, seen_ns=link.rate_bps.seen_ns)
    rate = replace(around(link.rate_bps), standing=standing) if rate_moved else link.rate_bps
    return replace(link, queue_packets=queue, rate_bps=rate)


def _words(suspects: Sequence[_Suspect]) -> str:
    names = [str(one.directions[0]) for one in suspects[:3]]
    return ", ".join(names) + (f" and {len(suspects) - 3} more" if len(suspects) > 3 else "")


def _tried(suspects: Sequence[_Suspect]) -> str:
    return "; ".join(
        f"{one.directions[0]} queue {one.queue:.0f}" + (f" rate {format_rate(one.rate)}" if one.rate_moves else "")
        for one in suspects
    )
