"""A plausible incident on an Abilene-like network, made up but the same every time.

Chicago to Indianapolis loses packets and slows down 120 s into a run of 300 s.
"""

from __future__ import annotations

import numpy as np

from shadowlab.model.flow import FlowSpec, Path
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.level import LevelOutcome, ServiceLevel
from shadowlab.model.network import Direction, Network
from shadowlab.model.result import (
    LinkSummary,
    PathSummary,
    PathTrace,
    Provenance,
    RunResult,
    Scaling,
    TelemetryUse,
    TimelineEntry,
)
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.model.units import NS_PER_S
from shadowlab.model.verdict import Agreement, Anomaly, Correlation, CureOutcome, FaultDomain, Suspect

from .example_network import (
    DURATION_S,
    EVENT_S,
    GUILTY,
    crosses,
    example_network,
    link_series,
    path_series,
    routes,
)

LEVELS = (
    ServiceLevel(name="interactive", kpi="latency_p95_ms", limit=90.0),
    ServiceLevel(name="clean", kpi="loss", limit=0.01),
)


def example_run(strange_name: str = "") -> tuple[RunResult, SeriesTable, SeriesTable]:
    """The result, the series of its paths, the series of its links."""
    network = example_network(strange_name)
    walks, delays = routes(network)
    affected = tuple(path for path, nodes in walks.items() if crosses(nodes))
    paths = path_series(walks, delays, set(affected))
    links = link_series(network)
    return _result(network, walks, affected, paths, links), paths, links


def _medians(table: SeriesTable, path: str, *, after: bool) -> dict[str, float]:
    chosen = (table.times_ns > EVENT_S * NS_PER_S) == after
    return {kpi: float(np.nanmedian(table.column(kpi, path)[chosen])) for kpi in table.values}


def _outcomes(table: SeriesTable, *, after: bool) -> tuple[LevelOutcome, ...]:
    found = []
    chosen = (table.times_ns > EVENT_S * NS_PER_S) == after
    for level in LEVELS:
        for path in table.subjects:
            values = table.column(level.kpi, path)[chosen]
            values = values[~np.isnan(values)]
            broken = float((values > level.limit).mean())
            found.append(
                LevelOutcome(
                    level=level.name,
                    path=path,
                    limit=level.limit,
                    worst=float(values.max()),
                    median=float(np.median(values)),
                    broken_share=broken,
                    excess=float(np.maximum(values / level.limit - 1, 0).mean()),
                    holds=broken <= 0.05,
                    samples=len(values),
                )
            )
    return tuple(found)


def _suspect(direction: Direction, posterior: float, loss: float, crossing: int, hit: int) -> Suspect:
    return Suspect(
        directions=(direction,),
        score=40 * posterior,
        posterior=posterior,
        loss=loss,
        excess_delay_ns=38e6 * posterior,
        paths_affected=hit,
        paths_crossing=crossing,
    )


def _result(
    network: Network,
    routes: dict[str, tuple[str, ...]],
    affected: tuple[str, ...],
    paths: SeriesTable,
    links: SeriesTable,
) -> RunResult:
    flows = tuple(
        FlowSpec(
            id=f"flow-{index:03d}",
            source=path.split("→")[0],
            target=path.split("→")[1],
            flow_class="paced" if index % 3 else "greedy",
            rate_bps=800_000 if index % 3 else None,
            tcp=TcpOptions(congestion_control="bbr" if index % 4 == 0 else "cubic"),
            service=("web", "backup", "database")[index % 3],
            evidence=f"telemetry line {index * 2 + 1}",
        )
        for index, path in enumerate(sorted(routes)[::3])
    )
    onset = (EVENT_S + 1) * NS_PER_S
    mean = links.values["link_utilisation"].mean(axis=0)
    other = Direction(link="chicago-newyork", source="chicago", target="newyork")
    crossing = len(affected)
    return RunResult(
        scenario="abilene-degraded",
        title="Chicago–Indianapolis degrades at noon",
        duration_ns=DURATION_S * NS_PER_S,
        baseline_ns=(20 * NS_PER_S, 110 * NS_PER_S),
        event_ns=EVENT_S * NS_PER_S,
        network=network,
        paths=tuple(Path(source=name.split("→")[0], target=name.split("→")[1]) for name in sorted(routes)),
        flows=flows,
        telemetry=TelemetryUse(
            records=96, unreadable=2, connections=48, left_out={"unknown instance": 3, "not established": 1}
        ),
        scaling=Scaling(factor=1.0, map_rate_scale=1000.0, reason="the run fits its budget"),
        provenance=Provenance(
            seed=42,
            kernel="6.12.48",
            kernel_kind="embedded",
            clock="virtual",
            shadowlab="0.1.0",
            congestion_controls=("cubic", "bbr"),
            probes_sent=198_000,
            probes_lost=1_243,
            tcp_samples=13_200,
            queue_samples=15_600,
            windows=300,
            void_windows_ns=(),
            valid=True,
            validity="virtual clock: the machine's load cannot disturb the measurement",
        ),
        timeline=(
            TimelineEntry(at_ns=EVENT_S * NS_PER_S, kind="event", text="chicago-indianapolis: loss 6 %, delay 40 ms"),
            TimelineEntry(at_ns=onset, kind="onset", text="latency leaves its baseline on 28 paths"),
            TimelineEntry(at_ns=onset + 3 * NS_PER_S, kind="detected", text="z-score above 6 on 28 paths"),
            TimelineEntry(at_ns=onset + 5 * NS_PER_S, kind="localised", text="fault domain chicago-indianapolis"),
        ),
        levels_before=_outcomes(paths, after=False),
        levels_after=_outcomes(paths, after=True),
        path_summaries=tuple(
            PathSummary(
                path=path,
                flows=sum(f"{one.source}→{one.target}" == path for one in flows),
                before=_medians(paths, path, after=False),
                after=_medians(paths, path, after=True),
            )
            for path in paths.subjects
        ),
        link_summaries=tuple(
            LinkSummary(
                direction=str(direction),
                link=direction.link,
                rate_bps=network.impairment(direction).rate_bps,
                utilisation_before=float(mean[index]),
                utilisation_after=float(mean[index]),
                loss_before=0.0,
                loss_after=0.06 if direction == GUILTY else 0.0,
            )
            for index, direction in enumerate(network.directions)
        ),
        traces=tuple(PathTrace(path=path, since_ns=0, nodes=nodes) for path, nodes in sorted(routes.items())),
        anomalies=tuple(
            Anomaly(
                path=path,
                onset_ns=onset,
                detected_ns=onset + 3 * NS_PER_S,
                score=60.0 - index,
                leading_kpi="latency_ms",
                zscores={"latency_ms": 60.0 - index, "loss": 7.5, "cwnd_segments": -6.9},
                detector="zscore",
            )
            for index, path in enumerate(affected)
        ),
        fault_domain=FaultDomain(
            links=(GUILTY.link,),
            kind="loss and delay",
            onset_ns=onset,
            confidence=0.97,
            suspects=(_suspect(GUILTY, 0.97, 0.058, crossing, crossing),),
            runners_up=(_suspect(other, 0.02, 0.001, 22, 9), _suspect(other.reverse, 0.01, 0.0, 20, 0)),
            affected_paths=affected,
            affected_flows=tuple(one.id for one in flows if f"{one.source}→{one.target}" in affected),
            groups=("midwest",),
            unseen=("houston>losangeles",),
        ),
        cures=_cures(),
        correlation=Correlation(
            verdict="confirmed",
            why="shadow and production moved together on 9 of 10 compared paths",
            agreements=tuple(
                Agreement(
                    path=path,
                    kpi="srtt_ms",
                    production=80.0 + index,
                    shadow=79.0 + index if index != 4 else 40.0,
                    noise=1.5,
                    agrees=index != 4,
                    records=4,
                )
                for index, path in enumerate(affected[:10])
            ),
            share_agreeing=0.9,
        ),
        expectations={"fault is chicago-indianapolis": True, "best cure is reroute": True},
        headline="Chicago–Indianapolis fails its promises; re-routing around it mends 96 % of the damage",
        conclusions=(
            "Packets from Chicago to Indianapolis are lost (6 %) and delayed by 38 ms.",
            "On the link chicago-indianapolis, towards Indianapolis; confidence 97 %.",
            "Since second 121 of the run, 1 s after the event; seen after 3 s more.",
            "Re-route around the link: raise its metric from 1 to 1000 on both ends.",
            "96 % of the broken level-windows are mended, no path is harmed.",
        ),
        holds=False,
    )


def _cures() -> tuple[CureOutcome, ...]:
    rows = (
        ("reroute", "reroute", "route around chicago-indianapolis", 0.008, 0.96, 0),
        ("upgrade x4", "upgrade", "four times the rate on chicago-indianapolis", 0.17, 0.19, 0),
        ("restart-optics", "script", "run restart-optics on the fault domain", 0.19, 0.1, 2),
        ("do nothing", "nothing", "leave everything as it is", 0.21, 0.0, 0),
    )
    return tuple(
        CureOutcome(
            cure=cure,
            kind=kind,
            summary=summary,
            rank=rank,
            broken_share=broken,
            transient_share=min(1.0, broken * 1.5),
            severity=broken * 2,
            recovered=recovered,
            harm=harm,
            worst={"interactive": 70.0 + 20 * rank, "clean": 0.001 * rank},
            steps=("set chicago-indianapolis: metric 1000",) if rank == 1 else (),
            roll_back=("set chicago-indianapolis: metric 1",) if rank == 1 else (),
            note="",
        )
        for rank, (cure, kind, summary, broken, recovered, harm) in enumerate(rows, 1)
    )
