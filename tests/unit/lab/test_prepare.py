"""Everything that is decided before a kernel is touched: the job, the rehearsals, the cost, what was left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_example import S, prepared, scenario

from shadowlab.errors import InputError
from shadowlab.lab.prepare import (
    BACK_NS,
    BACK_SETTLE_NS,
    JUDGED_NS,
    REACTION_NS,
    REHEARSAL_LEAD_NS,
    SETTLE_NS,
    prepare,
    rehearsal_shares,
)
from shadowlab.mitigate.candidate import NOTHING, Candidate
from shadowlab.shadow.ops import SetRoute


def cure(name: str) -> Candidate:
    op = SetRoute(node="north", destination="192.0.2.20", prefix=32, via="10.0.0.1", interface=name)
    return Candidate(name="reroute", kind="reroute", summary="", ops=(op,))


def test_the_job_holds_the_whole_run(tmp_path: Path) -> None:
    found = prepared(tmp_path)

    job = found.job()
    assert (job.seed, job.duration_ns, job.sample_every_ns, job.probe_every_ns) == (1, 40 * S, S, S // 10)
    assert [str(path) for path in job.paths] == ["api→db", "web→api", "web→db"]
    assert [flow.id for flow in job.flows] == ["api→db:5002", "web→api:5001", "web→db:5001"]
    assert len(job.watched) == 2 * len(found.network.links)
    assert job.interface_directions["north/to-south"] == "north-south|north|south"
    assert job.timeline == found.timeline.changes


def test_a_rehearsal_keeps_the_incident_drops_the_calm_before_and_adds_the_cure(tmp_path: Path) -> None:
    found = prepared(tmp_path)

    job, stage = found.rehearsal([(0, cure("to-west"))], localised_ns=30 * S)

    shift = 25 * S - REHEARSAL_LEAD_NS
    assert [change.at_ns for change in job.timeline] == [25 * S - shift, 30 * S + REACTION_NS - shift]
    assert job.timeline[1].ops == cure("to-west").ops
    assert stage.cure_ns == 35 * S - shift
    assert stage.settled_ns == stage.cure_ns + SETTLE_NS
    assert stage.judged_ns == stage.settled_ns + JUDGED_NS
    assert stage.end_ns == job.duration_ns == stage.judged_ns + BACK_SETTLE_NS + BACK_NS
    assert (job.seed, job.build, job.flows) == (found.seed, found.plan, found.flows)


def test_a_cure_stays_in_force_while_the_incident_goes_on(tmp_path: Path) -> None:
    found = prepared(
        tmp_path,
        events=("at: 25 s, degrade: north-south, loss: 1 %", "at: 38 s, degrade: north-south, loss: 2 %"),
    )
    states = found.states_from(28 * S)

    job, stage = found.rehearsal([(states[0].since_ns, cure("a")), (states[1].since_ns, cure("b"))], 28 * S)

    shift = 5 * S
    reasons = [(change.at_ns + shift, change.reason) for change in job.timeline]
    assert [one for one in reasons if one[1] == "reroute"] == [(33 * S, "reroute"), (38 * S, "reroute")]
    assert job.timeline[-1].ops == cure("b").ops  # after the event of the same moment
    assert stage.settled_ns + shift == 38 * S + SETTLE_NS


def test_a_rehearsal_of_doing_nothing_changes_nothing(tmp_path: Path) -> None:
    found = prepared(tmp_path)

    job, _ = found.rehearsal([(0, NOTHING)], localised_ns=30 * S)

    assert [change.reason for change in job.timeline] == ["a connector is dirty"]


def test_a_fault_seen_before_any_event_is_cured_within_its_rehearsal(tmp_path: Path) -> None:
    found = prepared(tmp_path, ("duration: 40 s", "duration: 300 s"), events=("at: 250 s, fail: north-south",))

    job, stage = found.rehearsal([(0, cure("to-west"))], localised_ns=100 * S)

    assert stage.cure_ns == REHEARSAL_LEAD_NS
    assert [change.at_ns for change in job.timeline] == sorted(change.at_ns for change in job.timeline)
    assert job.timeline[0].at_ns == stage.cure_ns


def test_another_seed_may_be_asked_for(tmp_path: Path) -> None:
    found = prepare(scenario(tmp_path), seed=99)

    assert (found.seed, found.job().seed) == (99, 99)


def test_a_run_over_its_budget_is_scaled_down_by_one_law_and_says_so(tmp_path: Path) -> None:
    found = prepared(tmp_path, ("seed: 1", "seed: 1\nwall_budget: 5 s"), ("duration: 40 s", "duration: 1200 s"))

    factor = found.scaling.factor
    assert factor > 1
    assert found.scaling.reason.startswith(f"capacities, demands and buffers divided by {factor:.3g} ")
    assert found.cost.wall_s < found.whole_wall_s <= 5
    assert found.network.links_by_id["north-south"].forward.rate_bps == round(10_000_000 / factor)
    assert found.network.links_by_id["north-south"].forward.delay_ns == 5_000_000
    assert found.flows[2].rate_bps == pytest.approx(400_000 / factor, rel=0.01)


def test_a_factor_that_is_asked_for_is_taken_whatever_the_budget(tmp_path: Path) -> None:
    found = prepare(scenario(tmp_path), scale=4.0)

    assert (found.scaling.factor, found.flows[2].rate_bps) == (4, 100_000)
    assert "divided by 4 as asked for" in found.scaling.reason
    assert found.network.links_by_id["north-south"].forward.rate_bps == 2_500_000


def test_the_expected_wall_time_holds_a_rehearsal_of_each_cure_and_of_none(tmp_path: Path) -> None:
    found = prepare(scenario(tmp_path))

    shares = rehearsal_shares(found.scenario)
    assert len(shares) == 1 + len(found.scenario.cures.mitigations) == 2
    assert shares[0] == pytest.approx((20 + 15 + 10 + 40 + 15) / 40)
    assert found.whole_wall_s == pytest.approx(found.cost.wall_s + 2 * (1 + shares[0] * (found.cost.wall_s - 1)))


def test_a_connection_without_a_known_demand_is_listed_not_lost(tmp_path: Path) -> None:
    scenario(tmp_path)
    with (tmp_path / "before.ss").open("a") as file:
        file.write("# instance web at 2026-11-22T09:00:10Z\nESTAB 0 0 192.0.2.10:40000 192.0.2.20:443 cubic cwnd:10\n")

    found = prepare(scenario(tmp_path))

    assert len(found.flows) == 3
    assert found.telemetry.left_out == {"connections whose demand no record tells": 1}


def test_telemetry_that_drives_nothing_is_refused_with_the_reasons(tmp_path: Path) -> None:
    scenario(tmp_path)
    (tmp_path / "before.ss").write_text("# instance x at 1\nESTAB 0 0 10.0.0.1:1 10.0.0.2:2\n")

    with pytest.raises(InputError) as caught:
        prepare(scenario(tmp_path))

    assert str(caught.value) == (
        f"{tmp_path}/before.ss: no connection of this telemetry can be driven between two instances of map.yaml; "
        "left out: instance 'x' is not a node of the map, nor is its address: 1"
    )
