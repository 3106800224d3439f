"""Questions about what is not there yet: the same edit of map and demand for production and for its copy.

In: a case.  Out: rows: whether each indicator moved the way that was predicted, and which promises broke.

Both sides are asked with the same chance: production's edited run is held against the run of the same seed without the
edit, and so is the copy's.  A change of production counts if it exceeds a tenth of the value and twice the noise of one
run; a prediction of less than a fiftieth says that nothing moves.  Promises are made from
what production was like before: a 95th percentile of round-trip times up to 1.3 times that, a 99th of completion times
up to 1.5 times, nine tenths of the goodput, a retransmitted share up to one percent more.

A prediction is production's present value and the change of the copy, for whoever asks has the present at hand: times
add, as waiting does; goodputs scale, as shares do; retransmitted shares add.  Beside that stand the copy's change as a
ratio throughout, and the copy's own value with no look at the present.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.hidden.baselines import fluid, formulas
from benchmarks.hidden.book import Book
from benchmarks.hidden.measured import FLOORS, Seen
from benchmarks.hidden.stages import SECONDS, WINDOW, Case, losses_of, true_links
from benchmarks.hidden.workload import Traffic, utilisation
from shadowlab.model.network import Link, Network
from shadowlab.model.queue import Codel, Fifo, Queue
from shadowlab.topology.routing import intended_way

GROWTH = 1.4
SHALLOW, DEEP = 12, 400
MOST_FAILURES = 2
_LEAST_CHANGE, _LEAST_GUESS = 0.1, 0.02
_LIMITS: Mapping[str, float] = {"goodput_mbps": 0.9, "srtt_p95_ms": 1.3, "completion_p99_ms": 1.5}
_MORE_RETRANSMITTED = 0.01
PROMISED = frozenset((*_LIMITS, "retransmission_share"))
"""Indicators of which something is promised."""

COUNTS = ("moved", "right", "unmoved", "foreseen", "missed", "in vain")
"""Of values of production: those that moved, of these those whose direction was predicted and those that were said not
to move; promises that broke and were foreseen to, or not; those feared for in vain."""

BY_RATIO, AS_RUN = "shadow, by ratio", "shadow, as it runs"
"""The same runs of the copy, read in other ways."""

Edited = tuple[Network, Traffic]


@dataclass(frozen=True, kw_only=True)
class Edit:
    """``apply`` takes the truth and the copy alike."""

    kind: str
    name: str
    apply: Callable[[Network, Traffic], Edited]


def edits_of(case: Case, most: int | None) -> list[Edit]:
    """``most`` of them, other ones for other seeds; all without it."""
    some = list(edits(case))
    count = len(some) if most is None else min(most, len(some))
    first = case.hidden.seed * count
    return [some[(first + number) % len(some)] for number in range(count)]


def edits(case: Case) -> Iterator[Edit]:
    """Growth; the busiest trunks that can be done without fail; a host moves; another buffer, another discipline."""
    network = case.hidden.network
    busy = [one for one in _busiest(case) if not network.is_access(one)]
    yield Edit(kind="growth", name=f"growth x{GROWTH}", apply=lambda net, some: (net, some.grown(GROWTH)))
    spare = [link for link in busy if _connected(_without(network, link.id), case)]
    for link in spare[:MOST_FAILURES]:
        yield Edit(
            kind="link fails",
            name=f"{link.id} fails",
            apply=lambda net, some, name=link.id: (_without(net, name), some),
        )  # type: ignore[misc]
    host, router = _move(case)
    yield Edit(
        kind="host moves", name=f"{host} moves to {router}", apply=lambda net, some: (_moved(net, host, router), some)
    )
    trunk = busy[0].id
    for kind, name, queue in (
        ("shallow buffer", f"{trunk} with {SHALLOW} packets", Fifo(packets=SHALLOW)),
        ("deep buffer", f"{trunk} with {DEEP} packets", Fifo(packets=DEEP)),
        ("AQM", f"{trunk} with FQ-CoDel", Codel(fair=True, ecn=False)),
    ):
        yield Edit(kind=kind, name=name, apply=lambda net, some, one=queue: (_queued(net, trunk, one), some))  # type: ignore[misc]


def counterfactuals(book: Book, case: Case, most: int | None) -> list[dict[str, object]]:
    """One row per edit and predictor."""
    copy, rows = case.copy, []
    losses, truly = losses_of(copy.connections), true_links(case)
    calm = {
        "shadow": case.shadow,
        "no calibration": book.shadow(copy.guess, copy.traffic, WINDOW, seed=1, seconds=SECONDS),
        "formulas": formulas(copy.network, copy.traffic, losses),
        "fluid": fluid(copy.network, copy.traffic),
        "last value": case.told,
        "true links": book.shadow(truly, copy.traffic, WINDOW, seed=1, seconds=SECONDS),
    }
    for one in edits_of(case, most):
        network, traffic = one.apply(case.hidden.network, case.traffic)
        edited = replace(case.hidden, network=network)
        _, (truth,) = book.production(edited, traffic, [WINDOW], seed=1, seconds=SECONDS, told_s=SECONDS)
        ours, some = one.apply(copy.network, copy.traffic)
        guess, right = (one.apply(net, copy.traffic)[0] for net in (copy.guess, truly))
        after = {
            "shadow": book.shadow(ours, some, WINDOW, seed=1, seconds=SECONDS),
            "no calibration": book.shadow(guess, some, WINDOW, seed=1, seconds=SECONDS),
            "formulas": formulas(ours, some, losses),
            "fluid": fluid(ours, some),
            "last value": case.told,
            "true links": book.shadow(right, some, WINDOW, seed=1, seconds=SECONDS),
        }
        rows += [_judged(case, one, name, truth, calm[name], after[name], anchored) for name in after]
        rows += [
            _judged(case, one, name, truth, calm["shadow"], after["shadow"], how)
            for name, how in ((BY_RATIO, by_ratio), (AS_RUN, as_run))
        ]
    return rows


# --- from the copy's change to production's value --------------------------------------------------------------------


def anchored(kpi: str, present: float, calm: float, after: float) -> float:
    """``present`` moved as far as the copy moved from ``calm`` to ``after``; goodput by as large a share."""
    return by_ratio(kpi, present, calm, after) if kpi == "goodput_mbps" else max(0.0, present + after - calm)


def by_ratio(kpi: str, present: float, calm: float, after: float) -> float:
    """``present`` times the copy's change; a retransmitted share, which may have been nothing, moves by as much."""
    return present + after - calm if kpi == "retransmission_share" else present * after / max(calm, 1e-9)


def as_run(kpi: str, present: float, calm: float, after: float) -> float:
    """What the copy came to."""
    return after


Predictor = Callable[[str, float, float, float], float]


def _judged(
    case: Case, edit: Edit, who: str, truth: Seen, calm: Seen, after: Seen, predict: Predictor
) -> dict[str, object]:
    noise = case.noise()
    counts = dict.fromkeys((*COUNTS, *(f"{name} {kpi}" for kpi in FLOORS for name in COUNTS)), 0)
    errors = []
    for subject, values in truth.values.items():
        for kpi, true in values.items():
            sides = [one.values.get(subject, {}).get(kpi) for one in (case.told, calm, after)]
            if None in sides:
                continue
            base, was, will = (one for one in sides if one is not None)
            size = max(abs(base), FLOORS[kpi])
            predicted = predict(kpi, base, was, will)
            errors.append(abs(predicted - true) / max(abs(true), FLOORS[kpi]))
            if abs(true - base) > max(_LEAST_CHANGE, 2 * noise.get((subject, kpi), 0.0)) * size:
                said = predicted - base if abs(predicted - base) > _LEAST_GUESS * size else 0.0
                for name, hit in (("moved", True), ("right", said * (true - base) > 0), ("unmoved", said == 0)):
                    counts[name] += hit
                    counts[f"{name} {kpi}"] += hit
            broken, feared = (_breaks(kpi, base, value) for value in (true, predicted))
            for name, hit in (
                ("foreseen", broken and feared), ("missed", broken and not feared), ("in vain", feared and not broken),
            ):  # fmt: skip
                counts[name] += hit
                counts[f"{name} {kpi}"] += hit
    return {
        "stage": "counterfactuals",
        "seed": case.hidden.seed,
        "family": case.hidden.family,
        "load": case.load,
        "kind": edit.kind,
        "edit": edit.name,
        "who": who,
        "prediction_error": float(np.median(errors)) if errors else None,
        **counts,
    }


def _breaks(kpi: str, base: float, value: float) -> bool:
    if kpi == "retransmission_share":
        return value > base + _MORE_RETRANSMITTED
    if kpi not in _LIMITS:
        return False
    return value < _LIMITS[kpi] * base if kpi == "goodput_mbps" else value > _LIMITS[kpi] * max(base, FLOORS[kpi])


# --- edits -----------------------------------------------------------------------------------------------------------


def _busiest(case: Case) -> list[Link]:
    used = utilisation(case.hidden.network, [*case.traffic.flows, *case.traffic.workloads])
    by_link: dict[str, float] = {}
    for direction, share in used.items():
        by_link[direction.link] = max(by_link.get(direction.link, 0.0), share)
    return [case.hidden.network.links_by_id[one] for one in sorted(by_link, key=lambda one: (-by_link[one], one))]


def _without(network: Network, link: str) -> Network:
    return replace(network, links=tuple(one for one in network.links if one.id != link))


def _connected(network: Network, case: Case) -> bool:
    hosts = case.hidden.hosts
    return all(not intended_way(network, hosts[0], one).fault for one in hosts[1:])


def _move(case: Case) -> tuple[str, str]:
    """A host with a lasting flow, and the router of the last other host."""
    network = case.hidden.network
    host = case.traffic.flows[0].target
    homes = {one: _home(network, one) for one in case.hidden.hosts}
    others = [router for one, router in homes.items() if router != homes[host]]
    return host, others[-1]


def _home(network: Network, host: str) -> str:
    link = next(one for one in network.links if host in (one.a, one.b))
    return link.b if link.a == host else link.a


def _moved(network: Network, host: str, router: str) -> Network:
    link = next(one for one in network.links if host in (one.a, one.b))
    return network.with_links(replace(link, b=router) if link.a == host else replace(link, a=router))


def _queued(network: Network, link: str, queue: Queue) -> Network:
    one = network.links_by_id[link]
    packets = queue.packets if isinstance(queue, Fifo) and queue.packets else one.forward.queue_packets
    return network.with_links(
        replace(
            one,
            forward=replace(one.forward, queue=queue, queue_packets=packets),
            backward=replace(one.backward, queue=queue, queue_packets=packets),
        )
    )
