"""Inside the segment: build the plan, drive the flows, watch, execute the timeline, write the raw records.

In: a job file, the run folder.  Out: the raw records and the report in the folder; progress lines on stdout.
The same code runs in the embedded kernel and in a private segment of a host kernel.  Standard library only: every
import costs boot time.  Never: a judgement.
"""

from __future__ import annotations

import json
import os
import time
from functools import partial

from shadowlab.errors import ShadowFailedError, ShadowLabError
from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.loop import LAZY_EVERY_NS, Loop
from shadowlab.kernel.ports import Flow
from shadowlab.lab.job import Job
from shadowlab.model.traffic.workload import Program, Replay, nodes_of
from shadowlab.monitor.exchanges.recording import ExchangeRecorder
from shadowlab.monitor.observe import Observer
from shadowlab.monitor.probe_choice import plain_streams
from shadowlab.monitor.probes import TIMEOUT_NS, Prober
from shadowlab.monitor.punctuality import Punctuality
from shadowlab.monitor.raw_files import RawFiles
from shadowlab.monitor.tcp_counters import TcpCounters
from shadowlab.monitor.tracing.witness import Book, Witnesses
from shadowlab.monitor.ways import RunningFlow, Ways
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ops import Op, RemoveRoute, SetLinkState, SetRoute, TimedChange
from shadowlab.shadow.traffic_ops import ScaleDemand, SetCongestion, SetPacing, SetServers, SetWorkers, TrafficOp
from shadowlab.traffic.engine import Engine
from shadowlab.traffic.exchange.engine import Exchanges
from shadowlab.traffic.programs import Programs
from shadowlab.traffic.replays import Replays

PROGRESS = "progress"
REPORT_FILE = "inside.json"
_PROGRESS_EVERY_NS = 5_000_000_000
_LEAD_NS = 1_000_000_000
"""At least so long after the last operation of the build is the run's zero."""


def run(job_path: str, folder: str) -> int:
    """The entry point.  Failures that people can mend go into the report; the exit code is then 1."""
    report: dict[str, object] = {"error": ""}
    try:
        with open(job_path, "rb") as file:
            job = Job.from_bytes(file.read())
        with RawFiles(folder, _names(job)) as files, LinuxSegment() as segment, Loop() as loop:
            report |= _Inside(job=job, files=files, segment=segment, loop=loop, folder=folder).run()
    except ShadowLabError as error:
        report = {"error": str(error)}
    try:
        with open(f"{folder}/{REPORT_FILE}", "w") as file:
            json.dump(report, file, sort_keys=True)
    except OSError as error:
        print(f"cannot write the report: {error.strerror}", flush=True)  # noqa: T201 - our stdout is the way out
        return 1
    return 1 if report["error"] else 0


def _names(job: Job) -> dict[str, list[str]]:
    """What the numbers in the raw records stand for."""
    return {
        "path": [str(path) for path in job.paths],
        "flow": [flow.id for flow in job.flows],
        "workload": [one.name for one in job.workloads],
        "node": _nodes(job),
        "interface": [f"{one.direction} delay line" if one.line else one.direction for one in job.watched],
    }


def _nodes(job: Job) -> list[str]:
    return sorted(job.addresses)


def _ends(job: Job) -> set[str]:
    """The nodes at which traffic begins or ends."""
    flows = {node for flow in job.flows for node in (flow.source, flow.target)}
    return flows.union(*map(nodes_of, job.workloads))


class _Inside:
    def __init__(self, *, job: Job, files: RawFiles, segment: LinuxSegment, loop: Loop, folder: str) -> None:
        self._job = job
        self._folder = folder
        self._files = files
        self._segment = segment
        self._loop = loop
        self._zero_ns = 0
        self._failures: list[str] = []

    def run(self) -> dict[str, object]:
        job, loop = self._job, self._loop
        apply(job.build, self._segment)
        streams = plain_streams(job.paths, job.flows, job.addresses6)
        recorder = ExchangeRecorder(self._files, _nodes(job))
        cpu_before, wall_before = os.times(), time.monotonic()
        with (
            Engine(
                loop=loop,
                segment=self._segment,
                flows=job.flows,
                addresses=job.addresses,
                addresses6=job.addresses6,
                seed=job.seed,
                reading=job.reading,
            ) as engine,
            Prober(
                loop=loop,
                segment=self._segment,
                streams=streams,
                addresses=job.addresses,
                addresses6=job.addresses6,
                seed=job.seed,
                records=self._files.rows("probes"),
                probe_every_ns=job.probe_every_ns,
                payload_bytes=job.probe_bytes,
                dscp=job.probe_dscp,
            ) as prober,
            Exchanges(
                loop=loop,
                segment=self._segment,
                workloads=job.workloads,
                compute=job.compute,
                addresses=job.addresses,
                addresses6=job.addresses6,
                seed=job.seed,
                sink=recorder.completed,
            ) as exchanges,
            TcpCounters(
                loop=loop,
                door=self._segment,
                nodes=[one for one in enumerate(_nodes(job)) if one[1] in _ends(job)],
                rows=self._files.rows("tcp-counters"),
            ) as counters,
            Programs(
                loop=loop,
                door=self._segment,
                programs=[one for one in job.workloads if isinstance(one, Program)],
                folder=self._folder,
            ) as programs,
            Replays(
                loop=loop,
                door=self._segment,
                replays=[one for one in job.workloads if isinstance(one, Replay)],
                folder=self._folder,
            ) as replays,
        ):
            observer = Observer(
                loop=loop,
                segment=self._segment,
                flows=engine.drives,
                interfaces=[(one.node, one.interface) for one in job.watched],
                files=self._files,
                sample_every_ns=job.sample_every_ns,
                turns=job.flow_turns,
            )
            self._engine, self._exchanges = engine, exchanges
            self._ways = Ways(
                segment=self._segment,
                prober=prober,
                records=self._files,
                interface_directions=job.interface_directions,
                gateways=job.gateways,
                addresses=job.addresses,
                addresses6=job.addresses6,
                streams=streams,
                spreads=job.spreads,
                kind=job.probe_as,
            )
            self._witnesses = Witnesses(
                loop=loop,
                segment=self._segment,
                book=Book(addresses=job.addresses, addresses6=job.addresses6, owners=job.owners),
            )
            loop.catch_up()
            self._look(0)
            # Only now: on a slow machine all this takes seconds, and a run that counted them would begin after its end.
            # At a whole second: TCP's timers count in jiffies, so the same run must begin at the same part of one.
            self._zero_ns = zero = (loop.catch_up() // _LEAD_NS + 2) * _LEAD_NS
            Punctuality(loop, self._files.rows("lateness")).start(zero, job.duration_ns)
            counters.start(zero, job.duration_ns)
            engine.start(zero)
            prober.start(zero, job.duration_ns)
            exchanges.start(zero, job.duration_ns)
            observer.start(zero, job.duration_ns)
            recorder.start(loop, exchanges, zero, job.duration_ns, job.sample_every_ns)
            programs.start(zero)
            replays.start(zero)
            for change in job.timeline:
                loop.at(zero + change.at_ns, partial(self._on_change, change))
            loop.at(zero, self._on_progress)
            loop.at(zero + job.duration_ns, lambda due_ns: exchanges.finish())
            # Behind everything else that is due at the end.
            loop.at(zero + job.duration_ns + 1, partial(self._stop_when_answered, prober))
            loop.run_until(zero + job.duration_ns + TIMEOUT_NS)
            programs.close()
            self._failures += programs.refusals()
            lateness = loop.lateness()
            return {
                "failures": self._failures,
                "late_p99_ns": lateness.p99_ns,
                "late_max_ns": lateness.max_ns,
                "cpu_share": _cpu_share(cpu_before, wall_before),
                "refused_probes": prober.refused,
                "stray_answers": prober.strays,
                "probing": {"every_ns": job.probe_every_ns, "payload_bytes": job.probe_bytes, "dscp": job.probe_dscp},
                "probes": self._ways.choices,
                "witnesses": self._witnesses.statements,
                "unasked_witnesses": self._witnesses.left_out,
                "unstamped_probes": prober.unstamped,
                "missing_interfaces": observer.missing_interfaces,
                "flows": engine.summary(),
                "programs": programs.summary(),
                "replays": replays.summary(),
            }

    def _on_progress(self, due_ns: int) -> None:
        at_ns = due_ns - self._zero_ns
        print(f"{PROGRESS} {at_ns / 1e9:.0f}", flush=True)  # noqa: T201 - our stdout is the way out
        if at_ns < self._job.duration_ns:
            self._loop.at(due_ns + _PROGRESS_EVERY_NS, self._on_progress)

    def _stop_when_answered(self, prober: Prober, due_ns: int) -> None:
        """After the end: no longer than until the last probe is answered, or given up."""
        if prober.awaited == 0:
            self._loop.stop()
        else:
            self._loop.at(due_ns + LAZY_EVERY_NS, partial(self._stop_when_answered, prober))

    def _on_change(self, change: TimedChange, due_ns: int) -> None:
        at_ns = self._loop.now_ns - self._zero_ns
        for op in change.ops:
            outcome = self._execute(op)
            self._files.record_event(at_ns, change.reason, op.describe(), outcome)
            if outcome.get("failed"):
                self._failures.append(f"{op.describe()}: {outcome['failed']}")
        if any(isinstance(op, SetRoute | RemoveRoute | SetLinkState) for op in change.ops):
            self._look(at_ns)

    def _change_traffic(self, asked: TrafficOp) -> None:
        try:
            match asked:
                case ScaleDemand():
                    self._scale(asked)
                case SetCongestion():
                    self._engine.set_congestion(asked.flows, asked.control)
                case SetPacing():
                    self._engine.set_pacing(asked.flows, asked.rate_bps)
                case SetWorkers():
                    self._exchanges.resize(asked.node, asked.workers)
                case SetServers():
                    self._exchanges.set_servers(asked.workload, asked.servers, asked.like)
        except (KeyError, ValueError) as error:
            raise ShadowFailedError(f"{asked.describe()}: {error}") from error

    def _scale(self, asked: ScaleDemand) -> None:
        workloads = [one for one in asked.flows if one in self._exchanges.names]
        flows = [one for one in asked.flows if one not in workloads]
        fixed = {one.name for one in self._job.workloads} & set(flows)
        if fixed:
            raise ShadowFailedError(f"{', '.join(sorted(fixed))}: a program or a replay has no demand to be scaled")
        if flows or not asked.flows:
            self._engine.scale(flows, asked.factor)
        if workloads or not asked.flows:
            self._exchanges.scale(workloads, asked.factor)

    def _execute(self, op: Op) -> dict[str, object]:
        try:
            (done,) = apply((op,), self._segment, on_traffic=self._change_traffic)
        except ShadowLabError as error:
            return {"failed": str(error)}
        if done.script is None:
            return {}
        script = done.script
        failed = "timed out" if script.timed_out else f"exit code {script.exit_code}" if script.exit_code else ""
        return {"exit_code": script.exit_code, "output": script.output, "failed": failed}

    def _look(self, at_ns: int) -> None:
        """Read the ways, and ask packets whether it is so."""
        self._witnesses.ask(at_ns, self._ways.look(at_ns, self._running()))

    def _running(self) -> list[RunningFlow]:
        """The flows with what they are known by now."""
        return [
            RunningFlow(spec.id, spec.source, spec.target, drive.over_ipv6, Flow("tcp", *drive.ports))
            for drive in self._engine.drives
            for spec in (drive.session.spec,)
        ]


def _cpu_share(before: os.times_result, wall_before: float) -> float:
    after = os.times()
    used = after.user + after.system - before.user - before.system
    return round(used / max(1e-9, time.monotonic() - wall_before), 3)
