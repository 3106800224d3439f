"""What is imposed on which links, when, and which window of the incident it is compared with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lab_example import MS, S, prepared

from shadowlab.lab.diagnosis.course import LEAD_NS, SETTLE_NS, trial
from shadowlab.lab.diagnosis.hypotheses import Seen, hypotheses, imposed, ops_of
from shadowlab.lab.diagnosis.links import filling_links
from shadowlab.lab.diagnosis.symptoms import Watched, noise, symptoms, worst_window
from shadowlab.model.impairment import Impairment
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Direction
from shadowlab.model.verdict import FaultDomain, Suspect
from shadowlab.monitor.indicators import PathCounts
from shadowlab.shadow.ops import ImpairEgress, ImpairIngress
from shadowlab.shadow.traffic_ops import ScaleDemand

LINK = Impairment(delay_ns=5 * MS, rate_bps=10_000_000, queue_packets=50, loss=0.1)
SEEN = Seen(loss=0.02, delay_ns=0.0, utilisation=0.4)


def suspect(*directions: Direction, loss: float = 0.05, delay_ns: float = 0.0) -> Suspect:
    return Suspect(
        directions=directions,
        score=10,
        posterior=0.9,
        loss=loss,
        excess_delay_ns=delay_ns,
        paths_affected=2,
        paths_crossing=2,
    )


def domain(*suspects: Suspect, runners_up: tuple[Suspect, ...] = ()) -> FaultDomain:
    return FaultDomain(
        links=("north-south",),
        kind="loss",
        onset_ns=25 * S,
        confidence=0.9,
        suspects=suspects,
        runners_up=runners_up,
        affected_paths=("web→db",),
        affected_flows=(),
    )


@pytest.mark.parametrize(
    ("kind", "size", "expected"),
    [
        ("loss", 0.5, replace(LINK, loss=0.55)),
        ("delay", 20.0 * MS, replace(LINK, delay_ns=25 * MS)),
        ("rate", 0.75, replace(LINK, rate_bps=2_500_000)),
        ("short queue", 0.9, replace(LINK, queue_packets=5)),
        ("long queue", 7.0, replace(LINK, queue_packets=400)),
    ],
)
def test_a_kind_of_fault_changes_one_property_of_a_link(kind: str, size: float, expected: Impairment) -> None:
    found = imposed(LINK, kind, size)  # type: ignore[arg-type]

    assert replace(found, loss=round(found.loss, 9)) == expected


def test_a_link_without_a_rate_cannot_carry_less() -> None:
    with pytest.raises(ValueError, match="without a rate"):
        imposed(Impairment(), "rate", 0.5)


def test_without_a_rise_of_delay_nothing_is_tried_that_only_delays(tmp_path: Path) -> None:
    ready = prepared(tmp_path)
    first = next(one for one in ready.network.directions if ready.network.impairment(one).rate_bps)

    still = hypotheses(domain(suspect(first)), ready.network, SEEN)
    slower = hypotheses(domain(suspect(first)), ready.network, replace(SEEN, delay_ns=9e6))
    full = hypotheses(domain(suspect(first)), ready.network, replace(SEEN, delay_ns=9e6, utilisation=0.9))

    assert [one.kind for one in still] == ["loss", "short queue"]
    assert [one.kind for one in slower] == ["loss", "delay", "rate", "short queue"]
    assert [one.kind for one in full] == ["loss", "delay", "rate", "short queue", "long queue"]
    assert still[0].size == 0.05
    assert slower[2].size == pytest.approx(0.6)


def test_a_rival_that_paths_have_ruled_out_is_not_tried(tmp_path: Path) -> None:
    ready = prepared(tmp_path)
    first, second, *_ = ready.network.directions
    rival = replace(suspect(second), posterior=1e-4)

    found = hypotheses(domain(suspect(first), runners_up=(rival,)), ready.network, SEEN)

    assert {one.directions for one in found} == {(first,)}


def test_each_link_of_a_node_is_tried_by_itself_too(tmp_path: Path) -> None:
    ready = prepared(tmp_path)
    both = tuple(one for one in ready.network.directions if "south" in (one.source, one.target))
    links = {one.link for one in both}

    found = hypotheses(domain(replace(suspect(*both), label="node south")), ready.network, SEEN)

    alone = [one for one in found if one.component != "node south"]
    assert len(links) > 1
    assert {one.component for one in alone} <= {f"{link} both ways" for link in links}
    assert {one.kind for one in alone} == {"loss", "short queue"}
    assert all(len({way.link for way in one.directions}) == 1 for one in alone)


def test_runners_up_are_tried_with_what_they_are_suspected_of(tmp_path: Path) -> None:
    ready = prepared(tmp_path)
    first, second, *_ = ready.network.directions
    rival = suspect(second, loss=0.0, delay_ns=4e6)

    found = hypotheses(domain(suspect(first), runners_up=(rival,)), ready.network, SEEN)

    assert (found[-1].directions, found[-1].kind, found[-1].size) == ((second,), "delay", 4e6)


def test_a_trial_holds_what_anybody_sees_of_production_and_not_the_fault_of_the_scenario(tmp_path: Path) -> None:
    events = ("at: 25 s, demand: 2", "at: 26 s, degrade: north-south, loss: 10 %", "at: 32 s, demand: 3")
    ready = prepared(tmp_path, events=events)
    one = hypotheses(domain(suspect(ready.network.directions[0])), ready.network, SEEN)[0]
    ops = ops_of(one, 0.03, ready.fabric, ready.network)

    job = trial(ready, (30 * S, 40 * S), ops)

    begin = LEAD_NS + SETTLE_NS
    assert job.duration_ns == begin + 10 * S
    assert [(change.at_ns, type(change.ops[0])) for change in job.timeline] == [
        (begin - 5 * S, ScaleDemand),
        (LEAD_NS, type(ops[0])),
        (begin + 2 * S, ScaleDemand),
    ]
    imposed_ops = [op for change in job.timeline for op in change.ops if isinstance(op, ImpairEgress | ImpairIngress)]
    assert imposed_ops == list(ops)
    assert job.seed == ready.seed


def watched(*, lost_from: int, seconds: int = 60, affected: int = 0) -> Watched:
    """Two paths; from a second on the affected one loses a tenth, in its last five seconds half."""
    times = np.arange(1, seconds + 1, dtype=np.int64) * S
    lost = np.zeros((seconds, 2), dtype=np.int64)
    lost[lost_from:, affected] = 1
    lost[seconds - 15 : seconds - 10, affected] = 5
    counts = PathCounts(
        times_ns=times,
        paths=("a→b", "c→d"),
        probes_sent=np.full((seconds, 2), 10),
        probes_lost=lost,
        segments_sent=np.full((seconds, 2), 100),
        segments_retransmitted=np.zeros((seconds, 2), dtype=np.int64),
    )
    delays = 20 + np.random.default_rng(3).normal(0, 0.5, (seconds, 2))
    return Watched(
        table=SeriesTable(times_ns=times, subjects=("a→b", "c→d"), values={"latency_ms": delays}), counts=counts
    )


def test_the_window_that_is_compared_is_the_worst_one() -> None:
    from_ns, to_ns = worst_window(watched(lost_from=30), (30 * S, 60 * S), 10 * S, {"a→b"})

    assert to_ns - from_ns == 10 * S
    assert from_ns <= 45 * S
    assert to_ns >= 50 * S


def test_a_short_incident_is_compared_as_a_whole() -> None:
    assert worst_window(watched(lost_from=55), (55 * S, 60 * S), 14 * S, {"a→b"}) == (55 * S, 60 * S)


def test_noise_is_what_windows_of_the_baseline_differ_by() -> None:
    one = watched(lost_from=40)

    found = noise(one, (0, 40 * S), 10 * S)

    assert found.levels["latency_ms"] == pytest.approx([0.2, 0.2], abs=0.15)  # 0.5 / √10, and the floor of 1 %
    assert found.rates["probes lost"].tolist() == [0, 0]


def test_symptoms_are_counts_and_shifts_against_what_is_normal() -> None:
    one = watched(lost_from=40)

    found = symptoms(one, one.rows((40 * S, 45 * S)), {"latency_ms": np.array([20.0, 20.0])})

    assert found.counts["probes lost"].bad.tolist() == [5, 0]
    assert found.counts["probes lost"].sent.tolist() == [50, 50]
    assert found.levels["latency_ms"] == pytest.approx([0, 0], abs=1)


def carried(*shares: float) -> SeriesTable:
    times = np.arange(1, len(shares) + 1, dtype=np.int64) * S
    return SeriesTable(times_ns=times, subjects=("a>b",), values={"link_utilisation": np.array(shares)[:, None]})


def test_a_link_that_fills_up_is_told_since_when_and_how_full() -> None:
    (found,) = filling_links(carried(*[0.3] * 10, *[0.99] * 5), (0, 10 * S))

    assert (found.path, found.onset_ns, found.detected_ns, found.score) == ("a>b", 10 * S, 13 * S, 0.99)


@pytest.mark.parametrize("shares", [[*[0.9] * 10, *[0.99] * 5], [*[0.3] * 10, 0.99, 0.99, 0.5, 0.99], [0.3] * 15])
def test_a_link_that_was_full_before_or_is_full_for_a_moment_is_no_episode(shares: list[float]) -> None:
    assert filling_links(carried(*shares), (0, 10 * S)) == ()
