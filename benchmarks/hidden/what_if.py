"""Questions about what is not there yet: the same edit of map and demand for production and for its copy.

In: a case.  Out: rows: whether each indicator moved the way that was predicted, and which promises broke.

A change of production counts if it exceeds a tenth of the value and twice the noise of one run.  Promises are made from
what production was like before: a 95th percentile of round-trip times up to 1.3 times that, a 99th of completion times
up to 1.5 times, nine tenths of the goodput, a retransmitted share up to one percent more.  A prediction is production's
present value times the change of the copy: whoever asks has the present at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.hidden.baselines import fluid, formulas
from benchmarks.hidden.book import Book
from benchmarks.hidden.measured import FLOORS, Seen
from benchmarks.hidden.stages import SECONDS, WINDOW, Case, losses_of
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

Edited = tuple[Network, Traffic]


@dataclass(frozen=True, kw_only=True)
class Edit:
    """``apply`` takes the truth and the copy alike."""

    name: str
    apply: Callable[[Network, Traffic], Edited]


def edits(case: Case) -> Iterator[Edit]:
    """Growth; the busiest trunks that can be done without fail; a host moves; another buffer, another discipline."""
    network = case.hidden.network
    busy = [one for one in _busiest(case) if not network.is_access(one)]
    yield Edit(name=f"growth x{GROWTH}", apply=lambda net, some: (net, some.grown(GROWTH)))
    spare = [link for link in busy if _connected(_without(network, link.id), case)]
    for link in spare[:MOST_FAILURES]:
        yield Edit(name=f"{link.id} fails", apply=lambda net, some, name=link.id: (_without(net, name), some))  # type: ignore[misc]
    host, router = _move(case)
    yield Edit(name=f"{host} moves to {router}", apply=lambda net, some: (_moved(net, host, router), some))
    trunk = busy[0].id
    for name, queue in (
        (f"{trunk} with {SHALLOW} packets", Fifo(packets=SHALLOW)),
        (f"{trunk} with {DEEP} packets", Fifo(packets=DEEP)),
        (f"{trunk} with FQ-CoDel", Codel(fair=True, ecn=False)),
    ):
        yield Edit(name=name, apply=lambda net, some, one=queue: (_queued(net, trunk, one), some))  # type: ignore[misc]


def counterfactuals(book: Book, case: Case) -> list[dict[str, object]]:
    """One row per edit and predictor."""
    copy, rows = case.copy, []
    losses = losses_of(copy.connections)
    calm = {
        "shadow": case.shadow,
        "no calibration": book.shadow(copy.guess, copy.traffic, WINDOW, seed=1, seconds=SECONDS),
        "formulas": formulas(copy.network, copy.traffic, losses),
        "fluid": fluid(copy.network, copy.traffic),
        "last value": case.told,
    }
    for one in edits(case):
        network, traffic = one.apply(case.hidden.network, case.traffic)
        edited = replace(case.hidden, network=network)
        _, (truth,) = book.production(edited, traffic, [WINDOW], seed=1, seconds=SECONDS, told_s=SECONDS)
        ours, some = one.apply(copy.network, copy.traffic)
        guess, _ = one.apply(copy.guess, copy.traffic)
        after = {
            "shadow": book.shadow(ours, some, WINDOW, seed=1, seconds=SECONDS),
            "no calibration": book.shadow(guess, some, WINDOW, seed=1, seconds=SECONDS),
            "formulas": formulas(ours, some, losses),
            "fluid": fluid(ours, some),
            "last value": case.told,
        }
        rows += [_judged(case, one.name, name, truth, calm[name], after[name]) for name in after]
    return rows


def _judged(case: Case, edit: str, who: str, truth: Seen, calm: Seen, after: Seen) -> dict[str, object]:
    noise = case.noise()
    moved = right = hit = missed = wrong = 0
    errors = []
    for subject, values in truth.values.items():
        for kpi, true in values.items():
            present = [one.values[subject][kpi] for one in case.seen if kpi in one.values.get(subject, {})]
            if not present or kpi not in calm.values.get(subject, {}) or kpi not in after.values.get(subject, {}):
                continue
            base = float(np.mean(present))
            was, will = calm.values[subject][kpi], after.values[subject][kpi]
            size = max(abs(base), FLOORS[kpi])
            predicted = base + (will - was) if kpi == "retransmission_share" else base * will / max(was, 1e-9)
            errors.append(abs(predicted - true) / max(abs(true), FLOORS[kpi]))
            if abs(true - base) > max(_LEAST_CHANGE, 2 * noise.get((subject, kpi), 0.0)) * size:
                moved += 1
                right += (predicted - base) * (true - base) > 0 and abs(predicted - base) > _LEAST_GUESS * size
            broken, feared = (_breaks(kpi, base, value) for value in (true, predicted))
            hit, missed, wrong = (
                hit + (broken and feared),
                missed + (broken and not feared),
                wrong + (feared and not broken),
            )
    return {
        "stage": "counterfactuals",
        "seed": case.hidden.seed,
        "family": case.hidden.family,
        "load": case.load,
        "edit": edit,
        "who": who,
        "moved": moved,
        "sign_right": right,
        "broken_and_foreseen": hit,
        "broken_and_missed": missed,
        "feared_in_vain": wrong,
        "prediction_error": float(np.median(errors)) if errors else None,
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
