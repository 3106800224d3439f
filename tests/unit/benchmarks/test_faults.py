"""The campaign of faults: what is drawn, and how it is scored."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import faults
from benchmarks.faulted.calm import calm, total
from benchmarks.faulted.draw import BASELINE_NS, DURATION_NS, KINDS, NO_FAULT, SECOND, Truth, draw
from benchmarks.faulted.intervals import calibration, rate_interval, wilson
from benchmarks.faulted.places import TOPOLOGIES, ground
from benchmarks.faulted.produce import known, production_job
from benchmarks.faulted.score import class_size, is_right, reference_row, row_of
from benchmarks.faulted.table import tables
from shadowlab.topology.routing import intended_way
from shadowlab.traffic.engine import FIRST_SOURCE_PORT

TRUTH = Truth(kind="random", onset_ns=30 * 10**9, parts=(("a-b",),), types=("loss",))
NODE = Truth(kind="node", onset_ns=30 * 10**9, parts=(("a-b", "b-c"),), types=("loss",), label="node b")


def suspect(*links: str, label: str = "", directions: int = 1, fault: str = "loss") -> dict[str, Any]:
    return {"links": list(links), "label": label, "directions": directions, "fault": fault, "posterior": 0.9}


def said(*suspects: dict[str, Any], alerts: tuple[tuple[str, float], ...] = (("x→y", 31.5),)) -> dict[str, Any]:
    return {
        "alerts": [[path, at, at - 1, "loss"] for path, at in alerts],
        "localised_s": 40.0,
        "kind": "loss",
        "confidence": 0.9 if suspects else 0.0,
        "suspects": list(suspects),
        "runners_up": [],
        "overloaded": [],
    }


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_case_follows_from_its_seed_and_its_fault_begins_after_the_baseline(topology: str, kind: str) -> None:
    case = draw(topology, kind, 5)

    assert case == draw(topology, kind, 5)
    assert BASELINE_NS[1] < case.truth.onset_ns < DURATION_NS
    assert bool(case.truth.parts) == (kind not in NO_FAULT)
    assert case.truth.links <= {link.id for link in case.ground.network.links}
    assert all(one.kind == kind for one in (case.truth, replace(case, seed=0).truth))


def test_the_b4_like_backbone_has_twelve_sites_and_nineteen_trunks_and_the_fat_tree_twenty_switches() -> None:
    b4, tree = ground("b4", 1), ground("fattree", 1)

    assert (len(b4.network.nodes) - len(b4.network.hosts), len(b4.trunks)) == (12, 19)
    assert (len(tree.network.nodes) - len(tree.network.hosts), len(tree.trunks)) == (20, 32)
    assert {flow.source for flow in b4.flows} == {host.id for host in b4.network.hosts}


@pytest.mark.parametrize("kind", KINDS)
def test_the_diagnosing_side_knows_no_event_and_production_differs_by_what_happens_alone(kind: str) -> None:
    case = draw("dumbbell", kind, 3)

    before, job = known(case), production_job(case)

    assert (before.timeline.changes, before.workloads) == ((), ())
    assert (job.paths, job.flows, job.watched) == (before.paths, before.flows, before.job().watched)
    assert bool(job.timeline or job.workloads) == (kind != "quiet")


def test_a_class_is_right_where_it_holds_the_fault_and_a_node_only_where_all_it_names_is_at_fault() -> None:
    assert is_right(suspect("a-b", "c-d", directions=2), TRUTH)
    assert is_right(suspect("a-b", label="a-b both ways or node b", directions=2), TRUTH)
    assert not is_right(suspect("a-b", "b-c", label="node b", directions=4), TRUTH)
    assert is_right(suspect("a-b", label="node b", directions=2), NODE)
    assert is_right(suspect("a-b", "b-c", label="group x", directions=2), NODE)
    assert not is_right(suspect("c-d"), TRUTH)
    assert class_size(suspect("a-b", label="a-b both ways or node b")) == 2
    assert class_size(suspect("a-b", "c-d", directions=2)) == 2


def test_alerts_are_right_after_the_onset_on_paths_that_cross_the_fault() -> None:
    crossing = {"x→y": ["a-b", "b-c"], "x→z": ["b-c"]}

    row = row_of({}, TRUTH, crossing, said(suspect("a-b"), alerts=(("x→y", 29.0), ("x→y", 33.5), ("x→z", 34.0))))

    assert (row["alerts"], row["early"], row["right"]) == (3, 1, 1)
    assert (row["detected"], row["detect_s"], row["localise_s"]) == (True, 3.5, 10.0)
    assert (row["top1"], row["class"], row["type"], row["claim"]) == (True, 1, True, True)


def test_a_fault_that_no_path_crosses_cannot_be_seen_and_blame_without_a_fault_is_a_wrong_claim() -> None:
    quiet = Truth(kind="incast", onset_ns=30 * 10**9)

    unseen = row_of({}, TRUTH, {"x→z": ["b-c"]}, said())
    blamed = row_of({}, quiet, {"x→y": ["a-b"]}, said(suspect("a-b")))

    assert (unseen["seen"], unseen["detected"]) == (False, False)
    assert (blamed["fault"], blamed["named"], blamed["claim"], blamed["type"]) == (False, 1, False, None)


def test_a_link_that_fills_up_is_counted_beside_the_alerts_and_right_where_it_is_at_fault_after_the_onset() -> None:
    full = [("a-b", 28.0), ("a-b", 36.0), ("c-d", 37.0)]

    row = row_of({}, TRUTH, {"x→y": ["a-b"]}, said(), full)

    assert (row["full"], row["full_early"], row["full_right"]) == (3, 1, 1)
    assert (row["alerts"], row["named"], row["top1"]) == (1, 0, False)


def test_of_two_faults_each_must_be_named() -> None:
    two = Truth(kind="two", onset_ns=30 * 10**9, parts=(("a-b",), ("c-d",)), types=("loss",))

    row = row_of({}, two, {"x→y": ["a-b"]}, said(suspect("a-b"), suspect("e-f")))

    assert (row["parts"], row["parts_found"], row["named_right"], row["claim"]) == (2, 1, 1, False)
    assert reference_row({}, two, ["e-f", "a-b", "a-b", "c-d"])["parts_found"] == 2
    assert reference_row({}, two, ["e-f", "a-b", "a-b", "c-d"])["named"] == 3


@given(right=st.integers(0, 50), more=st.integers(1, 50))
@settings(max_examples=50, deadline=None)
def test_an_interval_holds_its_share_and_narrows_with_more_cases(right: int, more: int) -> None:
    of = right + more

    low, high = wilson(right, of)
    less_low, less_high = wilson(10 * right, 10 * of)

    assert 0 <= low <= right / of <= high <= 1
    assert less_high - less_low < high - low


def test_intervals_of_counts_and_the_calibration_error_are_those_of_the_tables() -> None:
    assert wilson(8, 10) == pytest.approx((0.490, 0.943), abs=0.001)
    assert rate_interval(10, 1.0) == pytest.approx((4.795, 18.39), rel=0.005)
    assert rate_interval(0, 2.0) == pytest.approx((0, 1.845), rel=0.05)

    brier, error, bins = calibration([0.95, 0.95, 0.6, 0.6], [True, True, True, False])

    assert brier == pytest.approx((2 * 0.05**2 + 0.4**2 + 0.6**2) / 4)
    assert error == pytest.approx(0.5 * 0.05 + 0.5 * 0.1)
    assert [(count, right) for _, count, right in bins] == [(2, 1), (2, 2)]
    assert calibration([], []) == (0.0, 0.0, [])


def test_the_tables_have_a_row_for_each_kind_and_method_that_was_run() -> None:
    base = {
        "topology": "b4",
        "kind": "random",
        "seed": 1,
        "noticed": True,
        "paths": 30,
        "quiet_s": 4.0,
        "size": {"loss": 0.006},
    }
    crossing = {"x→y": ["a-b"]}
    rows = [row_of({**base, "method": name}, TRUTH, crossing, said(suspect("a-b"))) for name in ("panel", "zscore")]
    rows.append({**reference_row({**base, "method": "007"}, TRUTH, ["c-d"]), "seen": True})

    text = tables(rows)

    assert "| random | 1 | 100 (21–100) | 1.5 (1.5–1.5) |" in text
    assert "| loss of 0.5 to 1 % | 1 | 100 (21–100) | 1.5 (1.5–1.5) |" in text
    assert "| 007 | 0 (0–79) | 0 (0–79) | 0 (0–79) |" in text
    assert "Of 1 claims: Brier score 0.010" in text


def test_a_limit_that_binds_nobody_is_seen_by_nobody() -> None:
    assert not row_of({"idle": True}, TRUTH, {"x→y": ["a-b"]}, said())["seen"]


def test_the_filter_of_a_gray_fault_is_for_a_port_that_a_flow_across_the_line_has() -> None:
    for seed in range(3, 9):
        case = draw("b4", "gray", seed)
        way, low = case.filters[0].direction, int(case.filters[0].words.split()[5], 16)
        ports, taken = set(), Counter[str]()
        for flow in case.ground.flows:
            if way in intended_way(case.ground.network, flow.source, flow.target).directions:
                ports.add((FIRST_SOURCE_PORT + taken[flow.source]) & 7)
            taken[flow.source] += 1

        assert low in ports


def test_the_page_is_renewed_between_its_marks_alone_and_a_page_without_them_is_refused() -> None:
    page = f"before {faults.BEGIN} old {faults.END} after"

    assert faults.renewed(page, "new") == f"before {faults.BEGIN}\n\nnew\n\n{faults.END} after"
    with pytest.raises(ValueError, match="has no"):
        faults.renewed("nothing", "new")


def test_calm_is_long_and_holds_steps_of_demand_and_nothing_else() -> None:
    case = calm("dumbbell", 3, 300 * SECOND)

    assert case.duration_ns == known(case).scenario.duration_ns == 300 * SECOND
    assert len(case.events) >= 2
    assert {one.kind for one in case.events} == {"demand"}
    assert not calm("dumbbell", 3, 300 * SECOND, steps=False).events


def test_alerts_of_calm_are_counted_a_day_per_hundred_paths() -> None:
    rows = [{"detector": "panel", "alerts": 1, "path_days": 0.5}, {"detector": "zscore", "alerts": 9, "path_days": 0.5}]

    counted = total(rows, "panel")

    assert (counted["alerts"], counted["a_day_per_100_paths"]) == (1, 200.0)
    assert counted["interval"][0] < 200.0 < counted["interval"][1]
