"""The services in the report and on the terminal: before and after, streams, programs; nothing where nothing ran."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from shadowlab.model.result import ProgramOutcome, ReplayOutcome, RunResult
from shadowlab.model.traffic.summary import HeatMap, Histogram, InstanceSummary, WorkloadSummary
from shadowlab.model.units import NS_PER_S
from shadowlab.report.plots.services import MOST_SERVICES, draw_services
from shadowlab.report.sections_services import services_section
from shadowlab.report.text import render_summary

from .example import example_run

EDGES = (10.0, 100.0, 1000.0)


def workload(
    name: str, kind: str = "requests", *, counts: tuple[int, ...] = (3, 1), **others: object
) -> WorkloadSummary:
    before = {"completion_p50_ms": 66.75, "completion_p99_ms": 336.0, "slowdown_p99": 1.634, "failures": 0.0}
    after = {"completion_p50_ms": 66.75, "completion_p99_ms": 730.0, "slowdown_p99": 6.28, "failures": 0.25}
    made = WorkloadSummary(
        workload=name,
        kind=kind,
        service=name,
        outcomes={"ok": 3, "failed": 1},
        whole=after,
        before=before,
        after=after,
        completion_ms=Histogram(edges=EDGES, counts=counts),
        slowdown=Histogram(edges=(1.0, 10.0), counts=(4,)),
        heat_map=HeatMap(window_ns=10 * NS_PER_S, edges=EDGES, counts=(counts,) * 30),
    )
    return replace(made, **others)  # type: ignore[arg-type]


STREAM = workload(
    "voice",
    "datagrams",
    counts=(0, 0),
    outcomes={"ok": 0},
    before={"datagram_loss": 0.0, "datagram_delay_ms": 26.2},
    after={"datagram_loss": 0.053, "datagram_delay_ms": 25.1},
)


def with_services(*workloads: WorkloadSummary) -> RunResult:
    return replace(
        example_run()[0],
        workloads=workloads,
        instances=(InstanceSummary(node="db", workers=2, before={"instance_utilisation": 0.5}, after={}),),
        programs=(
            ProgramOutcome(
                name="<probe>",
                node="web",
                argv=("ping", "-c", "1", "db"),
                exit_code=1,
                stopped=False,
                began_ns=NS_PER_S,
                ended_ns=2 * NS_PER_S,
                output="raw/programs/probe.txt",
                output_bytes=120,
                dropped_bytes=0,
            ),
        ),
        replays=(
            ReplayOutcome(
                name="old",
                node="web",
                sent_packets=20,
                sent_bytes=999,
                refused_packets=2,
                left_out={"sent by others": 3},
            ),
        ),
    )


def summary(result: RunResult, *, terminal: bool = False) -> str:
    out = io.StringIO()
    render_summary(result, Console(file=out, force_terminal=terminal, width=120))
    return out.getvalue()


def test_a_run_without_traffic_of_its_own_has_no_section_of_services() -> None:
    result = example_run()[0]
    assert services_section(result, {}) == "" and draw_services(result) is None
    assert "Slowdown" not in summary(result)


def test_the_section_says_what_exchanges_took_before_and_after() -> None:
    result = with_services(workload("pages"), STREAM)
    plot = draw_services(result)
    assert plot is not None and plot.alt == "Completion times over time: pages median 66.8 ms before, 66.8 ms after"
    assert plot == draw_services(result), "the same input, the same bytes"
    page = services_section(result, {plot.name: plot})
    for words in ("336 ms", "730 ms", "1.63×", "6.28×", "25.0 %", "a stream", "5.3 %", "26.2 ms", "50.0 %", "<svg"):
        assert words in page
    assert "&lt;probe&gt;" in page and "<probe>" not in page and "exit code 1 at 2 s" in page
    assert "How exchanges ended" in page


def test_many_services_are_cut_in_the_plot_and_counted() -> None:
    plot = draw_services(with_services(*(workload(f"s{index}") for index in range(MOST_SERVICES + 2))))
    assert plot is not None and "2 more services are in result.json" in plot.caption


def test_the_terminal_shows_what_changed() -> None:
    written = summary(with_services(workload("pages"), STREAM))
    assert "pages    4          0 % → 25.0 %    66.8 ms            336 ms → 730 ms  1.63× → 6.28×\n" in written
    assert "voice    stream     0 % → 5.3 %     26.2 ms → 25.1 ms  –                –\n" in written
    assert "Program         <probe> in web: exit code 1 at 2 s; output: raw/programs/probe.txt\n" in written
    assert "Replay          old in web: 20 packets, 2 refused\n" in written
    assert "Slowdown p99" in summary(with_services(workload("pages")), terminal=True)
