"""One cycle: newest telemetry, calibration, shadow, comparison, verdict, place, cures, forecast, what is told.

In: a watch file, the state, the records of the window.  Out: the cycle, the state that follows, and new files for it.
Never: a file written, a notification sent: the loop does both when the cycle is whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shadowlab.correlate.agree import compare
from shadowlab.detect.levels import judge_levels
from shadowlab.errors import ShadowLabError
from shadowlab.lab.analyse import Measured
from shadowlab.lab.calibration.passive import calibrate_passively
from shadowlab.lab.correlation.null_model import ways_of
from shadowlab.lab.prepare import Prepared
from shadowlab.lab.sources import read_rules
from shadowlab.lab.watch.clockwork import Stages
from shadowlab.lab.watch.config import WARM_UP_NS, WatchConfig
from shadowlab.lab.watch.decide.findings import JUDGED, calm_words, of_correlation, of_forecast, of_levels, of_silence
from shadowlab.lab.watch.decide.incidents import Advanced, Finding, advance, belongs
from shadowlab.lab.watch.decide.instances import instances_now
from shadowlab.lab.watch.decide.outbox import notifications, queued
from shadowlab.lab.watch.known import baseline_bytes
from shadowlab.lab.watch.stages.ahead import Foreseen, foreseen
from shadowlab.lab.watch.stages.cures import proposal_of, rehearsed
from shadowlab.lab.watch.stages.demand import Demand, attached, demand_of, prepared_for
from shadowlab.lab.watch.stages.localise import Side, hops_of, localise
from shadowlab.lab.watch.stages.picture import link_means, watched_links, watched_paths
from shadowlab.lab.watch.stages.shadows import Shadows
from shadowlab.model.calibration import Calibration
from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Direction, Network
from shadowlab.model.plain import to_plain
from shadowlab.model.result import TelemetryUse
from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.verdict import Anomaly, Correlation, FaultDomain
from shadowlab.model.watch.cycle import Cycle, CycleStatus
from shadowlab.model.watch.incident import Incident, IncidentKind
from shadowlab.model.watch.state import WatchState
from shadowlab.telemetry.attach import NOTHING_ATTACHED, Attachment
from shadowlab.telemetry.rules import NO_RULES
from shadowlab.topology.formats import load_map

MOST_HISTORY = 3000
"""Cycles whose demand is remembered, for the forecast."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What is newest.  ``news``: there is something that no cycle took in; ``noticed``: what detectors said since."""

    records: Sequence[TcpRecord]
    newest_ns: int
    news: bool
    heard: frozenset[str] = frozenset()
    noticed: tuple[str, ...] = ()
    noticed_ns: int = 0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """``named``: files that the new state names.  ``network`` as bytes for the page; empty if unchanged."""

    cycle: Cycle
    state: WatchState
    closed: tuple[Incident, ...] = ()
    named: dict[str, bytes] = field(default_factory=dict)
    network: bytes = b""


@dataclass(kw_only=True)
class Memory:
    """What is known between cycles, and can be made again from the state folder: a kill costs time, not truth."""

    calibration: Calibration | None = None
    baseline: tuple[TcpRecord, ...] = ()
    normal: tuple[object, Prepared, Measured] | None = None
    """What the shadow shows under the baseline's demand, and of what that holds."""
    quiet: int = 0
    """Cycles in a row without news."""


class CycleRun:
    """One cycle under way.  ``wall_ns`` is the Unix clock."""

    def __init__(
        self,
        config: WatchConfig,
        state: WatchState,
        memory: Memory,
        window: Heard,
        *,
        shadows: Shadows,
        stages: Stages,
        wall_ns: Callable[[], int],
        skipped: int = 0,
        trigger: str = "time",
    ) -> None:
        self._config, self._state, self._memory, self._window = config, state, memory, window
        self._shadows, self._stages, self._wall_ns = shadows, stages, wall_ns
        self._number = state.cycle + 1
        self._began_ns = wall_ns()
        self._skipped, self._trigger = skipped, trigger
        self._known: dict[str, Any] = {}
        self._named: dict[str, bytes] = {}
        self._judged: tuple[IncidentKind, ...] = ()

    # --- from the beginning to the end ------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Never raises for what went wrong in the network or the telemetry: that is the cycle's status."""
        try:
            return self._run()
        except ShadowLabError as error:
            return self._ended("failed", f"the cycle failed: {error}")
        except (ArithmeticError, LookupError, ValueError) as error:  # a defect of ours; the next cycle may do better
            return self._ended("failed", f"the cycle failed by a defect: {type(error).__name__}: {error}")

    def _run(self) -> Outcome:
        memory, config, window = self._memory, self._config, self._window
        if not window.news:
            memory.quiet += 1
            self._stages.left_out("telemetry", "nothing new")
            found = of_silence(memory.quiet)
            words = f"no new telemetry for {memory.quiet} cycle{'s' * (memory.quiet != 1)}"
            return self._ended("no news", words, findings=found, judged=("telemetry",) if found else ())
        memory.quiet = 0
        with self._stages.stage("telemetry") as notes:
            scenario = config.scenario
            full = load_map(scenario.map, options=scenario.map_options, format_key=scenario.map_format)
            rules = read_rules(config.telemetry_rules) if config.telemetry_rules else NO_RULES
            attachment, use = attached(window.records, full, rules)
            notes.append(f"{use.records} records, {use.connections} connections")
            before = attached(memory.baseline, full, rules)[0] if memory.baseline else NOTHING_ATTACHED
            known = instances_now(self._state.instances, self._state.silent, full, window.heard)
            self._known |= {
                "records": use.records,
                "connections": use.connections,
                "left_out": use.left_out,
                "changes": known.changes,
                "telemetry_from_ns": min((one.at_ns for one in window.records), default=0),
                "telemetry_to_ns": window.newest_ns,
            }
            self._state = replace(
                self._state, instances=known.places, silent=known.silent, telemetry_ns=window.newest_ns
            )
        with self._stages.stage("calibrate") as notes:
            candidate = calibrate_passively(full, attachment, prior_state=memory.calibration).calibration
            network = self._network(full, memory.calibration or candidate)
            self._known["findings"] = tuple(f"{one.kind}: {one.subject}: {one.message}" for one in candidate.findings)
            notes.append(f"{len(candidate.findings)} findings")
        suspected = {path for one in self._state.open_incidents for path in one.affected_paths}
        with self._stages.stage("demand") as notes:
            calm = self._demand(network, before, attached((), network, NO_RULES)[1], set())
            usual = {one.id: one for one in calm.inputs.flows} if calm is not None else {}
            today = self._demand(network, attachment, use, suspected, usual)
            if today is not None:
                notes.append(f"{today.before} flows, {today.mbps:.1f} Mbit/s paced")
        if today is None:
            return self._ended("nothing to drive", "none of the telemetry can be driven")
        self._known["demand_mbps"] = round(today.mbps, 6)
        return self._judge(today, calm, before, attachment, candidate, network)

    def _network(self, full: Network, known: Calibration) -> Network:
        return full if self._config.calibrate not in ("links", "both") else replace(known, map=full).network()

    def _demand(
        self,
        network: Network,
        attachment: Attachment,
        use: TelemetryUse,
        suspected: set[str],
        usual: Mapping[str, FlowSpec] | None = None,
    ) -> Demand | None:
        config = self._config
        return demand_of(
            config.scenario,
            network,
            attachment,
            use,
            window_ns=config.window_ns,
            merge_above=config.merge_above,
            suspected=suspected,
            usual=usual,
        )

    # --- shadow against production ----------------------------------------------------------------------------------

    def _judge(
        self,
        demand: Demand,
        calm: Demand | None,
        before: Attachment,
        attachment: Attachment,
        candidate: Calibration,
        network: Network,
    ) -> Outcome:
        config, memory = self._config, self._memory
        scenario = config.scenario
        window_ns = (WARM_UP_NS, scenario.duration_ns)
        learning = calm is None
        with self._stages.stage("shadow") as notes:
            today = prepared_for(scenario, demand, "near")
            wanted = {"today": today}
            normal = None if calm is None else self._normal(calm, today, network, wanted)
            measured = self._shadows.run(wanted)
            if "normal" in wanted:
                key = self._key(today, network)
                memory.normal = (key, wanted["normal"], measured["normal"])
                normal = memory.normal
            notes.append(f"{len(wanted)} run{'s' * (len(wanted) != 1)} of {scenario.duration_ns / 1e9:g} s")
            self._known["aggregation"] = demand.aggregation(today)
        paths = {*today.paths, *(normal[1].paths if normal else ())}
        hops = hops_of(today.network, paths)
        with self._stages.stage("compare") as notes:
            correlation = (
                compare(
                    attachment.connections,
                    measured["today"].paths,
                    window_ns=window_ns,
                    production_before=before.connections,
                    baseline_ns=window_ns if normal else None,
                    production_scale=today.scaling.factor,
                    events_replayed=False,
                    null=None,
                    null_ns=window_ns,
                    ways=ways_of(today.network, today.paths),
                )
                if normal is None
                else self._compare(attachment, before, measured["today"], normal, today, window_ns)
            )
            notes.append(correlation.verdict)
        anomalies: tuple[Anomaly, ...] = ()
        domain: FaultDomain | None = None
        with self._stages.stage("localise") as notes:
            if normal is not None:
                anomalies, domain = self._localise(
                    attachment, before, measured["today"], normal, today, hops, window_ns
                )
            notes.append(f"{len(anomalies)} paths flagged")
        levels = judge_levels(measured["today"].paths, scenario.levels, from_ns=window_ns[0], to_ns=window_ns[1])
        used = link_means(measured["today"], window_ns, "link_utilisation")
        findings = [] if learning else of_correlation(correlation, anomalies, domain, paths=len(paths))
        judged = JUDGED
        if any(one.kind in ("network", "measurement") for one in findings):
            # What a broken network lets through is not what is asked of it: of its load nothing can be told.
            judged = tuple(one for one in JUDGED if one != "level")
        else:
            findings += of_levels(levels, hops, used, promised=config.promised)
        findings = [self._cured(one, demand, today, measured["today"]) for one in findings]
        self._judged = judged
        ahead = self._ahead(demand, today, findings)
        self._remember(
            demand, candidate, learning=learning, findings=findings, verdict=correlation.verdict, flagged=len(anomalies)
        )
        advanced = self._advance(findings, self._judged)
        suspects = {link for one in advanced.open for link in (one.domain.links if one.domain else ())}
        affected = {path for one in advanced.open for path in one.affected_paths}
        self._known |= {
            "verdict": correlation.verdict,
            "why": correlation.why,
            "hypotheses": correlation.hypotheses,
            "fidelity": correlation.whole,
            "ahead": ahead.ahead if ahead else None,
            "paths": watched_paths(
                today,
                measured["today"],
                attachment.connections,
                before.connections,
                correlation=correlation,
                levels=levels,
                affected=affected,
                flagged={one.path for one in anomalies},
                window_ns=window_ns,
            ),
            "links": watched_links(
                today,
                measured["today"],
                window_ns=window_ns,
                fidelity=correlation.fidelity,
                suspects=suspects,
                ahead=(ahead.utilisation or {}) if ahead else {},
            ),
        }
        status: CycleStatus = "learning" if learning else "complete"
        words = findings[0].title if findings else calm_words(correlation, learning=learning)
        plain = {"format": "watch-map/1", "file": str(scenario.map), "network": to_plain(network)}
        return self._ended(status, words, advanced=advanced, network=plain)

    def _key(self, today: Prepared, network: Network) -> object:
        return (self._state.baseline, today.scaling.factor, network)

    def _normal(
        self, calm: Demand, today: Prepared, network: Network, wanted: dict[str, Prepared]
    ) -> tuple[object, Prepared, Measured] | None:
        """The shadow under the baseline's demand, if that is known; else it is wanted too."""
        known = self._memory.normal
        if known is not None and known[0] == self._key(today, network):
            return known
        wanted["normal"] = prepared_for(self._config.scenario, calm, today.scaling.factor)
        return None

    def _compare(
        self,
        attachment: Attachment,
        before: Attachment,
        measured: Measured,
        normal: tuple[object, Prepared, Measured],
        today: Prepared,
        window_ns: tuple[int, int],
    ) -> Correlation:
        """The shadow of before is the baseline's, today's is the null model: a sound network under today's demand."""
        return compare(
            attachment.connections,
            normal[2].paths,
            window_ns=window_ns,
            production_before=before.connections,
            baseline_ns=window_ns,
            production_scale=today.scaling.factor,
            events_replayed=False,
            null=measured.paths,
            null_ns=window_ns,
            ways=ways_of(today.network, {*today.paths, *normal[1].paths}),
        )

    def _localise(
        self,
        attachment: Attachment,
        before: Attachment,
        measured: Measured,
        normal: tuple[object, Prepared, Measured],
        today: Prepared,
        hops: dict[str, tuple[Direction, ...]],
        window_ns: tuple[int, int],
    ) -> tuple[tuple[Anomaly, ...], FaultDomain | None]:
        window = self._window
        return localise(
            Side(connections=attachment.connections, shadow=measured.paths, window_ns=window_ns),
            Side(connections=before.connections, shadow=normal[2].paths, window_ns=window_ns),
            today.network,
            today.flows,
            hops,
            began_ns=window.noticed_ns or self._known["telemetry_from_ns"],
            now_ns=window.newest_ns,
        )

    # --- cures, forecast, memory ------------------------------------------------------------------------------------

    def _cured(self, one: Finding, demand: Demand, today: Prepared, measured: Measured) -> Finding:
        """With cures, rehearsed when the fault is new or somewhere else; and with what was noticed between cycles."""
        if self._window.noticed and one.kind == "network":
            one = replace(one, detected="; ".join(self._window.noticed[:3]), seen_ns=self._window.noticed_ns)
        scenario = self._config.scenario
        if one.domain is None or not one.domain.links or not scenario.cures.mitigations:
            return one
        known = [each for each in self._state.open_incidents if belongs(one, each)]
        if any(each.domain is not None and each.domain.links == one.domain.links and each.cures for each in known):
            self._stages.left_out("rehearse", f"{' and '.join(one.domain.links)} is known, and its cures with it")
            return one
        with self._stages.stage("rehearse") as notes:
            try:
                cures = rehearsed(scenario, demand, one.domain, today, measured, self._shadows)
            except ShadowLabError as error:  # the incident is told all the same
                notes.append(f"failed: {error}")
                return one
            notes.append(f"{len(cures)} cures")
        return replace(one, cures=cures, proposal=proposal_of(cures))

    def _ahead(self, demand: Demand, today: Prepared, findings: list[Finding]) -> Foreseen | None:
        config = self._config
        if not config.horizon_ns:
            return None
        if self._number % config.forecast_every:
            self._stages.left_out("forecast", f"every {config.forecast_every} cycles")
            return None
        with self._stages.stage("forecast") as notes:
            found = foreseen(
                config.scenario,
                demand,
                self._state.demand,
                self._shadows,
                factor=today.scaling.factor,
                horizon_ns=config.horizon_ns,
                promised=config.promised,
            )
            notes.append(found.ahead.headline)
        if found.utilisation is not None:
            self._judged = (*self._judged, "forecast")
            told = [
                (one.level, one.subject, words)
                for one, words in zip(found.violations, found.ahead.violations, strict=True)
            ]
            findings += of_forecast(told, promised=config.promised)
        return found

    def _remember(
        self,
        demand: Demand,
        candidate: Calibration,
        *,
        learning: bool,
        findings: list[Finding],
        verdict: str,
        flagged: int,
    ) -> None:
        """Of a calm window, and the first: what is learned of a broken network would hide that it is broken."""
        state, memory = self._state, self._memory
        moment = (self._window.newest_ns / 1e9, round(demand.mbps, 6))
        state = replace(state, demand=(*state.demand, moment)[-MOST_HISTORY:])
        kinds = {*(one.kind for one in findings), *(one.kind for one in state.open_incidents)}
        troubled = flagged > 0 or bool(kinds & {"network", "measurement", "shadow"})
        if learning or (verdict in ("confirmed", "demand moved") and not troubled):
            memory.calibration = candidate
            name = f"calibration-{self._number}.json"
            self._named[name] = candidate.to_json().encode()
            state = replace(state, calibration=name)
            age = self._window.newest_ns - state.baseline_ns
            if learning or (verdict == "confirmed" and age >= self._config.baseline_every_ns):
                memory.baseline = tuple(self._window.records)
                name = f"baseline-{self._number}.jsonl"
                self._named[name] = baseline_bytes(memory.baseline)
                state = replace(state, baseline=name, baseline_ns=self._window.newest_ns)
        self._state = state

    # --- the end ----------------------------------------------------------------------------------------------------

    def _advance(self, findings: Sequence[Finding], judged: Sequence[IncidentKind]) -> Advanced:
        mine = [one for one in self._state.open_incidents if one.kind in judged]
        others = tuple(one for one in self._state.open_incidents if one.kind not in judged)
        found = advance(
            mine,
            findings,
            cycle=self._number,
            now_ns=self._wall_ns(),
            resolve_after=self._config.resolve_after,
        )
        return Advanced((*others, *found.open), found.closed, found.news)

    def _ended(
        self,
        status: CycleStatus,
        headline: str,
        *,
        findings: Sequence[Finding] = (),
        judged: Sequence[IncidentKind] = (),
        advanced: Advanced | None = None,
        network: dict[str, Any] | None = None,
    ) -> Outcome:
        found = self._advance(findings, judged) if advanced is None else advanced
        receivers = {one.name: one.least for one in self._config.receivers}
        state = queued(
            replace(
                self._state,
                cycle=self._number,
                open_incidents=found.open,
                skipped=self._state.skipped + self._skipped,
                incidents_opened=self._state.incidents_opened + sum(one.entry.kind == "opened" for one in found.news),
            ),
            notifications(found.news, receivers),
        )
        cycle = Cycle(
            number=self._number,
            began_ns=self._began_ns,
            ended_ns=self._wall_ns(),
            status=status,
            headline=headline,
            trigger=self._trigger,
            stages=tuple(self._stages.done),
            open_incidents=tuple(one.id for one in found.open),
            skipped=self._skipped,
            **self._known,
        )
        return Outcome(
            cycle=cycle,
            state=state,
            closed=found.closed,
            named=self._named,
            network=b""
            if network is None
            else (json.dumps(network, ensure_ascii=False, sort_keys=True) + "\n").encode(),
        )
