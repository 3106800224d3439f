"""From indicators to a fault domain, on tables whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lab_example import S, prepared

from shadowlab.detect.zscore import PROBES_SENT
from shadowlab.errors import ShadowFailedError
from shadowlab.lab.analyse import Measured, cut_directions, gather, judge, measure
from shadowlab.lab.diagnosis.domain import completed
from shadowlab.lab.prepare import Prepared
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Direction
from shadowlab.model.verdict import PathEvidence
from shadowlab.monitor.indicators import FlowCounts, PathCounts
from shadowlab.monitor.raw_files import RawFiles
from shadowlab.topology.routing import path_directions

PATHS = ("api→db", "web→api", "web→db")
WEB_DB = 2
SECONDS = 40
EVENT = 25
"""From this second on a test's trouble is there; the baseline is 5 s to 24 s."""
PROBES = 10
SEGMENTS = 40


def measured(
    ready: Prepared,
    *,
    lost: dict[str, int] | None = None,
    again: dict[str, int] | None = None,
    slower_ms: dict[str, float] | None = None,
    hops: tuple[tuple[int, str, tuple[Direction, ...]], ...] | None = None,
) -> Measured:
    """A run in which each second after the event so many probes get lost on their way there, segments are sent again,
    and the way there takes longer."""
    times = np.arange(1, SECONDS + 1, dtype=np.int64) * S
    late = (times > EVENT * S)[:, None]
    shape = (SECONDS, len(PATHS))

    def after(of_path: dict[str, int] | dict[str, float] | None) -> np.ndarray:
        return late * np.array([(of_path or {}).get(path, 0) for path in PATHS])

    counts = PathCounts(
        times_ns=times,
        paths=PATHS,
        probes_sent=np.full(shape, PROBES),
        probes_lost=after(lost),
        segments_sent=np.full(shape, SEGMENTS),
        segments_retransmitted=after(again),
    )
    noise = np.random.default_rng(1).normal(0, 0.02, shape)
    table = SeriesTable(
        times_ns=times,
        subjects=PATHS,
        values={
            "latency_ms": 12 + noise + after(slower_ms),
            "delay_there_ms": 6 + noise / 2 + after(slower_ms),
            "delay_there_max_ms": 6.1 + noise / 2 + after(slower_ms),
            "delay_back_ms": 6 + noise / 2,
            "loss_there": counts.probes_lost / PROBES,
            "loss": counts.probes_lost / PROBES,
            "retransmission_share": counts.segments_retransmitted / SEGMENTS,
            PROBES_SENT: np.full(shape, float(PROBES)),
        },
    )
    return Measured(
        paths=table,
        links=replace(table, subjects=(), values={}),
        counts=counts,
        traces=(),
        hops=hops if hops is not None else shortest(ready),
    )


def shortest(ready: Prepared) -> tuple[tuple[int, str, tuple[Direction, ...]], ...]:
    return tuple(
        (0, f"{source}→{target}", path_directions(ready.network, source, target))
        for path in ready.paths
        for source, target in ((path.source, path.target), (path.target, path.source))
    )


@pytest.fixture
def ready(tmp_path: Path) -> Prepared:
    """The small scenario without its event: the judging rooms must not need it."""
    return prepared(
        tmp_path, ("events:\n  - {at: 25 s, degrade: north-south, loss: 10 %, reason: a connector is dirty}\n", "")
    )


def evidence_of(ready: Prepared, run: Measured, path: str, window_s: tuple[int, int]) -> list[PathEvidence]:
    window = (window_s[0] * S, window_s[1] * S)
    return [one for one in gather(run, ready, {path}, (5 * S, 24 * S), window) if one.path == path]


def test_a_calm_run_has_no_fault(ready: Prepared) -> None:
    found = judge(measured(ready), ready, ["zscore"])

    assert (found.anomalies, found.domain, found.localised_ns) == ((), None, SECONDS * S)


def test_loss_on_one_path_is_placed_on_the_link_that_only_it_crosses(ready: Prepared) -> None:
    run = measured(ready, lost={"web→db": 3}, again={"web→db": 6})

    found = judge(run, ready, ["zscore"])

    assert found.domain is not None
    assert (found.domain.links, found.domain.kind) == (("north-south",), "loss")
    assert found.domain.affected_paths == ("web→db",)
    assert found.domain.affected_flows == ("web→db:5001",)
    assert {one.path for one in found.anomalies} == {"web→db"}
    assert (EVENT - 1) * S <= found.domain.onset_ns <= (EVENT + 2) * S
    assert found.domain.onset_ns < min(one.detected_ns for one in found.anomalies) < found.localised_ns


def test_delay_on_two_paths_is_placed_on_the_link_they_share(ready: Prepared) -> None:
    found = judge(measured(ready, slower_ms={"web→db": 6.0, "web→api": 6.0}), ready, ["zscore"])

    assert found.domain is not None
    assert (found.domain.links, found.domain.kind) == (("web-north",), "delay")
    assert found.domain.affected_paths == ("web→api", "web→db")


def test_what_a_sound_network_shows_under_the_same_demand_is_no_anomaly_and_more_than_that_is(ready: Prepared) -> None:
    run = measured(ready, slower_ms={"web→db": 6.0})
    swings = np.where(np.arange(SECONDS)[:, None] % 5 == 4, 8.0, 0.0) * np.ones(len(PATHS))
    sound = replace(run.paths, values={"latency_ms": 12 + swings})

    calm, loud = (judge(one, ready, ["zscore"], sound) for one in (run, measured(ready, slower_ms={"web→db": 60.0})))

    assert judge(run, ready, ["zscore"]).anomalies
    assert not calm.anomalies
    assert {one.path for one in loud.anomalies} == {"web→db"}


def test_what_gets_better_is_no_fault(ready: Prepared) -> None:
    found = judge(measured(ready, slower_ms={"web→db": -6.0, "web→api": -3.0}), ready, ["zscore"])

    assert (found.anomalies, found.domain) == ((), None)


def test_a_path_speaks_with_three_voices(ready: Prepared) -> None:
    run = measured(ready, lost={"web→db": 3}, again={"web→db": 6}, slower_ms={"web→db": 2.0})

    data, probes, answers = evidence_of(ready, run, "web→db", (EVENT, EVENT + 10))

    there = path_directions(ready.network, "web", "db")
    assert (data.directions, data.sent, data.lost) == (there, 10 * SEGMENTS, 60)
    assert np.isnan(data.excess_delay_ns)
    assert probes.directions == there
    assert (probes.sent, probes.lost, probes.affected) == (10 * PROBES, 30, True)
    assert probes.excess_delay_ns == pytest.approx(2_000_000, abs=50_000)
    assert 10_000 <= probes.delay_noise_ns < 50_000
    assert answers.directions == path_directions(ready.network, "db", "web")
    assert (answers.sent, answers.lost) == (10 * PROBES - 30, 0)
    assert answers.excess_delay_ns == pytest.approx(0, abs=50_000)


def test_more_retransmissions_than_segments_count_as_all_of_them(ready: Prepared) -> None:
    run = measured(ready, again={"web→db": 5 * SEGMENTS})

    data, *_ = evidence_of(ready, run, "web→db", (EVENT, EVENT + 10))

    assert data.lost == data.sent == 10 * SEGMENTS


def test_a_path_that_changed_its_way_speaks_for_the_new_way_from_then_on(ready: Prepared) -> None:
    around = path_directions(ready.network, "web", "db", avoid=frozenset({"north-south"}))
    run = measured(
        ready,
        lost={"web→db": 3},
        slower_ms={"web→db": 5.0},
        hops=(*shortest(ready), ((EVENT + 4) * S, "web→db", around)),
    )

    data, probes, _ = evidence_of(ready, run, "web→db", (EVENT, EVENT + 10))

    assert data.directions == around
    assert (probes.sent, probes.lost) == (6 * PROBES, 18)
    assert np.isnan(probes.excess_delay_ns)  # a longer way is not a slower link


def test_flows_that_are_spread_speak_each_for_its_own_way(ready: Prepared) -> None:
    there = path_directions(ready.network, "web", "db")
    around = path_directions(ready.network, "web", "db", avoid=frozenset({"north-south"}))
    first = next(flow for flow in ready.flows if (flow.source, flow.target) == ("web", "db"))
    names = (first.id, "second", "third", "untraced")
    more = replace(ready, flows=(*ready.flows, *(replace(first, id=name) for name in names[1:])))
    sent = np.full((SECONDS, 4), SEGMENTS)
    again = np.zeros_like(sent)
    again[EVENT:, 1] = 5
    moved = (EVENT + 4) * S
    run = replace(
        measured(ready, lost={"web→db": 3}),
        flow_hops=((0, names[0], there), (0, names[1], around), (0, names[2], there), (moved, names[2], around)),
        flow_counts=FlowCounts(flows=names, sent=sent, again=again),
    )

    *data, probes, answers = evidence_of(more, run, "web→db", (EVENT, EVENT + 10))

    assert {(one.directions, one.sent, one.lost) for one in data} == {
        (there, 10 * SEGMENTS, 0),
        (around, 16 * SEGMENTS, 50),
    }
    assert (probes.directions, answers.directions) == (there, path_directions(ready.network, "db", "web"))


def test_a_link_that_loses_what_it_always_lost_is_no_suspect(ready: Prepared) -> None:
    news = measured(ready, lost={"web→db": 3}, again={"web→db": 6})
    old = measured(ready, slower_ms={"web→api": 6.0})
    always = np.full((SECONDS, len(PATHS)), 3) * (np.array(PATHS) == "web→db")
    counts = replace(old.counts, segments_retransmitted=always)

    fresh = judge(news, ready, ["zscore"]).domain
    stale = judge(replace(old, counts=counts), ready, ["zscore"]).domain

    assert fresh is not None
    assert [one.fault for one in fresh.suspects] == ["loss"]
    assert stale is not None
    assert [one.fault for one in stale.suspects] == ["delay"]


def test_a_burst_that_fills_a_buffer_is_overload_and_the_same_loss_without_it_is_none(ready: Prepared) -> None:
    run = measured(ready, lost={"web→db": 3}, again={"web→db": 6})
    direction = Direction(link="north-south", source="north", target="south")
    impairment = ready.network.impairment(direction)
    assert impairment.rate_bps is not None
    buffer_ms = impairment.queue_packets * impairment.mtu * 8e3 / impairment.rate_bps
    late = (run.paths.times_ns > EVENT * S)[:, None]
    waits = run.paths.values["delay_there_max_ms"] + late * 0.8 * buffer_ms * (np.array(PATHS) == "web→db")
    load = replace(run.links, subjects=(str(direction),), values={"link_utilisation": np.where(late, 0.4, 0.05)})
    values = {**run.paths.values, "delay_there_max_ms": waits}

    burst = judge(replace(run, links=load, paths=replace(run.paths, values=values)), ready, ["zscore"]).domain
    grown = judge(replace(run, links=load), ready, ["zscore"]).domain

    assert burst is not None
    assert (burst.kind, burst.links) == ("overload", ("north-south",))
    assert grown is not None
    assert (grown.kind, grown.links) == ("loss", ("north-south",))


def test_routes_that_end_early_show_what_was_cut(ready: Prepared) -> None:
    whole = path_directions(ready.network, "web", "db")
    run = measured(ready, hops=(*shortest(ready), (EVENT * S, "web→db", whole[:1])))

    cut = Direction(link="north-south", source="north", target="south")
    assert cut_directions(run, 24 * S, 30 * S) == {cut: EVENT * S}
    assert cut_directions(run, 26 * S, 30 * S) == {}


def test_a_cut_that_none_of_its_own_paths_alerted_on_began_when_it_was_cut(ready: Prepared) -> None:
    whole = path_directions(ready.network, "web", "db")
    run = measured(ready, again={"web→db": 9}, hops=(*shortest(ready), ((EVENT + 2) * S, "web→db", whole[:1])))
    values = run.paths.values | {"latency_ms": run.paths.values["latency_ms"].copy()}
    values["latency_ms"][EVENT:, PATHS.index("api→db")] += 6.0
    del values["retransmission_share"]  # what is counted is evidence, and nobody's alert
    run = replace(run, paths=replace(run.paths, values=values))

    found = judge(run, ready, ["zscore"]).domain

    assert found is not None
    assert (found.links, found.onset_ns) == (("north-south",), (EVENT + 2) * S)


def test_a_run_that_recorded_no_routes_failed(ready: Prepared, tmp_path: Path) -> None:
    with RawFiles(str(tmp_path)):
        pass
    (tmp_path / "trace.jsonl").unlink()

    with pytest.raises(ShadowFailedError, match=r"the routes of the run cannot be read from .*trace\.jsonl"):
        measure(tmp_path, ready, SECONDS * S)


def test_where_flows_are_spread_each_is_traced_by_its_own_way(tmp_path: Path) -> None:
    ready = prepared(tmp_path)
    run = measured(ready, lost={"web→db": 3})
    found = judge(run, ready, ("panel",)).domain
    assert found is not None
    hit, other = found.suspects[0].directions[0], Direction(link="beside", source="x", target="y")
    spread = replace(found, affected_flows=("one", "two"))

    together = completed(spread, run, ())
    apart = completed(spread, replace(run, flow_hops=((0, "one", (hit,)), (0, "two", (other,)))), ())

    assert not any("traced by flow" in line for line in together.evidence)
    (line,) = (line for line in apart.evidence if "traced by flow" in line)
    assert "1 of the affected paths' 2 flows cross it" in line
    assert line.endswith(": one")
