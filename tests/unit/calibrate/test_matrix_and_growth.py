"""What nobody recorded is estimated; demand grows as its kind grows; hosts tell of themselves."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowlab.calibrate.growth import grown
from shadowlab.calibrate.instances import instance_values
from shadowlab.calibrate.matrix import filled_matrix
from shadowlab.model.flow import FlowSpec, Phase
from tests.unit.calibrate.test_demand import record

HOSTS = ("a", "b", "c", "d")
SEND = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 5.0}
RECEIVE = {"a": 100.0, "b": 700.0, "c": 200.0, "d": 400.0}
TRUTH = {(one, other): SEND[one] * RECEIVE[other] for one in HOSTS for other in HOSTS if one != other}


def test_gravity_fills_the_cells_that_two_silent_instances_leave_open() -> None:
    silent = ("c", "d")
    seen = {pair: rate for pair, rate in TRUTH.items() if not set(pair) <= set(silent)}

    entries = filled_matrix(HOSTS, seen, silent, {}, {})

    rates = {(one.source, one.target): one for one in entries}
    assert rates["c", "d"].rate_bps == pytest.approx(TRUTH["c", "d"], rel=1e-3)
    assert rates["d", "c"].standing == "prior"
    assert {rates[pair].standing for pair in seen} == {"measured"}


def test_a_link_known_to_carry_more_than_gravity_says_scales_the_unseen_only() -> None:
    seen = {pair: rate for pair, rate in TRUTH.items() if not set(pair) <= {"c", "d"}}

    entries = filled_matrix(HOSTS, seen, ("c", "d"), {("c", "d"): {7: 1.0}}, {7: 5000.0})

    rates = {(one.source, one.target): one.rate_bps for one in entries}
    assert rates["c", "d"] == pytest.approx(5000.0)
    assert rates["d", "c"] == pytest.approx(TRUTH["d", "c"], rel=1e-3)
    assert all(rates[pair] == rate for pair, rate in seen.items())


def test_no_traffic_makes_no_matrix() -> None:
    assert filled_matrix(HOSTS, {}, ("c", "d"), {}, {}) == ()


def flow(name: str, kind: str = "greedy", rate: int | None = None, **more: object) -> FlowSpec:
    return FlowSpec(id=name, source="a", target="b", flow_class=kind, rate_bps=rate, **more)  # type: ignore[arg-type]


def test_paced_flows_grow_in_rate_and_greedy_ones_in_number() -> None:
    shape = (Phase(duration_ns=10, rate_bps=2000), Phase(duration_ns=10, rate_bps=0))
    flows = (flow("p", "paced", 1000, pattern=shape), flow("g"))

    more = grown(flows, 2.0)

    assert [one.id for one in more] == ["p", "g", "g*2"]
    assert more[0].rate_bps == 2000
    assert [one.rate_bps for one in more[0].pattern] == [4000, 0]


@settings(max_examples=50)
@given(count=st.integers(1, 40), factor=st.floats(0.05, 5))
def test_the_number_of_elastic_flows_grows_by_the_factor_and_names_stay_apart(count: int, factor: float) -> None:
    more = grown([flow(f"g{one}") for one in range(count)], factor)

    assert abs(len(more) - count * factor) < 1
    assert max(Counter(one.id for one in more).values(), default=1) == 1


def test_elastic_flows_may_grow_in_bytes_instead() -> None:
    more = grown([flow("g", size_bytes=1000), flow("endless")], 1.5, elastic="bytes")

    assert [one.size_bytes for one in more] == [1500, None]


@pytest.mark.parametrize("factor", [0.0, -1.0, float("inf")])
def test_growth_by_nothing_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        grown([flow("g")], factor)


def test_a_host_that_says_how_long_it_serves_is_believed_and_others_stay_unknown() -> None:
    records = [record(at, host_service_time_ns=20_000_000, host_run_queue=3.0) for at in range(5)] + [record(9)]

    (one,) = instance_values(records, {"web": "web"})

    assert (one.node, one.service_time_ns.value, one.service_time_ns.samples) == ("web", 20_000_000, 5)
    assert one.concurrency.value == 3.0
    assert instance_values([record(0)], {"web": "web"}) == ()
