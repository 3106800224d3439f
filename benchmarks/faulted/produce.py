"""Run a case: production with its secrets, recorded as a run records; and what the diagnosing side knows beforehand.

In: a case.  Out: a folder of raw records, named by the job; the map and the demand as prepared, without the fault.
Never: an event in what the diagnosing side holds.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.faulted.draw import BASELINE_NS, DURATION_NS, MS, SECOND, Case
from shadowlab.errors import ShadowFailedError
from shadowlab.lab.events.event import Event
from shadowlab.lab.execute import Place, Work, choose_place, execute
from shadowlab.lab.inputs.gathered import Inputs
from shadowlab.lab.job import Job
from shadowlab.lab.prepare import Prepared, resolve
from shadowlab.lab.scenario import Scenario
from shadowlab.model.result import NO_TELEMETRY
from shadowlab.model.traffic.workload import Workload
from shadowlab.shadow.ops import RunScript, TimedChange
from shadowlab.shadow.plan import build_plan, route_ops
from shadowlab.shadow.transport import plan_transport
from shadowlab.telemetry.attach import NOTHING_ATTACHED
from shadowlab.topology.routing import shortest_routes

EXPECTED_WALL_S = 60.0
DONE = "done"
OTHER_CHANCE = 1_000_000
"""Between the seeds of production and those of its shadow."""


def known(case: Case) -> Prepared:
    """What the diagnosing side has before anything happens: the map, the demand, no event."""
    return _prepared(case, (), ())


def _prepared(case: Case, events: Sequence[Event], workloads: Sequence[Workload]) -> Prepared:
    scenario = Scenario(
        path=Path("campaign"), name="campaign", title="", map=Path(), telemetry=None, production_after=None,
        duration_ns=case.duration_ns, seed=case.seed, sample_every_ns=SECOND, probe_every_ns=200 * MS,
        baseline_ns=BASELINE_NS, levels=(), events=tuple(sorted(events, key=lambda one: one.at_ns)),
        detectors=("panel",), expect=None, wall_budget_ns=3600 * SECOND,
    )  # fmt: skip
    inputs = Inputs(
        network=case.ground.network, flows=case.ground.flows, workloads=tuple(workloads), attachment=NOTHING_ATTACHED,
        telemetry=NO_TELEMETRY, production=None, allowed=(), recorded={},
    )  # fmt: skip
    return resolve(scenario, inputs, seed=case.seed, scale=1.0)


def production_job(case: Case) -> Job:
    """The job with everything that is hidden."""
    whole = _prepared(case, case.events, case.workloads)
    network, fabric = whole.network, whole.fabric
    routes = shortest_routes(network, fabric, aggregate=False, partial=True)
    settings = plan_transport(whole.flows, fabric).settings
    changes = list(whole.timeline.changes)
    for number, one in enumerate(case.filters):
        device = fabric.by_direction[one.direction]
        text = f"tc qdisc add dev {device.name} clsact\ntc filter add dev {device.name} egress {one.words}\n"
        script = RunScript(node=device.node, name=f"filter{number}", text=text, environment=(), timeout_ns=10 * SECOND)
        changes.append(TimedChange(at_ns=one.at_ns, reason="a filter", ops=(script,)))
    for loop in case.loops:
        back = fabric.by_direction[loop.way.reverse]
        address = fabric.node_address[loop.destination]
        turned = tuple(
            route._replace(via=back.peer_address, interface=back.name, others=())
            if route.node == back.node and route.destination == address
            else route
            for route in routes
        )
        changes.append(TimedChange(at_ns=loop.at_ns, reason="a loop", ops=route_ops(routes, turned)))
    before = known(case).job()
    # Probes and samples are those that were agreed before: traffic that nobody announced brings none.
    job = replace(whole.job(), build=build_plan(network, fabric, routes, settings), watched=before.watched)
    return replace(job, paths=before.paths, timeline=tuple(sorted(changes, key=lambda one: one.at_ns)))


def key_of(job: Job, kernel: str) -> str:
    """A run's name: by its job, and the kernel it runs on."""
    return hashlib.sha256(job.to_bytes() + kernel.encode()).hexdigest()[:20]


def shadow_of(case: Case) -> Case:
    """The diagnosing side's shadow: the same map and demand, another chance, and nothing happens."""
    return replace(case, seed=case.seed + OTHER_CHANCE, events=(), filters=(), loops=(), workloads=())


def produce(
    cases: Sequence[Case],
    folder: Path,
    on_ready: Callable[[Case, Path, Path | None], None],
    *,
    only_kept: bool = False,
    with_shadow: bool = True,
) -> None:
    """Run what was not run before, as many at once as there are cores.  ``on_ready`` is called for each case with its
    folder and that of its shadow, both complete, in the order in which they are done.  A run that fails is told, and
    its case left out.  ``only_kept``: of what was not run before nothing is, and the
    shadow of a case may be missing.  Nor is it run, or awaited, without ``with_shadow``."""
    where = choose_place("embedded", "virtual")

    def target(case: Case) -> Work:
        job = production_job(case)
        path = folder / "raw" / key_of(job, where.description)
        wall_s = EXPECTED_WALL_S * max(1.0, case.duration_ns / DURATION_NS)
        return Work(name=case.name, job=job, folder=path, expected_wall_s=wall_s)

    shadows = [target(shadow_of(case)) for case in cases]
    if with_shadow and not only_kept:
        _run({work.folder: work for work in shadows}, where, lambda _: None)
    works = [target(case) for case in cases]
    partners = {work.folder: (case, sound.folder) for work, case, sound in zip(works, cases, shadows, strict=True)}

    def done(path: Path) -> None:
        case, sound = partners[path]
        if (sound / DONE).exists() or only_kept or not with_shadow:
            on_ready(case, path, sound if (sound / DONE).exists() else None)

    kept = [work for work in works if (work.folder / DONE).exists()]
    _run({work.folder: work for work in (kept if only_kept else works)}, where, done)


def _run(works: Mapping[Path, Work], where: Place, on_done: Callable[[Path], None]) -> None:
    """Each once, unless it is there already."""
    waiting = []
    for path, work in works.items():
        if (path / DONE).exists():
            on_done(path)
        else:
            shutil.rmtree(path, ignore_errors=True)
            waiting.append(work)

    def done(index: int, _: object) -> None:
        path, failed = waiting[index].folder, failures(waiting[index].folder)
        if failed:
            _tell(waiting[index].name, failed[0])
        else:
            (path / DONE).touch()
            on_done(path)

    def broken(index: int, error: ShadowFailedError) -> None:
        _tell(waiting[index].name, str(error))

    if waiting:
        execute(where, waiting, lambda _name, _share: None, lambda: False, on_done=done, on_failed=broken)


def _tell(name: str, why: str) -> None:
    print(json.dumps({"case": name, "failed": why}), file=sys.stderr, flush=True)


def failures(folder: Path) -> list[str]:
    """Scripts of a run that did not do what they should: then the fault was not there."""
    found = []
    for line in (folder / "events.jsonl").read_text().splitlines() if (folder / "events.jsonl").exists() else ():
        one = json.loads(line)
        if one.get("exit_code"):
            found.append(f"{one.get('operation', one)}"[:300] + str(one.get("output", ""))[:200])
    return found
