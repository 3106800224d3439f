"""What a flow offers holds for its own SYN and for nobody else's."""

from __future__ import annotations

import pytest

from shadowlab.kernel.fake import FakeSegment
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.traffic.handshake import ECN, OFFERS, Handshakes, differences
from shadowlab.traffic.slow_reader import SlowReader
from shadowlab.wire.tcp_info import TcpInfo


@pytest.fixture
def segment() -> FakeSegment:
    segment = FakeSegment()
    segment.create_namespace("a")
    return segment


def test_settings_are_the_flows_inside_and_the_nodes_again_afterwards(segment: FakeSegment) -> None:
    handshakes = Handshakes(segment)

    with handshakes.offering("a", TcpOptions(sack=False, ecn=True)):
        inside = [segment.read_sysctl("a", key) for key in (OFFERS["sack"], OFFERS["timestamps"], ECN)]

    assert inside == ["0", "1", "1"]
    assert [segment.read_sysctl("a", key) for key in (OFFERS["sack"], ECN)] == ["1", "2"]


def test_settings_are_the_nodes_again_after_a_failure(segment: FakeSegment) -> None:
    with pytest.raises(OSError, match="boom"), Handshakes(segment).offering("a", TcpOptions(timestamps=False)):
        raise OSError("boom")

    assert segment.read_sysctl("a", OFFERS["timestamps"]) == "1"


def test_what_is_held_otherwise_is_told_and_what_nobody_wished_is_not() -> None:
    info = TcpInfo(options=1 | 8, snd_mss=1448, snd_cwnd=10)

    assert differences(TcpOptions(), info) == ()
    assert differences(TcpOptions(mss=1448, ecn=True, timestamps=True, initial_cwnd_segments=10), info) == ()
    assert differences(TcpOptions(mss=1400, sack=True, ecn=False, initial_cwnd_segments=4), info) == (
        "mss 1400, holds 1448",
        "initial_cwnd_segments 4, holds 10",
        "ecn off, holds on",
        "sack on, holds off",
    )


def test_a_slow_reader_takes_its_rate_and_loses_no_fraction() -> None:
    reader = SlowReader(1_000_003, 0)

    assert sum(reader.take(turn * 20_000_000) for turn in range(1, 401)) == 1_000_003
