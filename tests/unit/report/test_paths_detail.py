"""The page's part for who asks which way is slow: one-way delays, what flows saw, what every node's TCP counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shadowlab.model.result import NodeTcp, PathSummary
from shadowlab.report.plots.one_way import draw_one_way
from shadowlab.report.plots.services import MOST_LINES, draw_distributions
from shadowlab.report.sections_detail import traffic_section
from shadowlab.report.sections_paths import paths_detail_section

from .example import example_run
from .test_services import STREAM, with_services, workload


def test_one_way_delays_are_drawn_there_and_back_and_told_in_words() -> None:
    result, paths, _ = example_run()

    plot = draw_one_way(result, paths)

    assert plot is not None
    assert "there" in plot.alt
    assert "before the event" in plot.alt
    assert draw_one_way(result, paths) == plot
    gone = {name: np.full(values.shape, np.nan) for name, values in paths.values.items()}
    assert draw_one_way(result, replace(paths, values=gone)) is None


def test_only_indicators_that_were_observed_have_a_column() -> None:
    summary = PathSummary(
        path="a→b",
        flows=1,
        before={"delay_there_ms": 10.0, "loss_there": 0.0, "queueing_ms": 0.5},
        after={"delay_there_ms": 25.0, "loss_there": 0.021},
    )
    result = replace(example_run()[0], path_summaries=(summary,), anomalies=(), fault_domain=None)

    page = paths_detail_section(result, {})

    assert "10.0 → 25.0 ms" in page
    assert "0 % → 2.1 %" in page
    assert "0.500 ms → –" in page
    assert "Jitter" not in page
    assert "Reordering" not in page


def test_counters_of_a_node_are_shown_where_any_counted() -> None:
    node = NodeTcp(node="web", before={"out_segs": 100.0, "timeouts": 0.0}, after={"out_segs": 90.0, "timeouts": 0.2})
    result = replace(example_run()[0], node_tcp=(node,))

    page = paths_detail_section(result, {})

    assert "0 → 0.200" in page
    assert "Time-outs" in page
    assert "Resets" not in page


def test_the_path_mtu_of_a_route_is_the_smallest_of_its_links() -> None:
    result = example_run()[0]
    (first, *others) = result.network.links
    small = replace(first, forward=replace(first.forward, mtu=1400), backward=replace(first.backward, mtu=1400))
    trace = replace(result.traces[0], nodes=(first.a, first.b))
    network = replace(result.network, links=(small, *others))

    assert ">1400<" in traffic_section(replace(result, network=network, traces=(trace,)))


def test_slowdowns_are_drawn_by_service_and_streams_have_none() -> None:
    plot = draw_distributions(with_services(*[workload(f"s{number}") for number in range(MOST_LINES + 2)], STREAM))

    assert plot is not None
    assert "2 more services" in plot.caption
    assert "s0 slowdown median" in plot.alt
    assert draw_distributions(with_services(STREAM)) is None
