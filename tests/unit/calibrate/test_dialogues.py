"""Connections whose ends wait for each other: what their records tell of it, and what they do not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.calibrate.dialogues import MOST_VALUES, weighted
from shadowlab.model.flow import FlowSpec
from shadowlab.model.telemetry import TcpRecord
from shadowlab.model.traffic.workload import Requests
from tests.unit.calibrate.test_demand import STANDING, Seen, demand, end, record

MS = 10**6


def answering(at_s: float, exchanges: int, busy_s: float, *, answer: int = 12_000, **fields: Any) -> TcpRecord:
    """A server (by its port the sender here) that has answered so many questions of 300 bytes."""
    counted = {
        "bytes_acked": exchanges * answer,
        "bytes_received": exchanges * 300,
        "data_segments_in": exchanges,
        "busy_ns": round(busy_s * 1e9),
        "rwnd_limited_ns": 0,
        "sndbuf_limited_ns": 0,
        "min_rtt_ns": 20 * MS,
        "srtt_ns": 25 * MS,
        "app_limited": True,
        "not_sent_bytes": 0,
    }
    return record(at_s, **(counted | fields))


def one_flow(*records: TcpRecord) -> FlowSpec:
    (flow,) = demand(Seen(records, source_port=5432, target_port=40_000, source="db", target="web")).flows
    return flow


def test_a_server_that_answers_small_questions_waits_for_them() -> None:
    flow = one_flow(answering(0, 0, 0), answering(10, 100, 2.5))

    assert flow.flow_class == "request-response"
    assert flow.dialogue is not None
    assert flow.dialogue.asker == "target"
    assert (flow.dialogue.there.mean(), flow.dialogue.back.mean()) == (12_000, 300)
    assert flow.dialogue.think_ns.mean() == pytest.approx(75 * MS)  # 100 ms each, 25 of them with data in flight
    assert "100 exchanges of 12000 bytes there and 300 back, 75 ms between them" in flow.evidence


def test_what_an_interval_had_is_kept_apart_and_weighs_as_many_exchanges() -> None:
    flow = one_flow(
        answering(0, 0, 0), answering(10, 90, 1.8), answering(20, 90, 1.8), answering(30, 100, 2.0, answer=12_900)
    )

    assert flow.dialogue is not None
    assert flow.dialogue.there.mean() * 100 == pytest.approx(1_290_000)
    assert flow.dialogue.there.quantile(0.5) == 12_000
    assert flow.dialogue.there.quantile(0.95) == 21_000
    assert flow.dialogue.think_ns.mean() * 100 == pytest.approx(28e9)  # the silent interval is of the next exchanges


@pytest.mark.parametrize(
    ("why", "records"),
    [
        ("faster than the round trip", (answering(0, 0, 0), answering(1, 100, 0.1))),
        ("too few", (answering(0, 0, 0), answering(10, 3, 0.1))),
        ("large messages both ways", (answering(0, 0, 0), answering(10, 100, 2.5, bytes_received=100_000))),
        ("nobody counted segments", (answering(0, 0, 0), answering(10, 100, 2.5, data_segments_in=None))),
        (
            "limited by the network",
            (answering(0, 0, 0), answering(10, 100, 10, app_limited=False, not_sent_bytes=10**5)),
        ),
    ],
)
def test_a_stream_with_something_small_coming_back_stays_one(why: str, records: tuple[TcpRecord, ...]) -> None:
    assert one_flow(*records).dialogue is None


def test_sizes_are_divided_by_the_scale_and_the_time_to_think_is_kept() -> None:
    seen = Seen((answering(0, 0, 0), answering(10, 100, 2.5)), source_port=5432, target_port=40_000)

    (flow,) = demand(seen, telemetry_scale=10).flows

    assert flow.dialogue is not None
    assert (flow.dialogue.there.mean(), flow.dialogue.back.mean()) == (1_200, 30)
    assert flow.dialogue.think_ns.mean() == pytest.approx(75 * MS)


def test_short_connections_with_bytes_both_ways_are_requests_of_the_client() -> None:
    short = [
        Seen(
            (end(5 + port / 10, bytes_sent=9_000, bytes_retransmitted=0, bytes_received=400),),
            source="db",
            target="web",
            source_port=5432,
            target_port=40_000 + port,
        )
        for port in (1, 2, 3)
    ]

    (workload,) = demand(STANDING, *short).workloads

    assert isinstance(workload, Requests)
    assert (workload.clients, workload.servers, workload.requests_per_connection) == (("web",), ("db",), 1)
    assert (workload.request.mean(), workload.response.mean()) == (400, 9_000)


@given(st.lists(st.tuples(st.floats(0, 1e9), st.integers(1, 1000)), min_size=1, max_size=200))
def test_putting_values_together_keeps_their_mean(values: list[tuple[float, int]]) -> None:
    found = weighted(values)

    whole = sum(weight for _, weight in values)
    mean = sum(value * weight for value, weight in values) / whole
    assert found.mean() == pytest.approx(mean, rel=1e-9, abs=1e-3)
    assert len(found.points) <= 2 * MOST_VALUES
