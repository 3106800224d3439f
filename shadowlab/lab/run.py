"""A run, from a scenario file to a run folder: the stages in their order.

In: a scenario file and where to run it.  Out: a run folder and the result.  Never: anything left of a run that failed
or was interrupted.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from shadowlab import __version__
from shadowlab.correlate.agree import compare
from shadowlab.correlate.align import certain, clock_offsets, find_lag
from shadowlab.correlate.parameters import compare_parameters
from shadowlab.correlate.residual import production_series, residuals
from shadowlab.detect.levels import judge_levels
from shadowlab.detect.registry import DETECTORS
from shadowlab.kernel.examine.memory import free_bytes
from shadowlab.lab.analyse import WINDOW_NS, Judgement, Measured, judge, measure
from shadowlab.lab.conclude import conclusions, headline, no_verdict
from shadowlab.lab.correlation.null_model import null_model, null_window, sound_windows, ways_of
from shadowlab.lab.diagnosis.ablate import Ablating, with_ablation
from shadowlab.lab.diagnosis.domain import completed
from shadowlab.lab.diagnosis.links import filling_links
from shadowlab.lab.events.planned import Planned, behind, planned_work
from shadowlab.lab.execute import (
    LEAST_GUEST_BYTES,
    ClockChoice,
    Done,
    KernelChoice,
    Place,
    Work,
    choose_place,
    execute,
)
from shadowlab.lab.interrupt import Interrupt, check
from shadowlab.lab.prepare import Prepared, prepare
from shadowlab.lab.progress import Progress
from shadowlab.lab.recorded.folder import KPI_FOLDER, RAW_FOLDER
from shadowlab.lab.recorded.watched import WATCHED_FILE, to_json, watched_of
from shadowlab.lab.scenario import load_scenario
from shadowlab.lab.stages.conclusion import expectations_of, timeline
from shadowlab.lab.stages.rehearsals import Rehearsals
from shadowlab.lab.summaries import link_summaries, node_tcp, path_summaries, provenance
from shadowlab.lab.workloads.measure import instance_summaries, measure_exchanges, workload_summaries
from shadowlab.lab.workloads.outcomes import program_outcomes, replay_outcomes
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.level import LevelOutcome, ServiceLevel
from shadowlab.model.plain import to_plain
from shadowlab.model.result import FORMAT, RunResult
from shadowlab.model.traffic.parameters import FlowParameters
from shadowlab.model.verdict import Correlation, CureOutcome
from shadowlab.monitor.tcp_means import tcp_means
from shadowlab.monitor.void_windows import LATE_NS
from shadowlab.predict.cost import count_parts, map_cost, need_memory
from shadowlab.predict.fitting import Scale
from shadowlab.store.folder import RunFolder
from shadowlab.store.recorder import ENDING
from shadowlab.store.series import write_series
from shadowlab.store.tables import encode_table
from shadowlab.store.whole import translated, write_whole

NULL_MODEL = "null-model"
RESIDUALS_FILE = "residuals.csv"
FAULT_FREE_FILE = "fault-free.csv"

ReportWriter = Callable[[RunResult, SeriesTable, SeriesTable, Mapping[str, object], Path, Sequence[ServiceLevel]], Path]


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """A finished run."""

    result: RunResult
    folder: Path
    report: Path


def run_scenario(
    scenario_path: Path,
    *,
    kernel: KernelChoice,
    clock: ClockChoice,
    seed: int | None,
    out: Path | None,
    scale: Scale,
    progress: Progress,
    write_report: ReportWriter,
    interrupt: Interrupt,
    late_ns: int = LATE_NS,
) -> RunOutcome:
    """Everything.  A second whose timers were later than ``late_ns`` is void.

    Raises InputError, CannotRunError, ShadowFailedError or Interrupted; then nothing of the run remains.
    """
    progress.stage("read the scenario")
    prepared = prepare(load_scenario(scenario_path, known_detectors=frozenset(DETECTORS)), seed=seed, scale=scale)
    interrupt.something_to_lose()
    place = choose_place(kernel, clock)
    need_memory(map_cost(count_parts(prepared.plan), place.kind), free_bytes(), "the shadow")
    check(interrupt)
    path = out or Path("runs") / f"{prepared.scenario.name}-{prepared.seed}"
    with _parents_only_for_success(path), RunFolder(path, records=(RAW_FOLDER, WATCHED_FILE)) as folder:
        parts = _Run(
            prepared=prepared, place=place, folder=folder, progress=progress, interrupt=interrupt, late_ns=late_ns
        )
        return parts.run(write_report)


@contextmanager
def _parents_only_for_success(path: Path) -> Iterator[None]:
    """What leads to a run folder that was not made is not left lying about either."""
    missing = [parent for parent in path.parents if not parent.exists()]
    try:
        yield
    except BaseException:
        with suppress(OSError):  # somebody else put something there
            for parent in missing:
                parent.rmdir()
        raise


class _Run:
    def __init__(
        self,
        *,
        prepared: Prepared,
        place: Place,
        folder: RunFolder,
        progress: Progress,
        interrupt: Interrupt,
        late_ns: int,
    ) -> None:
        self._late_ns = late_ns
        self._prepared = prepared
        self._scenario = prepared.scenario
        self._place = place
        self._folder = folder
        self._progress = progress
        self._interrupt = interrupt
        self._wall: dict[str, float] = {}
        cost = map_cost(count_parts(prepared.plan), place.kind)
        self._memory_bytes = max(LEAST_GUEST_BYTES, cost.guest_bytes)
        self._confined_by = ""

    def run(self, write_report: ReportWriter) -> RunOutcome:
        started = time.monotonic()
        prepared, scenario = self._prepared, self._scenario
        self._folder.write_json(WATCHED_FILE, to_json(watched_of(prepared, WINDOW_NS, self._late_ns)))
        raw = self._folder.subfolder(RAW_FOLDER)
        self._stage(
            f"build and drive the shadow: {len(prepared.network.nodes)} nodes, "
            f"{len(prepared.flows)} flows, {scenario.duration_ns / 1e9:g} s"
        )
        works = [self._work("main run", prepared, raw)]
        null = null_model(prepared)
        if isinstance(null, Prepared):  # beside the main run: they do not disturb each other
            works.append(self._work(NULL_MODEL, null, self._folder.subfolder(NULL_MODEL)))
        done, *others = execute(self._place, works, self._progress.work, self._interrupt.asked)
        self._wall["main run"] = done.wall_s
        if others:
            self._wall["null model"] = others[0].wall_s
        self._confined_by = done.confined_by
        self._stage("measure and judge")
        measured = measure(raw, prepared, scenario.duration_ns, self._late_ns)
        self._exchanges = measure_exchanges(raw, prepared, scenario.duration_ns, WINDOW_NS, self._late_ns)
        asked = self._asked_for(null)
        sound = sound_windows(prepared, asked) if asked is not None else None
        judgement = judge(measured, prepared, scenario.detectors, sound)
        before = judge_levels(
            measured.paths,
            scenario.levels,
            from_ns=scenario.baseline_ns[0],
            to_ns=scenario.baseline_ns[1],
            services=self._exchanges.services,
        )
        after = judge_levels(
            measured.paths,
            scenario.levels,
            from_ns=min(prepared.event_ns, scenario.baseline_ns[1]),
            to_ns=scenario.duration_ns,
            services=self._exchanges.services,
        )
        judgement = self._diagnosed(judgement, measured)
        cures = self._cures(judgement, measured)
        correlation = self._correlate(measured, null, asked)
        result = self._result(measured, judgement, before, after, cures, correlation, done)
        self._stage("write the report")
        self._wall["whole run"] = time.monotonic() - started
        return self._write(result, measured, write_report)

    def _work(self, name: str, prepared: Prepared, folder: Path) -> Work:
        return Work(
            name=name,
            job=prepared.job(),
            folder=folder,
            expected_wall_s=prepared.cost.wall_s,
            memory_bytes=self._memory_bytes,
            files=prepared.files,
        )

    def _stage(self, name: str) -> None:
        check(self._interrupt)
        self._progress.stage(name)

    def _planned(self) -> tuple[Planned, ...]:
        return planned_work(self._scenario.events, self._prepared.network, self._scenario.duration_ns)

    def _work_behind(self, judgement: Judgement) -> tuple[Planned, ...]:
        return behind(judgement.domain, self._planned())

    # --- stages ------------------------------------------------------------------------------------------------

    def _diagnosed(self, judgement: Judgement, measured: Measured) -> Judgement:
        """With services, evidence, and what imposing the leading explanations showed."""
        if judgement.domain is None or measured.punctual.too_void:
            return judgement
        domain = completed(judgement.domain, measured, self._prepared.workloads)
        judgement = replace(judgement, domain=domain)
        if self._work_behind(judgement):
            return judgement
        began = time.monotonic()
        ablating = Ablating(
            prepared=self._prepared,
            place=self._place,
            folder=self._folder,
            progress=self._progress,
            interrupt=self._interrupt,
            memory_bytes=self._memory_bytes,
            late_ns=self._late_ns,
        )
        found = ablating.of(judgement, measured)
        if found is not None and found.trials:
            self._wall["ablation"] = time.monotonic() - began
        return with_ablation(judgement, found)

    def _cures(self, judgement: Judgement, measured: Measured) -> tuple[CureOutcome, ...]:
        domain = judgement.domain
        if domain is None or not domain.links or not self._scenario.cures.mitigations or not self._scenario.levels:
            return ()
        if self._work_behind(judgement):
            return ()  # what was planned is not to be cured
        began = time.monotonic()
        rehearsals = Rehearsals(
            prepared=self._prepared,
            place=self._place,
            folder=self._folder,
            progress=self._progress,
            interrupt=self._interrupt,
            memory_bytes=self._memory_bytes,
            late_ns=self._late_ns,
        )
        outcomes = rehearsals.outcomes(domain, judgement.localised_ns, measured)
        self._wall["rehearsals"] = time.monotonic() - began
        return outcomes

    def _asked_for(self, null: Prepared | str) -> SeriesTable | None:
        """The indicators of the null model, if it was run."""
        if not isinstance(null, Prepared):
            return None
        folder = self._folder.path / NULL_MODEL
        return measure(folder, null, null.scenario.duration_ns, self._late_ns).paths

    def _correlate(self, measured: Measured, null: Prepared | str, asked: SeriesTable | None) -> Correlation:
        prepared, scenario = self._prepared, self._scenario
        production = prepared.production
        if production is None:
            return Correlation(
                verdict="not compared", why="the scenario names no telemetry of production after the event"
            )
        self._stage("compare with production")
        last_event = max((event.settled_ns for event in scenario.events), default=scenario.baseline_ns[1])
        before, scale = prepared.attachment.connections, prepared.scaling.factor
        self._keep_residuals(measured.paths, scale)
        if asked is not None:
            write_series(self._folder.file(FAULT_FREE_FILE), sound_windows(prepared, asked))
        found = compare(
            production.connections,
            measured.paths,
            window_ns=(last_event, scenario.duration_ns),
            production_before=before,
            baseline_ns=scenario.baseline_ns,
            production_scale=scale,
            events_replayed=bool(scenario.events),
            null=asked,
            null_ns=null_window(prepared),
            ways=ways_of(prepared.network, prepared.paths),
            spread=prepared.network.ecmp,
            jumps=production.clock_jumps,
        )
        return found if asked is not None else replace(found, why=f"{found.why} The null model was not run: {null}.")

    def _keep_residuals(self, shadow: SeriesTable, scale: float) -> None:
        """Production as it was recorded, less the shadow, window by window on the run's clock."""
        before = self._prepared.attachment.connections
        series = production_series(before, scale=scale, offsets=certain(clock_offsets(before)))
        if series.subjects:
            lag_ns = find_lag(series, shadow).lag_ns
            write_series(self._folder.file(RESIDUALS_FILE), residuals(series, shadow, lag_ns=lag_ns))

    # --- the result --------------------------------------------------------------------------------------------

    def _result(
        self,
        measured: Measured,
        judgement: Judgement,
        before: tuple[LevelOutcome, ...],
        after: tuple[LevelOutcome, ...],
        cures: tuple[CureOutcome, ...],
        correlation: Correlation,
        done: Done,
    ) -> RunResult:
        prepared, scenario, domain = self._prepared, self._scenario, judgement.domain
        detected = min((one.detected_ns for one in judgement.anomalies), default=scenario.duration_ns)
        origin = provenance(prepared, self._place, measured, done.report)
        fault = None if self._work_behind(judgement) else domain
        expectations = expectations_of(prepared, fault, cures, after)
        workloads = workload_summaries(prepared, self._exchanges)
        full_links = filling_links(measured.links, scenario.baseline_ns)
        if measured.punctual.too_void:
            headline_of_run, sentences = no_verdict(origin)
        else:
            headline_of_run = headline(
                domain, cures, [one for one in after if not one.holds], self._work_behind(judgement)
            )
            sentences = conclusions(
                domain=domain,
                detected_ns=detected,
                localised_ns=judgement.localised_ns,
                after=after,
                cures=cures,
                scaling=prepared.scaling,
                planned=self._planned(),
                workloads=workloads,
                full_links=full_links,
            )
        return RunResult(
            scenario=scenario.name,
            title=scenario.title,
            duration_ns=scenario.duration_ns,
            baseline_ns=scenario.baseline_ns,
            event_ns=prepared.event_ns,
            network=prepared.network,
            paths=prepared.paths,
            flows=prepared.flows,
            telemetry=prepared.telemetry,
            scaling=prepared.scaling,
            provenance=origin,
            timeline=timeline(prepared, judgement, detected),
            levels_before=before,
            levels_after=after,
            path_summaries=path_summaries(prepared, measured),
            link_summaries=link_summaries(prepared, measured),
            traces=measured.traces,
            anomalies=judgement.anomalies,
            fault_domain=domain,
            cures=cures,
            correlation=correlation,
            tcp=self._tcp(done),
            node_tcp=node_tcp(prepared, self._folder.path / RAW_FOLDER),
            expectations=expectations,
            workloads=workloads,
            instances=instance_summaries(prepared, self._exchanges),
            programs=program_outcomes(done.report, prepared.workloads, RAW_FOLDER),
            replays=replay_outcomes(done.report, prepared.workloads, prepared.replayed),
            full_links=full_links,
            headline=headline_of_run,
            conclusions=sentences,
            # A void run proves nothing, so nothing it shows can hold.
            holds=origin.valid and all(expectations.values() if expectations else (one.holds for one in after)),
        )

    def _tcp(self, done: Done) -> tuple[FlowParameters, ...]:
        """What TCP made of each flow by itself, in production and here, and what it holds otherwise than wished."""
        prepared = self._prepared
        from_ns, to_ns = self._scenario.baseline_ns
        flows = [flow.id for flow in prepared.flows]
        means = tcp_means(self._folder.path / RAW_FOLDER, len(flows), from_ns=from_ns, to_ns=to_ns)
        ends = done.report.get("flows")
        differs = {flow: one["differs"] for flow, one in ends.items()} if isinstance(ends, dict) else {}
        return compare_parameters(flows, prepared.recorded, means, differs, scale=prepared.scaling.factor)

    def _write(self, result: RunResult, measured: Measured, write_report: ReportWriter) -> RunOutcome:
        manifest: dict[str, object] = {
            "format": FORMAT,
            "shadowlab": __version__,
            "python": platform.python_version(),
            "seed": self._prepared.seed,
            "kernel": self._place.description,
            "kernel_kind": self._place.kind,
            "clock": self._place.clock,
            "confined_by": self._confined_by,
            "network_seconds": self._scenario.duration_ns / 1e9,
            "expected_wall_seconds": round(self._prepared.cost.wall_s, 1),
            "expected_packet_hops": round(self._prepared.cost.packet_hops),
            "wall_seconds": {name: round(seconds, 3) for name, seconds in self._wall.items()},
            "scenario": str(self._scenario.path.resolve()),
            "map": str(self._scenario.map.resolve()),
            "telemetry": str(self._scenario.telemetry.resolve()) if self._scenario.telemetry else "",
            "valid": result.provenance.valid,
            "validity": result.provenance.validity,
        }
        folder = self._folder
        folder.write_json("result.json", {"format": FORMAT, **to_plain(result)})
        folder.write_json("manifest.json", manifest)
        write_series(folder.file("paths.csv"), measured.paths)
        write_series(folder.file("links.csv"), measured.links)
        write_series(folder.file("services.csv"), self._exchanges.services)
        write_series(folder.file("instances.csv"), self._exchanges.instances)
        kpis = folder.subfolder(KPI_FOLDER)
        tables = {"path": measured.paths, "link": measured.links}
        tables |= {"service": self._exchanges.services, "instance": self._exchanges.instances}
        for kind, table in tables.items():
            write_whole(kpis / f"{kind}s{ENDING}", encode_table(kind, table))
        report = folder.subfolder("report")
        try:
            page = write_report(result, measured.paths, measured.links, manifest, report, self._scenario.levels)
        except OSError as error:
            raise translated(error, "write the report", report) from error
        check(self._interrupt)
        return RunOutcome(result=result, folder=folder.path, report=page)
