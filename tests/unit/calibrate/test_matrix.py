"""What nobody recorded is estimated; demand grows as its kind grows; hosts tell of themselves."""

from __future__ import annotations

import pytest

from shadowlab.calibrate.instances import instance_values
from shadowlab.calibrate.matrix import filled_matrix
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


def test_a_host_that_says_how_long_it_serves_is_believed_and_others_stay_unknown() -> None:
    records = [record(at, host_service_time_ns=20_000_000, host_run_queue=3.0) for at in range(5)] + [record(9)]

    (one,) = instance_values(records, {"web": "web"})

    assert (one.node, one.service_time_ns.value, one.service_time_ns.samples) == ("web", 20_000_000, 5)
    assert one.concurrency.value == 3.0
    assert instance_values([record(0)], {"web": "web"}) == ()
