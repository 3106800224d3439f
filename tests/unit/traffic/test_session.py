"""Sessions: events in, commands out, compared as lists."""

from __future__ import annotations

import pytest

from shadowlab.model.flow import FlowSpec
from shadowlab.traffic.session import (
    GREEDY_CHUNK_BYTES,
    AwaitWritable,
    Connect,
    Drop,
    Finish,
    RetryAt,
    Session,
    TickAt,
    Write,
)

MS = 1_000_000
SECOND = 1_000 * MS


def paced(*, rate_bps: int = 800_000, size_bytes: int | None = None, phase_ns: int = 0) -> Session:
    spec = FlowSpec(id="f", source="a", target="b", flow_class="paced", rate_bps=rate_bps, size_bytes=size_bytes)
    return Session(spec, tick_ns=50 * MS, phase_ns=phase_ns)


def greedy(*, size_bytes: int | None = None) -> Session:
    return Session(FlowSpec(id="g", source="a", target="b", flow_class="greedy", size_bytes=size_bytes))


def test_a_paced_flow_connects_and_writes_what_each_tick_earns() -> None:
    session = paced(phase_ns=10 * MS)

    assert list(session.start(SECOND)) == [Connect(0), TickAt(SECOND + 10 * MS)]
    assert list(session.connected()) == []
    assert list(session.tick(SECOND + 10 * MS)) == [Write(1_000), TickAt(SECOND + 60 * MS)]
    assert list(session.wrote(1_000)) == []
    assert list(session.tick(SECOND + 60 * MS)) == [Write(5_000), TickAt(SECOND + 110 * MS)]


def test_fractions_of_a_byte_are_carried_not_lost() -> None:
    session = paced(rate_bps=1_000_003)
    session.start(0)
    session.connected()

    for tick in range(1, 20 * 8 + 1):
        for command in session.tick(tick * 50 * MS):
            if isinstance(command, Write):
                session.wrote(command.size)

    assert session.written_bytes == 1_000_003


def test_demand_during_the_handshake_is_sent_after_it() -> None:
    session = paced()
    session.start(0)

    assert list(session.tick(50 * MS)) == [TickAt(100 * MS)]
    assert list(session.connected()) == [Write(5_000)]


def test_what_tcp_does_not_take_is_kept_for_one_second_and_then_counted() -> None:
    session = paced()
    session.start(0)
    session.connected()

    for tick in range(1, 31):
        session.tick(tick * 50 * MS)
        session.wrote(0)

    assert session.backlog_bytes == 100_000
    assert session.unsent_bytes == 50_000


def test_scaling_changes_the_rate_against_the_specification_not_against_the_last_scale() -> None:
    session = paced()
    session.start(0)
    session.connected()

    session.scale(3.0)
    session.scale(2.0)

    assert list(session.tick(50 * MS)) == [Write(10_000), TickAt(100 * MS)]


def test_scaling_down_keeps_what_was_already_earned() -> None:
    session = paced()
    session.start(0)
    for tick in range(1, 11):
        session.tick(tick * 50 * MS)

    session.scale(0.1)
    session.tick(550 * MS)

    assert session.backlog_bytes == 50_000
    assert session.unsent_bytes == 500


@pytest.mark.parametrize("factor", [-0.1, -5.0])
def test_a_negative_scale_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="flow f: demand cannot be scaled by"):
        paced().scale(factor)


def test_a_finite_paced_flow_finishes_at_its_size_and_closes_when_the_target_has_all() -> None:
    session = paced(size_bytes=7_000)
    session.start(0)
    session.connected()

    assert list(session.tick(50 * MS)) == [Write(5_000), TickAt(100 * MS)]
    session.wrote(5_000)
    assert list(session.tick(100 * MS)) == [Write(2_000), TickAt(150 * MS)]
    assert list(session.wrote(2_000)) == [Finish()]
    assert list(session.tick(150 * MS)) == []
    assert list(session.ended(160 * MS)) == [Drop()]
    assert session.state == "closed"


def test_a_greedy_flow_writes_whenever_tcp_takes_bytes() -> None:
    session = greedy()

    assert list(session.start(0)) == [Connect(0)]
    assert list(session.connected()) == [AwaitWritable()]
    assert list(session.writable()) == [Write(GREEDY_CHUNK_BYTES)]
    assert list(session.wrote(1_000)) == []
    assert list(session.writable()) == [Write(GREEDY_CHUNK_BYTES)]


def test_a_finite_greedy_flow_offers_only_what_is_left() -> None:
    session = greedy(size_bytes=300_000)
    session.start(0)
    session.connected()
    session.writable()
    session.wrote(GREEDY_CHUNK_BYTES)

    assert list(session.writable()) == [Write(300_000 - GREEDY_CHUNK_BYTES)]
    assert list(session.wrote(300_000 - GREEDY_CHUNK_BYTES)) == [Finish()]


def test_a_failed_connection_is_tried_again_after_a_back_off_that_doubles() -> None:
    session = greedy()
    session.start(0)

    assert list(session.failed(0, "ECONNREFUSED")) == [Drop(), RetryAt(SECOND)]
    assert list(session.retry()) == [Connect(1)]
    assert list(session.failed(SECOND, "ECONNREFUSED")) == [Drop(), RetryAt(3 * SECOND)]
    assert session.failures == 2
    assert session.last_failure == "ECONNREFUSED"


def test_attempts_are_bounded() -> None:
    session = Session(FlowSpec(id="g", source="a", target="b", flow_class="greedy"), attempts=2)
    session.start(0)
    session.failed(0, "ETIMEDOUT")
    session.retry()

    assert list(session.failed(SECOND, "ETIMEDOUT")) == [Drop()]
    assert session.state == "failed"
    assert list(session.retry()) == []


def test_a_target_that_closes_early_is_a_failure() -> None:
    session = greedy()
    session.start(0)
    session.connected()

    assert list(session.ended(5)) == [Drop(), RetryAt(5 + SECOND)]
    assert session.last_failure == "closed by the target"


def test_a_connection_that_dies_while_finishing_is_finished_by_the_next_one() -> None:
    session = greedy(size_bytes=10)
    session.start(0)
    session.connected()
    session.writable()
    session.wrote(10)
    session.failed(0, "ECONNRESET")
    session.retry()

    assert list(session.connected()) == [Finish()]
    assert list(session.ended(1)) == [Drop()]


def test_a_receiver_limited_flow_needs_a_window() -> None:
    with pytest.raises(ValueError, match="flow r is receiver-limited but has no window"):
        FlowSpec(id="r", source="a", target="b", flow_class="receiver-limited")


def test_late_events_of_a_dead_connection_do_nothing() -> None:
    session = greedy()
    session.start(0)
    session.failed(0, "ECONNRESET")

    assert [*session.connected(), *session.writable(), *session.failed(0, "EPIPE"), *session.start(9)] == []
