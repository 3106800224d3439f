"""Figures over streams of any length: near enough, in bounded memory, and honest about what is odd."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.survey.sketch import EXACT_UP_TO, Distinct, Quantiles
from shadowlab.telemetry.survey.summary import Summarizer
from shadowlab.telemetry.survey.watch import CLOCK, FELL, FORGOTTEN, TWICE, Watch
from shadowlab.telemetry.tally import OTHER, REASONS_KEPT, Tally

S = 10**9


def record(at_s: int = 0, port: int = 1, **changed: Any) -> TcpRecord:
    fields: dict[str, Any] = {"instance": "web", "local_address": "10.0.0.1", "local_port": port}
    fields |= {"peer_address": "10.0.0.2", "peer_port": 2, "bytes_acked": 100 * at_s}
    return TcpRecord(at_ns=at_s * S, **(fields | changed))


@pytest.mark.parametrize("count", [0, 5, EXACT_UP_TO, 60_000])
def test_different_values_are_counted_exactly_at_first_and_nearly_later(count: int) -> None:
    distinct = Distinct()
    for number in range(count):
        distinct.add(number)
        distinct.add(number)

    assert distinct.exact == (count <= EXACT_UP_TO)
    assert abs(distinct.count() - count) <= (0 if distinct.exact else 0.05 * count)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200), st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_a_quantile_is_within_a_bin_of_the_true_one(values: list[int], share: float) -> None:
    quantiles = Quantiles()
    for value in values:
        quantiles.add(value)

    found, true = quantiles.at(share), sorted(values)[int(share * (len(values) - 1))]

    assert found == pytest.approx(true, rel=0.011)


def test_growth_is_summed_and_totals_are_not() -> None:
    watch = Watch()

    assert [watch.grown(record(at)).get("bytes_acked") for at in (10, 20, 25)] == [None, 1000, 500]
    assert watch.counts == {}


def test_an_intervals_counts_are_its_growth() -> None:
    assert Watch().grown(record(10, from_ns=5 * S))["bytes_acked"] == 1000


def test_what_is_odd_over_time_is_counted_and_its_first_places_are_kept() -> None:
    watch = Watch()
    for one in (record(10), record(20), record(20), record(15), record(30, bytes_acked=7), record(40)):
        watch.grown(one)

    assert watch.counts == {TWICE: 1, CLOCK: 1, FELL: 1}
    assert watch.places[FELL][0].startswith("record 5, web, 10.0.0.1:1 → 10.0.0.2:2: bytes_acked from 1500 to 7")
    assert watch.places[CLOCK] == ["record 4, web, 10.0.0.1:1 → 10.0.0.2:2: by 5 s"]


def test_of_too_many_connections_the_longest_unseen_is_forgotten() -> None:
    watch = Watch(most_connections=2)
    for port in (1, 2, 3):
        watch.grown(record(1, port))

    assert watch.counts == {FORGOTTEN: 1}
    assert watch.grown(record(2, 1)) == {}
    assert watch.grown(record(2, 3))["bytes_acked"] == 100


def test_a_summary_says_what_is_known_and_of_how_many_records() -> None:
    summarizer = Summarizer()
    for one in (record(1, srtt_ns=5), record(2, srtt_ns=None, bytes_acked=None), record(3, port=9, scope="pair")):
        summarizer.add(one)

    summary = summarizer.result()

    assert (summary.records, summary.connections, summary.instances, summary.first_ns) == (3, 2, 1, S)
    assert summary.known == {"bytes_acked": 2, "srtt_ns": 1}
    assert (summary.srtt_ns.records, summary.min_rtt_ns.p50) == (1, None)
    assert summary.by_scope == {"connection": 2, "pair": 1}


def test_a_tally_keeps_few_reasons_however_many_there_are() -> None:
    tally = Tally("x")
    for number in range(1000):
        tally.pass_over(f"reason {number}")

    assert len(tally.passed_over) == REASONS_KEPT + 1
    assert tally.passed_over[OTHER] == 1000 - REASONS_KEPT
