"""Candidates, tried: in production, and in a shadow of what is known.

In: a network with an incident in it, its traffic, a candidate.  Out: how long short transfers took.
Every run is kept by the hash of its job, so that a campaign goes on where it was stopped.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.hidden.produce import Grounds, job_of
from benchmarks.hidden.workload import Traffic
from benchmarks.mitigated.incidents import WEB, is_ghost
from shadowlab.lab.execute import Place, Work, execute
from shadowlab.lab.job import Job
from shadowlab.lab.workloads.resolve import wishing
from shadowlab.mitigate.allowed import Allowed, Around, ChangeCongestion, ChangeQueue, DrainSubject, RaiseMetric
from shadowlab.mitigate.candidate import Candidate
from shadowlab.mitigate.propose import propose
from shadowlab.mitigate.situation import Situation
from shadowlab.model.network import Network
from shadowlab.model.traffic.completion import OUTCOMES
from shadowlab.model.verdict import FaultDomain
from shadowlab.shadow.ops import TimedChange
from shadowlab.shadow.transport import plan_transport, with_windows
from shadowlab.store.reader import read_records
from shadowlab.store.recorder import ENDING
from shadowlab.topology.addressing import address
from shadowlab.topology.link_keys.sections import QueueSection
from shadowlab.topology.routing import path_directions, shortest_routes

S = 10**9
CURE_NS, SETTLED_NS, LAST_NS, END_NS = 2 * S, 3 * S, 11 * S, 14 * S
"""The cure, from when on transfers are judged by when they began, until when, and the end."""
Times = NDArray[np.float64]


def allowed(domain_ends: Sequence[str]) -> tuple[Allowed, ...]:
    """Beside doing nothing."""
    return (
        Around(name="reroute"),
        RaiseMetric(name="metric x2", factor=2),
        RaiseMetric(name="metric x10", factor=10),
        *(DrainSubject(name=f"drain {end}", subject=end) for end in domain_ends[:2]),
        ChangeQueue(name="queue fq_codel", stated={"queue": QueueSection(kind="fq_codel")}),
        ChangeCongestion(name="congestion bbr", control="bbr"),
    )


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A network with the incident in it, and what runs there."""

    network: Network
    traffic: Traffic
    links: tuple[str, ...]
    kind: str

    def situation(self) -> Situation:
        """As the proposals need it; a bulk flow counts with a tenth of its narrowest link."""
        fabric = address(self.network)
        transport = plan_transport([*self.traffic.flows, *wishing(self.traffic.workloads)], fabric)
        routes = with_windows(shortest_routes(self.network, fabric, aggregate=False, partial=True), transport)
        rates = demands(self.network, self.traffic)
        hops = {
            f"{a}→{b}": path_directions(self.network, a, b)
            for a, b in {*_pairs(rates), *((flow.source, flow.target) for flow in self.traffic.flows)}
        }
        domain = FaultDomain(
            links=self.links,
            kind="capacity" if self.kind == "capacity" else "loss",
            onset_ns=0,
            confidence=1.0,
            suspects=(),
            runners_up=(),
            affected_paths=(),
            affected_flows=(),
        )
        return Situation(
            network=self.network,
            fabric=fabric,
            routes=tuple(routes),
            domain=domain,
            flows=self.traffic.flows,
            workloads=self.traffic.workloads,
            rates_bps=rates,
            hops=hops,
        )

    def candidates(self) -> dict[str, Candidate]:
        """Those that are possible, by name, doing nothing first."""
        nodes = self.network.nodes_by_id
        ends = [
            end
            for name in self.links
            for end in (self.network.links_by_id[name].a, self.network.links_by_id[name].b)
            if nodes[end].kind == "router"
        ]
        found = propose(self.situation(), allowed(list(dict.fromkeys(ends))))
        return {one.name: one for one in found if not one.impossible}

    def job(self, candidate: Candidate, seed: int) -> Job:
        """From before the cure to the end of what began in its time."""
        base = job_of(self.network, self.traffic, seed=seed, seconds=END_NS / S)
        cure = (TimedChange(at_ns=CURE_NS, reason=candidate.name, ops=candidate.ops),) if candidate.ops else ()
        return replace(base, timeline=cure)


def demands(network: Network, traffic: Traffic) -> dict[str, float]:
    """Bit/s by path: of short transfers the mean of all pairs, of bulk a tenth of its narrowest link."""
    found: dict[str, float] = {}
    for one in traffic.workloads:
        if getattr(one, "name", "") == WEB:
            pairs = list(permutations(one.sources, 2))  # type: ignore[union-attr]
            each = one.arrivals.rate_per_s * one.size.mean() * 8 / len(pairs)  # type: ignore[union-attr]
            found |= {f"{a}→{b}": each for a, b in pairs}
    for flow in traffic.flows:
        rates = [
            network.impairment(step).rate_bps or 10**9 for step in path_directions(network, flow.source, flow.target)
        ]
        path = f"{flow.source}→{flow.target}"
        found[path] = found.get(path, 0.0) + 0.1 * min(rates)
    return found


def _pairs(rates: Iterable[str]) -> list[tuple[str, str]]:
    return [(one.partition("→")[0], one.partition("→")[2]) for one in rates]


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Jobs run on a place, kept in a folder."""

    place: Place
    folder: Path

    def times(self, jobs: Sequence[Job]) -> list[Times]:
        """How long the short transfers of each took, in ms, those that did not finish with what was left of the run."""
        files = [self.folder / f"{self._key(job)}.json" for job in jobs]
        todo = {file: job for file, job in zip(files, jobs, strict=True) if not file.exists()}
        if todo:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder) as name:
                places = {file: Path(name) / file.stem for file in todo}
                works = [
                    Work(name=file.stem, job=job, folder=places[file], expected_wall_s=60.0)
                    for file, job in todo.items()
                ]

                def keep(index: int, _done: object) -> None:
                    work = works[index]
                    values = completions(work.folder, work.job)
                    part = self.folder / f"{work.name}.part"
                    part.write_text(json.dumps([round(float(one), 3) for one in values]))
                    part.replace(self.folder / f"{work.name}.json")
                    shutil.rmtree(work.folder, ignore_errors=True)

                execute(self.place, works, lambda _name, _share: None, lambda: False, on_done=keep)
        return [np.array(json.loads(file.read_text())) for file in files]

    def _key(self, job: Job) -> str:
        return hashlib.sha256(self.place.identity.encode() + job.to_bytes()).hexdigest()[:24]


def completions(folder: Path, job: Job) -> Times:
    """Of the short transfers that began while it was judged, in ms."""
    found = read_records(folder / f"exchanges{ENDING}")
    index = next(number for number, one in enumerate(job.workloads) if one.name == WEB)
    nodes = sorted(job.addresses)
    seen = ~np.isin(found["source"], [number for number, node in enumerate(nodes) if is_ghost(node)])
    began = (found["start_ns"] >= SETTLED_NS) & (found["start_ns"] < LAST_NS)
    rows = (found["workload"] == index) & seen & began
    good = found["outcome"][rows] == OUTCOMES.index("ok")
    took = np.where(good, found["end_ns"][rows] - found["start_ns"][rows], END_NS - found["start_ns"][rows])
    return np.asarray(took / 1e6, dtype=np.float64)


def p99(some: Sequence[Times]) -> float:
    """Of all together."""
    return float(np.percentile(np.concatenate(some), 99))


def places(ground: Grounds, folder: Path) -> tuple[Runs, Runs]:
    """Of production and of shadows."""
    production = Place(kind="embedded", clock="virtual", kernel=ground.production)
    return Runs(place=production, folder=folder), Runs(place=ground.shadow, folder=folder)


def now_s() -> float:
    """For the time to a decision."""
    return time.monotonic()
