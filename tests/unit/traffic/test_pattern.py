"""A recorded shape, repeated: what is earned between two moments does not depend on where one looks in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.flow import FlowSpec, Phase
from shadowlab.traffic.pattern import Pattern
from shadowlab.traffic.session import BURST_BYTES, Session, TickAt, Write, tick_of

MS = 1_000_000
SECOND = 1_000 * MS
PHASES = st.lists(st.builds(Phase, duration_ns=st.integers(1, 10**9), rate_bps=st.integers(0, 10**9)), min_size=1)


def paced(rate_bps: int, *phases: tuple[int, int]) -> FlowSpec:
    pattern = tuple(Phase(duration_ns=duration_ns, rate_bps=rate) for duration_ns, rate in phases)
    return FlowSpec(id="p", source="a", target="b", flow_class="paced", rate_bps=rate_bps, pattern=pattern)


@given(PHASES, st.integers(0, 10**9), st.lists(st.integers(0, 10**11), min_size=3, max_size=3))
def test_earnings_add_up(phases: list[Phase], begin_ns: int, moments: list[int]) -> None:
    pattern = Pattern(phases, begin_ns)
    first, middle, last = sorted(begin_ns + one for one in moments)

    assert pattern.earned(first, middle) + pattern.earned(middle, last) == pattern.earned(first, last)


@given(PHASES, st.integers(0, 5 * 10**9))
def test_it_goes_on_when_something_is_earned_and_not_before(phases: list[Phase], now_ns: int) -> None:
    pattern = Pattern(phases, 0)
    goes_on_ns = pattern.goes_on_ns(now_ns)

    if goes_on_ns is None:
        assert not any(one.rate_bps for one in phases)
    else:
        assert pattern.earned(now_ns, goes_on_ns) == 0
        assert pattern.earned(goes_on_ns, goes_on_ns + 1) > 0


def test_a_period_of_any_pattern_earns_its_mean() -> None:
    pattern = Pattern(paced(2_000_000, (SECOND, 4_000_000), (SECOND, 0)).pattern, 7)

    assert pattern.earned(7, 7 + 20 * SECOND) == 20 * SECOND * 2_000_000


def test_nothing_ticks_while_a_pattern_is_off_and_nothing_is_held() -> None:
    session = Session(paced(400_000, (100 * MS, 800_000), (1_000 * MS, 0)), phase_ns=20 * MS)
    session.start(0)
    session.connected()

    def tick(at_ns: int) -> list[object]:
        commands = session.tick(at_ns)
        for command in commands:
            if isinstance(command, Write):
                session.wrote(command.size)
        return list(commands)

    assert tick(20 * MS) == [Write(2_000), TickAt(70 * MS)]
    assert tick(70 * MS) == [Write(5_000), TickAt(120 * MS)]
    assert tick(120 * MS) == [Write(3_000), TickAt(170 * MS)]
    assert tick(170 * MS) == [TickAt(1_120 * MS)]
    assert tick(1_120 * MS) == [Write(2_000), TickAt(1_170 * MS)]


def test_a_very_slow_writer_waits_for_a_whole_segment_at_most_a_second() -> None:
    assert tick_of(paced(58_000)) == 50 * MS
    assert tick_of(paced(57_000)) == 500 * MS
    assert tick_of(paced(12_000)) == 1000 * MS
    assert tick_of(paced(1_000)) == 1000 * MS


def test_a_fast_writer_ticks_more_often_than_a_slow_one() -> None:
    assert tick_of(paced(1_000_000)) == 50 * MS
    assert tick_of(paced(10_000_000)) == 10 * MS
    assert 10_000_000 * tick_of(paced(10_000_000)) / 8e9 <= BURST_BYTES
    assert tick_of(paced(1_000_000, (SECOND, 0), (SECOND, 50_000_000))) == 2 * MS
